#include "leaf.h"
#include "test.h"

#include <string.h>

#define ID "00000000-0000-7000-8000-00000000000"
#define STEPS "{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"},{\"id\":\"b\",\"tool\":\"noop\",\"needs\":[\"a\"]}]}"

static struct wjob *job_of(struct work *w, const char *id, int items)
{
	scoped(json_decref_p) json_t *body = json_loads(STEPS, 0, NULL), *problems = json_array();
	struct wjob *j = work_add_job(w, id);

	j->def = definition_parse(body, "", NULL, problems);
	assert_non_null(j->def);
	j->items = items;
	j->total = j->made = definition_total(j->def, items);
	return j;
}

static struct op success_of(const char *id, int ordinal)
{
	return (struct op){ .kind = OP_REPORT, .job = (char *)id, .ordinal = ordinal, .report = { .attempt = 2 } };
}

TEST(leaves_are_expected_to_be_queued_in_jobs_that_run)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *a = job_of(&w, ID "1", 2), *b = job_of(&w, ID "2", 1);
	struct op first = success_of(ID "1", 1), second = success_of(ID "1", 3), other = success_of(ID "2", 1), again = success_of(ID "1", 1),
		*ops[] = { &first, &second, &other, &again };
	struct inst *i;

	assert_true(leaf_expect(&w, ops, countof(ops)));
	i = work_inst(a, 1);
	assert_true(i && i->state == STEP_QUEUED && i->attempt == 2 && i->was.attempt == 2 && !i->dirty);
	assert_true(a->is_loaded && b->is_loaded && a->state == JOB_RUNNING);
	assert_int_equal(a->ninsts, 2);
	work_succeed(&w, a, i);
	work_succeed(&w, a, work_inst(a, 3));
	assert_true(work_settle(&w));
	work_end_jobs(&w);
	assert_true(a->succeeded == 2 && !a->ended && a->state == JOB_RUNNING);
}

TEST(leaves_are_only_successes_of_steps_that_nothing_waits_for_in_known_jobs)
{
	scoped(work_done) struct work w = { 0 };
	struct op good = success_of(ID "1", 1), failed = good, requeued = good, other_kind = good, needed = success_of(ID "1", 0),
		beyond = success_of(ID "1", 2), before = success_of(ID "1", -1), unknown = success_of(ID "4", 1),
		*bad[] = { &failed, &requeued, &other_kind, &needed, &beyond, &before, &unknown };

	job_of(&w, ID "1", 1);
	work_add_job(&w, ID "4");
	failed.report.failed = true;
	requeued.report.is_requeue = true;
	other_kind.kind = OP_RETRY_DUE;
	for (size_t k = 0; k < countof(bad); k++) {
		struct op *ops[] = { &good, bad[k] };

		assert_false(leaf_expect(&w, ops, 2));
		assert_false(work_job(&w, ID "1")->is_loaded);
	}
	assert_true(leaf_expect(&w, (struct op *[]){ &good }, 1));
}
