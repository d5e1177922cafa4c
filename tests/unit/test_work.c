#include "test.h"
#include "work.h"

#include <string.h>

/* A job of `items` pictures that runs the definition, all made and settled. */
static struct wjob *job_of(struct work *w, const char *steps, int items)
{
	scoped(json_decref_p) json_t *body = json_loads(steps, 0, NULL);
	scoped(json_decref_p) json_t *problems = json_array();
	struct wjob *j = work_add_job(w, "00000000-0000-7000-8000-000000000001");

	assert_non_null(body);
	j->def = definition_parse(body, "", NULL, problems);
	assert_non_null(j->def);
	j->is_new = true;
	j->items = items;
	j->total = definition_total(j->def, items);
	work_make(w, j, j->total);
	assert_true(work_settle(w));
	j->is_new = false;
	j->loaded_all = true;
	for (int o = 0; o < j->total; o++)
		work_inst(j, o)->is_new = false;
	return j;
}

static struct inst *inst_of(const struct wjob *j, const char *step, int item)
{
	struct inst *i = work_inst(j, definition_ordinal(j->def, j->items, definition_find(j->def, step), item));

	assert_non_null(i);
	return i;
}

static void succeed(struct work *w, struct wjob *j, const char *step, int item)
{
	work_succeed(w, j, inst_of(j, step, item));
	assert_true(work_settle(w));
	work_end_jobs(w);
}

static void give_up(struct work *w, struct wjob *j, const char *step, int item)
{
	work_fail(w, j, inst_of(j, step, item), ERR_REJECT, "no");
	assert_true(work_settle(w));
	work_end_jobs(w);
}

#define check_state(j, step, item, want) assert_int_equal(inst_of(j, step, item)->state, STEP_##want)

#define CHAIN   "{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"},{\"id\":\"b\",\"tool\":\"noop\"},{\"id\":\"c\",\"tool\":\"noop\"}]}"
#define DIAMOND(more) "{" more "\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"},{\"id\":\"l\",\"tool\":\"noop\",\"needs\":[\"a\"]}," \
	"{\"id\":\"r\",\"tool\":\"noop\",\"needs\":[\"a\"]},{\"id\":\"end\",\"tool\":\"noop\",\"needs\":[\"l\",\"r\"]}]}"
#define FAN(join) "{\"on_failure\":\"continue\",\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"}," \
	"{\"id\":\"sum\",\"tool\":\"aggregate\",\"needs\":[\"a\"],\"join\":" join "}]}"

TEST(only_steps_without_needs_are_queued_at_first)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 2);

	check_state(j, "a", 0, QUEUED);
	check_state(j, "a", 1, QUEUED);
	check_state(j, "b", 0, BLOCKED);
	assert_true(inst_of(j, "a", 0)->push);
	assert_false(inst_of(j, "b", 0)->push);
}

TEST(what_is_put_off_is_not_counted_and_its_next_push_is_told_from_the_last)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 1);
	struct inst *i = inst_of(j, "a", 0);

	work_put_off(j, i, "triton", "away", 1);
	check_state(j, "a", 0, RETRYING);
	assert_true(i->set_retry && i->attempt == 1 && i->pass == 1);
	assert_string_equal(i->backend, "triton");
	work_requeue_due(j, i, false);
	assert_true(i->state == STEP_QUEUED && i->attempt == 1 && i->pass == 1 && i->push && i->drop_retry);
	i->pass = 32767;
	work_put_off(j, i, "triton", "away", 1);
	assert_int_equal(i->pass, 1);
	work_requeue_due(j, i, false);
	work_retry(j, i);
	assert_null(i->backend);
	work_requeue_due(j, i, true);
	assert_true(i->attempt == 2 && i->pass == 1);
	work_stop(&w, j, SKIP_CANCELLED, -1);
	work_end_jobs(&w);
	assert_int_equal(j->state, JOB_CANCELLED);
}

