/*
 * held.h - one entry of pixelfleet:running:<worker>, and the set of all that this worker holds.
 *
 * The life of an entry: a claimer moves it to `running` and adds it to the set; it waits in a
 * lane (the queue's line); a slot starts it; what came of it goes to the reporter, which alone
 * takes entries out of `running`, and then out of the set. At every moment exactly one of
 * lane, slot and reporter owns an entry; the set only lists it.
 */
#ifndef HELD_H
#define HELD_H

#include "buf.h"
#include "task.h"

#include <pthread.h>

struct lane;

enum held_why {                 /* somebody wants a started task to stop */
	STOP_NOT, STOP_CANCEL, STOP_PUTBACK
};

enum held_end {                 /* what the reporter has to do with it */
	END_REPORT,             /* send `text`, and acknowledge when it was taken */
	END_PUTBACK,            /* give it back to its queue, as it was */
	END_ACK,                /* acknowledge only: it shall not run */
	END_REFUSE,             /* it is no task: to the dead letters, with `text` as reason */
	END_FORGET              /* it is no longer ours: touch nothing */
};

struct held {
	struct held *prev, *next;       /* in the set; the set's lock */
	struct held *after;             /* in the line of its owner */
	struct lane *lane;
	char *raw;                      /* the entry, byte for byte */
	size_t raw_len;
	struct task *task;              /* NULL: could not be understood */
	int64_t since_ms;               /* monotonic: claimed */
	uint64_t picture;               /* which it shares with other steps: affinity_of() */
	bool stop;                      /* atomic: the running step shall end */
	enum held_why why;              /* atomic; set before stop */
	bool is_handed;                 /* by a dispatcher, with an answer; the lane's */
	bool was_reaped;                /* the selfcheck's: it runs elsewhere too */
	enum held_end end;              /* undefined until the reporter has it, like the rest */
	bool failed, was_refused;
	bool is_slow;                   /* a runner ran it, and nothing went wrong: its report may wait for others */
	int64_t due_ms;                 /* monotonic: until then its report may wait; 0: it may not */
	struct store_item *unsynced;    /* outputs that the report waits for: the syncer's */
	size_t nunsynced;
	bool is_homeless;               /* a dead letter whose job is gone: with the refused submissions */
	struct buf text;
};

struct held *held_new(struct lane *lane, const char *raw, size_t len);
void held_free(struct held *h);
void held_stop(struct held *h, enum held_why why);

/* A line of entries, first in, first out. A zeroed line is empty. */
struct line {
	struct held *first, *last;
	size_t n, nshared;      /* entries; those of them that share a picture */
};

void line_push(struct line *l, struct held *h);
void line_push_front(struct line *l, struct held *h);
struct held *line_pop(struct line *l);                  /* NULL when empty */
void line_append(struct line *l, struct line *more);    /* `more` is empty afterwards */
bool line_remove(struct line *l, struct held *h);       /* false: it was not there */

struct held_set {
	pthread_mutex_t lock;
	struct held *first, *last;
	size_t n;
};

void held_set_init(struct held_set *s);
void held_set_done(struct held_set *s);                 /* frees what is left */
void held_add(struct held_set *s, const struct line *l);
void held_drop(struct held_set *s, struct line *l);     /* takes them out and frees them */
size_t held_count(struct held_set *s);
/* It has run, and its report is written: until that is taken, little more is kept of it than the entry. */
void held_has_run(struct held_set *s, struct held *h);
/* Calls fn for each, under the lock: fn may take a lane's lock, but not call the set. */
void held_each(struct held_set *s, void (*fn)(struct held *h, void *arg), void *arg);

#endif
