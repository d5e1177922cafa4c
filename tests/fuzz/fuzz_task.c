/* What is found on a queue: with a seal only what a dispatcher wrote is a task; of any task that is taken, the report
 * is one that a dispatcher takes. */
#include "fuzz.h"

#include "report.h"
#include "task.h"

#include <stdlib.h>
#include <string.h>

static const char token[] = "a token of at least 32 characters";

static void check_report(const struct task *t, bool failed)
{
	scoped(buf_free) struct buf text = { 0 };
	scoped(json_decref_p) json_t *report = NULL;
	struct task_result r = { .failed = failed, .started_us = 1700000000000000, .took_us = 1234567, .peak_rss_kb = 5 };
	struct op *op = NULL;
	struct err err;

	if (failed)
		err_set(&r.err, ERR_REJECT, "'%.60s' %s", t->source ? t->source : t->step, t->queue);
	task_report(t, &r, "host-1-abcdef", &text);
	report = fuzz_must_be_json(text.text, text.len);
	if (t->ordinal > DEFINITION_MAX_INSTANCES || t->attempt > 32767)
		return;         /* no dispatcher makes such a task */
	must(report_parse(report, &op, &err) == 0);
	must(op->ordinal == t->ordinal && op->attempt == t->attempt && strcmp(op->job, t->job) == 0);
	op_free(op);
}

static bool check(const char *raw, size_t len, const struct sealer *sealer)
{
	scoped(task_free_p) struct task *t = NULL;
	struct err err;

	if (task_parse(raw, len, sealer, &t, &err) < 0) {
		fuzz_check_refusal(&err);
		return false;
	}
	json_decref(task_slim(t));
	must(strlen(t->job) == 36 && *t->step && *t->queue && !t->params);
	must(t->ordinal >= 0 && t->attempt >= 1 && t->item >= -1 && t->timeout_s >= 1 && *t->step && *t->queue);
	check_report(t, false);
	check_report(t, true);
	return true;
}

/* The seal holds for the bytes it was made of, and for no others. */
static void seal(const struct sealer *sealer, const uint8_t *data, size_t size)
{
	scoped(buf_free) struct buf b = { 0 };
	struct err err;

	if (!size)
		return;
	buf_add(&b, data, size);
	seal_add(sealer, &b, 0);
	must(seal_check(sealer, b.text, b.len, &err) == 0);
	check(b.text, b.len, sealer);
	b.text[b.len / 2] ^= 1;
	must(seal_check(sealer, b.text, b.len, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sealer sealer;

	sealer_init(&sealer, token, "");
	check((const char *)data, size, NULL);
	must(!check((const char *)data, size, &sealer));
	seal(&sealer, data, size && data[size - 1] == '}' ? size - 1 : size);
	return 0;
}
