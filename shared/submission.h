/*
 * submission.h - what people LPUSH or POST: {"id"?, "pipeline": name | definition, "images": [...],
 * "params"?: {step: {...}}, "priority"?: "high", "deadline_s"?, "callback_url"?, "labels"?}.
 *
 * Also accepted: the definition's own members beside "images" ({"steps":[...],"images":[...]}),
 * and {"input_urls":[...],"steps":{"id":{...}}}.
 */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include "definition_cache.h"

#define SUBMISSION_MAX_BYTES  (1u << 20)
#define SUBMISSION_MAX_IMAGES 10000
#define SUBMISSION_MAX_DEPTH  32

struct submission {
	char *client_id;        /* or NULL */
	char *pipeline;         /* name or id of a stored pipeline, or NULL */
	struct definition *definition;  /* NULL until the named pipeline was looked up */
	json_t *images;         /* list of strings */
	json_t *params;         /* {step: {...}} or NULL */
	json_t *labels;         /* or NULL */
	char *callback_url;
	bool high;
	double deadline_s;      /* 0: none */
	int items;              /* max(1, images) */
	uint8_t digest[32];     /* of the body, for the same id sent twice; undefined without client_id */
};

/* 0, or -1 with problems appended (at, found, allowed; for what is not JSON also "byte"). *ret is then untouched.
 * cache: spares the work for definitions that were there before; NULL: none. What comes of it is the same.
 * roots: PIXELFLEET_ALLOWED_ROOTS. A directory among the images becomes its pictures.
 * With `pipeline` set in the result, call submission_resolve() with what is stored under that name. */
int submission_parse(struct definition_cache *cache, const char *text, size_t len, const char *roots, struct submission **ret,
	json_t *problems) must_use;
/* `text`: the stored definition. */
int submission_resolve(struct definition_cache *cache, struct submission *s, const char *text, json_t *problems) must_use;
void submission_free(struct submission *s);
DEFINE_SCOPED(struct submission *, submission_free)

/* JSON with the limits every document from outside has: UTF-8, no duplicate keys, depth. On failure NULL,
 * and a problem with "byte" and what is wrong. */
json_t *json_parse_strict(const char *text, size_t len, int max_depth, json_t *problems);

/* "2 problems: /steps/0/tool: found \"x\", allowed: ...": one line for people. */
void problems_text(const json_t *problems, struct buf *to);

#endif
