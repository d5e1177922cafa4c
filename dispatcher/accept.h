/*
 * accept.h - what intake has taken becomes a job, or a letter to people: each once, however often it is tried.
 */
#ifndef ACCEPT_H
#define ACCEPT_H

#include "dispatcher.h"
#include "origin.h"
#include "pg.h"
#include "redis.h"

/* OP_ACCEPT, or OP_REFUSE with the problems; NULL: a message that asks for nothing. `from` is NULL for submissions of
 * pixelfleet:jobs. take_text: len bytes on the heap, and a NUL behind them. */
struct op *accept_read(struct dispatcher *d, const struct origin *from, const char *id, char *take_text, size_t len);

/* Looks up the pipelines that are named in them, each name once; which there are none of become refusals.
 * -1: the database did not answer. */
int accept_resolve(struct dispatcher *d, struct pg *pg, struct op **ops, size_t n, struct err *err) must_use;

/* The ledger could not do it, and shall try again. */
bool accept_is_undone(const struct op *op);

/* After the ledger: out of the hash `taken`. What could not be accepted is refused. -1: something is undone, or Redis did
 * not answer; the same call is made again when the ledger has tried again. All of it is idempotent. */
int accept_settle(struct dispatcher *d, struct redis *redis, const char *taken, struct op **ops, size_t n, struct err *err) must_use;

/* An entry of the hash that no dispatcher wrote: it is refused under an id of its own, lest it be tried for ever. */
int accept_foreign(struct dispatcher *d, struct redis *redis, const char *taken, const redisReply *field, const redisReply *value,
	struct err *err) must_use;

/* Out of the hash, as there is nothing to do. */
int accept_forget(struct redis *redis, const char *taken, const char **ids, size_t n, struct err *err) must_use;

#endif
