/*
 * model_wants.h - which tool runs which part of a model of which kind, and what it would refuse about it. The tools
 * themselves look closer, at what the model gives; what they would say of its file is said here before there is a job.
 */
#ifndef MODEL_WANTS_H
#define MODEL_WANTS_H

#include "err.h"
#include "signature.h"

/* The tool that runs the part ("" for the only one) of a model of that kind; NULL: none does. */
const char *model_tool(const char *kind, const char *part);

/* ERR_REJECT: that tool would refuse it; the message says why and what it takes. Nothing is wanted where there is no tool. */
int model_fits(const char *kind, const char *part, const struct signature *s, const json_t *card, struct err *err) must_use;

/* Of a file of which nothing more is known: what it might be, ["kind yolo (tool detect)","kind clip, part image (tool clip_embed)"]. New. */
json_t *model_guesses(const struct signature *s);

#endif
