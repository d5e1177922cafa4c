#include "bench.h"

#include "clock.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Free sizes: pictures have these, everything else (tokens) so many. */
enum { PICTURE_SIZE = 224, OTHER_SIZE = 16, MOST_TIMES = 1 << 20 };
#define MOST_BYTES ((size_t)1 << 30)

struct caller {
	const struct bench *bench;
	const struct value *in;
	pthread_t thread;
	int64_t until_us;
	uint32_t *us;           /* how long each run took; the last MOST_TIMES */
	size_t runs, cap;
	int rc;
	struct err err;
};

static int64_t size_of_free(const struct bench *b, const struct port *p, size_t axis)
{
	if (axis == 0)
		return b->batch;
	return p->rank == 4 && axis >= 2 ? PICTURE_SIZE : OTHER_SIZE;
}

/* Pictures are numbers from 0 to 1, tokens 0 or 1: every table has these. */
static void fill(struct value *v)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < v->size / v->type->size; i++) {
		float x;

		seed = seed * 1664525 + 1013904223;
		x = (float)(seed >> 8) / (float)(1 << 24);
		if (strcmp(v->type->name, "FP32") == 0)
			memcpy((char *)v->data + i * sizeof x, &x, sizeof x);
		else if (strcmp(v->type->name, "FP64") == 0)
			((double *)v->data)[i] = (double)x;
		else if (strcmp(v->type->name, "FP16") == 0)
			((uint16_t *)v->data)[i] = (uint16_t)(0x3800 + (seed >> 22));           /* 0.5 to 1 */
		else if (strcmp(v->type->name, "BF16") == 0)
			((uint16_t *)v->data)[i] = (uint16_t)(0x3f00 + (seed >> 25));           /* 0.5 to 1 */
		else
			((unsigned char *)v->data)[i * v->type->size] = (unsigned char)(seed >> 31);
	}
}

static int make_input(const struct bench *b, const struct port *p, struct value *ret, struct err *err)
{
	size_t count = 1;

	*ret = (struct value){ .name = p->name, .type = p->type, .rank = p->rank };
	if (!p->type->size)
		return err_set(err, ERR_REJECT, "the input '%.60s' is of the type %s; random tensors are made of %s", p->name, p->type->name,
			dtype_names());
	for (size_t i = 0; i < p->rank; i++) {
		ret->shape[i] = p->shape[i] == -1 ? size_of_free(b, p, i) : p->shape[i];
		if (__builtin_mul_overflow(count, (size_t)ret->shape[i], &count) || count > MOST_BYTES / p->type->size)
			return err_set(err, ERR_REJECT, "the input '%.60s' takes more than %zu bytes", p->name, MOST_BYTES);
	}
	ret->size = count * p->type->size;
	ret->data = xcalloc(ret->size ? ret->size : 1, 1);
	fill(ret);
	return 0;
}

static int run_once(struct caller *c)
{
	const struct bench *b = c->bench;
	struct value out[SIGNATURE_PORTS] = { 0 };
	void *run = b->engine->begin(b->engine);
	int rc;

	for (size_t i = 0; i < b->signature->nout; i++)
		out[i].name = b->signature->out[i].name;
	rc = b->engine->run(b->engine, b->model, run, c->in, b->signature->nin, out, b->signature->nout, &c->err);
	for (size_t i = 0; i < b->signature->nout; i++)
		b->engine->release(b->engine, &out[i]);
	b->engine->end(b->engine, run);
	return rc;
}

static void *call(void *arg)
{
	struct caller *c = arg;

	for (int64_t now = clock_mono_us(), then; c->rc == 0 && now < c->until_us; now = then) {
		c->rc = run_once(c);
		then = clock_mono_us();
		if (c->runs < MOST_TIMES) {
			c->us = grow(c->us, c->runs + 1, &c->cap, sizeof *c->us);
			c->us[c->runs] = (uint32_t)(then - now);
		}
		c->runs++;
	}
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The p-th of 100, in ms. */
static double percentile(const uint32_t *us, size_t n, size_t p)
{
	return n ? us[min_of(n - 1, n * p / 100)] / 1000.0 : 0;
}

static void report(const struct bench *b, struct caller *callers, double seconds, json_t *to)
{
	scoped(free_p) uint32_t *all = NULL;
	size_t n = 0, runs = 0;

	for (unsigned i = 0; i < b->callers; i++) {
		size_t kept = min_of(callers[i].runs, (size_t)MOST_TIMES);

		all = xrealloc(all, (n + kept + 1) * sizeof *all);
		memcpy(all + n, callers[i].us ? callers[i].us : all, kept * sizeof *all);
		n += kept;
		runs += callers[i].runs;
	}
	qsort(all, n, sizeof *all, ascending);
	json_object_set_new(to, "callers", json_integer(b->callers));
	json_object_set_new(to, "batch", json_integer(b->batch));
	json_object_set_new(to, "seconds", json_real(seconds));
	json_object_set_new(to, "runs", json_integer((json_int_t)runs));
	json_object_set_new(to, "runs_per_s", json_real((double)runs / seconds));
	json_object_set_new(to, "rows_per_s", json_real((double)runs * b->batch / seconds));
	json_object_set_new(to, "p50_ms", json_real(percentile(all, n, 50)));
	json_object_set_new(to, "p99_ms", json_real(percentile(all, n, 99)));
}

static int run_all(const struct bench *b, const struct value *in, json_t *to, struct err *err)
{
	scoped(free_p) struct caller *callers = xcalloc(b->callers, sizeof *callers);
	struct caller warm = { .bench = b, .in = in };
	int64_t began;
	int rc = 0;

	if (run_once(&warm) < 0) {
		*err = warm.err;
		return -1;
	}
	began = clock_mono_us();
	for (unsigned i = 0; i < b->callers; i++) {
		callers[i] = (struct caller){ .bench = b, .in = in, .until_us = began + (int64_t)b->seconds * 1000000 };
		must(pthread_create(&callers[i].thread, NULL, call, &callers[i]) == 0);
	}
	for (unsigned i = 0; i < b->callers; i++) {
		must(pthread_join(callers[i].thread, NULL) == 0);
		if (callers[i].rc < 0) {
			*err = callers[i].err;
			rc = -1;
		}
	}
	if (rc == 0)
		report(b, callers, (double)(clock_mono_us() - began) / 1e6, to);
	for (unsigned i = 0; i < b->callers; i++)
		free(callers[i].us);
	return rc;
}

int bench_run(const struct bench *b, json_t *to, struct err *err)
{
	struct value in[SIGNATURE_PORTS] = { 0 };
	json_t *shapes = json_object();
	char text[200];
	int rc = 0;

	json_object_set_new(to, "shapes", shapes);
	if (b->batch > 1 && !signature_batches(b->signature))
		return err_set(err, ERR_REJECT, "--batch %u: its first axis is not free everywhere, under one name: it runs one at a time", b->batch);
	for (size_t i = 0; i < b->signature->nin && rc == 0; i++) {
		rc = make_input(b, &b->signature->in[i], &in[i], err);
		if (rc == 0)
			json_object_set_new(shapes, in[i].name, json_string(strrchr(port_text("", in[i].type, in[i].shape, in[i].rank, text,
				sizeof text), '[')));
	}
	if (rc == 0)
		rc = run_all(b, in, to, err);
	for (size_t i = 0; i < b->signature->nin; i++)
		free(in[i].data);
	return rc;
}
