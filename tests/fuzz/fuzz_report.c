/* What a worker posts of its executions. */
#include "fuzz.h"

#include "report.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

static void one(const json_t *report)
{
	struct op *op = NULL;
	struct err err;

	if (report_parse(report, &op, &err) < 0) {
		fuzz_check_refusal(&err);
		must(!op);
		return;
	}
	must(op->kind == OP_REPORT && uuid_is(op->job) && uuid_is(op->report.run));
	must(op->attempt >= 1 && op->ordinal >= 0 && op->report.ms >= 0 && op->report.signal >= 0);
	must(!op->report.failed || (op->report.message && strlen(op->report.message) <= REPORT_MESSAGE_MAX));
	must(!op->report.message || fuzz_is_utf8(op->report.message, strlen(op->report.message)));
	if (op->report.data)
		json_decref(fuzz_must_be_json(op->report.data, strlen(op->report.data)));
	if (op->report.artifacts)
		json_decref(fuzz_must_be_json(op->report.artifacts, strlen(op->report.artifacts)));
	op_free(op);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(json_decref_p) json_t *body = json_parse_strict((const char *)data, size, SUBMISSION_MAX_DEPTH, problems);

	if (!body)
		return 0;
	one(body);
	for (size_t i = 0; i < json_array_size(body); i++)
		one(json_array_get(body, i));
	return 0;
}
