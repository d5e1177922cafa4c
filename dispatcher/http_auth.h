/*
 * http_auth.h - who may ask.
 *
 * Workers show the internal token, people and programs an API token. Only hashes (BLAKE2b-256)
 * are kept, and those are compared in constant time, all of them each time. Without API tokens
 * the server listens on loopback only, and answers only what a program on this machine sends:
 * a web page that reaches loopback through the browser is refused by its Host or Origin.
 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include "conf.h"

#define AUTH_TOKEN_MIN   32
#define AUTH_TOKENS_MAX  1000

struct sockaddr;
struct auth_hash { uint8_t bytes[32]; };

struct auth {
	struct auth_hash *api;
	size_t napi;            /* 0: API routes are open */
	struct auth_hash internal[2];
	size_t ninternal;
};

/* Reads PIXELFLEET_API_TOKENS_FILE: a token a line; empty lines and lines that begin with "# " are skipped. */
int auth_init(struct auth *ret, const struct conf *conf, struct err *err) must_use;
void auth_done(struct auth *a);

/* Headers as they came; NULL: not sent. */
bool auth_api(const struct auth *a, const char *authorization, const char *x_api_token);
bool auth_internal(const struct auth *a, const char *x_internal_token);

/* Whether a request to an open API comes from this machine's own programs. */
bool auth_is_local(const char *host, const char *origin, const char *fetch_site);

/* -1 unless the address is loopback or there are API tokens. */
int auth_check_listen(const struct auth *a, const struct sockaddr *address, const char *text, struct err *err) must_use;

#endif
