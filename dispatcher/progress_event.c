#include "progress_event.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define STEP_MAX 128

/* Quoted and escaped: no line of it can be taken for one of the stream's. */
static void put_text(struct buf *to, const char *text, size_t most)
{
	scoped(free_p) char *cut = xstrndup(text, utf8_whole(text, min_of(strlen(text), most)));

	buf_json_string(to, cut);
}

bool progress_event(const char *job, const json_t *message, struct buf *to)
{
	const json_t *p = json_object_get(message, "progress");
	const char *step = json_string_value(json_object_get(p, "step")), *what = json_string_value(json_object_get(p, "what"));
	const json_t *item = json_object_get(p, "item"), *bytes = json_object_get(p, "bytes");

	if (!step || !what || !json_is_integer(item) || json_integer_value(item) < -1 || json_integer_value(item) > INT32_MAX)
		return false;
	buf_printf(to, "event: progress\ndata: {\"id\":\"%s\",\"step\":", job);
	put_text(to, step, STEP_MAX);
	buf_printf(to, ",\"item\":%d,\"what\":", (int)json_integer_value(item));
	put_text(to, what, PROGRESS_WHAT_MAX);
	if (json_is_integer(bytes) && json_integer_value(bytes) > 0)
		buf_printf(to, ",\"bytes\":%" JSON_INTEGER_FORMAT, json_integer_value(bytes));
	buf_puts(to, "}\n\n");
	return true;
}
