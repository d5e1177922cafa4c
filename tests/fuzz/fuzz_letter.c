/* A dead letter that a person has pushed back: its task is found by its bytes, whatever stands around it. */
#include "fuzz.h"

#include "submission.h"
#include "task.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

static const char token[] = "a token of at least 32 characters";
static const char envelope[] = "{\"v\":1,\"job\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"step\":\"small\",\"item\":0,\"ordinal\":3,"
	"\"attempt\":3,\"tool\":\"resize\",\"queue\":\"image\",\"params\":{\"width\":8,\"task\":{}},\"inputs\":[]";

/* The message of the error is the input: it may look like anything. */
static void around(const struct sealer *sealer, const uint8_t *data, size_t size)
{
	scoped(buf_free) struct buf b = { 0 };
	scoped(task_free_p) struct task *t = NULL;
	struct err err;
	size_t from;

	buf_puts(&b, "{\"job\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"error\":{\"kind\":\"reject\",\"message\":");
	utf8_json_string(&b, (const char *)data, size);
	buf_puts(&b, "},\"attempts\":[{\"error\":");
	utf8_json_string(&b, (const char *)data, size);
	buf_puts(&b, "}],\"failed_at\":\"2026-01-02T03:04:05.678901Z\",\"task\":");
	from = b.len;
	buf_puts(&b, envelope);
	seal_add(sealer, &b, from);
	buf_puts(&b, "}");
	must(task_parse(b.text, b.len, sealer, &t, &err) == 0);
	must(t->is_requeue && t->ordinal == 3 && strcmp(t->step, "small") == 0);
}

/* Taken as a letter only when it is one. */
static void raw(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(json_decref_p) json_t *letter = json_parse_strict((const char *)data, size, SUBMISSION_MAX_DEPTH, problems);
	scoped(task_free_p) struct task *t = NULL;
	struct err err;

	if (task_parse((const char *)data, size, NULL, &t, &err) < 0 || !letter || !t->is_requeue)
		return;
	must(json_is_object(json_object_get(letter, "task")));
	must(strcmp(t->step, json_string_value(json_object_get(json_object_get(letter, "task"), "step"))) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sealer sealer;

	sealer_init(&sealer, token, "");
	if (size < 1000000)
		around(&sealer, data, size);
	raw(data, size);
	return 0;
}
