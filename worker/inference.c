#include "inference.h"

#include "clock.h"
#include "inference_models.h"
#include "inference_process.h"
#include "log.h"
#include "sync.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_MS       50        /* how soon one who waits for others notices its stop flag */
#define STALL_S       10        /* longest pause inside one message */
#define VERDICT_MS    2000      /* from a socket's end to the news of the process's */
#define GIVEN_UP_MS   4000      /* after that the process has ended what runs for nobody, or itself */
#define LOADING_MS    65000     /* the same of a load, which it lets go on for a minute */
#define LOADINGS_MAX  3         /* that one exchange says it loads: once, when all is well */
#define SILENT_MAX    3         /* requests in a row that came to their deadline without a word */
#define WORDS_MAX     ((size_t)256 << 10)       /* bytes of what a question says of its tensors: 64 names are far less */

enum verdict { FLIES, AGAIN, CHARGED };

struct flight {                 /* a request that the process has; on its caller's stack */
	struct flight *next;
	bool alone;
	enum verdict verdict;
	struct inference_death how;
};

struct inference {
	struct inference_process process;       /* its lock is that of all below, too */
	struct flight *flights;
	unsigned nflights;
	unsigned suspects;      /* that run again, or wait to: alone, and all others wait for them */
	int64_t wary_until_ms;  /* the process may yet die of a request that was given up */
	unsigned silent;        /* in a row */
	struct inference_models models;
};

static void on_death(void *arg, const struct inference_death *how);

struct inference *inference_new(const struct conf *conf, unsigned nslots, const char *program)
{
	struct inference *f = xcalloc(1, sizeof *f);

	inference_process_init(&f->process, conf, nslots, program);
	f->process.on_death = on_death;
	f->process.arg = f;
	return f;
}

void inference_free(struct inference *f)
{
	if (!f)
		return;
	must(!f->flights && !f->suspects);
	inference_process_done(&f->process);
	inference_models_clear(&f->models);
	free(f);
}

void inference_seat_init(struct inference_seat *s, struct inference *of)
{
	*s = (struct inference_seat){ .of = of, .sock = -1 };
}

static void leave_seat(struct inference_seat *s)
{
	close_p(&s->sock);
	s->sock = -1;
}

void inference_seat_done(struct inference_seat *s)
{
	leave_seat(s);
	s->of = NULL;
}

/* ---- who flies with whom; the lock is held ---- */

static void changed(struct inference *f)
{
	pthread_cond_broadcast(&f->process.changed);
}

static void unlink_flight(struct inference *f, const struct flight *one)
{
	for (struct flight **at = &f->flights; *at; at = &(*at)->next)
		if (*at == one) {
			*at = one->next;
			f->nflights--;
			return;
		}
}

static bool may_yet_die(const struct inference *f)
{
	return clock_mono_ms() < f->wary_until_ms;
}

static void on_death(void *arg, const struct inference_death *how)
{
	struct inference *f = arg;
	bool is_clear = f->nflights == 1 && !may_yet_die(f);

	for (struct flight *one = f->flights; one; one = one->next) {
		one->verdict = is_clear ? CHARGED : AGAIN;
		one->how = *how;
		if (is_clear && one->alone)
			f->suspects--;
		if (!is_clear && !one->alone)
			f->suspects++;
	}
	if (f->nflights && !is_clear)
		log_info("inference.again", "requests=%u", f->nflights);
	if (!f->nflights && !f->process.is_doomed) {
		f->process.failures++;
		err_set(&f->process.why, ERR_RETRY, "the inference process %s", how->text);
	}
	f->flights = NULL;
	f->nflights = 0;
	f->wary_until_ms = 0;
	f->silent = 0;
	inference_models_clear(&f->models);
}

/* Nobody begins where the end is decided; nor, who flies alone, where somebody else's request may yet end the process. */
static bool has_turn(struct inference *f, bool alone)
{
	if (alone ? f->nflights : f->suspects)
		return false;
	if (alone && f->process.is_up && may_yet_die(f))
		inference_process_kill(&f->process);
	return !f->process.is_doomed;
}

