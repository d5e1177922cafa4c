#include "progress_event.h"
#include "test.h"

#include <string.h>

#define JOB "00000000-0000-7000-8000-000000000001"

static bool tell(const char *message, struct buf *to)
{
	scoped(json_decref_p) json_t *m = json_loads(message, 0, NULL);

	assert_non_null(m);
	buf_clear(to);
	buf_add(to, "", 0);
	return progress_event(JOB, m, to);
}

TEST(progress_event_is_what_a_step_told)
{
	scoped(buf_free) struct buf b = { 0 };

	assert_true(tell("{\"progress\":{\"step\":\"boxes\",\"item\":3,\"what\":\"loading model clip/image\",\"bytes\":12,\"x\":1}}", &b));
	assert_string_equal(b.text, "event: progress\ndata: {\"id\":\"" JOB "\",\"step\":\"boxes\",\"item\":3,"
		"\"what\":\"loading model clip/image\",\"bytes\":12}\n\n");
	assert_true(tell("{\"progress\":{\"step\":\"sum\",\"item\":-1,\"what\":\"w\",\"bytes\":\"many\"}}", &b));
	assert_null(strstr(b.text, "bytes"));
}

TEST(progress_event_cannot_be_made_to_say_other_events)
{
	scoped(buf_free) struct buf b = { 0 };

	assert_true(tell("{\"progress\":{\"step\":\"a\\n\\nevent: job\",\"item\":0,\"what\":\"x\\r\\n\\r\\ndata: {}\"}}", &b));
	assert_null(strstr(b.text, "\n\nevent: job"));
	assert_null(strchr(b.text, '\r'));
	assert_ptr_equal(strstr(b.text, "\n\n"), b.text + b.len - 2);
}

TEST(progress_event_is_cut_where_a_character_ends)
{
	scoped(buf_free) struct buf b = { 0 }, m = { 0 };

	buf_puts(&m, "{\"progress\":{\"step\":\"s\",\"item\":0,\"what\":\"x");
	for (int i = 0; i < 1000; i++)
		buf_puts(&m, "\xe7\x8c\xab");
	buf_puts(&m, "\"}}");
	assert_true(tell(m.text, &b));
	assert_true(b.len < PROGRESS_WHAT_MAX + 200);
	assert_null(strstr(b.text, "\xef\xbf\xbd"));
}

TEST(progress_event_of_odd_messages_is_none)
{
	static const char *const odd[] = { "{\"progress\":1}", "{\"progress\":{}}", "{\"progress\":{\"step\":1,\"item\":0,\"what\":\"w\"}}",
		"{\"progress\":{\"step\":\"s\",\"item\":\"0\",\"what\":\"w\"}}", "{\"progress\":{\"step\":\"s\",\"item\":-2,\"what\":\"w\"}}",
		"{\"progress\":{\"step\":\"s\",\"item\":99999999999,\"what\":\"w\"}}", "{\"progress\":{\"step\":\"s\",\"item\":0}}", "[]" };
	scoped(buf_free) struct buf b = { 0 };

	for (size_t i = 0; i < countof(odd); i++) {
		assert_false(tell(odd[i], &b));
		assert_int_equal(b.len, 0);
	}
}
