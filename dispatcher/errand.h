/*
 * errand.h - a request that waits for the ledger, without holding a thread.
 *
 *	op->job = ...;
 *	errand_run(req, &op, 1, finish);        // and return
 *
 *	static void finish(struct request *req)
 *	{
 *		const struct op *op = errand_op(req->errand, 0);
 *		...answer
 *	}
 *
 * When the ledger takes longer than 45 s, or the server stops, 503 is answered and `then` is
 * never called; the operations themselves still run to their end.
 */
#ifndef ERRAND_H
#define ERRAND_H

#include "request.h"

/* Takes the operations. `then` runs on a server thread when all of them are done. */
void errand_run(struct request *req, struct op **ops, size_t n, void (*then)(struct request *req));
size_t errand_count(const struct errand *e);
struct op *errand_op(const struct errand *e, size_t i);

/* Answers 503 for those over their time; with `all`, for all. */
void errands_expire(bool all);
/* Of a request that ends; NULL is fine. */
void errand_drop(struct errand *e);

#endif
