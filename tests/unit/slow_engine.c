#include "slow_engine.h"
#include "sync.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct handle {
	bool is_stopped;
};

static struct slow_engine *slow(struct engine *e)
{
	return (struct slow_engine *)e;
}

/* Under the lock: until the gate opens, or the run is called off. */
static void pass(struct slow_engine *e, const bool *gate, const struct handle *h)
{
	e->at_gate++;
	pthread_cond_broadcast(&e->changed);
	while (*gate && !(h && h->is_stopped))
		cond_wait(&e->changed, &e->lock);
	e->at_gate--;
	pthread_cond_broadcast(&e->changed);
}

static void port(struct port *p, const char *name, bool is_free)
{
	*p = (struct port){ .type = dtype_named("FP32"), .rank = 2, .shape = { is_free ? -1 : 1, 2 } };
	snprintf(p->name, sizeof p->name, "%s", name);
}

static int load(struct engine *engine, const char *path, void **ret, struct signature *s, struct err *err)
{
	struct slow_engine *e = slow(engine);
	char kind[16] = "";
	FILE *f = fopen(path, "r");
	scoped_lock(&e->lock);

	e->loads++;
	pass(e, &e->loads_are_shut, NULL);
	if (!f || fscanf(f, "%15s", kind) != 1)
		kind[0] = '\0';
	if (f)
		fclose(f);
	if (!*kind || strcmp(kind, "broken") == 0)
		return err_set(err, ERR_REJECT, "no model");
	*s = (struct signature){ .nin = 1, .nout = 1 };
	port(&s->in[0], "x", strcmp(kind, "fixed") != 0);
	port(&s->out[0], "y", strcmp(kind, "fixed") != 0);
	e->loaded++;
	*ret = xstrdup(kind);
	return 0;
}

static void unload(struct engine *engine, void *model)
{
	struct slow_engine *e = slow(engine);
	scoped_lock(&e->lock);

	e->unloads++;
	pass(e, &e->unloads_are_shut, NULL);
	e->loaded--;
	free(model);
}

static void *begin(struct engine *e)
{
	(void)e;
	return xcalloc(1, sizeof(struct handle));
}

static void stop(struct engine *engine, void *run)
{
	struct slow_engine *e = slow(engine);
	scoped_lock(&e->lock);

	((struct handle *)run)->is_stopped = true;
	e->stops++;
	pthread_cond_broadcast(&e->changed);
}

static void end(struct engine *e, void *run)
{
	(void)e;
	free(run);
}

static int run(struct engine *engine, void *model, void *handle, const struct value *in, size_t nin, struct value *out, size_t nout,
	struct err *err)
{
	struct slow_engine *e = slow(engine);
	size_t n = in->size / sizeof(float), times = strcmp(model, "mixed") == 0 ? 2 : 1;
	bool is_stopped, is_short;
	float *y;

	must(nin == 1 && nout == 1);
	lock(&e->lock);
	e->rows[min_of((size_t)e->runs, countof(e->rows) - 1)] = in->shape[0];
	e->runs++;
	pass(e, &e->is_shut, handle);
	is_stopped = ((struct handle *)handle)->is_stopped;
	is_short = strcmp(model, "scarce") == 0 && e->loaded > 1;
	unlock(&e->lock);
	if (is_stopped || is_short)
		return err_set(err, is_stopped ? ERR_REJECT : ERR_RETRY, "bad alloc");
	y = xcalloc(n * times + 1, sizeof *y);
	for (size_t i = 0; i < n * times; i++)
		y[i] = 2 * ((const float *)in->data)[i / times];
	*out = (struct value){ .name = out->name, .type = dtype_named("FP32"), .rank = 2, .shape = { in->shape[0] * (int64_t)times, 2 },
		.data = y, .size = n * times * sizeof *y, .owner = y };
	return 0;
}

static void release(struct engine *e, struct value *output)
{
	(void)e;
	free(output->owner);
	output->owner = NULL;
}

void slow_engine_init(struct slow_engine *e)
{
	*e = (struct slow_engine){ .engine = { load, unload, begin, stop, end, run, release } };
	mutex_init(&e->lock);
	cond_init(&e->changed);
}

void slow_engine_done(struct slow_engine *e)
{
	assert_int_equal(e->loaded, 0);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
}

void slow_engine_shut(struct slow_engine *e, bool runs, bool loads)
{
	scoped_lock(&e->lock);

	e->is_shut = runs;
	e->loads_are_shut = loads;
	pthread_cond_broadcast(&e->changed);
}

void slow_engine_shut_unloads(struct slow_engine *e, bool unloads)
{
	scoped_lock(&e->lock);

	e->unloads_are_shut = unloads;
	pthread_cond_broadcast(&e->changed);
}

void slow_engine_await(struct slow_engine *e, unsigned at_gate)
{
	scoped_lock(&e->lock);

	while (e->at_gate != at_gate)
		cond_wait(&e->changed, &e->lock);
}

unsigned slow_engine_count(struct slow_engine *e, const unsigned *what)
{
	scoped_lock(&e->lock);

	return *what;
}
