/*
 * question.h - what a slot asks of a model: to be described, or to run once (shared/wire.h). Its words are checked
 * here, before anything of it reaches ONNX Runtime: names, types, sizes, and that the bytes are as many as
 * the shape says.
 */
#ifndef QUESTION_H
#define QUESTION_H

#include "signature.h"

#include <sys/types.h>

#define QUESTION_BYTES_MAX ((size_t)64 << 20)   /* of all tensors of one question, and of one answer */

struct piece {                  /* a tensor that is given */
	char *name;
	const struct dtype *type;
	size_t rank;
	int64_t shape[SIGNATURE_RANK];
	size_t size;            /* bytes */
	off_t offset;           /* in the file */
};

struct question {
	bool is_infer;          /* else it wants a description, and what follows `declared` is empty */
	char *name, *path;
	json_t *declared;       /* NULL: nothing is */
	size_t max_batch;       /* 0: no limit of its own */
	bool is_alone;          /* shares its run with nobody */
	struct piece in[SIGNATURE_PORTS];
	size_t nin;
	char *out[SIGNATURE_PORTS];
	size_t nout;            /* 0: all */
	int fd;                 /* where the tensors' bytes are; -1: none came along */
	size_t rows;            /* the size of the first axis, where all inputs have the same; else 0 */
};

/* Takes the file; *fd becomes -1, on -1 as well. ERR_REJECT: it makes no sense. */
int question_read(const json_t *said, int *take_fd, struct question *ret, struct err *err) must_use;
void question_done(struct question *q);

/* Does the model take and give that? Puts the inputs in the signature's order; all outputs are named then.
 * ERR_REJECT names both sides. */
int question_check(struct question *q, const struct signature *s, struct err *err) must_use;

/* Both can be rows of one run, as far as they themselves go. */
bool question_joins(const struct question *a, const struct question *b);

/* Copies the bytes of input i to `to`, of in[i].size bytes. */
int question_bytes(const struct question *q, size_t i, void *to, struct err *err) must_use;

#endif
