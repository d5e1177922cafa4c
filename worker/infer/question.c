#include "question.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MODEL_NAME = 320 };    /* "org/name/part" of a card */

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

void question_done(struct question *q)
{
	for (size_t i = 0; i < q->nin; i++)
		free(q->in[i].name);
	for (size_t i = 0; i < q->nout; i++)
		free(q->out[i]);
	free(q->name);
	free(q->path);
	json_decref(q->declared);
	if (q->fd >= 0)
		close(q->fd);
	*q = (struct question){ .fd = -1 };
}

/* ---- what it says ---- */

static int read_shape(const json_t *shape, struct piece *p, struct err *err)
{
	size_t count = 1;

	p->rank = json_array_size(shape);
	if (!json_is_array(shape) || p->rank > SIGNATURE_RANK)
		return err_set(err, ERR_REJECT, "input '%.60s': its shape is no list of at most %d sizes", p->name, SIGNATURE_RANK);
	for (size_t i = 0; i < p->rank; i++) {
		const json_t *d = json_array_get(shape, i);

		if (!json_is_integer(d) || json_integer_value(d) < 0 || json_integer_value(d) > INT32_MAX)
			return err_set(err, ERR_REJECT, "input '%.60s': dimension %zu is no size", p->name, i);
		p->shape[i] = json_integer_value(d);
		if (__builtin_mul_overflow(count, (size_t)p->shape[i], &count))
			count = SIZE_MAX / 16;
	}
	if (count > QUESTION_BYTES_MAX || count * p->type->size > QUESTION_BYTES_MAX)
		return err_set(err, ERR_REJECT, "input '%.60s' has %zu elements of %zu bytes, at most %zu bytes are allowed", p->name, count,
			p->type->size, QUESTION_BYTES_MAX);
	p->size = count * p->type->size;
	return 0;
}

static int read_input(const json_t *from, struct piece *p, off_t offset, struct err *err)
{
	const json_t *bytes = json_object_get(from, "bytes");
	const char *name = text_of(from, "name"), *type = text_of(from, "datatype");
	char text[200];

	p->name = xstrdup(name);
	if (!*name || strlen(name) >= PORT_NAME)
		return err_set(err, ERR_REJECT, "an input's name has %zu bytes, 1 to %d are allowed", strlen(name), PORT_NAME - 1);
	p->type = dtype_named(type);
	if (!p->type || !p->type->size)
		return err_set(err, ERR_REJECT, "input '%.60s' is of the type '%.40s'; allowed are %s", name, type, dtype_names());
	if (read_shape(json_object_get(from, "shape"), p, err) < 0)
		return -1;
	p->offset = offset;
	if (!json_is_integer(bytes) || json_integer_value(bytes) != (json_int_t)p->size)
		return err_set(err, ERR_REJECT, "input %s takes %zu bytes, it says %lld", port_text(name, p->type, p->shape, p->rank, text,
			sizeof text), p->size, (long long)json_integer_value(bytes));
	return 0;
}

/* The file has to be as long as they say: what is missing would be found in the middle of a batch. */
static int check_file(const struct question *q, size_t size, struct err *err)
{
	struct stat st = { 0 };

	if (q->fd < 0 && size)
		return err_set(err, ERR_REJECT, "the file with the tensors did not come along");
	if (q->fd >= 0 && (fstat(q->fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size < size))
		return err_set(err, ERR_REJECT, "the file with the tensors has %lld bytes, the shapes say %zu", (long long)st.st_size, size);
	return 0;
}

static int read_inputs(const json_t *list, struct question *q, struct err *err)
{
	size_t n = json_array_size(list), size = 0;

	if (n > SIGNATURE_PORTS)
		return err_set(err, ERR_REJECT, "%zu inputs, at most %d are allowed", n, SIGNATURE_PORTS);
	for (size_t i = 0; i < n; i++) {
		q->nin = i + 1;
		if (read_input(json_array_get(list, i), &q->in[i], (off_t)size, err) < 0)
			return -1;
		size += q->in[i].size;
		q->rows = !q->in[i].rank || (i && q->rows != (size_t)q->in[i].shape[0]) ? 0 : (size_t)q->in[i].shape[0];
	}
	if (size > QUESTION_BYTES_MAX)
		return err_set(err, ERR_REJECT, "the inputs have %zu bytes, at most %zu are allowed", size, QUESTION_BYTES_MAX);
	return check_file(q, size, err);
}

static int read_outputs(const json_t *list, struct question *q, struct err *err)
{
	size_t n = json_array_size(list);

	if (n > SIGNATURE_PORTS)
		return err_set(err, ERR_REJECT, "%zu outputs, at most %d are allowed", n, SIGNATURE_PORTS);
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (!name || !*name || strlen(name) >= PORT_NAME)
			return err_set(err, ERR_REJECT, "\"outputs\" is no list of names");
		q->out[q->nout++] = xstrdup(name);
	}
	return 0;
}

