/*
 * work.h - the jobs and instances one ledger batch is about, in memory, and how their states change.
 *
 * The ledger locks the jobs, loads what the operations touch, calls the verbs below, and writes
 * what became dirty. A verb that would need an instance that is not loaded asks for it (wants[])
 * and leaves its event queued; the ledger loads and calls work_settle() again until nothing waits.
 *
 * step: blocked -> queued -> succeeded | retrying -> queued | failed; blocked, queued, retrying -> skipped,
 * cancelled; failed -> succeeded (a requeue), which turns what was skipped into blocked again.
 * One function, inst_move(), changes a state, keeps the job's counters, and refuses any other move.
 */
#ifndef WORK_H
#define WORK_H

#include "arena.h"
#include "definition.h"
#include "err.h"

#define STEP_STATES(X) X(BLOCKED, "blocked") X(QUEUED, "queued") X(RETRYING, "retrying") X(SUCCEEDED, "succeeded") \
	X(FAILED, "failed") X(SKIPPED, "skipped") X(CANCELLED, "cancelled")
#define JOB_STATES(X) X(RUNNING, "running") X(SUCCEEDED, "succeeded") X(PARTIAL, "partial") X(FAILED, "failed") X(CANCELLED, "cancelled")
#define SKIP_REASONS(X) X(NONE, NULL) X(NEED_FAILED, "need_failed") X(FAIL_FAST, "fail_fast") X(DEADLINE, "deadline") X(CANCELLED, "cancelled")

#define X(sym, name) STEP_##sym,
enum step_state { STEP_STATES(X) };
#undef X
#define X(sym, name) JOB_##sym,
enum job_state { JOB_STATES(X) };
#undef X
#define X(sym, name) SKIP_##sym,
enum skip_reason { SKIP_REASONS(X) };
#undef X

const char *step_state_name(enum step_state s);
const char *job_state_name(enum job_state s);
const char *skip_reason_name(enum skip_reason r);              /* NULL for none */
enum step_state step_state_parse(const char *name);
enum job_state job_state_parse(const char *name);
enum skip_reason skip_reason_parse(const char *name);          /* NULL is none */

/* What of a row the database had when it was loaded: tells which columns have changed. */
struct step_row {
	int attempt, deaths, waiting_on, missing, skipped_by;
	enum step_state state : 8;
	enum skip_reason reason : 8;
};

struct job_row {
	enum job_state state;
	enum skip_reason stop_reason;
	int stopped_by, made, succeeded, failed, skipped, cancelled;
};

struct room;

/* A cancel has all of a job in memory, up to 200,000 of these: the order of the members leaves no gaps. */
struct inst {
	int ordinal;
	int attempt, pass, deaths, waiting_on, missing, skipped_by;
	struct step_row was;            /* undefined with is_new */
	enum step_state state : 8;
	enum skip_reason reason : 8;
	enum err_kind kind : 8;         /* of the dead letter */
	bool dirty, is_new;
	bool push;                      /* push its task after the commit */
	bool probe;                     /* with push: it goes first, and runs although the circuit is open */
	bool set_retry, drop_retry;     /* a row of retry, due in retry_s */
	bool dead, revived, relist;     /* write a dead letter; take it away; push it to its list again */
	double ms, retry_s;
	const char *artifacts, *data;   /* results of this batch, borrowed from the report; NULL otherwise */
	const json_t *artifact_list;    /* the artifacts parsed */
	const char *backend, *why;      /* that retry waits for a backend, and is not charged; borrowed from the report */
	struct room *room;              /* of who reported its success in this batch, or NULL; borrowed from the operation */
	struct room *hand;              /* with push: it goes to that worker, see handover.h; NULL: to its queue */
	char *message;
};

struct wjob {
	char id[37];
	uint8_t raw[16];                /* the id as bytes; jobs of a set stand in this order */
	struct job_row was;             /* undefined with is_new */
	struct definition *def;
	int64_t definition;
	enum job_state state;
	enum skip_reason stop_reason;
	bool high, dirty, is_new, ended, loaded_all;
	bool has_origin;                /* its failures go to where its message came from, and are listed nowhere else */
	bool makes;                     /* instances were made in this batch */
	bool purge;                     /* its queued tasks are to be taken out of Redis */
	int stopped_by, items, total, made, succeeded, failed, skipped, cancelled;
	json_t *images, *params;        /* when known; else NULL and known is false */
	bool inputs_known;
	bool has_params;                /* of its submission, for some steps */
	bool is_loaded;                 /* its row is; a definition alone may be known without (job_facts.h) */
	struct inst **slots;            /* hash by ordinal, open addressing */
	size_t nslots, ninsts;
};

