#include "flow.h"

#include <stdlib.h>
#include <string.h>

#define NO_LABEL "(none)"

struct tally {
	json_t *labels;         /* label: count */
	json_int_t items;
	bool is_simulated;
};

static void count_items(struct tally *t, const json_t *data)
{
	const json_t *items = json_object_get(data, "items");

	t->is_simulated |= json_is_true(json_object_get(data, "simulated"));
	for (size_t i = 0; i < json_array_size(items); i++) {
		const char *label = json_string_value(json_object_get(json_array_get(items, i), "label"));

		label = label ? label : NO_LABEL;
		json_object_set_new(t->labels, label,
			json_integer(json_integer_value(json_object_get(t->labels, label)) + 1));
		t->items++;
	}
}

struct row { const char *label; json_int_t n; };

static int most_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->label, y->label);
}

static struct row *sort_labels(json_t *labels, size_t *ret_n)
{
	struct row *rows = xcalloc(json_object_size(labels), sizeof *rows);
	const char *label;
	json_t *n;
	size_t i = 0;

	json_object_foreach(labels, label, n)
		rows[i++] = (struct row){ label, json_integer_value(n) };
	qsort(rows, i, sizeof *rows, most_first);
	*ret_n = i;
	return rows;
}

/* RFC 4180: quoted where a comma, a quote or a line end makes it needed. */
static void csv_field(struct buf *b, const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		buf_puts(b, s);
		return;
	}
	buf_puts(b, "\"");
	for (; *s; s++)
		buf_printf(b, *s == '"' ? "\"\"" : "%c", *s);
	buf_puts(b, "\"");
}

static int write_csv(const struct flow_job *job, const struct row *rows, size_t n, json_t **ret, struct err *err)
{
	scoped(buf_free) struct buf csv = { 0 };
	char digest[DIGEST_TEXT];

	buf_puts(&csv, "label,count\n");
	for (size_t i = 0; i < n; i++) {
		csv_field(&csv, rows[i].label);
		buf_printf(&csv, ",%lld\n", (long long)rows[i].n);
	}
	if (store_put(job->store, csv.text, csv.len, digest, err) < 0)
		return -1;
	*ret = json_pack("[{s:s, s:s, s:s, s:I}]", "name", "labels.csv", "digest", digest, "media_type", "text/csv",
		"bytes", (json_int_t)csv.len);
	return 0;
}

/* One input as it shows up in `results`: where it is from, and its data or its file. */
static void add_result(json_t *results, const json_t *input, json_t *data)
{
	json_t *r = json_object();

	json_object_set(r, "step", json_object_get(input, "step"));
	json_object_set(r, "item", json_object_get(input, "item"));
	if (data)
		json_object_set(r, "data", data);
	else
		json_object_set(r, "artifact", json_object_get(input, "artifact"));
	json_array_append_new(results, r);
}

static int tally_all(const struct flow_job *job, struct tally *t, json_t *results, struct err *err)
{
	for (size_t i = 0; i < json_array_size(job->inputs); i++) {
		scoped(json_decref_p) json_t *data = NULL;

		if (flow_input_data(job, i, &data, err) < 0)
			return -1;
		count_items(t, data);
		if (results)
			add_result(results, json_array_get(job->inputs, i), data);
	}
	return 0;
}

int flow_aggregate(const struct flow_job *job, struct task_result *ret, struct err *err)
{
	scoped(json_decref_p) json_t *labels = json_object(), *sorted = json_object(), *results = NULL;
	struct tally t = { .labels = labels };
	scoped(free_p) struct row *rows = NULL;
	size_t n;

	if (json_is_true(json_object_get(job->params, "include_results")))
		results = json_array();
	if (tally_all(job, &t, results, err) < 0)
		return -1;
	rows = sort_labels(labels, &n);
	for (size_t i = 0; i < n; i++)
		json_object_set_new(sorted, rows[i].label, json_integer(rows[i].n));
	if (write_csv(job, rows, n, &ret->artifacts, err) < 0)
		return -1;
	ret->data = json_pack("{s:I, s:O}", "num_items", t.items, "labels", sorted);
	if (t.is_simulated)
		json_object_set_new(ret->data, "simulated", json_true());
	if (results)
		json_object_set(ret->data, "results", results);
	return 0;
}
