#include "test.h"

#include "handover.h"

#include <string.h>

#define STEPS "{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"},{\"id\":\"b\",\"tool\":\"noop\",\"needs\":[\"a\"]},{\"id\":\"c\",\"tool\":\"noop\"," \
	"\"needs\":[\"a\"]},{\"id\":\"sum\",\"tool\":\"aggregate\",\"needs\":[\"b\",\"c\"]}]}"
#define ROOM "{\"worker\":\"host-1-abcdef\",\"room\":{\"io\":2,\"image\":0,\"in fer\":3}}"

static struct wjob *job_with(struct work *w, const char *steps, int items)
{
	scoped(json_decref_p) json_t *body = json_loads(steps, 0, NULL), *problems = json_array();
	struct wjob *j = work_add_job(w, "00000000-0000-7000-8000-000000000001");

	j->def = definition_parse(body, "", NULL, problems);
	assert_non_null(j->def);
	j->items = items;
	j->total = definition_total(j->def, items);
	j->is_new = true;
	work_make(w, j, j->total);
	assert_true(work_settle(w));
	return j;
}

static struct wjob *job_of(struct work *w, int items)
{
	return job_with(w, STEPS, items);
}

static struct inst *inst_of(const struct wjob *j, const char *step, int item)
{
	return work_inst(j, definition_ordinal(j->def, j->items, definition_find(j->def, step), item));
}

TEST(handover_makes_nothing_of_a_header_that_makes_no_sense)
{
	static const char *const bad[] = { "", "{", "[]", "{}", "{\"worker\":\"\"}", "{\"worker\":\"a b\",\"room\":{\"io\":1}}",
		"{\"worker\":\"a:b\",\"room\":{\"io\":1}}", "{\"worker\":7}" };

	assert_null(room_parse(NULL));
	for (size_t i = 0; i < countof(bad); i++)
		assert_null(room_parse(bad[i]));
	room_unref(NULL);
}

TEST(handover_goes_to_who_reported_a_need_and_has_room)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, 3);
	struct room *room = room_parse(ROOM);
	struct op report = { .kind = OP_REPORT, .room = room }, *ops[] = { &report };

	assert_non_null(room);
	handover_begin(ops, 1);
	assert_false(handover_take(j, inst_of(j, "b", 0)));             /* nobody has reported anything */
	inst_of(j, "a", 0)->room = inst_of(j, "a", 1)->room = room;
	assert_false(handover_take(j, inst_of(j, "b", 2)));             /* of another picture */
	assert_true(handover_take(j, inst_of(j, "b", 0)));
	assert_ptr_equal(inst_of(j, "b", 0)->hand, room);
	inst_of(j, "b", 1)->probe = true;
	assert_false(handover_take(j, inst_of(j, "b", 1)));
	assert_true(handover_take(j, inst_of(j, "c", 0)));
	assert_false(handover_take(j, inst_of(j, "c", 1)));             /* there were only two places */
	room_unref(room);
}

TEST(handover_that_was_not_committed_takes_no_room)
{
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_of(&w, 3);
	struct room *room = room_parse(ROOM);
	struct op report = { .kind = OP_REPORT, .room = room }, other = { .kind = OP_MAKE }, *ops[] = { &report, &other, &report };

	for (int item = 0; item < 3; item++)
		inst_of(j, "a", item)->room = room;
	for (int tries = 0; tries < 3; tries++) {
		for (int item = 0; item < 2; item++)
			inst_of(j, "b", item)->hand = NULL;
		handover_begin(ops, countof(ops));
		assert_true(handover_take(j, inst_of(j, "b", 0)));
		assert_true(handover_take(j, inst_of(j, "b", 1)));
	}
	handover_commit(ops, countof(ops));
	handover_begin(ops, countof(ops));
	assert_false(handover_take(j, inst_of(j, "b", 2)));
	room_unref(room);
}

TEST(handover_leaves_a_join_of_many_pictures_to_anybody)
{
	scoped(work_done) struct work few = { 0 }, many = { 0 };
	struct wjob *small = job_of(&few, 4), *large = job_of(&many, 40);
	struct room *room = room_parse(ROOM);

	inst_of(small, "c", 3)->room = inst_of(large, "c", 3)->room = room;
	assert_true(handover_take(small, inst_of(small, "sum", 0)));
	assert_false(handover_take(large, inst_of(large, "sum", 0)));
	room_unref(room);
}

/* Its pixels are there: the others cost next to nothing, and somewhere else as much as the first. */
TEST(handover_keeps_steps_that_share_a_picture_together)
{
	static const char steps[] = "{\"steps\":[{\"id\":\"src\",\"tool\":\"fetch\"},{\"id\":\"a\",\"tool\":\"thumbnail\",\"needs\":[\"src\"]},"
		"{\"id\":\"b\",\"tool\":\"phash\",\"needs\":[\"src\"]},{\"id\":\"c\",\"tool\":\"smartcrop\",\"needs\":[\"src\"],"
		"\"params\":{\"width\":9,\"height\":9}},{\"id\":\"d\",\"tool\":\"metadata\",\"needs\":[\"src\"]}]}";
	scoped(work_done) struct work w = { 0 };
	struct wjob *j = job_with(&w, steps, 2);
	struct room *room = room_parse("{\"worker\":\"w\",\"room\":{\"image\":1}}");
	struct op report = { .kind = OP_REPORT, .room = room }, *ops[] = { &report };

	handover_begin(ops, 1);
	inst_of(j, "src", 0)->room = inst_of(j, "src", 1)->room = room;
	assert_true(handover_take(j, inst_of(j, "a", 0)));
	assert_false(handover_take(j, inst_of(j, "d", 0)));             /* it shares nothing */
	assert_true(handover_take(j, inst_of(j, "b", 0)));
	assert_true(handover_take(j, inst_of(j, "c", 0)));
	assert_false(handover_take(j, inst_of(j, "a", 1)));             /* another picture */
	assert_false(handover_take(j, inst_of(j, "b", 1)));
	handover_commit(ops, 1);
	handover_begin(ops, 1);
	inst_of(j, "c", 0)->hand = NULL;
	assert_false(handover_take(j, inst_of(j, "c", 0)));             /* the room is that of a batch */
	room_unref(room);
}
