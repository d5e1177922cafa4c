#include "round.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct round {
	struct engine *engine;
	struct question *const *q;
	size_t n;
	size_t rows;                            /* of all questions; 0 when there is one only, which need not have rows */
	struct value in[SIGNATURE_PORTS], out[SIGNATURE_PORTS];
};

static void round_done(struct round *r)
{
	for (size_t i = 0; i < r->q[0]->nin; i++)
		free(r->in[i].data);
	for (size_t i = 0; i < r->q[0]->nout; i++)
		r->engine->release(r->engine, &r->out[i]);
}

void answer_done(struct answer *a)
{
	json_decref(a->outputs);
	if (a->fd >= 0)
		close(a->fd);
	*a = (struct answer){ .fd = -1 };
}

/* ---- laying together ---- */

static int lay_input(struct round *r, size_t i, struct err *err)
{
	const struct piece *first = &r->q[0]->in[i];
	struct value *v = &r->in[i];
	size_t at = 0;

	*v = (struct value){ .name = first->name, .type = first->type, .rank = first->rank };
	memcpy(v->shape, first->shape, sizeof v->shape);
	if (r->n > 1)
		v->shape[0] = (int64_t)r->rows;
	for (size_t k = 0; k < r->n; k++)
		v->size += r->q[k]->in[i].size;
	v->data = xrealloc(NULL, v->size ? v->size : 1);        /* all of it is written to */
	for (size_t k = 0; k < r->n; k++) {
		if (question_bytes(r->q[k], i, (char *)v->data + at, err) < 0)
			return -1;
		at += r->q[k]->in[i].size;
	}
	return 0;
}

/* ---- cutting apart ---- */

static int check_rows(const struct round *r, struct err *err)
{
	for (size_t i = 0; r->n > 1 && i < r->q[0]->nout; i++)
		if (!r->out[i].rank || r->out[i].shape[0] != (int64_t)r->rows)
			return err_set(err, ERR_REJECT, "the output '%.60s' has not the %zu rows of the inputs", r->out[i].name, r->rows);
	return 0;
}

static int put(int fd, const void *bytes, size_t size, size_t at, struct err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, (const char *)bytes + done, size - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_RETRY, "no memory for a model's answer: %s", strerror(errno));
		done += (size_t)n;
	}
	return 0;
}

/* Of output i the rows from `from` on. */
static int cut_output(const struct round *r, size_t i, size_t from, size_t rows, size_t *at, struct answer *to, struct err *err)
{
	const struct value *v = &r->out[i];
	size_t row = r->n > 1 ? v->size / r->rows : 0, size = r->n > 1 ? row * rows : v->size;
	json_t *shape = json_array(), *one;

	for (size_t k = 0; k < v->rank; k++)
		json_array_append_new(shape, json_integer(k == 0 && r->n > 1 ? (json_int_t)rows : (json_int_t)v->shape[k]));
	one = json_pack("{s:s, s:s, s:o, s:I, s:I}", "name", v->name, "datatype", v->type->name, "shape", shape, "offset", (json_int_t)*at,
		"bytes", (json_int_t)size);
	must(one && json_array_append_new(to->outputs, one) == 0);
	if (size > QUESTION_BYTES_MAX || *at > QUESTION_BYTES_MAX - size)
		return err_set(err, ERR_REJECT, "the outputs have more than the %zu bytes that are allowed in one answer ('%.60s' alone has %zu)",
			QUESTION_BYTES_MAX, v->name, size);
	if (put(to->fd, (const char *)v->data + from * row, size, *at, err) < 0)
		return -1;
	*at += size;
	return 0;
}

static int cut_answer(const struct round *r, size_t from, size_t rows, struct answer *ret, struct err *err)
{
	scoped(answer_done) struct answer a = { json_array(), memfd_create("tensors", MFD_CLOEXEC) };
	size_t at = 0;

	if (a.fd < 0)
		return err_set(err, ERR_RETRY, "no memory for a model's answer: %s", strerror(errno));
	for (size_t i = 0; i < r->q[0]->nout; i++)
		if (cut_output(r, i, from, rows, &at, &a, err) < 0)
			return -1;
	*ret = a;
	a = (struct answer){ .fd = -1 };
	return 0;
}

static int cut_answers(const struct round *r, struct answer *ret, struct err *err)
{
	size_t from = 0;

	for (size_t k = 0; k < r->n; k++) {
		if (cut_answer(r, from, r->q[k]->rows, &ret[k], err) < 0) {
			while (k-- > 0)
				answer_done(&ret[k]);
			return -1;
		}
		from += r->q[k]->rows;
	}
	return 0;
}

int round_run(struct engine *e, void *model, void *run, struct question *const *q, size_t n, struct answer *ret, bool *ret_is_mixed,
	struct err *err)
{
	scoped(round_done) struct round r = { .engine = e, .q = q, .n = n };

	for (size_t k = 0; k < n && n > 1; k++)
		r.rows += q[k]->rows;
	for (size_t i = 0; i < q[0]->nin; i++)
		if (lay_input(&r, i, err) < 0)
			return -1;
	for (size_t i = 0; i < q[0]->nout; i++)
		r.out[i].name = q[0]->out[i];
	if (e->run(e, model, run, r.in, q[0]->nin, r.out, q[0]->nout, err) < 0)
		return -1;
	*ret_is_mixed = check_rows(&r, err) < 0;
	return *ret_is_mixed ? -1 : cut_answers(&r, ret, err);
}
