/* The files of a tokenizer. The first byte says which one it is: vocab.txt, vocab.json, merges.txt, tokenizer.json. */
#include "fuzz_clip.h"

#include "tokenizer.h"

static const char *const names[] = { "vocab.txt", "vocab.json", "merges.txt", "tokenizer.json" };

static void use(const struct tokenizer *t)
{
	scoped(tokens_done) struct tokens ids = { 0 };
	scoped(buf_free) struct buf back = { 0 };
	struct err err;

	must(tokenizer_encode(t, "abc aaaaa's Ab\xcc\x81! \xe6\x97\xa5 [MASK]", 20, &ids, &err) == 0);
	must(ids.size == 20 && ids.n <= 20);
	tokenizer_decode(t, ids.id, ids.size, &back);
	must(fuzz_is_utf8(back.text ? back.text : "", back.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *folder = fuzz_folder("model"), *name = names[size ? data[0] % countof(names) : 0];
	const char *vocab = strcmp(name, "merges.txt") == 0 ? "vocab.json" : name;
	scoped(json_decref_p) json_t *card = json_pack("{s:{s:s}}", "tokenizer", "vocab", vocab);
	const struct tokenizer *t;
	struct err err;

	fuzz_put(folder, "merges.txt", FUZZ_MERGES, strlen(FUZZ_MERGES));
	fuzz_put_clip_vocab(folder);
	fuzz_put(folder, name, data + (size > 0), size ? size - 1 : 0);
	if (tokenizer_open(folder, card, &t, &err) < 0)
		fuzz_check_refusal(&err);
	else
		use(t);
	return 0;
}
