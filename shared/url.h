/*
 * url.h - the URLs that people give: http or https, a host, and no user or password in them.
 *
 * A password would end in logs, messages and dead letters, and "http://good.example@127.0.0.1/"
 * reads like another host than it is. Where an address may lead is not judged here but when it is
 * connected to (httpc.h).
 */
#ifndef URL_H
#define URL_H

#include "base.h"

bool url_is_http(const char *text);

/* NULL, or what is allowed instead. */
const char *url_problem(const char *url);

/* The URL for a message: without what stands before an @ of its host. At most `size` bytes. */
const char *url_shown(const char *url, char *ret, size_t size);

#endif
