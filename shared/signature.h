/*
 * signature.h - what a model takes and gives: the name, type and shape of each input and output, as its file
 * says, and whether people's declaration (model.json) agrees with that.
 *
 * A shape has -1 where the model leaves a size free. The first axis is the batch axis when it is free
 * everywhere and under one name: then requests may be laid behind each other (worker/infer/round.h).
 */
#ifndef SIGNATURE_H
#define SIGNATURE_H

#include "buf.h"
#include "dtype.h"
#include "err.h"

enum { SIGNATURE_PORTS = 32, SIGNATURE_RANK = 8, PORT_NAME = 256 };     /* as worker/runner/infer.h has them */

struct port {
	char name[PORT_NAME];
	const struct dtype *type;
	size_t rank;
	int64_t shape[SIGNATURE_RANK];
	char axis[64];          /* what the file calls its first axis, "" when it does not say */
};

struct signature {
	struct port in[SIGNATURE_PORTS], out[SIGNATURE_PORTS];
	size_t nin, nout;
};

/* The index in in[] or out[] (ports, n), or -1. */
int port_find(const struct port *ports, size_t n, const char *name);

/* "'images' FP32 [1,3,640,640]" */
char *port_text(const char *name, const struct dtype *type, const int64_t *shape, size_t rank, char *to, size_t size);
char *ports_text(const struct port *ports, size_t n, char *to, size_t size);

bool signature_batches(const struct signature *s);

/* {"inputs":[{"name","datatype","shape"}],"outputs":[...]} */
json_t *signature_json(const struct signature *s);

/* `declared`: {"inputs":{"x":{"datatype":"FP32","shape":[-1,3]}},"outputs":{...}}, or NULL. A size that is
 * declared may be free in the file; one declared free (-1) has to be, or to be a batch of 1. The file may
 * give more than is declared, and take no more. ERR_REJECT names both. */
int signature_check(const struct signature *s, const json_t *declared, struct err *err) must_use;

#endif
