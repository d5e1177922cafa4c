#include "queues.h"
#include "test.h"

TEST(a_full_window_sends_the_rest_to_the_backlog)
{
	struct queues *q = queues_new(3);

	for (int k = 0; k < 3; k++)
		assert_true(queues_reserve(q, "image", false));
	assert_false(queues_reserve(q, "image", false));
	assert_true(queues_reserve(q, "image", true));
	assert_true(queues_reserve(q, "io", false));
	queues_free(q);
}

TEST(nothing_overtakes_the_backlog_until_it_is_empty)
{
	struct queues *q = queues_new(10);

	queues_measured(q, "image", 2, true);
	assert_false(queues_reserve(q, "image", false));
	queues_measured(q, "image", 2, false);
	assert_true(queues_reserve(q, "image", false));
	queues_free(q);
}

TEST(queues_remember_the_names_they_saw)
{
	struct queues *q = queues_new(10);
	char names[4][40];

	queues_reserve(q, "image", false);
	queues_reserve(q, "io", false);
	queues_reserve(q, "image", false);
	assert_int_equal(queues_names(q, names, countof(names)), 2);
	assert_string_equal(names[0], "image");
	queues_free(q);
}

TEST(what_was_reserved_keeps_its_room_until_it_must_be_in_redis)
{
	struct queues *q = queues_new(10);

	for (int k = 0; k < 10; k++)
		assert_true(queues_reserve(q, "image", false));
	assert_int_equal(queues_measured(q, "image", 0, false), 10);    /* none of them is there yet */
	assert_false(queues_reserve(q, "image", false));
	assert_int_equal(queues_measured(q, "image", 0, false), 10);
	assert_int_equal(queues_measured(q, "image", 0, false), 10);
	assert_int_equal(queues_measured(q, "image", 0, false), 0);     /* their batch was undone */
	assert_true(queues_reserve(q, "image", false));
	queues_free(q);
}
