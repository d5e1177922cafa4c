/*
 * decoded.h - decoded pictures that the next steps will read too (shared/sharing.h says which).
 *
 * What is kept is what the decoder gave, before any turning or conversion of colours, so that it serves every tool. A
 * picture is known by its digest and by how it was decoded. Kept are DECODED_MOST bytes at the most, of the last two pictures:
 * the one that is worked on, and the one before. They go when each step that was expected has had them, after a second
 * without work, and when the worker says that memory is short. A runner does one task at a time: there is no lock.
 *
 *	struct decoded *at = decoded_find(&key);
 *	if (!at)
 *		at = decoded_keep(&key, image, steps);           it must be in memory
 *	decoded_level(at, 2, &small, err);                       a quarter of its size
 *	...
 *	decoded_rest();                                          the task has ended
 */
#ifndef DECODED_H
#define DECODED_H

#include "err.h"

#include <vips/vips.h>

#define DECODED_MOST   ((size_t)48 << 20)
#define DECODED_LEVELS 4         /* decoded, half, a quarter, an eighth of that */

struct decoded_key {
	const char *digest;
	int shrink;             /* of a JPEG: 1, 2, 4, 8 */
	double scale;           /* of a WebP */
};

struct decoded {                 /* zeroed, with levels[0] set, it is one that nobody keeps */
	VipsImage *levels[DECODED_LEVELS];       /* NULL: not made yet */
	char digest[80];        /* "": a free place */
	int shrink;
	double scale;
	int left;               /* steps that are expected */
	unsigned long used;     /* the greatest was used last */
};
void decoded_done(struct decoded *p);

/* So many bytes may be kept. */
bool decoded_fit(double bytes);

/* Valid until decoded_rest(). NULL: it is not there. */
struct decoded *decoded_find(const struct decoded_key *key);
/* Lets go of what has to go for so many bytes more. */
void decoded_make_room(double bytes);
/* Takes image over, a reference; `steps` have or will come for it, this one included. Valid until decoded_rest(). */
struct decoded *decoded_keep(const struct decoded_key *key, VipsImage *take_image, int steps);
/* Half of it so many times, each pixel the mean of four: as a JPEG decoder that shrinks. Of 8 bits. A new reference. */
int decoded_level(struct decoded *p, int halvings, VipsImage **ret, struct err *err) must_use;

/* What the task at hand does not use. */
size_t decoded_idle_bytes(void);
/* Memory is short: what the task does not use goes now, the rest when it ends. */
void decoded_yield(void);
void decoded_rest(void);         /* between two tasks */
bool decoded_is_any(void);
void decoded_drop_all(void);

#endif
