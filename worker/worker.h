/*
 * worker.h - one worker process: lanes of claimed tasks, their slots, and the threads around.
 *
 *	claimer (one a lane)  Redis -> lane             claim.h
 *	slot (some a lane)    lane -> run -> reporter   slot.h
 *	reporter              -> dispatcher, -> Redis   reporter.h
 *	pulse                 heartbeat, selfcheck, watchdog
 *	control               what dispatchers broadcast: cancel
 *
 * What is in pixelfleet:running:<worker> is in `held`, and the other way round, but for the
 * moments in between, which selfcheck.h is about.
 *
 * Locks are taken in this order: running_lock, the held set's, a lane's, the reporter's.
 */
#ifndef WORKER_H
#define WORKER_H

#include "backends.h"
#include "conf.h"
#include "held.h"
#include "lane.h"
#include "inference.h"
#include "memory_budget.h"
#include "progress.h"
#include "reporter.h"
#include "seal.h"
#include "store.h"
#include "syncer.h"

#include <sys/types.h>

#define WORKER_NAME 128

struct recent_cancels {         /* see control_was_cancelled() */
	pthread_mutex_t lock;
	struct {
		char job[37], before[32];
	} jobs[64];
	unsigned next;
	int64_t until_ms;       /* atomic: remembered that long; 0: none */
};

struct claimer;
struct slot;

struct worker {
	const struct conf *conf;
	char name[WORKER_NAME];         /* <host>-<pid>-<6 hex>, unique for each start */
	char host[64];
	int64_t started_us;
	char *running_key;              /* pixelfleet:running:<worker> */
	struct sealer sealer;
	struct store store;
	struct held_set held;
	pthread_mutex_t running_lock;   /* for taking out of `running`, and for comparing it with `held` */
	struct lane *lanes;
	size_t nlanes;
	struct claimer *claimers;       /* one a lane */
	struct slot *slots;             /* all lanes' */
	size_t nslots;
	struct syncer syncer;
	struct reporter reporter;
	pthread_t pulse, control;
	struct recent_cancels cancels;
	struct memory_budget memory;    /* of all runners together */
	struct inference *inference;    /* runs models, for all slots */
	struct progress progress;       /* what slots have to tell people */
	struct backends backends;       /* which of them are known not to answer */

	bool met_redis, met_dispatcher; /* atomic: answered once */
	bool is_draining;               /* atomic */
	bool is_leaving;                /* atomic: pulse and control end */
	bool check_due;                 /* atomic: a connection was lost; compare soon */
	bool once;                      /* run one task only */
	int budget;                     /* atomic, with `once`: tasks that may still be claimed */
	int once_status;                /* atomic: exit status of that task; -1 until it ended */
	uint64_t done, failed;          /* atomic: reports taken */
	pthread_mutex_t pulse_lock;
	pthread_cond_t pulse_wake;
};

/* slots: "image=2,infer=1,io=4". Starts all threads. */
int worker_start(struct worker *w, const struct conf *conf, const char *slots, bool once, struct err *err) must_use;
/* Claims no more and gives back what has not started. */
void worker_drain_begin(struct worker *w);
bool worker_is_idle(struct worker *w);          /* nothing runs any more */
/* Ends what still runs and puts it back, sends what is to be sent, and takes the worker off the
 * books. */
void worker_stop(struct worker *w);

/* Takes what was moved to `running`: parses it and gives it to the lane, or refuses it. */
void worker_accept(struct worker *w, struct lane *lane, const char *raw, size_t len, struct line *batch);
struct lane *worker_lane(struct worker *w, const char *queue);  /* NULL: not served */
void worker_met(struct worker *w, bool *whom);
bool worker_is_ready(const struct worker *w);
bool worker_may_claim(const struct worker *w);
void worker_wake_pulse(struct worker *w);
void worker_log_state(struct worker *w);

#endif
