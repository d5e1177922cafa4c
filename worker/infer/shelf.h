/*
 * shelf.h - the models that are loaded, least recently used last, under a budget of memory.
 *
 * A model is a path and what the file there was: device, inode, size, time. When the file has changed it is another
 * one, and the old leaves when nobody uses it any more. Who uses what is counted: `waiting` requests
 * know it, `running` runs need it loaded. Nothing that runs is put away.
 *
 * What a model takes is the growth of the process while it was loaded, when it was alone with that, and never less than
 * its file; before that it is the file's size. On a GPU the memory that counts is another; the budget is
 * of the process.
 *
 * Not locked: the crew's lock is around every call (crew.h), and putting models away is the caller's, without it.
 */
#ifndef SHELF_H
#define SHELF_H

#include "signature.h"

#include <sys/types.h>

enum model_state { MODEL_ABSENT, MODEL_LOADING, MODEL_READY };

struct identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	int64_t changed_ns;
};

struct shelved {
	struct shelved *next;
	char *name, *path;
	struct identity is;
	enum model_state state;
	bool is_outdated;               /* the file is another one now */
	bool is_separate;               /* it says that it takes batches, and mixes their rows up */
	unsigned waiting, running;
	size_t bytes;                   /* what it takes of the budget */
	unsigned load_ms;
	uint64_t runs;
	int64_t used_ms;                /* monotonic, of the last use */
	void *model;                    /* the engine's, when READY */
	struct signature *signature;    /* when READY */
};

struct shelf {
	struct shelved *first;          /* most recently used first */
	size_t budget;                  /* bytes; 0: no limit */
};

struct removed {                        /* what has left the shelf, and is still in memory */
	void *models[64];
	size_t n;
};

enum room { ROOM_FREE, ROOM_LATER, ROOM_NEVER };

/* Looks at the file. The entry is on the shelf as long as somebody counts on it, so count at once.
 * ERR_REJECT: there is no such file, or it may not be read. */
int shelf_find(struct shelf *s, const char *name, const char *path, struct shelved **ret, struct err *err) must_use;

/* For loading `m`: takes others off, oldest first, until it fits. LATER: what runs is in the way. NEVER: it is larger
 * than all of the budget. */
enum room shelf_make_room(struct shelf *s, const struct shelved *m, struct removed *ret);

/* It is loaded, and the process grew by so much. Takes others off if that is more than was thought. ERR_REJECT: it
 * alone is more than the budget, and `model` still the caller's. */
int shelf_put(struct shelf *s, struct shelved *m, void *model, const struct signature *signature, size_t bytes, unsigned load_ms,
	struct removed *ret, struct err *err) must_use;

void shelf_used(struct shelf *s, struct shelved *m);            /* now */
void shelf_take_idle(struct shelf *s, struct removed *ret);     /* everything that does not run */
void shelf_tidy(struct shelf *s, struct removed *ret);          /* what is outdated, and entries that nobody counts on */

size_t shelf_bytes(const struct shelf *s);
json_t *shelf_stats(const struct shelf *s);                     /* [{"name","mb","load_ms","runs","used_s_ago"}] */

#endif
