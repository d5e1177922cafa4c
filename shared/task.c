#include "task.h"

#include "clock.h"
#include "task_scan.h"
#include "utf8.h"
#include "uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_BYTES 320                /* of most of them */
#define RAW_MAX ((size_t)4 << 20)       /* definitions are at most 1 MiB, inputs in an envelope 16 KB */

/* ---- the envelope inside a dead letter ---- */

static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return min_of(p + 1, end);
}

/* The end of the value at p; the text was not checked to be JSON, so it only never runs over `end`. */
static const char *skip_value(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
			if (depth == 0)
				return p;
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		else if (*p == ',' && depth == 0)
			return p;
		if (depth < 0)
			return p;
		p++;
		if (depth == 0 && (p[-1] == '}' || p[-1] == ']'))
			return p;
	}
	return end;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Finds the bytes of the outermost member "task"; the seal is over bytes, so they must be found, not remade. */
static bool find_task(const char *raw, size_t len, const char **ret, size_t *ret_len)
{
	const char *end = raw + len, *p = skip_space(raw, end);

	if (p == end || *p++ != '{')
		return false;
	while ((p = skip_space(p, end)) < end && *p == '"') {
		const char *name = p, *name_end = skip_string(p, end), *value;

		p = skip_space(name_end, end);
		if (p == end || *p++ != ':')
			return false;
		value = skip_space(p, end);
		p = skip_value(value, end);
		if (name_end - name == 6 && memcmp(name, "\"task\"", 6) == 0 && value < end && *value == '{') {
			*ret = value;
			*ret_len = (size_t)(p - value);
			return true;
		}
		p = skip_space(p, end);
		if (p == end || *p++ != ',')
			return false;
	}
	return false;
}

/* ---- the shape ---- */

static int get_text(const json_t *body, const char *name, const char **ret, struct err *err)
{
	const char *s = json_string_value(json_object_get(body, name));

	if (!s || !*s)
		return err_set(err, ERR_REJECT, "the task has no '%s'", name);
	*ret = s;
	return 0;
}

static int get_number(const json_t *body, const char *name, int least, int *ret, struct err *err)
{
	const json_t *v = json_object_get(body, name);

	if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > INT32_MAX)
		return err_set(err, ERR_REJECT, "the task's '%s' is not a whole number from %d on", name, least);
	*ret = (int)json_integer_value(v);
	return 0;
}

static int get_numbers(struct task *t, struct err *err)
{
	const json_t *item = json_object_get(t->body, "item"), *timeout = json_object_get(t->body, "timeout_s");
	int seconds = 0;

	t->item = -1;
	if (item && !json_is_null(item) && get_number(t->body, "item", -1, &t->item, err) < 0)
		return -1;
	if (json_object_get(t->body, "pass") && get_number(t->body, "pass", 0, &t->pass, err) < 0)
		return -1;
	if (get_number(t->body, "ordinal", 0, &t->ordinal, err) < 0 || get_number(t->body, "attempt", 1, &t->attempt, err) < 0)
		return -1;
	if (timeout && get_number(t->body, "timeout_s", 1, &seconds, err) < 0)
		return -1;
	t->timeout_s = seconds ? (unsigned)seconds : t->tool ? t->tool->timeout_s : 60;
	return 0;
}

static int get_inputs(struct task *t, struct err *err)
{
	const json_t *inputs = json_object_get(t->body, "inputs");

	t->params = json_object_get(t->body, "params");
	if (t->params && !json_is_object(t->params))
		return err_set(err, ERR_REJECT, "the task's 'params' is not an object");
	t->inputs_url = json_string_value(json_object_get(t->body, "inputs_url"));
	if (t->inputs_url)
		return 0;
	if (inputs && !json_is_array(inputs))
		return err_set(err, ERR_REJECT, "the task's 'inputs' is not a list");
	if (!inputs && json_object_set_new(t->body, "inputs", json_array()) < 0)
		return err_set(err, ERR_REJECT, "the task has no 'inputs'");
	t->inputs = json_object_get(t->body, "inputs");
	return 0;
}

static int read_body(struct task *t, struct err *err)
{
	const char *tool = NULL;

	if (get_text(t->body, "job", &t->job, err) < 0 || get_text(t->body, "step", &t->step, err) < 0
		|| get_text(t->body, "tool", &tool, err) < 0 || get_text(t->body, "queue", &t->queue, err) < 0)
		return -1;
	if (!uuid_is(t->job))
		return err_set(err, ERR_REJECT, "the task's 'job' is '%.60s', not a UUID", t->job);
	t->tool = tool_find(tool);
	t->source = json_string_value(json_object_get(t->body, "source"));
	t->trace = json_string_value(json_object_get(t->body, "trace"));
	t->enqueued_at = json_string_value(json_object_get(t->body, "enqueued_at"));
	t->shared = json_object_get(t->body, "shared");
	t->final = json_is_true(json_object_get(t->body, "final"));
	t->is_probe = json_is_true(json_object_get(t->body, "probe"));
	return get_numbers(t, err) < 0 ? -1 : get_inputs(t, err);
}

static int load_body(const char *text, size_t len, json_t **ret, struct err *err)
{
	json_error_t e;
	json_t *body = json_loadb(text, len, 0, &e);

	if (!body)
		return err_set(err, ERR_REJECT, "the task is not JSON: %s, at byte %d", e.text, e.position);
	if (!json_is_object(body)) {
		json_decref(body);
		return err_set(err, ERR_REJECT, "the task is JSON, but not an object");
	}
	*ret = body;
	return 0;
}