TEST(success_queues_the_dependents_of_the_same_picture)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 2);

	succeed(&w, j, "a", 1);
	check_state(j, "b", 1, QUEUED);
	check_state(j, "b", 0, BLOCKED);
	assert_int_equal(j->state, JOB_RUNNING);
}

TEST(a_job_succeeds_when_all_its_instances_have)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 1);

	succeed(&w, j, "a", 0);
	succeed(&w, j, "b", 0);
	assert_int_equal(j->state, JOB_RUNNING);
	succeed(&w, j, "c", 0);
	assert_int_equal(j->state, JOB_SUCCEEDED);
	assert_true(j->ended);
}

TEST(a_diamond_waits_for_both_sides)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, DIAMOND(""), 1);

	succeed(&w, j, "a", 0);
	succeed(&w, j, "l", 0);
	check_state(j, "end", 0, BLOCKED);
	succeed(&w, j, "r", 0);
	check_state(j, "end", 0, QUEUED);
}

TEST(fail_fast_skips_all_that_is_open_and_fails_the_job)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, DIAMOND(""), 3);

	succeed(&w, j, "a", 0);
	give_up(&w, j, "l", 0);
	check_state(j, "r", 0, SKIPPED);
	check_state(j, "a", 2, SKIPPED);
	check_state(j, "end", 1, SKIPPED);
	assert_int_equal(inst_of(j, "a", 2)->reason, SKIP_FAIL_FAST);
	assert_int_equal(inst_of(j, "a", 2)->skipped_by, inst_of(j, "l", 0)->ordinal);
	assert_false(inst_of(j, "r", 0)->push);
	assert_int_equal(j->state, JOB_FAILED);
	assert_true(j->purge);
}

TEST(continue_skips_the_dependents_only_and_ends_partial)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, DIAMOND("\"on_failure\":\"continue\","), 2);

	succeed(&w, j, "a", 0);
	give_up(&w, j, "l", 0);
	check_state(j, "end", 0, SKIPPED);
	assert_int_equal(inst_of(j, "end", 0)->reason, SKIP_NEED_FAILED);
	check_state(j, "r", 0, QUEUED);
	check_state(j, "a", 1, QUEUED);
	succeed(&w, j, "r", 0);
	succeed(&w, j, "a", 1);
	succeed(&w, j, "l", 1);
	succeed(&w, j, "r", 1);
	succeed(&w, j, "end", 1);
	assert_int_equal(j->state, JOB_PARTIAL);
	assert_int_equal(j->skipped, 1);
}

TEST(a_skip_goes_down_the_whole_chain_at_once)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, "{\"on_failure\":\"continue\",\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"},{\"id\":\"b\",\"tool\":\"noop\"},"
		"{\"id\":\"c\",\"tool\":\"noop\"},{\"id\":\"d\",\"tool\":\"noop\"}]}", 1);

	give_up(&w, j, "a", 0);
	check_state(j, "d", 0, SKIPPED);
	assert_int_equal(inst_of(j, "d", 0)->skipped_by, inst_of(j, "a", 0)->ordinal);
	assert_int_equal(j->state, JOB_FAILED);         /* nothing succeeded */
}

TEST(join_any_waits_for_every_end_and_runs_on_what_succeeded)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, FAN("\"any\""), 3);

	succeed(&w, j, "a", 0);
	check_state(j, "sum", 0, BLOCKED);
	give_up(&w, j, "a", 1);
	check_state(j, "sum", 0, BLOCKED);
	succeed(&w, j, "a", 2);
	check_state(j, "sum", 0, QUEUED);
	succeed(&w, j, "sum", 0);
	assert_int_equal(j->state, JOB_PARTIAL);
}

TEST(join_any_is_skipped_when_nothing_succeeded)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, FAN("\"any\""), 2);

	give_up(&w, j, "a", 0);
	check_state(j, "sum", 0, BLOCKED);
	give_up(&w, j, "a", 1);
	check_state(j, "sum", 0, SKIPPED);
	assert_int_equal(j->state, JOB_FAILED);
}

