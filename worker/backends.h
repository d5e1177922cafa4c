/*
 * backends.h - which backends are known not to answer, so that a task that needs one is handed
 * back at once instead of waiting for it with a slot.
 *
 * A backend is what a step talks to and cannot do without: "triton" (the server at
 * PIXELFLEET_TRITON_URL) or "callback:HOST:PORT". Dispatchers count faults and open and close the circuits
 * (dispatcher/breaker.h); the answer to each heartbeat lists the open ones (pulse.c).
 *
 * A tool tells whose fault a failure was in its result:
 *
 *	backend_named(ret->backend, "triton");          // set before returning -1 with ERR_RETRY: could not be reached,
 *	                                                // or says that it is not available now
 * and who answered, on success, in the same member; or with ret->backend_answered on a failure that is the step's own.
 * A task with is_probe runs whatever is known here; it should find out soon: ask for the health before the work.
 */
#ifndef BACKENDS_H
#define BACKENDS_H

#include "task.h"

#include <pthread.h>

#define BACKEND_MAX 128                 /* room for a name, as in struct task_result */

struct backends {
	pthread_mutex_t lock;
	struct open_backend {
		char name[BACKEND_MAX], why[300];
	} *open;
	size_t n, cap;
	size_t count;                   /* atomic: n, to be looked at without the lock */
};

void backends_init(struct backends *b);
void backends_done(struct backends *b);

/* What the dispatchers say now: a list of the objects at pixelfleet:breaker:<backend>. */
void backends_told(struct backends *b, const json_t *list);

bool backends_any_open(const struct backends *b);
/* Whether the circuit is open; then `why` says since when and what was wrong. */
bool backends_is_open(struct backends *b, const char *name, char *why, size_t n);

/* The backend that a task needs, as far as its parameters and api_base_url (API_BASE_URL) tell; false: none. */
bool backend_of_task(const struct task *t, const char *api_base_url, char ret[BACKEND_MAX]);
/* "callback:HOST:PORT"; false: no such URL, or a host name of unheard-of length. */
bool backend_of_callback(const char *url, char ret[BACKEND_MAX]);
void backend_named(char to[BACKEND_MAX], const char *name);

#endif
