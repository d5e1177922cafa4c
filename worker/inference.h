/*
 * inference.h - running models in the process pixelfleet-infer, which all slots of a worker share (shared/wire.h says what
 * is spoken). It is started when a step first needs it.
 *
 * When it dies, nobody knows of which of the requests that it had. They run again one after the other, each alone, and
 * no one else meanwhile; nothing of this is charged, nor is the time of waiting. Who was alone when it died is the one it
 * died of: an error like that of a runner's death, with the signal.
 *
 * A request is given up by closing the socket that it went over, at its deadline or when *stop is set; the process ends what
 * runs for nobody, or itself. A process that leaves three in a row without an answer is killed.
 *
 *	struct inference_call call = { .card = &card, .stop = stop, .wake_fd = fd, .deadline_ms = ms };
 *	if (inference_infer(&seat, &call, ask, tensors_fd, &answer, &answer_fd, err) < 0)
 *		...
 */
#ifndef INFERENCE_H
#define INFERENCE_H

#include "card.h"
#include "conf.h"

struct inference;

/* nslots: that may ask at once. program: its path; NULL: pixelfleet-infer is looked for. */
struct inference *inference_new(const struct conf *conf, unsigned nslots, const char *program);
void inference_free(struct inference *f);       /* nobody has a seat any more */

struct inference_seat {                 /* a slot's way to it */
	struct inference *of;           /* NULL: there is none */
	int sock;                       /* -1: none yet, or none any more */
	uint64_t life;                  /* of the process at the other end */
};
void inference_seat_init(struct inference_seat *s, struct inference *of);
void inference_seat_done(struct inference_seat *s);

struct inference_call {
	const struct card *card;
	const bool *stop;               /* atomic, may be NULL: end with ERR_CANCEL */
	int wake_fd;                    /* readable when *stop may have changed, or -1 */
	int64_t deadline_ms;            /* monotonic; moves by the time that it waits for others or for the process */
	/* The time limit is another one; 0: none while it waits. May be NULL. */
	void (*on_deadline)(void *arg, int64_t deadline_ms);
	/* The model has to be read first. May be NULL. */
	void (*on_loading)(void *arg, const char *name, int64_t bytes);
	void *arg;
	int signal;                     /* out: the process died of this request, of that signal */
};

/* *ret is a new object: {"model":{"inputs","outputs"},"device",...}. */
int inference_describe(struct inference_seat *s, struct inference_call *call, json_t **ret, struct err *err) must_use;
/* `ask`: {"inputs":[{"name","datatype","shape","bytes"}],"outputs":["name"]}, the tensors' bytes in fd, one after the other.
 * *ret: {"outputs":[{"name","datatype","shape","offset","bytes"}],"device",...}, the bytes in *ret_fd. */
int inference_infer(struct inference_seat *s, struct inference_call *call, const json_t *ask, int fd, json_t **ret, int *ret_fd,
	struct err *err) must_use;

/* For the heartbeat: `,"device":"cpu","models":["clip/image"]`; nothing while the process does not run. */
void inference_write(struct inference *f, struct buf *to);

/* Starts the process: "ONNX Runtime 1.24.3, cpu". */
int inference_check(const struct conf *conf, char *text, size_t size, struct err *err) must_use;

#endif