TEST(a_numbered_join_is_skipped_as_soon_as_it_cannot_be_met)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, FAN("2"), 3);

	give_up(&w, j, "a", 0);
	check_state(j, "sum", 0, BLOCKED);
	give_up(&w, j, "a", 1);
	check_state(j, "sum", 0, SKIPPED);      /* while picture 2 still runs */
	check_state(j, "a", 2, QUEUED);
}

TEST(success_of_a_dead_letter_revives_what_was_skipped_because_of_it)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, DIAMOND(""), 2);

	give_up(&w, j, "a", 0);
	assert_int_equal(j->state, JOB_FAILED);
	succeed(&w, j, "a", 0);
	assert_int_equal(j->state, JOB_RUNNING);
	assert_int_equal(j->stop_reason, SKIP_NONE);
	check_state(j, "l", 0, QUEUED);
	check_state(j, "a", 1, QUEUED);
	check_state(j, "end", 0, BLOCKED);
	assert_int_equal(inst_of(j, "end", 0)->waiting_on, 2);
	assert_int_equal(inst_of(j, "end", 0)->missing, 0);
	for (int k = 0; k < 2; k++) {
		if (k)
			succeed(&w, j, "a", k);
		succeed(&w, j, "l", k);
		succeed(&w, j, "r", k);
		succeed(&w, j, "end", k);
	}
	assert_int_equal(j->state, JOB_SUCCEEDED);
	assert_int_equal(j->skipped, 0);
	assert_int_equal(j->failed, 0);
}

TEST(a_revival_leaves_what_another_failure_holds_back)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, DIAMOND("\"on_failure\":\"continue\","), 1);

	succeed(&w, j, "a", 0);
	give_up(&w, j, "l", 0);
	give_up(&w, j, "r", 0);
	succeed(&w, j, "l", 0);
	check_state(j, "end", 0, SKIPPED);
	assert_int_equal(inst_of(j, "end", 0)->skipped_by, inst_of(j, "r", 0)->ordinal);
	succeed(&w, j, "r", 0);
	check_state(j, "end", 0, QUEUED);
}

TEST(a_join_any_that_ran_does_not_run_again_after_a_revival)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, FAN("\"any\""), 2);

	succeed(&w, j, "a", 0);
	give_up(&w, j, "a", 1);
	succeed(&w, j, "sum", 0);
	assert_int_equal(j->state, JOB_PARTIAL);
	succeed(&w, j, "a", 1);
	check_state(j, "sum", 0, SUCCEEDED);
	assert_int_equal(j->state, JOB_SUCCEEDED);
}

TEST(a_requeue_that_fails_again_leaves_the_job_as_it_is)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 1);

	give_up(&w, j, "a", 0);
	inst_of(j, "a", 0)->dead = false;
	give_up(&w, j, "a", 0);
	assert_true(inst_of(j, "a", 0)->dead);
	assert_int_equal(j->failed, 1);
	assert_int_equal(j->state, JOB_FAILED);
}

TEST(cancel_ends_everything_open_and_only_that)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 2);

	succeed(&w, j, "a", 0);
	work_stop(&w, j, SKIP_CANCELLED, -1);
	assert_true(work_settle(&w));
	work_end_jobs(&w);
	check_state(j, "a", 0, SUCCEEDED);
	check_state(j, "b", 0, CANCELLED);
	check_state(j, "c", 1, CANCELLED);
	assert_int_equal(j->state, JOB_CANCELLED);
}

TEST(the_end_of_job_callback_runs_after_a_failure_too)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, "{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\",\"needs\":[]},{\"id\":\"b\",\"tool\":\"noop\",\"needs\":[\"a\"]},"
		"{\"id\":\"tell\",\"tool\":\"callback\",\"needs\":[\"b\"],\"join\":0,\"always\":true,\"on_failure\":\"continue\"}]}", 2);

	give_up(&w, j, "a", 0);
	check_state(j, "b", 1, SKIPPED);
	check_state(j, "tell", 0, QUEUED);
	assert_int_equal(j->state, JOB_RUNNING);
	succeed(&w, j, "tell", 0);
	assert_int_equal(j->state, JOB_FAILED);
}

