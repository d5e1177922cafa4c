/*
 * tensor.h - a tensor in memory: its name, type and shape as the protocol says them, and its bytes.
 *
 * Tools count in FP32, and in INT64 for what names things (tokens, classes). Models take and give others: infer_run
 * converts on the way in to what the model's description says, and on the way out to FP32. So a tool says what it
 * gives ("FP32"), whatever the model takes, and checks with tensor_converts() whether that will do.
 *
 * Numbers are rounded to the nearest, of two as near to the even one; what does not fit becomes the least or the greatest
 * that does, or infinite; no number (NaN) becomes 0 where there is none. Integers beyond 2^53 are not exact.
 */
#ifndef TENSOR_H
#define TENSOR_H

#include "base.h"
#include "err.h"

#include <stdint.h>

enum { TENSOR_RANK = 8, TENSOR_NAME = 256 };
#define TENSOR_BYTES_MAX ((size_t)64 << 20)     /* of all tensors of one question, or of one answer */

struct tensor_type {
	char name[TENSOR_NAME], datatype[8];    /* the protocol's: "FP32" */
	size_t rank;
	int64_t shape[TENSOR_RANK];             /* in a description, -1 is free */
};

struct tensor {
	struct tensor_type is;
	void *bytes;                            /* least byte first, rows first */
	size_t size;
};

void tensor_done(struct tensor *t);
char *tensor_text(const struct tensor_type *t, char *to, size_t size);          /* "'images' FP32 [1,3,640,640]" */

/* Whether values of the one type can be given where the other is asked for: numbers of any type can. BYTES are none. */
bool tensor_converts(const char *from, const char *to);
/* *ret is a new tensor of that type, with the same name and shape. ERR_REJECT: one of both is no number, or the
 * bytes are not those of the type, or would be more than TENSOR_BYTES_MAX. */
int tensor_convert(const struct tensor *t, const char *datatype, struct tensor *ret, struct err *err) must_use;
/* What a tool gets: FP32 in the place of every other number, but for INT64 and UINT64, which stay. */
int tensor_as_floats(struct tensor *t, struct err *err) must_use;

/* The elements of a tensor of BYTES, one after the other from *at = 0 on; *ret is no C string. False: there are no more. */
bool tensor_next_text(const struct tensor *t, size_t *at, const char **ret, size_t *ret_len);

#endif
