/*
 * triton.h - models on a Triton Inference Server, or another one that speaks KServe v2 over HTTP
 * (PIXELFLEET_TRITON_URL). One of these belongs to one slot.
 *
 * Whose fault a failure is decides what it costs. When a call cannot be made, times out, or is answered
 * 502, 503 or 504, the server is asked whether it is ready, with a short time limit. If it is not, the
 * backend is at fault: is_fault is set, and the step shall not be charged. If it is, the call is made once
 * more (the server may just have come back), and a second failure is the step's own: so a request that
 * kills servers is not repeated for ever.
 * After a fault, and for a breaker's probe, readiness comes before the call: a server that hangs
 * does not hold the slot for the call's whole time limit.
 * A server that was ready, and is not after it had the request of a step that was put off several times, may
 * have died of it: then the step is charged after all.
 */
#ifndef TRITON_H
#define TRITON_H

#include "conf.h"
#include "httpc.h"

struct triton {
	const struct conf *conf;
	struct httpc *http;             /* borrowed */
	bool is_suspect;                /* the latest call found it not ready */
	json_t *models;                 /* descriptions, kept for a minute */
};

struct triton_call {
	const char *model, *version;    /* version: "" for the server's choice */
	const bool *stop;               /* atomic: ends with ERR_CANCEL */
	int64_t deadline_ms;            /* monotonic: of the step */
	bool is_probe;                  /* ask for readiness first */
	int pass;                       /* how often the step was put off before, because of a fault */
	bool is_fault;                  /* out: it failed because the backend is not there */
	bool is_answered;               /* out: the backend answered, whatever it said */
};

void triton_init(struct triton *t, const struct conf *conf, struct httpc *http);
void triton_done(struct triton *t);

/* The server takes requests. ERR_RETRY: it does not. */
int triton_ready(struct triton *t, const bool *stop, struct err *err) must_use;

/* *ret is a new reference: {"name","versions"?,"inputs":[{"name","datatype","shape"}],"outputs":[...]}; -1 in a shape
 * is free. ERR_REJECT: no such model, or no server is configured. */
int triton_describe(struct triton *t, struct triton_call *call, json_t **ret, struct err *err) must_use;

/* `ask`, `fd`, *ret_outputs and *ret_bytes are those of kserve.h. */
int triton_infer(struct triton *t, struct triton_call *call, const json_t *ask, int fd, json_t **ret_outputs,
	struct buf *ret_bytes, struct err *err) must_use;

#endif