static bool begins(const char *s, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(s, with, strlen(with)) == 0;
}

int task_parse(const char *raw, size_t len, const struct sealer *sealer, struct task **ret, struct err *err)
{
	scoped(task_free_p) struct task *t = xcalloc(1, sizeof *t);
	const char *envelope = raw;
	size_t envelope_len = len;
	bool is_letter;

	if (len > RAW_MAX)
		return err_set(err, ERR_REJECT, "the task has %zu bytes, at most %zu are allowed", len, RAW_MAX);
	is_letter = !begins(raw, len, "{\"v\":") && find_task(raw, len, &envelope, &envelope_len);
	if (sealer && seal_check(sealer, envelope, envelope_len, err) < 0)
		return is_letter ? err_wrap(err, "the dead letter's 'task'") : -1;
	if (!(sealer && task_scan(envelope, envelope_len, t)) &&
	    (load_body(envelope, envelope_len, &t->body, err) < 0 || read_body(t, err) < 0))
		return -1;
	t->is_requeue = is_letter;
	uuid_new(t->run);
	*ret = steal(&t);
	return 0;
}

static const char *keep(char **to, const char *s)
{
	const char *kept = s ? *to : NULL;

	if (s)
		*to = stpcpy(*to, s) + 1;
	return kept;
}

static size_t size_of(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

json_t *task_slim(struct task *t)
{
	json_t *body = steal(&t->body);
	char *to;

	if (!body)
		return NULL;
	to = t->kept = xcalloc(1, size_of(t->job) + size_of(t->step) + size_of(t->queue) + size_of(t->enqueued_at));
	t->job = keep(&to, t->job);
	t->step = keep(&to, t->step);
	t->queue = keep(&to, t->queue);
	t->enqueued_at = keep(&to, t->enqueued_at);
	t->source = t->inputs_url = t->trace = NULL;
	t->params = t->inputs = t->shared = NULL;
	return body;
}

void task_free(struct task *t)
{
	json_decref(t->body);
	free(t->kept);
	free(t);
}

void task_result_done(struct task_result *r)
{
	json_decref(r->artifacts);
	json_decref(r->data);
	for (size_t i = 0; i < r->nunsynced; i++)
		store_item_done(&r->unsynced[i]);
	free(r->unsynced);
	*r = (struct task_result){ 0 };
}

static void add_member(struct buf *to, const char *name, const json_t *value)
{
	if (!value)
		return;
	buf_printf(to, ",\"%s\":", name);
	buf_json(to, value);
}

static void add_backend(const char *name, struct buf *to)
{
	buf_puts(to, ",\"backend\":");
	utf8_json_string(to, name, strlen(name));
}

static void add_outcome(const struct task_result *r, struct buf *to)
{
	bool is_at_fault = r->failed && r->backend[0] && !r->backend_answered;

	if (r->backend[0] && !is_at_fault)
		add_backend(r->backend, to);
	if (!r->failed) {
		buf_puts(to, ",\"status\":\"succeeded\"");
		add_member(to, "artifacts", r->artifacts);
		add_member(to, "data", r->data);
		return;
	}
	buf_printf(to, ",\"status\":\"failed\",\"error\":{\"kind\":\"%s\",\"message\":", err_kind_name(r->err.kind));
	utf8_json_string(to, r->err.msg, strlen(r->err.msg));
	if (r->signal)
		buf_printf(to, ",\"signal\":%d", r->signal);
	if (is_at_fault)
		add_backend(r->backend, to);
	if (r->deferred)
		buf_puts(to, ",\"deferred\":true");
	buf_puts(to, "}");
}

static void add_text(struct buf *to, const char *before, const char *s)
{
	buf_puts(to, before);
	buf_puts(to, s);
}

static void add_int(struct buf *to, const char *before, int64_t v)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (v < 0)
		*--p = '-';
	buf_puts(to, before);
	buf_add(to, p, (size_t)(digits + sizeof digits - p));
}

void task_report(const struct task *t, const struct task_result *r, const char *worker, struct buf *to)
{
	char at[CLOCK_TEXT], ms[4] = { '.', (char)('0' + r->took_us / 100 % 10), (char)('0' + r->took_us / 10 % 10), (char)('0' + r->took_us % 10) };

	buf_reserve(to, REPORT_BYTES);
	add_text(to, "{\"run\":\"", t->run);
	add_text(to, "\",\"job\":\"", t->job);
	add_int(to, "\",\"ordinal\":", t->ordinal);
	add_int(to, ",\"attempt\":", t->attempt);
	buf_puts(to, ",\"worker\":");
	utf8_json_string(to, worker, strlen(worker));
	if (t->is_requeue)
		buf_puts(to, ",\"requeue\":true");
	if (t->is_probe)
		buf_puts(to, ",\"probe\":true");
	if (t->pass)
		add_int(to, ",\"pass\":", t->pass);
	add_text(to, ",\"started_at\":\"", clock_format(r->started_us, at));
	add_int(to, "\",\"ms\":", r->took_us / 1000);
	buf_add(to, ms, sizeof ms);
	if (r->peak_rss_kb)
		buf_printf(to, ",\"peak_rss_kb\":%zu", r->peak_rss_kb);
	add_outcome(r, to);
	buf_puts(to, "}");
}
