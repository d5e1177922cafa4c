/*
 * dtype.h - the types of tensors' elements: the name that KServe gives them (shared/wire.h speaks of tensors as
 * it does), ONNX' number for it, and how many bytes one takes.
 */
#ifndef DTYPE_H
#define DTYPE_H

#include "base.h"

struct dtype {
	const char *name;
	int onnx;       /* TensorProto.DataType of onnx.proto, which ONNX Runtime uses as well */
	size_t size;    /* 0: not so many bytes each, so not taken here: text, and what is no tensor */
};

const struct dtype *dtype_named(const char *name);      /* NULL: there is none of that name */
const struct dtype *dtype_of(int onnx);                 /* "OTHER" for what is not in the table */

/* "FP32, FP64, ...": those that are taken here. */
const char *dtype_names(void);

#endif
