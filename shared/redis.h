/*
 * redis.h - one connection to Redis, used by one thread at a time.
 *
 *	struct redis r;
 *	redis_init(&r, conf->redis_url);
 *	if (redis_command(&r, &reply, err, "LLEN %s", key) < 0)
 *		...                             // the connection is closed; the next call reconnects
 *
 * Connecting is lazy. Any failure of the connection closes it and is ERR_RETRY; an error
 * answer (WRONGTYPE, OOM ...) leaves it open and is ERR_REJECT. `connects` counts the
 * connections made, so a caller can see that it changed and check what it holds.
 * Pipelining: redis_append() any number of commands, then redis_reply() as often.
 */
#ifndef REDIS_H
#define REDIS_H

#include "err.h"

#include <hiredis/hiredis.h>

struct redis {
	char *url;
	redisContext *ctx;      /* NULL: not connected */
	unsigned connects;
	unsigned timeout_ms;    /* for each reply; 5000 unless changed before the first use */
	char run_id[64];        /* of the server, read at each connect */
	unsigned owed;          /* replies of appended commands that were not yet read */
};

DEFINE_SCOPED(redisReply *, freeReplyObject)

void redis_init(struct redis *r, const char *url);
void redis_done(struct redis *r);
void redis_close(struct redis *r);              /* the next call reconnects */
int redis_connect(struct redis *r, struct err *err) must_use;   /* no-op when connected */

/* `ret` may be NULL. printf-like as hiredis: %s, %b (bytes, size_t), no spaces inside words. */
int redis_command(struct redis *r, redisReply **ret, struct err *err, const char *fmt, ...) must_use;
int redis_append(struct redis *r, struct err *err, const char *fmt, ...) must_use;
int redis_append_argv(struct redis *r, int argc, const char **argv, const size_t *lens, struct err *err) must_use;
int redis_reply(struct redis *r, redisReply **ret, struct err *err) must_use;

/* Scripts are the files of shared/lua/, by name without ".lua". EVALSHA, and EVAL when the
 * server does not know it. Keys first, then arguments; lens may be NULL (strings). */
int redis_script(struct redis *r, const char *name, int nkeys, int argc, const char **argv, const size_t *lens,
	redisReply **ret, struct err *err) must_use;

/* The same as part of a pipeline: its answer is read with redis_reply(). A server that does not know the script says so
 * (NOSCRIPT), and redis_script() makes it known. */
int redis_script_append(struct redis *r, const char *name, int nkeys, int argc, const char **argv, const size_t *lens,
	struct err *err) must_use;

#endif
