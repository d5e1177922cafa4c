/*
 * crew.h - the threads that run models ("callers"), and the queue before them.
 *
 * A request waits until a caller is free: nothing waits for company. What has gathered by then for one model is run
 * together, as far as its batch axis allows (round.h), and shared out evenly among the callers that are idle: two
 * requests before two idle callers are two runs. Between models it is first come, first served. When a run of
 * several fails, each is run again by itself.
 *
 * A model is loaded by the caller that finds it missing; whoever asks for it meanwhile waits, and other models
 * are served by the other callers. When the budget has no room (shelf.h), the request at the head waits for
 * what runs to end, and nobody passes it.
 *
 * A caller cannot be interrupted. crew_cancel() asks the engine to end a run that nobody waits for any more; crew_watch()
 * tells on what has not ended 2 s after that, and on loads that nobody waits for, after 60 s.
 */
#ifndef CREW_H
#define CREW_H

#include "engine.h"
#include "question.h"
#include "shelf.h"

struct crew;
struct round_of;

struct crew_options {
	struct engine *engine;
	const char *device;             /* said in every answer */
	size_t callers, batch_max;      /* 1 at least */
	size_t models_bytes;            /* of models that are loaded; 0: no limit */
	unsigned memory_mb;             /* of this process' address space, for messages; 0: no limit */
	void (*on_stuck)(const char *model, bool is_load);      /* ends the process */
};

struct request {
	struct question q;
	int sock;                       /* where the answer goes; stays open until on_end() */
	void (*on_end)(void *arg);      /* once, by any thread: it is answered, or never will be */
	void *arg;
	/* the crew's */
	struct request *next;
	struct shelved *model;
	struct round_of *round;         /* NULL: it waits */
	bool is_told, is_gone, is_repeated;
};

int crew_start(const struct crew_options *o, struct crew **ret, struct err *err) must_use;

/* false: a caller is stuck, nothing was freed, and the process should end. */
bool crew_stop(struct crew *c) must_use;

/* `take` is the crew's now. A description of a model that is loaded is answered at once. */
void crew_submit(struct crew *c, struct request *take);

/* The one who asked has left. true: it had not begun and is gone, without on_end(). Call it only while on_end()
 * cannot have returned. */
bool crew_cancel(struct crew *c, struct request *r) must_use;

/* Milliseconds until it wants to be called again; -1: not before something happens. */
int crew_watch(struct crew *c);

json_t *crew_stats(struct crew *c);

#endif
