/*
 * origin.h - the Redis lists other than pixelfleet:jobs that jobs come from: the photo queue and the text queue.
 *
 * A message of such a list becomes a job with a pipeline of our own making, and the job remembers the list and the
 * message. What fails goes back to where it came from: the message, with a member "error", to the list's dead letters
 * (origin_letter.h), and is not listed among pixelfleet's own.
 *
 * The pipelines are made at start, one for each set of tasks, and hold the settings but nothing of a message: many
 * messages, one definition. What differs (the photo's id, the query) goes into the job's parameters.
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "conf.h"
#include "submission.h"

struct origins;

struct origin {
	const char *list, *dlq;
	/* `message` is an object. */
	int (*read)(const struct origins *o, const json_t *message, struct submission **ret, json_t *problems);
};

/* ERR_REJECT: the settings make no pipeline (an unknown language, a model's name that is none). */
struct origins *origins_new(const struct conf *conf, struct err *err);
void origins_free(struct origins *o);

/* Those that are on; at most one a setting. */
const struct origin *origins_all(const struct origins *o, size_t *ret_n);
const struct origin *origin_find(const struct origins *o, const char *list);   /* NULL: none of ours */

/* 0 with *ret NULL: there is nothing to do for this message. -1 with problems, as submission_parse(). */
int origin_read(const struct origins *o, const struct origin *from, const char *text, size_t len, struct submission **ret,
	json_t *problems) must_use;

#endif
