/*
 * models.h - what is in PIXELFLEET_MODELS_DIR, as the worker sees it: cards are read by its code (card.h), files only by their
 * size. Everything in it may be other people's: names and texts are to be cleaned before they are printed (text.h).
 *
 *	{"model":"clip-tiny","dir":"/models/clip-tiny","kind":"clip","title"?,"license"?,"source"?,"labels":0,"max_batch"?,
 *	 "state":"ok|card only|broken","problem"?,
 *	 "parts":[{"part":"image","file":"vision_model.onnx","path","bytes":104968,"triton":"clip_image","problem"?}]}
 *
 * "card only": there is a card and no file, for a model that a server has.
 */
#ifndef MODELS_H
#define MODELS_H

#include "card.h"
#include "cli.h"

#define MODELS_MOST 4096

/* The names in the directory, sorted: "yolov8", "org/name". *ret_more: there are more than MODELS_MOST. */
int models_find(struct cli *c, json_t **ret, bool *ret_more, struct err *err) must_use;

/* New. What is wrong is in it. The settings have been read. */
json_t *models_describe(struct cli *c, const char *name);

/* A text for the answer, new: names of files may be no UTF-8, and messages are cut off anywhere. */
json_t *models_text(const char *s);

/* Is there such a directory? What is in it is another question. -1: CLI_NOT_FOUND, or CLI_USAGE when there are no models at all. */
int models_require(struct cli *c, const char *name, struct err *err) must_use;
/* Is the word a file rather than the name of a model? 1: yes. -1: it would be, and cannot be read (CLI_USAGE). */
int models_is_file(struct cli *c, const char *word, struct err *err) must_use;

#endif
