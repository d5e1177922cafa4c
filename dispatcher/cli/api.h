/*
 * api.h - questions to a dispatcher, and its answers as JSON.
 *
 * The dispatchers of PIXELFLEET_DISPATCHER_URL are tried in turn, from the one that answered
 * last, until one answers that is able to work. An answer that says no fills *err with its
 * message, c->code with the exit status it means and c->problems with its list, if any.
 */
#ifndef CLI_API_H
#define CLI_API_H

#include "cli.h"

/* `path` from the slash on, with its query. body may be NULL; without a method: GET, or POST of a body. */
int cli_call(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret, struct err *err) must_use;
int cli_get(struct cli *c, json_t **ret, struct err *err, const char *path_fmt, ...) must_use printf_like(4, 5);

/* The stream of events of one job, given to on_data as it comes, for timeout_s at most. *ret_status is 0 when
 * nobody could be reached. */
void cli_stream(struct cli *c, const char *job, unsigned timeout_s, const volatile bool *stop,
	bool (*on_data)(void *arg, const char *bytes, size_t n), void *arg, unsigned *ret_status);

/* `text` as one part of a path or query: everything but A-Z a-z 0-9 - . _ ~ as %XX. The caller frees it. */
char *cli_url_part(const char *text);
/* The n-th of a comma separated list of addresses, without blanks and slashes at its end; NULL: there are
 * fewer. The caller frees it. */
char *cli_url_nth(const char *list, size_t n);

#endif
