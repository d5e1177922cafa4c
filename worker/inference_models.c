#include "inference_models.h"

#include "clock.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

#define MOST 64                 /* then the one that was not used for longest is forgotten */

static struct inference_model *find(struct inference_models *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->all[i].name, name) == 0)
			return &m->all[i];
	return NULL;
}

static struct inference_model *make_room(struct inference_models *m)
{
	struct inference_model *oldest;

	if (m->n < MOST) {
		m->all = grow(m->all, m->n + 1, &m->cap, sizeof *m->all);
		return &m->all[m->n++];
	}
	oldest = &m->all[0];
	for (size_t i = 1; i < m->n; i++)
		if (m->all[i].used < oldest->used)
			oldest = &m->all[i];
	free(oldest->name);
	return oldest;
}

static struct inference_model *find_or_add(struct inference_models *m, const char *name)
{
	struct inference_model *one = find(m, name);

	if (!one) {
		one = make_room(m);
		*one = (struct inference_model){ .name = xstrdup(name) };
	}
	one->used = ++m->uses;
	return one;
}

void inference_models_loading(struct inference_models *m, const char *name, int64_t bytes)
{
	struct inference_model *one = find_or_add(m, name);

	if (one->is_loading)            /* somebody else waits for the same load */
		return;
	one->is_loading = true;
	one->is_loaded = false;
	one->since_ms = clock_mono_ms();
	one->bytes = bytes;
}

void inference_models_ran(struct inference_models *m, const char *name, int64_t load_ms)
{
	struct inference_model *one = find_or_add(m, name);

	if (one->is_loading)
		log_info("model.loaded", "name=%s ms=%lld mb=%lld", log_quote(name), (long long)(load_ms > 0 ? load_ms :
			clock_mono_ms() - one->since_ms), (long long)((one->bytes + (1 << 20) - 1) >> 20));
	one->is_loading = false;
	one->is_loaded = true;
}

void inference_models_failed(struct inference_models *m, const char *name)
{
	struct inference_model *one = find(m, name);

	if (one)
		one->is_loading = false;
}

bool inference_models_is_loading(struct inference_models *m, const char *name)
{
	const struct inference_model *one = find(m, name);

	return one && one->is_loading;
}

void inference_models_write(const struct inference_models *m, struct buf *to)
{
	const char *between = "[";

	for (size_t i = 0; i < m->n; i++) {
		if (!m->all[i].is_loaded)
			continue;
		buf_puts(to, between);
		buf_json_string(to, m->all[i].name);
		between = ",";
	}
	buf_puts(to, *between == '[' ? "[]" : "]");
}

void inference_models_clear(struct inference_models *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->all[i].name);
	free(m->all);
	*m = (struct inference_models){ 0 };
}