struct want {                           /* an instance to load; ordinal -1: all of the job's */
	struct wjob *job;
	int ordinal;
};

struct event {                          /* a need of the dependents of `ordinal` ended */
	struct wjob *job;
	int ordinal, root;
	bool ok;
};

struct work {
	struct arena arena;             /* of jobs, instances and what belongs to them */
	struct wjob **jobs;
	struct work_key *keys;          /* of jobs[k]: what the search looks at */
	size_t njobs, jobs_cap, keys_cap;
	struct want *wants;
	size_t nwants, wants_cap;
	struct event *events;
	size_t nevents, events_cap;
	struct wjob **revive;           /* jobs whose skipped steps are looked at again once loaded_all */
	int *revive_root;
	size_t nrevive, revive_cap, revive_root_cap;
};

void work_done(struct work *w);
struct wjob *work_job(struct work *w, const char *id);         /* NULL: not in this batch */
struct wjob *work_job_raw(struct work *w, const uint8_t raw[16]);
struct wjob *work_add_job(struct work *w, const char *id);
struct inst *work_inst(const struct wjob *j, int ordinal);     /* NULL: not loaded */
struct inst *work_add_inst(struct work *w, struct wjob *j, int ordinal);       /* zeroed, or the one that is there */
void work_want(struct work *w, struct wjob *j, int ordinal);   /* unless loaded */
/* The ordinals an event of this instance would touch. */
void work_want_dependents(struct work *w, struct wjob *j, int ordinal);

/* Verbs. The instance is loaded; work_settle() must follow. */
void work_succeed(struct work *w, struct wjob *j, struct inst *i);
void work_fail(struct work *w, struct wjob *j, struct inst *i, enum err_kind kind, const char *message);
void work_retry(struct wjob *j, struct inst *i);               /* after the node's backoff, with full jitter */
/* The attempt is not counted: it waits for a backend, and runs again in in_s seconds or later. Strings are borrowed. */
void work_put_off(struct wjob *j, struct inst *i, const char *backend, const char *why, double in_s);
/* retrying -> queued; the next attempt, or the same one when the last was not charged */
void work_requeue_due(struct wjob *j, struct inst *i, bool charged);
/* Ends all that is open. SKIP_CANCELLED cancels, others skip (but for `always` steps). Needs loaded_all. */
void work_stop(struct work *w, struct wjob *j, enum skip_reason why, int by);
/* Makes instances [made, upto) as blocked or, when nothing is to be waited for, queued. Their needs that have rows
 * must be loaded, and no event may wait (an event counts what the new instance has counted already). */
void work_make(struct work *w, struct wjob *j, int upto);
void work_want_needs(struct work *w, struct wjob *j, int from, int upto);

/* Lets events take effect until none is left or something must be loaded first (returns false). At the end
 * of all, jobs whose instances have all ended get their end. */
bool work_settle(struct work *w);
void work_end_jobs(struct work *w);

/* The instances to be pushed, by job and ordinal: first in, first out. The caller frees the list. */
struct push {
	struct wjob *job;
	struct inst *inst;
};
struct push *work_pushes(const struct work *w, size_t *ret_n);
/* Those that are new or dirty, in the same order. The caller frees the list. */
struct push *work_changes(const struct work *w, size_t *ret_n);

const struct node *work_node(const struct wjob *j, int ordinal, int *ret_item);
/* Instances by arithmetic: those needed, those needing, those whose outputs are read. */
typedef void (*ordinal_fn)(struct wjob *j, int ordinal, void *arg);
void each_need(struct wjob *j, int ordinal, ordinal_fn fn, void *arg);
void each_dependent(struct wjob *j, int ordinal, ordinal_fn fn, void *arg);
void each_read(struct wjob *j, int ordinal, ordinal_fn fn, void *arg);

#endif
