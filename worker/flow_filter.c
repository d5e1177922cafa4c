#include "flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool holds(const json_t *list, const json_t *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), text))
			return true;
	return false;
}

static double area_of(const json_t *item)
{
	const json_t *box = json_object_get(item, "box");

	return json_array_size(box) == 4
		? json_number_value(json_array_get(box, 2)) * json_number_value(json_array_get(box, 3)) : NAN;
}

/* A condition on what the item does not have is not met: NAN compares false with everything. */
static bool in_range(double v, const json_t *least, const json_t *most)
{
	return (!least || v >= json_number_value(least)) && (!most || v <= json_number_value(most));
}

static bool matches(const json_t *params, const json_t *item)
{
	const json_t *score = json_object_get(item, "score"), *label = json_object_get(item, "label");
	const json_t *in = json_object_get(params, "label_in"), *not_in = json_object_get(params, "label_not_in");

	return in_range(json_is_number(score) ? json_number_value(score) : NAN, json_object_get(params, "min_score"),
			json_object_get(params, "max_score"))
		&& in_range(area_of(item), json_object_get(params, "min_area"), json_object_get(params, "max_area"))
		&& (!in || holds(in, label)) && (!not_in || !holds(not_in, label));
}

static int best_first(const void *a, const void *b)
{
	double x = json_number_value(json_object_get(*(json_t *const *)a, "score"));
	double y = json_number_value(json_object_get(*(json_t *const *)b, "score"));

	return (x < y) - (x > y);
}

static json_t *best(const json_t *items, size_t most)
{
	size_t n = json_array_size(items);
	scoped(free_p) json_t **sorted = xcalloc(n, sizeof(json_t *));
	json_t *kept = json_array();

	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(items, i);
	qsort(sorted, n, sizeof(json_t *), best_first);
	for (size_t i = 0; i < min_of(n, most); i++)
		json_array_append(kept, sorted[i]);
	return kept;
}

/* What the items were found in and by is still true of those that are kept. */
static void carry(json_t *to, const json_t *from)
{
	static const char *const names[] = { "width", "height", "simulated", "model" };

	for (size_t i = 0; i < countof(names); i++)
		if (json_object_get(from, names[i]) && !json_object_get(to, names[i]))
			json_object_set(to, names[i], json_object_get(from, names[i]));
}

static void keep_matching(const json_t *params, const json_t *items, json_t *kept)
{
	for (size_t i = 0; i < json_array_size(items); i++)
		if (matches(params, json_array_get(items, i)))
			json_array_append(kept, json_array_get(items, i));
}

int flow_filter(const struct flow_job *job, struct task_result *ret, struct err *err)
{
	scoped(json_decref_p) json_t *data = json_object(), *kept = json_array();
	const json_t *most = json_object_get(job->params, "max_items");
	bool has_items = false;

	for (size_t i = 0; i < json_array_size(job->inputs); i++) {
		scoped(json_decref_p) json_t *in = NULL;

		if (flow_input_data(job, i, &in, err) < 0)
			return -1;
		if (!json_is_array(json_object_get(in, "items")))
			continue;
		has_items = true;
		carry(data, in);
		keep_matching(job->params, json_object_get(in, "items"), kept);
	}
	if (!has_items)
		return err_set(err, ERR_REJECT, "filter: none of the needs gave a list 'items' (detect does)");
	json_object_set_new(data, "items", json_is_integer(most) ? best(kept, (size_t)json_integer_value(most)) : steal(&kept));
	ret->data = steal(&data);
	return 0;
}
