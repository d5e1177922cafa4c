/*
 * deadletter.h - steps that failed for good, as people read them.
 *
 * PostgreSQL holds them (table dead_letter); the lists pixelfleet:dlq:<queue> are made from it.
 * Letter: {"job","step","item","tool","queue","error":{"kind","message"},"attempts":[{"attempt","at","worker",
 * "error","ms","peak_rss_kb","signal"?}],"failed_at","task":<envelope>}. The same letter is always made of the
 * same bytes, and no two of one list begin alike up to "tool".
 */
#ifndef DEADLETTER_H
#define DEADLETTER_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"
#include "work.h"

struct letter {
	char job[37];
	int ordinal;
	char *queue;
	char *begins;           /* {"job":"...","step":"...","item":0, */
	char *text;
	char *task;             /* the envelope in it; with `params` of a retry when these were given */
};

struct letters {
	struct letter *list;
	size_t n;
};

void letters_free(struct letters *l);

/* The letters of these instances of jobs in the set (loaded here if they are not). Those without a row are left out. */
int letters_build(struct dispatcher *d, struct pg *pg, struct work *w, const struct want *which, size_t n, struct letters *ret,
	struct err *err) must_use;

/* Puts them at the head of their lists, cut to PIXELFLEET_DLQ_MAX. `again`: unless they are there. What somebody else
 * revived or discarded meanwhile does not stay there. */
int letters_push(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct letters *l, bool again, struct err *err) must_use;
/* Takes them out of their lists. */
int letters_take(struct redis *redis, const struct letters *l, struct err *err) must_use;

struct deadletter_filter {
	const char *queue;
	const char *job, *step, *tool;          /* NULL: any */
	bool all;                               /* must be set when job, step and tool are NULL */
};

/* The texts of letters, newest first, as JSON list "[...]"; *ret_total is how many there are. */
int deadletter_list(struct dispatcher *d, struct pg *pg, const char *queue, int limit, int offset,
	struct buf *to, int64_t *ret_total, struct err *err) must_use;

/* Puts every letter that matches at the head of its queue, and takes it out of the list. With params
 * (may be NULL) these replace the step's, after they were checked. Returns how many in *ret_n. */
int deadletter_retry(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct deadletter_filter *f,
	const json_t *params, json_t *problems, int64_t *ret_n, struct err *err) must_use;
int deadletter_discard(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct deadletter_filter *f,
	int64_t *ret_n, struct err *err) must_use;

/* Bytes that may be anything as a JSON string: what is not UTF-8 is shown as \xNN. */
json_t *bytes_readable(const char *bytes, size_t len);

/* One submission that could not be accepted, as it is listed in pixelfleet:dlq:jobs: {"id","at","error":{"message",
 * "problems"},"submission"}; instead of a very long submission, its "bytes" and "head". */
void refusal_text(const char *id, const char *at, const char *submission, size_t len, const json_t *problems, struct buf *to);

#endif
