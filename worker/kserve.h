/*
 * kserve.h - the tensors of the KServe v2 protocol (Open Inference Protocol over REST), as bodies of
 * requests and of answers. Triton speaks it, and so do other servers.
 *
 * With the binary tensor data extension a body is JSON and then the tensors' bytes, in the order in
 * which the JSON names them, least byte first, rows first, without padding; the header
 * Inference-Header-Content-Length says where the JSON ends. Without that header it is all JSON.
 *
 * The protocol's names of types: BOOL, UINT8..UINT64, INT8..INT64, FP16, BF16, FP32, FP64, and BYTES (each
 * element: 4 bytes of length, then its bytes).
 */
#ifndef KSERVE_H
#define KSERVE_H

#include "buf.h"
#include "err.h"

#define KSERVE_BYTES_MAX ((size_t)64 << 20)     /* of the tensors of one request or of one answer */
#define KSERVE_RANK_MAX  8
#define KSERVE_TENSORS_MAX 64
#define KSERVE_CLASSES_MAX 100000
#define KSERVE_HEADER    "Inference-Header-Content-Length"

/* Model names and versions that may stand in a path: letters, digits, '_', '-' and '.', not first a '.'. */
bool kserve_is_name(const char *s);

/* A request's body. `ask`: {"inputs":[{"name","datatype","shape","bytes"}], "outputs":["name"]?}; the tensors'
 * bytes are read from the beginning of fd, one tensor after the other. *ret_header: length of the JSON part.
 * In the place of an output's name {"name","classification":n}: its n best classes, a tensor of BYTES (Triton's extension).
 * ERR_REJECT: `ask` makes no sense, or the file is shorter than it says. */
int kserve_request(const json_t *ask, int fd, struct buf *to, size_t *ret_header, struct err *err) must_use;

/* Reads an answer's body; `header`: the value of KSERVE_HEADER, or "". *ret_outputs is a new list
 * [{"name","datatype","shape","offset","bytes"}] whose offsets are into *ret_bytes (empty before).
 * ERR_RETRY: the body is not what the protocol says. */
int kserve_answer(const struct buf *body, const char *header, json_t **ret_outputs, struct buf *ret_bytes,
	struct err *err) must_use;

#endif
