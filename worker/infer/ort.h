/*
 * ort.h - ONNX Runtime, loaded at run time: an engine (engine.h).
 *
 *	struct ort *ort;
 *	if (ort_open(&(struct ort_options){ .device = "auto", .intra_op = 1 }, &ort, err) < 0)
 *		return -1;
 *	... sandbox_enter() ...
 *	... ort_engine(ort)->load(...) ...
 *
 * Never linked: a program linked to one version refuses the next, and dispatchers shall run where there is
 * none. ort.c and session.c alone include its header. Everything that opens libraries happens in ort_open(), before
 * the sandbox closes; loading and running models afterwards needs nothing but reading their files.
 *
 * Device "auto": CUDA where its provider really loads (that it is listed says nothing), else the CPU, and
 * ort_note() says why. CUDA was written from the documentation of the API; it has not been tried on a GPU.
 */
#ifndef ORT_H
#define ORT_H

#include "engine.h"

struct ort;

struct ort_options {
	const char *library;    /* its path; "" or NULL: searched beside the program, in ../lib/pixelfleet, ../../lib/pixelfleet,
				   ../onnxruntime/lib, and where the system's loader looks */
	const char *device;     /* "auto", "cpu", "cuda" */
	unsigned intra_op;      /* threads of one run */
};

int ort_open(const struct ort_options *o, struct ort **ret, struct err *err) must_use;
void ort_close(struct ort *o);

struct engine *ort_engine(struct ort *o);
const char *ort_version(const struct ort *o);   /* "1.24.3" */
const char *ort_device(const struct ort *o);    /* "cpu" or "cuda" */
const char *ort_note(const struct ort *o);      /* why not CUDA; "" when nobody has to know */

DEFINE_SCOPED(struct ort *, ort_close)

#endif
