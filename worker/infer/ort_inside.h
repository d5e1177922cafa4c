/*
 * ort_inside.h - what ort.c and session.c share.
 */
#ifndef ORT_INSIDE_H
#define ORT_INSIDE_H

#include "ort.h"

#include <onnxruntime_c_api.h>

struct ort {
	struct engine engine;           /* first: the engine is the ort */
	const OrtApi *api;
	OrtEnv *env;
	OrtSessionOptions *options;     /* of all sessions */
	OrtMemoryInfo *memory;          /* where tensors that we own are */
	OrtAllocator *allocator;        /* of names; not ours */
	char version[16], device[8], note[512];
};

/* Takes the status, which may be NULL: 0. Else -1 and `err`: lack of memory is ERR_RETRY, everything else ERR_REJECT. */
int ort_try(const struct ort *o, OrtStatus *status, struct err *err) must_use;

/* For what cannot fail, with nothing from outside in it. */
void ort_must(const struct ort *o, OrtStatus *status);

/* The functions of session.c */
void session_engine(struct engine *e);

#endif