static int read_words(const json_t *said, struct question *q, struct err *err)
{
	const char *what = text_of(said, "do"), *name = text_of(said, "name"), *path = text_of(said, "path");
	json_int_t batch = json_integer_value(json_object_get(said, "max_batch"));

	if (strcmp(what, "describe") != 0 && strcmp(what, "infer") != 0)
		return err_set(err, ERR_REJECT, "the worker asked for '%.40s'; known are describe and infer", what);
	if (!*name || strlen(name) >= MODEL_NAME || *path != '/' || strlen(path) >= PATH_BYTES)
		return err_set(err, ERR_REJECT, "the worker named no model: name '%.60s', path '%.200s'", name, path);
	q->is_infer = *what == 'i';
	q->name = xstrdup(name);
	q->path = xstrdup(path);
	q->declared = json_incref(json_object_get(said, "declared"));
	q->max_batch = batch > 0 && batch <= INT32_MAX ? (size_t)batch : 0;
	q->is_alone = json_is_true(json_object_get(said, "alone"));
	if (!q->is_infer)
		return 0;
	if (read_inputs(json_object_get(said, "inputs"), q, err) < 0 || read_outputs(json_object_get(said, "outputs"), q, err) < 0)
		return err_wrap(err, "model '%.128s'", name);
	return 0;
}

int question_read(const json_t *said, int *take_fd, struct question *ret, struct err *err)
{
	scoped(question_done) struct question q = { .fd = *take_fd };

	*take_fd = -1;
	if (read_words(said, &q, err) < 0)
		return -1;
	*ret = q;
	q = (struct question){ .fd = -1 };
	return 0;
}

/* ---- against the model ---- */

static int check_piece(const struct piece *p, const struct port *port, struct err *err)
{
	bool fits = p->type == port->type && p->rank == port->rank;
	char has[200], wants[200];

	for (size_t i = 0; fits && i < p->rank; i++)
		fits = port->shape[i] == -1 || port->shape[i] == p->shape[i];
	if (fits)
		return 0;
	/* ONNX Runtime tells no scalar from what has no shape. */
	return err_set(err, ERR_REJECT, "it was given the input %s, it takes %s%s", port_text(p->name, p->type, p->shape, p->rank, has,
		sizeof has), ports_text(port, 1, wants, sizeof wants), p->rank && !port->rank ? ": a single value, or an input that "
		"the model's file gives no shape, which cannot be used: export the model with the shapes of its inputs" : "");
}

static int check_inputs(struct question *q, const struct signature *s, struct err *err)
{
	struct piece sorted[SIGNATURE_PORTS];
	bool is_given[SIGNATURE_PORTS] = { false };
	char text[400];

	for (size_t i = 0; i < q->nin; i++) {
		int at = port_find(s->in, s->nin, q->in[i].name);

		if (at < 0 || is_given[at])
			return err_set(err, ERR_REJECT, "it was given the input '%.60s'%s, it takes: %s", q->in[i].name, at < 0 ? "" : " twice",
				ports_text(s->in, s->nin, text, sizeof text));
		if (check_piece(&q->in[i], &s->in[at], err) < 0)
			return -1;
		sorted[at] = q->in[i];
		is_given[at] = true;
	}
	for (size_t i = 0; i < s->nin; i++)
		if (!is_given[i])
			return err_set(err, ERR_REJECT, "it was not given its input %s", ports_text(&s->in[i], 1, text, sizeof text));
	memcpy(q->in, sorted, q->nin * sizeof *sorted);
	return 0;
}

int question_check(struct question *q, const struct signature *s, struct err *err)
{
	char text[400];

	if (signature_check(s, q->declared, err) < 0)
		return err_wrap(err, "model '%.128s' ('%.200s')", q->name, q->path);
	if (!q->is_infer)
		return 0;
	if (check_inputs(q, s, err) < 0)
		return err_wrap(err, "model '%.128s'", q->name);
	for (size_t i = 0; !q->nout && i < s->nout; i++)
		q->out[i] = xstrdup(s->out[i].name);
	q->nout = q->nout ? q->nout : s->nout;
	for (size_t i = 0; i < q->nout; i++) {
		int at = port_find(s->out, s->nout, q->out[i]);

		if (at < 0)
			return err_set(err, ERR_REJECT, "model '%.128s' gives no output '%.60s', it gives: %s", q->name, q->out[i],
				ports_text(s->out, s->nout, text, sizeof text));
		if (!s->out[at].type->size)
			return err_set(err, ERR_REJECT, "model '%.128s' gives the output '%.60s' as %s; taken are %s", q->name, q->out[i],
				s->out[at].type->name, dtype_names());
	}
	return 0;
}

static bool piece_joins(const struct piece *a, const struct piece *b)
{
	return strcmp(a->name, b->name) == 0 && a->type == b->type && a->rank == b->rank &&
		memcmp(a->shape + 1, b->shape + 1, (a->rank - 1) * sizeof *a->shape) == 0;
}

bool question_joins(const struct question *a, const struct question *b)
{
	if (!a->is_infer || !b->is_infer || a->is_alone || b->is_alone || !a->rows || !b->rows || a->nin != b->nin || a->nout != b->nout)
		return false;
	for (size_t i = 0; i < a->nin; i++)
		if (!piece_joins(&a->in[i], &b->in[i]))
			return false;
	for (size_t i = 0; i < a->nout; i++)
		if (strcmp(a->out[i], b->out[i]) != 0)
			return false;
	return true;
}

/* ---- its bytes ---- */

/* Code that was compiled for 0 and 1 does what it likes with other bytes. */
static void make_bool(unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = bytes[i] != 0;
}

int question_bytes(const struct question *q, size_t i, void *to, struct err *err)
{
	const struct piece *p = &q->in[i];

	for (size_t at = 0; at < p->size;) {
		ssize_t n = pread(q->fd, (char *)to + at, p->size - at, p->offset + (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_REJECT, "the bytes of the input '%.60s' are not there any more", p->name);
		at += (size_t)n;
	}
	if (p->type == dtype_named("BOOL"))
		make_bool(to, p->size);
	return 0;
}
