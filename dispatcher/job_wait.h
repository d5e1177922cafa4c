/*
 * job_wait.h - a request that waits for the end of a job, without holding a thread.
 *
 *	uuid_new(id);
 *	job_wait_begin(req, id, finish);        // before the job is handed in: its end cannot be missed
 *	...the job is accepted...
 *	job_wait(req, 60);                      // and return
 *
 *	static void finish(struct request *req)
 *	{
 *		if (!job_wait_is_over(req))     // the time is over, or the server stops
 *		...answer
 *	}
 *
 * Who hears of an end tells it: this process's ledger at once, another's by its message (events.c), and both
 * being silent, PostgreSQL is asked every second.
 */
#ifndef JOB_WAIT_H
#define JOB_WAIT_H

#include "request.h"

struct job_wait;

void job_wait_begin(struct request *req, const char *job, void (*then)(struct request *req));
/* On a server thread, once. */
void job_wait(struct request *req, unsigned seconds);
bool job_wait_is_over(const struct request *req);
const char *job_wait_id(const struct request *req);
/* Of a request that ends; NULL is fine. */
void job_wait_drop(struct job_wait *w);

void job_waits_told(const char *job);
/* Somebody waits, or did in the last minute: it is worth listening. */
bool job_waits_listen(void);
void job_waits_ask(struct pg *pg);
/* Lets those go on whose time is over; with `all`, all. */
void job_waits_expire(bool all);

#endif