TEST(instances_made_later_look_at_what_their_needs_became)
{
	scoped(work_done) struct work w = { 0 };
	scoped(json_decref_p) json_t *body = json_loads(FAN("\"all\""), 0, NULL), *problems = json_array();
	struct wjob *j = work_add_job(&w, "00000000-0000-7000-8000-000000000001");

	j->def = definition_parse(body, "", NULL, problems);
	j->items = 2;
	j->total = 3;
	j->is_new = true;
	work_make(&w, j, 2);
	assert_true(work_settle(&w));
	work_succeed(&w, j, work_inst(j, 0));
	assert_true(work_settle(&w));
	work_fail(&w, j, work_inst(j, 1), ERR_REJECT, "no");
	assert_true(work_settle(&w));
	work_make(&w, j, 3);
	assert_true(work_settle(&w));
	check_state(j, "sum", 0, SKIPPED);
	work_end_jobs(&w);
	assert_int_equal(j->state, JOB_PARTIAL);
}

TEST(a_retry_that_ends_in_the_batch_it_began_in_leaves_no_row)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 2);

	work_retry(j, inst_of(j, "a", 0));
	give_up(&w, j, "a", 1);
	check_state(j, "a", 0, SKIPPED);
	assert_false(inst_of(j, "a", 0)->set_retry);
	assert_true(inst_of(j, "a", 0)->drop_retry);
}

TEST(a_failure_and_a_success_in_one_batch_leave_no_dead_letter)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 1);

	work_fail(&w, j, inst_of(j, "a", 0), ERR_REJECT, "no");
	succeed(&w, j, "a", 0);
	assert_false(inst_of(j, "a", 0)->dead);
	assert_true(inst_of(j, "a", 0)->revived);
	check_state(j, "b", 0, QUEUED);
}

TEST(a_job_stays_stopped_by_the_other_of_two_failures)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, CHAIN, 3);

	work_fail(&w, j, inst_of(j, "a", 0), ERR_REJECT, "no");
	give_up(&w, j, "a", 1);
	assert_int_equal(j->state, JOB_FAILED);
	succeed(&w, j, "a", 1);
	assert_int_equal(j->state, JOB_FAILED);
	assert_int_equal(j->stopped_by, inst_of(j, "a", 0)->ordinal);
	check_state(j, "a", 2, SKIPPED);
	succeed(&w, j, "a", 0);
	check_state(j, "a", 2, QUEUED);
	assert_int_equal(j->state, JOB_RUNNING);
}

TEST(retries_wait_longer_each_time_and_never_longer_than_asked)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, "{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\",\"retry\":{\"max_attempts\":9,\"backoff_s\":2,\"max_backoff_s\":6}}]}", 1);
	struct inst *i = inst_of(j, "a", 0);

	for (int attempt = 1; attempt < 9; attempt++) {
		work_retry(j, i);
		check_state(j, "a", 0, RETRYING);
		assert_true(i->retry_s > 0 && i->retry_s <= (attempt == 1 ? 2 : attempt == 2 ? 4 : 6));
		work_requeue_due(j, i, true);
		assert_int_equal(i->attempt, attempt + 1);
		check_state(j, "a", 0, QUEUED);
		assert_true(i->drop_retry && i->push);
	}
}

TEST(jobs_of_a_batch_are_kept_in_the_order_of_their_ids)
{
	scoped(work_done) struct work w = { 0 };

	work_add_job(&w, "00000000-0000-7000-8000-000000000003");
	work_add_job(&w, "00000000-0000-7000-8000-000000000001");
	work_add_job(&w, "00000000-0000-7000-8000-000000000002");
	work_add_job(&w, "00000000-0000-7000-8000-000000000001");
	assert_int_equal(w.njobs, 3);
	for (size_t k = 1; k < w.njobs; k++)
		assert_true(strcmp(w.jobs[k - 1]->id, w.jobs[k]->id) < 0);
	assert_null(work_job(&w, "00000000-0000-7000-8000-000000000009"));
}
