/*
 * inference_process.h - the process pixelfleet-infer of a worker: started when somebody first needs it, buried when it
 * dies, started again when it is needed again.
 *
 * A thread of its own starts and buries it: the process dies with the thread that started it (PR_SET_PDEATHSIG), and slots
 * come and go. Everything here is under `lock`, which the users share; `changed` is broadcast when the state is another one.
 *
 * No start follows another at once when the one before came to nothing: 0.1 s, 0.2 s, up to 10 s. What cannot get better by
 * itself (the program or its library is not installed) is remembered for 10 s, and everybody is told at once.
 */
#ifndef INFERENCE_PROCESS_H
#define INFERENCE_PROCESS_H

#include "child.h"

struct inference_death {
	int signal;             /* 0: it left by itself */
	char text[WIRE_LAST_WORDS + 160];       /* "was lost: killed by SIGKILL, peak memory 80 MiB" */
};

struct inference_process {
	const struct conf *conf;
	unsigned nslots;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* The lock is held; whoever had a request there is told what became of it. */
	void (*on_death)(void *arg, const struct inference_death *how);
	void *arg;

	struct child child;             /* the thread's, but for child.sock while is_up */
	pthread_t thread;
	bool has_thread, is_wanted, is_leaving, is_doomed;
	bool is_up;
	uint64_t life;                  /* of the one that is up: another number each time */
	unsigned falls;                 /* starts and lives in a row that came to nothing */
	int64_t not_before_ms;
	unsigned failures;              /* starts that failed, ever */
	struct err why;                 /* of the last one */
	int wake_fd;
	char device[16], version[32];   /* what it says of itself */
};

/* nslots: that may ask it at once. program: its path; NULL: it is looked for. */
void inference_process_init(struct inference_process *p, const struct conf *conf, unsigned nslots, const char *program);
void inference_process_done(struct inference_process *p);       /* ends it, too */

/* The lock is held in all of these. */
/* 1: it is up. 0: not yet; wait for `changed`. -1: it cannot be started, or not often enough; `seen`: `failures` when the
 * wait began. */
int inference_process_ask(struct inference_process *p, unsigned seen, struct err *err) must_use;
/* A new way to it. -1: it is of no more use (and is_doomed, unless it has ended already), and there will be another one. */
int inference_process_connect(struct inference_process *p, int *ret_sock, struct err *err) must_use;
void inference_process_kill(struct inference_process *p);       /* it hangs; on_death follows */
void inference_process_worked(struct inference_process *p);     /* it gave an answer */

#endif
