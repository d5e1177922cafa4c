/*
 * sync.h - mutexes and conditions that cannot fail, and waits on the monotonic clock.
 *
 *	scoped_lock(&lane->lock);       // until the end of the block
 */
#ifndef SYNC_H
#define SYNC_H

#include "base.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static inline void lock(pthread_mutex_t *m)
{
	must(pthread_mutex_lock(m) == 0);
}

static inline void unlock(pthread_mutex_t *m)
{
	must(pthread_mutex_unlock(m) == 0);
}

static inline pthread_mutex_t *lock_it(pthread_mutex_t *m)
{
	lock(m);
	return m;
}

DEFINE_SCOPED(pthread_mutex_t *, unlock)
#define scoped_lock(m) scoped(unlock_p) pthread_mutex_t *locked_here __attribute__((unused)) = lock_it(m)

static inline void mutex_init(pthread_mutex_t *m)
{
	must(pthread_mutex_init(m, NULL) == 0);
}

static inline void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t a;

	must(pthread_condattr_init(&a) == 0);
	must(pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(c, &a) == 0);
	pthread_condattr_destroy(&a);
}

/* Until signalled, or clock_mono_ms() reaches until_ms, or for no reason at all. */
static inline void cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t until_ms)
{
	struct timespec t = { .tv_sec = until_ms / 1000, .tv_nsec = (long)(until_ms % 1000) * 1000000 };
	int rc = pthread_cond_timedwait(c, m, &t);

	must(rc == 0 || rc == ETIMEDOUT);
}

static inline void cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	must(pthread_cond_wait(c, m) == 0);
}

/* Flags and counters that several threads touch outside any lock. */
#define peek(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define poke(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define bump(p, v)  __atomic_add_fetch((p), (v), __ATOMIC_ACQ_REL)

#endif
