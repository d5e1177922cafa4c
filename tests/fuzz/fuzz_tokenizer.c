/* A text of anybody's, as numbers and back. */
#include "fuzz_clip.h"

#include "tokenizer.h"

static void check(const char *dir, const char *text, size_t length, int64_t start, int64_t end, int64_t most)
{
	scoped(tokens_done) struct tokens ids = { 0 }, again = { 0 };
	scoped(buf_free) struct buf back = { 0 };
	const struct tokenizer *t;
	struct err err;

	must(tokenizer_open(dir, NULL, &t, &err) == 0);
	if (tokenizer_encode(t, text, length, &ids, &err) < 0) {
		fuzz_check_refusal(&err);
		must(strlen(text) > TOKENIZER_TEXT_MAX);
		return;
	}
	must(ids.n >= 2 && ids.n <= ids.size && ids.id[0] == start && ids.id[ids.n - 1] == end);
	must(length == 0 ? ids.size == ids.n && !ids.is_cut : ids.size == length);
	for (size_t i = 0; i < ids.size; i++)
		must(ids.id[i] >= 0 && ids.id[i] <= most);
	tokenizer_decode(t, ids.id, ids.size, &back);
	must(fuzz_is_utf8(back.text ? back.text : "", back.len));
	must(tokenizer_encode(t, text, 0, &again, &err) == 0 && (ids.is_cut ? again.n > ids.n : again.n == ids.n));
	must(memcmp(ids.id, again.id, (ids.n - 1) * sizeof *ids.id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length = size ? data[0] % 16 : 0;
	scoped(free_p) char *text = fuzz_text(data + (size > 0), size ? size - 1 : 0);
	static char clip[128], bert[128];

	if (!*clip) {
		snprintf(clip, sizeof clip, "%s", fuzz_folder("clip"));
		fuzz_put_clip_vocab(clip);
		fuzz_put(clip, "merges.txt", FUZZ_MERGES, strlen(FUZZ_MERGES));
		snprintf(bert, sizeof bert, "%s", fuzz_folder("bert"));
		fuzz_put(bert, "vocab.txt", FUZZ_PIECES, strlen(FUZZ_PIECES));
	}
	length = length < 2 ? 0 : length;
	check(clip, text, length, 600, 601, 606);
	check(bert, text, length, 2, 3, 12);
	return 0;
}
