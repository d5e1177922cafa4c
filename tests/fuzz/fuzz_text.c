/* Text that somebody else made, as JSON and as a word of a log line. */
#include "fuzz.h"

#include "log.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

static void check_json(const struct buf *b, const char *text, size_t len)
{
	scoped(json_decref_p) json_t *value = json_loadb(b->text, b->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	must(json_is_string(value));
	if (fuzz_is_utf8(text, len))
		must(json_string_length(value) == len && memcmp(json_string_value(value), text, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size);
	scoped(buf_free) struct buf b = { 0 };
	const char *word = log_quote(text);

	utf8_json_string(&b, (const char *)data, size);
	check_json(&b, (const char *)data, size);
	buf_clear(&b);
	buf_json_string(&b, text);
	check_json(&b, text, strlen(text));
	must(*word == '"' && word[strlen(word) - 1] == '"' && fuzz_is_utf8(word, strlen(word)));
	for (const char *c = word; *c; c++)
		must((unsigned char)*c >= 0x20 && *c != 0x7f);
	json_decref(fuzz_must_be_json(word, strlen(word)));
	return 0;
}
