/*
 * child.h - a sandboxed child: a process that is started, watched, and ended. Each slot has one, its runner (what is
 * said to it is child_task.h); all together have another, which runs models (inference.h).
 */
#ifndef CHILD_H
#define CHILD_H

#include "conf.h"
#include "wire.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

struct child;
struct child_kind {
	const char *program;    /* "pixelfleet-runner" */
	const char *noun;       /* "the runner": in messages */
	json_t *(*setup)(const struct child *c);        /* what it is told before its sandbox closes; new */
	void (*on_up)(struct child *c, const json_t *state);    /* what it says of itself then */
};
extern const struct child_kind child_runner;

struct child {
	const struct child_kind *kind;
	const struct conf *conf;
	const char *path;       /* of the program; NULL: it is looked for */
	void *arg;              /* the kind's */
	pthread_mutex_t lock;   /* pid and late_ms, for child_kill_if_late() */
	pid_t pid;              /* 0: none */
	int64_t late_ms;        /* monotonic: it dies when it still works on the task then; 0: no task */
	int sock;
	int peak;               /* where the kernel is told to forget the most memory it has used, or -1 */
	clockid_t clock;        /* of the processor time it uses */
	rlim_t cpu_s;           /* of which it may have so much in all; 0: no limit yet */
	int words;              /* where it leaves its last words, or -1 */
	char said[WIRE_LAST_WORDS];     /* what the last one buried had to say; "": nothing */
	unsigned tasks;         /* that it has done */
	size_t asked;           /* memory, with some to spare, for its pictures; 0: not known */
};

void child_init(struct child *c, const struct child_kind *kind, const struct conf *conf);
void child_done(struct child *c);             /* ends it, too */

/* Starts it when there is none. ERR_RETRY: it could not be started; or what it said itself. */
int child_start(struct child *c, struct err *err) must_use;
/* Asks it to leave (it sees the end of its socket), and kills it when it does not at once. */
void child_end(struct child *c);
/* It has ended, or does within that time; child_bury() is still to come. */
bool child_died(const struct child *c, unsigned within_ms);
/* Kills it when it still lives, and says how it ended (wait(2)'s status), what memory it used, and (c->said) why. */
void child_bury(struct child *c, int *ret_status, size_t *ret_peak_kb);
void child_describe_end(int status, char *text, size_t size);         /* "killed by SIGSEGV" */

/* 0: a message, or its end, can be read. ERR_RETRY: the time is over. ERR_CANCEL: *stop (atomic, may be
 * NULL) became true; wake_fd (or -1) tells that it may have. */
int child_await(struct child *c, int64_t until_ms, const bool *stop, int wake_fd, struct err *err) must_use;
int child_await_fd(int sock, int64_t until_ms, const bool *stop, int wake_fd, struct err *err) must_use;

/* The most memory it has used since the reset; 0: not known. */
void child_reset_peak(struct child *c);
size_t child_peak_kb(const struct child *c);

/* A runner that keeps its slot from noticing the deadline (by half a message) is killed from another
 * thread. 0: no task. */
void child_set_late(struct child *c, int64_t late_ms);
void child_kill_if_late(struct child *c, int64_t now_ms);

/* The kernel ends it (SIGXCPU) when it uses more processor time for its task than all processors could in that
 * time, and some: the limit for a runner that spins while nobody watches it. */
void child_limit_cpu(struct child *c, unsigned timeout_s);

#endif
