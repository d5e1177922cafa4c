/*
 * task.h - a task envelope as a worker reads it, and the report that it sends back.
 *
 * Envelope, as found on pixelfleet:queue:<queue>:
 *   {"v":1,"job":"<uuid>","step":"small","item":0,"ordinal":3,"attempt":1,"tool":"resize","queue":"image",
 *    "timeout_s":60,"final":true,"pass"?:2,"probe"?:true,"params":{...},
 *    "source":"/photos/a.jpg",                                  (fetch only)
 *    "shared"?:{"steps":3,"fit":[{"width":640,"height":640}]}   (others read the same picture: see sharing.h)
 *    "inputs":[{"step":"src","item":0,"artifact":{"name","digest","media_type","bytes","width"?,"height"?,"origin"?}},
 *              {"step":"boxes","item":0,"data":{...}}]           or "inputs_url":"/internal/v1/inputs/<job>/<ordinal>"
 *    "enqueued_at":"2026-01-02T03:04:05.678901Z","trace":"00-<32 hex>-<16 hex>-01","seal":"<32 hex>"}
 *
 * A dead letter ({"job","step","tool","queue","error",...,"task":<envelope>}) is taken as its task,
 * with is_requeue set. The bytes are never made anew: putting back means putting back the entry as it came.
 */
#ifndef TASK_H
#define TASK_H

#include "buf.h"
#include "err.h"
#include "seal.h"
#include "store.h"
#include "tools.h"

struct task {
	json_t *body;           /* the envelope, parsed; the strings below live in it */
	char *kept;             /* of one that has no body (it is slim, or task_scan.h has read it): where they live then */
	const char *job, *step, *queue, *source, *inputs_url, *trace, *enqueued_at;
	const struct tool *tool;                /* NULL: a tool that this program does not know */
	const json_t *params, *inputs;          /* NULL: there are none; or of inputs: there is an inputs_url */
	const json_t *shared;                   /* or NULL */
	int item, ordinal, attempt;
	unsigned timeout_s;
	bool final;             /* nobody else reads its picture: write it in the format asked for */
	bool is_requeue;
	bool is_probe;          /* runs although the circuit of its backend is open, to see whether it has come back */
	int pass;               /* how often it was put off uncharged: with `attempt` it tells one push from the next */
	char run[37];           /* random, of this execution */
};

/* Checks the seal (sealer NULL: not) and the shape. On -1 (ERR_REJECT) nothing was made. */
int task_parse(const char *raw, size_t len, const struct sealer *sealer, struct task **ret, struct err *err) must_use;
void task_free(struct task *t);
/* Nobody runs it any more: what is left is what says which it is (job, step, queue, enqueued_at, the numbers), a fifth of its
 * size. The body is the caller's to drop. */
json_t *task_slim(struct task *t) must_use;
DEFINE_SCOPED(struct task *, task_free)

struct task_result {
	json_t *artifacts;      /* list of {"name","digest","media_type","bytes","width","height","origin"} or NULL */
	json_t *data;           /* any JSON or NULL */
	bool failed;
	struct err err;         /* when failed */
	int signal;             /* that killed the runner, or 0 */
	size_t peak_rss_kb;     /* 0: not known */
	int64_t started_us;     /* wall clock */
	int64_t took_us;
	/* "triton", "callback:HOST:PORT": on failure, whose fault it was; with backend_answered, and on success, who did answer
	 * and so is well. Empty: no backend has to do with it. */
	char backend[128];
	bool backend_answered;  /* failed, but the backend was there (it said 404) */
	bool deferred;          /* failed without having been tried: the circuit of `backend` is open */
	/* Of the artifacts, those that are not on the disk yet: nobody may hear of them before. */
	struct store_item *unsynced;
	size_t nunsynced;
};
void task_result_done(struct task_result *r);

/* One report of the array that is POSTed to /internal/v1/results:
 *   {"run","job","ordinal","attempt","probe"?:true,"pass"?,"worker","requeue"?:true,"started_at","ms":1.25,"peak_rss_kb"?,
 *    "backend"?:"this one answered","status":"succeeded","artifacts"?:[...],"data"?:...}
 *   {..., "status":"failed","error":{"kind","message","signal"?,"backend"?:"this one did not","deferred"?:true}}
 * Answer: {"answers":["accepted"|"duplicate"|"stale"|"unknown", ...]}, in order. */
void task_report(const struct task *t, const struct task_result *r, const char *worker, struct buf *to);

#endif