static int take_seat(struct inference_seat *s, struct err *err)
{
	const struct timeval stall = { .tv_sec = STALL_S };
	struct inference *f = s->of;

	if (s->sock >= 0 && s->life == f->process.life)
		return 0;
	leave_seat(s);
	if (inference_process_connect(&f->process, &s->sock, err) < 0)
		return -1;
	setsockopt(s->sock, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
	setsockopt(s->sock, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
	s->life = f->process.life;
	return 0;
}

/* 1: it sits, and flies from now on. 0: it has to wait. */
static int try_to_board(struct inference_seat *s, struct flight *one, unsigned seen, struct err *err)
{
	struct inference *f = s->of;
	struct err why;
	int r = has_turn(f, one->alone) ? inference_process_ask(&f->process, seen, err) : 0;

	if (r <= 0)
		return r;
	if (take_seat(s, &why) < 0) {
		log_warn("inference.unreachable", "error=%s", log_quote(why.msg));
		if (f->process.is_doomed) {
			f->process.failures++;
			f->process.why = why;
		}
		return 0;               /* it is gone, or being killed, and there will be another */
	}
	one->next = f->flights;
	f->flights = one;
	f->nflights++;
	return 1;
}

static void tell_deadline(const struct inference_call *call, int64_t deadline_ms)
{
	if (call->on_deadline)
		call->on_deadline(call->arg, deadline_ms);
}

static int board(struct inference_seat *s, struct inference_call *call, struct flight *one, struct err *err)
{
	struct inference *f = s->of;
	int64_t began_ms = clock_mono_ms();
	bool has_waited = false;
	unsigned seen;
	int r;

	lock(&f->process.lock);
	seen = f->process.failures;
	while ((r = try_to_board(s, one, seen, err)) == 0) {
		if (!has_waited)
			tell_deadline(call, 0);
		has_waited = true;
		if (call->stop && peek(call->stop)) {
			r = err_set(err, ERR_CANCEL, "stopped while it waited for the inference process");
			break;
		}
		cond_wait_until(&f->process.changed, &f->process.lock, clock_mono_ms() + LOOK_MS);
	}
	if (r < 0 && one->alone)
		f->suspects--, changed(f);
	unlock(&f->process.lock);
	if (has_waited) {
		call->deadline_ms += clock_mono_ms() - began_ms;
		tell_deadline(call, call->deadline_ms);
	}
	return r < 0 ? -1 : 0;
}

/* ---- one exchange ---- */

enum outcome { ANSWERED, GONE, ODD, FLOODS, LATE, STOPPED };

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void note_loading(struct inference *f, const struct inference_call *call, const json_t *said)
{
	int64_t bytes = json_integer_value(json_object_get(said, "bytes"));

	lock(&f->process.lock);
	inference_models_loading(&f->models, call->card->name, bytes);
	unlock(&f->process.lock);
	if (call->on_loading)
		call->on_loading(call->arg, call->card->name, bytes);
}

/* Nonsense of one that lives is another thing than a message that its death cut off. */
static enum outcome broken(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 0 ? ODD : GONE;
}

struct hearing {                /* of one message */
	int sock;
	const struct inference_call *call;
	bool has_begun;
	enum outcome broke_off; /* ANSWERED: it did not */
};

/* One that has begun to speak goes on, but no longer than there is time. */
static int until_readable(void *arg, struct err *err)
{
	struct hearing *h = arg;
	int64_t stall_ms = clock_mono_ms() + STALL_S * 1000, until_ms = h->call->deadline_ms;
	bool may_stall = h->has_begun && stall_ms < until_ms;

	h->has_begun = true;
	if (child_await_fd(h->sock, may_stall ? stall_ms : until_ms, h->call->stop, h->call->wake_fd, err) == 0)
		return 0;
	h->broke_off = err->kind == ERR_CANCEL ? STOPPED : may_stall ? ODD : LATE;
	return -1;
}

static enum outcome hear(const struct inference_seat *s, const struct inference_call *call, json_t **ret, int *ret_fd, struct err *err)
{
	struct hearing h = { .sock = s->sock, .call = call, .broke_off = ANSWERED };
	const struct wire_wait wait = { until_readable, &h };
	int fds[WIRE_FDS];
	size_t n = 0;

	if (wire_recv_json_wait(s->sock, &wait, ret, fds, &n, err) != WIRE_MESSAGE)
		return h.broke_off != ANSWERED ? h.broke_off : broken(s->sock);
	while (n > 1)
		close(fds[--n]);
	*ret_fd = n ? fds[0] : -1;
	return ANSWERED;
}

static enum outcome exchange(struct inference_seat *s, const struct inference_call *call, const json_t *question, int fd,
	json_t **ret, int *ret_fd, struct err *err)
{
	if (wire_send_json(s->sock, question, &fd, fd >= 0 ? 1 : 0, err) < 0)
		return GONE;
	for (unsigned loadings = 0; loadings <= LOADINGS_MAX; loadings++) {
		scoped(json_decref_p) json_t *said = NULL;
		scoped(close_p) int came = -1;
		enum outcome how = hear(s, call, &said, &came, err);

		if (how != ANSWERED)
			return how;
		if (!json_is_true(json_object_get(said, "loading"))) {
			*ret = steal(&said);
			*ret_fd = came;
			came = -1;
			return ANSWERED;
		}
		if (loadings < LOADINGS_MAX)
			note_loading(s->of, call, said);
	}
	return FLOODS;
}

/* What the process did not do is not the step's end: it is asked again. 1: again, alone. */
static int await_verdict(struct inference *f, struct flight *one, struct inference_call *call, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + VERDICT_MS;

	while (one->verdict == FLIES && clock_mono_ms() < until_ms)
		cond_wait_until(&f->process.changed, &f->process.lock, until_ms);
	switch (one->verdict) {
	case AGAIN:
		return 1;
	case CHARGED:
		call->signal = one->how.signal;
		return err_set(err, ERR_RETRY, "the inference process %s", one->how.text);
	case FLIES:
		break;
	}
	return err_set(err, ERR_RETRY, "the inference process broke off the exchange");
}

/* Its time was over, or nobody wants it any more; the process shall see that by the socket's end. */
static void give_up(struct inference *f, const struct inference_call *call, const struct flight *one, bool is_late)
{
	int wary_ms = inference_models_is_loading(&f->models, call->card->name) ? LOADING_MS : GIVEN_UP_MS;

	if (one->verdict == AGAIN)
		f->suspects--;          /* it died at the same time */
	if (one->verdict != FLIES)
		return;
	f->wary_until_ms = max_of(f->wary_until_ms, clock_mono_ms() + wary_ms);
	if (is_late && ++f->silent >= SILENT_MAX)
		inference_process_kill(&f->process);
}

static void note_answer(struct inference *f, const struct inference_call *call, const json_t *answer)
{
	const json_t *ms = json_object_get(answer, "load_ms");

	f->silent = 0;
	if (json_object_get(answer, "outputs"))
		inference_process_worked(&f->process);
	if (json_object_get(answer, "error"))
		inference_models_failed(&f->models, call->card->name);
	else
		inference_models_ran(&f->models, call->card->name, json_is_integer(ms) ? json_integer_value(ms) : -1);
}

/* 1: it has to fly again, alone. */
static int land(struct inference_seat *s, struct inference_call *call, struct flight *one, enum outcome how, const json_t *answer,
	struct err *err)
{
	struct inference *f = s->of;
	int rc = 0;

	if (how != ANSWERED)
		leave_seat(s);
	scoped_lock(&f->process.lock);
	switch (how) {
	case ANSWERED:
		if (one->verdict == AGAIN)
			f->suspects--;          /* its last words were the answer */
		note_answer(f, call, answer);
		break;
	case GONE:
		rc = await_verdict(f, one, call, err);
		break;
	case ODD:
		give_up(f, call, one, false);
		rc = err_wrap(err, "the inference process is not understood");
		break;
	case FLOODS:
		give_up(f, call, one, false);
		if (one->verdict == FLIES)
			inference_process_kill(&f->process);
		rc = err_set(err, ERR_RETRY, "the inference process said more than %d times that it loads the model, and was killed", LOADINGS_MAX);
		break;
	case LATE:
		give_up(f, call, one, true);
		rc = err_set(err, ERR_RETRY, "not done when the step's time was over");
		break;
	case STOPPED:
		give_up(f, call, one, false);
		rc = -1;
		break;
	}
	if (one->verdict == FLIES) {
		unlink_flight(f, one);
		if (one->alone)
			f->suspects--;
	}
	changed(f);
	return rc;
}

static int perform(struct inference_seat *s, struct inference_call *call, json_t *question, int fd, json_t **ret, int *ret_fd,
	struct err *err)
{
	struct flight one = { 0 };
	enum outcome how;
	int rc;

	if (!s->of)
		return err_set(err, ERR_REJECT, "models cannot be run here");
	do {
		scoped(json_decref_p) json_t *answer = NULL;
		scoped(close_p) int came = -1;

		json_object_set_new(question, "alone", json_boolean(one.alone));
		if (board(s, call, &one, err) < 0)
			return -1;
		how = exchange(s, call, question, fd, &answer, &came, err);
		rc = land(s, call, &one, how, answer, err);
		if (rc == 0) {
			*ret = steal(&answer);
			*ret_fd = came;
			came = -1;
		}
		one = (struct flight){ .alone = true };
	} while (rc == 1);
	return rc;
}

/* ---- questions ---- */

static json_t *make_question(const char *what, const struct card *card)
{
	json_t *question = json_pack("{s:s, s:s, s:s, s:O*}", "do", what, "name", card->name, "path", card->path, "declared",
		card->declared);

	if (card->max_batch)
		json_object_set_new(question, "max_batch", json_integer(card->max_batch));
	return question;
}

/* An answer that says what is wrong is an error of ours. */
static int ask(struct inference_seat *s, struct inference_call *call, json_t *question, int fd, const char *wanted, json_t **ret,
	int *ret_fd, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(close_p) int came = -1;
	scoped(free_p) char *quoted = NULL;
	const json_t *why;
	enum err_kind kind;

	call->signal = 0;
	if (perform(s, call, question, fd, &answer, &came, err) < 0)
		return err_wrap(err, "model '%.260s'", call->card->name);
	why = json_object_get(answer, "error");
	if (!why && json_object_get(answer, wanted)) {
		*ret = steal(&answer);
		*ret_fd = came;
		came = -1;
		return 0;
	}
	if (err_kind_parse(text_of(why, "kind"), &kind) < 0 || kind == ERR_CANCEL)
		kind = ERR_RETRY;
	err_set(err, kind, "%s", *text_of(why, "message") ? text_of(why, "message") :
		"the inference process gave an answer that is not understood");
	quoted = xasprintf("'%s'", call->card->name);
	if (strstr(err->msg, quoted))   /* it says itself which */
		return -1;
	return err_wrap(err, "model '%.260s'", call->card->name);
}

int inference_describe(struct inference_seat *s, struct inference_call *call, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *question = make_question("describe", call->card);
	scoped(close_p) int fd = -1;

	must(question != NULL);
	return ask(s, call, question, -1, "model", ret, &fd, err);
}

/* What a runner says may be millions of values, which the process would read while all others wait. */
static int add_words(json_t *question, const json_t *said, const struct card *card, struct err *err)
{
	static const char *const names[] = { "inputs", "outputs" };
	size_t size = 0;

	for (size_t i = 0; i < countof(names); i++) {
		json_t *words = json_object_get(said, names[i]);

		size += words ? json_dumpb(words, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;
		if (words)
			json_object_set(question, names[i], words);
	}
	return size <= WORDS_MAX ? 0 : err_set(err, ERR_REJECT, "model '%.260s': what is said of its tensors has %zu bytes, at most %zu are "
		"allowed", card->name, size, WORDS_MAX);
}

int inference_infer(struct inference_seat *s, struct inference_call *call, const json_t *said, int fd, json_t **ret, int *ret_fd,
	struct err *err)
{
	scoped(json_decref_p) json_t *question = make_question("infer", call->card);

	must(question != NULL);
	if (add_words(question, said, call->card, err) < 0)
		return -1;
	if (ask(s, call, question, fd, "outputs", ret, ret_fd, err) < 0)
		return -1;
	if (*ret_fd >= 0)
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return err_set(err, ERR_RETRY, "model '%.260s': the bytes of its outputs did not come along", call->card->name);
}

/* ---- what people see ---- */

void inference_write(struct inference *f, struct buf *to)
{
	scoped_lock(&f->process.lock);

	if (!f->process.is_up)
		return;
	buf_puts(to, ",\"device\":");
	buf_json_string(to, f->process.device);
	buf_puts(to, ",\"models\":");
	inference_models_write(&f->models, to);
}

int inference_check(const struct conf *conf, char *text, size_t size, struct err *err)
{
	struct inference *f = inference_new(conf, 1, NULL);
	struct inference_process *p = &f->process;
	int r;

	lock(&p->lock);
	while ((r = inference_process_ask(p, 0, err)) == 0)
		cond_wait(&p->changed, &p->lock);
	if (r > 0)
		snprintf(text, size, "ONNX Runtime %s, %s", p->version, p->device);
	unlock(&p->lock);
	inference_free(f);
	return r < 0 ? -1 : 0;
}
