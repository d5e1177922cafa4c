#include "test.h"

#include "spec.h"

#include <string.h>

TEST(spec_reads_queues_and_their_slots)
{
	struct spec s;
	struct err err;

	assert_int_equal(spec_parse("image=2,infer=1,my-io.2=64", &s, &err), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.queue[0], "image");
	assert_int_equal(s.slots[0], 2);
	assert_string_equal(s.queue[2], "my-io.2");
	assert_int_equal(s.slots[2], 64);
}

TEST(spec_refuses_what_it_does_not_understand)
{
	static const char *const bad[] = { "", "image", "image=", "image=0", "image=257", "image=-1", "image=2x", "=2", "a=1,", "a=1,,b=1",
		"a b=1", "a=1,a=2", "a=1 ,b=1" };

	for (size_t i = 0; i < countof(bad); i++) {
		struct spec s;
		struct err err;

		assert_int_equal(spec_parse(bad[i], &s, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_int_equal(strncmp(err.msg, "slots: ", 7), 0);
	}
}
