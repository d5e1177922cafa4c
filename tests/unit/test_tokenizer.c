#include "test.h"
#include "tiny_tokenizer.h"
#include "tokenizer.h"
#include "vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* "600 0 524 601": the numbers of a text, uncut, or of `length`. */
static const char *numbers(const char *dir, const char *card, const char *text, size_t length)
{
	static char said[4096];
	scoped(json_decref_p) json_t *c = card ? json_loads(card, 0, NULL) : NULL;
	scoped(tokens_done) struct tokens ids = { 0 };
	const struct tokenizer *t;
	struct err err;
	size_t n = 0;

	if (tokenizer_open(dir, c, &t, &err) < 0 || tokenizer_encode(t, text, length, &ids, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < ids.size && n < sizeof said - 8; i++)
		n += (size_t)snprintf(said + n, sizeof said - n, "%s%lld", i ? " " : "", (long long)ids.id[i]);
	return said;
}

static const char *text_of(const char *dir, const int64_t *ids, size_t n)
{
	static char said[256];
	scoped(buf_free) struct buf text = { 0 };
	const struct tokenizer *t;
	struct err err;

	if (tokenizer_open(dir, NULL, &t, &err) < 0)
		fail_msg("%s", err.msg);
	tokenizer_decode(t, ids, n, &text);
	snprintf(said, sizeof said, "%s", text.text ? text.text : "");
	return said;
}

static const char *refusal(const char *dir, const char *card)
{
	static char said[1024];
	scoped(json_decref_p) json_t *c = card ? json_loads(card, 0, NULL) : NULL;
	const struct tokenizer *t;
	struct err err;

	assert_int_equal(tokenizer_open(dir, c, &t, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	snprintf(said, sizeof said, "%s", err.msg);
	return said;
}

/* ---- byte pairs ---- */

TEST(tokenizer_clip_merges_words_and_splits_the_rest_into_bytes)
{
	const char *dir = tiny_clip();

	assert_string_equal(numbers(dir, NULL, "photo red", 0), "600 524 520 601");
	assert_string_equal(numbers(dir, NULL, "a", 0), "600 320 601");         /* CLIP's own number for a</w> */
	assert_string_equal(numbers(dir, NULL, "ab", 0), "600 64 321 601");
	assert_string_equal(numbers(dir, NULL, "", 0), "600 601");
	assert_string_equal(numbers(dir, NULL, " \t\n\r\xc2\xa0\xe3\x80\x80 ", 0), "600 601");
}

TEST(tokenizer_clip_lowers_and_composes_first)
{
	const char *dir = tiny_clip();

	assert_string_equal(numbers(dir, NULL, "PhoTO RED", 0), "600 524 520 601");
	assert_string_equal(numbers(dir, NULL, "e\xcc\x81", 0), "600 127 358 601");                    /* decomposed */
	assert_string_equal(numbers(dir, NULL, "\xc3\x89", 0), "600 127 358 601");                     /* E with acute, composed */
	assert_string_equal(numbers(dir, "{\"tokenizer\":{\"lowercase\":false}}", "RED", 0), "600 49 36 291 601");
}

TEST(tokenizer_clip_knows_contractions_digits_and_marks)
{
	const char *dir = tiny_clip();

	assert_string_equal(numbers(dir, NULL, "red's", 0), "600 520 525 601");
	assert_string_equal(numbers(dir, NULL, "RED'S", 0), "600 520 525 601");
	assert_string_equal(numbers(dir, NULL, "red's's", 0), "600 520 525 525 601");
	assert_string_equal(numbers(dir, NULL, "!'s", 0), "600 0 262 338 601");        /* a mark before it: no contraction */
	assert_string_equal(numbers(dir, NULL, "red123red", 0), "600 520 272 273 274 520 601");
	assert_string_equal(numbers(dir, NULL, "red!?red", 0), "600 520 0 286 520 601");
}

TEST(tokenizer_clip_takes_any_character)
{
	const char *dir = tiny_clip();

	/* 日 / a family of emoji, one word / a Hebrew letter with its point / Hangul / a control character */
	assert_string_equal(numbers(dir, NULL, "\xe6\x97\xa5", 0), "600 162 245 354 601");
	assert_string_equal(numbers(dir, NULL, "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", 0),
		"600 172 253 239 102 158 222 235 172 253 239 356 601");
	assert_string_equal(numbers(dir, NULL, "\xd7\xa9\xd6\xb8", 0), "600 147 358 146 372 601");
	assert_string_equal(numbers(dir, NULL, "\xed\x95\x9c", 0), "600 169 243 506 601");
	assert_string_equal(numbers(dir, NULL, "red\x01red", 0), "600 520 445 520 601");
}

TEST(tokenizer_clip_takes_special_pieces_in_a_text_for_what_they_are)
{
	const char *dir = tiny_clip();

	assert_string_equal(numbers(dir, NULL, "red<|endoftext|>red", 0), "600 520 601 520 601");
	assert_string_equal(numbers(dir, NULL, "<|STARTOFTEXT|>red", 0), "600 600 520 601");
}

TEST(tokenizer_cuts_a_long_text_before_its_end_and_fills_up_a_short_one)
{
	const char *dir = tiny_clip();
	const struct tokenizer *t;
	struct tokens ids;
	struct err err;

	assert_string_equal(numbers(dir, NULL, "red red red red", 4), "600 520 520 601");
	assert_string_equal(numbers(dir, NULL, "red red", 4), "600 520 520 601");
	assert_string_equal(numbers(dir, NULL, "red", 5), "600 520 601 601 601");
	assert_string_equal(numbers(dir, "{\"tokenizer\":{\"pad\":0}}", "red", 5), "600 520 601 0 0");
	assert_int_equal(tokenizer_open(dir, NULL, &t, &err), 0);
	assert_int_equal(tokenizer_length(t), 77);
	assert_int_equal(tokenizer_encode(t, "red red red", 4, &ids, &err), 0);
	assert_true(ids.is_cut && ids.n == 4 && ids.size == 4);
	tokens_done(&ids);
	assert_int_equal(tokenizer_encode(t, "red red", 4, &ids, &err), 0);
	assert_true(!ids.is_cut && ids.n == 4);
	tokens_done(&ids);
	assert_int_equal(tokenizer_encode(t, "red", 9, &ids, &err), 0);
	assert_true(ids.n == 3 && ids.size == 9);
	tokens_done(&ids);
}

TEST(tokenizer_takes_one_word_of_ten_thousand_letters)
{
	const char *dir = tiny_clip();
	scoped(buf_free) struct buf text = { 0 };
	const struct tokenizer *t;
	struct tokens ids;
	struct err err;

	for (int i = 0; i < 2500; i++)
		buf_puts(&text, "rere");
	assert_int_equal(tokenizer_open(dir, NULL, &t, &err), 0);
	assert_int_equal(tokenizer_encode(t, text.text, 0, &ids, &err), 0);
	assert_int_equal(ids.n, 5003);          /* 4,999 times "re", r, e</w>, and start and end */
	assert_int_equal(ids.id[4999], 519);
	tokens_done(&ids);
	while (text.len <= TOKENIZER_TEXT_MAX)
		buf_puts(&text, "rererererererere");
	assert_int_equal(tokenizer_encode(t, text.text, 0, &ids, &err), -1);
	assert_non_null(strstr(err.msg, "at most 65536"));
}

TEST(tokenizer_takes_bytes_that_are_no_text_as_replacement_characters)
{
	const char *dir = tiny_clip();
	char plain[200];

	snprintf(plain, sizeof plain, "%s", numbers(dir, NULL, "red \xef\xbf\xbd", 0));
	assert_string_equal(numbers(dir, NULL, "red \xff", 0), plain);
}

TEST(tokenizer_clip_gives_the_text_back)
{
	const char *dir = tiny_clip();

	assert_string_equal(text_of(dir, (const int64_t[]){ 600, 524, 520, 525, 0, 286, 601, 601 }, 8), "photo red's!?");
	assert_string_equal(text_of(dir, (const int64_t[]){ 127, 358 }, 2), "\xc3\xa9");
	assert_string_equal(text_of(dir, (const int64_t[]){ 162, 245 }, 2), "\xef\xbf\xbd\xef\xbf\xbd");   /* half a character */
	assert_string_equal(text_of(dir, (const int64_t[]){ -1, 599, 1 << 20, INT64_MAX }, 4), "");
}

/* ---- word pieces ---- */

static const char *const pieces[] = { "play", "##ing", "##ed", "cafe", "!", "\xe6\x97\xa5", "\xe6\x9c\xac", "a", "##a", "it", "'", "s", ",",
	"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "[", "]", "cls", "don", "##\xcf\x83", "\xce\xb1", "##\xcf\x82", NULL };
/* play 5  ing 6  ed 7  cafe 8  ! 9  日 10  本 11  a 12  ##a 13  it 14  ' 15  s 16  , 17  han 18  [ 19  ] 20  cls 21  don 22 */

TEST(tokenizer_wordpiece_takes_the_longest_pieces)
{
	const char *dir = tiny_wordpiece(pieces);

	assert_string_equal(numbers(dir, NULL, "playing played plays", 0), "2 5 6 5 7 1 3");
	assert_string_equal(numbers(dir, NULL, "", 0), "2 3");
	assert_string_equal(numbers(dir, NULL, "it's", 0), "2 14 15 16 3");
	assert_string_equal(numbers(dir, NULL, "PLAYING, play!", 0), "2 5 6 17 5 9 3");
}

TEST(tokenizer_wordpiece_folds_accents_and_case)
{
	const char *dir = tiny_wordpiece(pieces);

	assert_string_equal(numbers(dir, NULL, "Caf\xc3\x89 cafe\xcc\x81", 0), "2 8 8 3");
	assert_string_equal(numbers(dir, "{\"tokenizer\":{\"lowercase\":false}}", "Cafe cafe", 0), "2 1 8 3");
	assert_string_equal(numbers(dir, NULL, "\xed\x95\x9c", 0), "2 18 3");          /* Hangul, in its parts */
	assert_string_equal(numbers(dir, NULL, "\xce\x91\xce\xa3", 0), "2 24 25 3");   /* the sigma at the end of a word */
	assert_string_equal(numbers(dir, NULL, "\xce\x91\xce\xa3\xce\x91", 0), "2 1 3");
}

TEST(tokenizer_wordpiece_makes_each_ideograph_a_word)
{
	const char *dir = tiny_wordpiece(pieces);

	assert_string_equal(numbers(dir, NULL, "\xe6\x97\xa5\xe6\x9c\xac" "a\xe6\x97\xa5", 0), "2 10 11 12 10 3");
	assert_string_equal(numbers(dir, NULL, "\xf0\xa0\x80\x80\xf0\xa0\x80\x80", 0), "2 1 1 3");     /* beyond U+FFFF too */
}

TEST(tokenizer_wordpiece_drops_control_characters_and_splits_at_any_white_space)
{
	const char *dir = tiny_wordpiece(pieces);

	assert_string_equal(numbers(dir, NULL, "pl\x01\xe2\x80\x8d\x7f" "ay\xef\xbf\xbd\xef\xbb\xbf", 0), "2 5 3");
	assert_string_equal(numbers(dir, NULL, "play\xe2\x80\xa8it\xc2\xa0it\xe3\x80\x80it\tit\r\nit", 0), "2 5 14 14 14 14 14 3");
}

TEST(tokenizer_wordpiece_gives_up_on_a_word_of_over_a_hundred_characters)
{
	const char *dir = tiny_wordpiece(pieces);
	char word[102] = "", hundred[2048] = "2 12";
	size_t n = strlen(hundred);

	memset(word, 'a', 101);
	assert_string_equal(numbers(dir, NULL, word, 0), "2 1 3");
	word[100] = '\0';
	for (int i = 0; i < 99; i++)
		n += (size_t)snprintf(hundred + n, sizeof hundred - n, " 13");
	snprintf(hundred + n, sizeof hundred - n, " 3");
	assert_string_equal(numbers(dir, NULL, word, 0), hundred);
}

TEST(tokenizer_wordpiece_takes_special_pieces_in_a_text_for_what_they_are)
{
	const char *dir = tiny_wordpiece(pieces);

	assert_string_equal(numbers(dir, NULL, "a[MASK]it[SEP]", 0), "2 12 4 14 3 3");
	assert_string_equal(numbers(dir, NULL, "[cls] [MASK [", 0), "2 19 21 20 19 1 19 3");
}

TEST(tokenizer_wordpiece_gives_the_text_back)
{
	const char *dir = tiny_wordpiece(pieces);

	assert_string_equal(text_of(dir, (const int64_t[]){ 2, 5, 6, 17, 14, 15, 16, 8, 9, 3, 0, 0 }, 12), "playing, it's cafe!");
	assert_string_equal(text_of(dir, (const int64_t[]){ 2, 1, 4, 3, 999 }, 5), "");
	assert_string_equal(text_of(dir, NULL, 0), "");
}

TEST(tokenizer_adds_to_what_is_there)
{
	scoped(buf_free) struct buf text = { 0 };
	const struct tokenizer *t;
	struct err err;

	assert_int_equal(tokenizer_open(tiny_wordpiece(pieces), NULL, &t, &err), 0);
	buf_puts(&text, "I ");
	tokenizer_decode(t, (const int64_t[]){ 5 }, 1, &text);
	assert_string_equal(text.text, "I play");
}

/* ---- where it comes from ---- */

TEST(tokenizer_goes_by_the_card_then_by_the_files_that_are_there)
{
	const char *dir = tiny_wordpiece(pieces);
	const struct tokenizer *t;
	struct err err;

	tiny_clip();
	assert_string_equal(numbers(dir, NULL, "a", 0), "2 12 3");
	assert_string_equal(numbers(dir, "{\"tokenizer\":{\"type\":\"clip\"}}", "a", 0), "600 320 601");
	assert_int_equal(rename(test_path("vocab.txt"), test_path("words.txt")), 0);
	assert_string_equal(numbers(dir, NULL, "a", 0), "600 320 601");
	assert_string_equal(numbers(dir, "{\"tokenizer\":{\"vocab\":\"words.txt\",\"start\":7,\"end\":8,\"pad\":9,\"length\":52}}", "a", 4),
		"7 12 8 9");
	assert_int_equal(rename(test_path("words.txt"), test_path("vocab.txt")), 0);
	assert_int_equal(tokenizer_open(dir, NULL, &t, &err), 0);
	assert_int_equal(tokenizer_length(t), 52);
}

static void wrap(const char *model)
{
	scoped(free_p) char *text = xasprintf("{\"added_tokens\":[{\"id\":601,\"content\":\"<|endoftext|>\"}],\"model\":%s}", model);

	tiny_file("tokenizer.json", text);
	unlink(test_path("vocab.json"));
	unlink(test_path("merges.txt"));
}

TEST(tokenizer_reads_the_one_file_of_hugging_face)
{
	static const char *const merges[] = { "[\"r e\",\"re d</w>\"]", "[[\"r\",\"e\"],[\"re\",\"d</w>\"]]" };
	const char *dir = tiny_clip();
	scoped(json_decref_p) json_t *v = json_load_file(test_path("vocab.json"), 0, NULL);
	scoped(free_p) char *vocab = NULL;

	json_object_del(v, "<|endoftext|>");
	vocab = json_dumps(v, JSON_COMPACT);
	for (size_t i = 0; i < countof(merges); i++) {
		scoped(free_p) char *model = xasprintf("{\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\",\"vocab\":%s,\"merges\":%s}",
			vocab, merges[i]);

		wrap(model);
		assert_string_equal(numbers(dir, NULL, "red photo", 0), "600 520 79 71 78 83 334 601");
	}
	wrap("{\"type\":\"WordPiece\",\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"red\":4,\"##s\":5}}");
	assert_string_equal(numbers(dir, NULL, "Reds", 0), "2 4 5 3");
	wrap("{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}");
	assert_non_null(strstr(refusal(dir, NULL), "end_of_word_suffix"));
}

TEST(tokenizer_is_kept_until_a_file_changes)
{
	const char *dir = tiny_clip();
	const struct tokenizer *first, *again;
	struct err err;

	assert_int_equal(tokenizer_open(dir, NULL, &first, &err), 0);
	assert_int_equal(tokenizer_open(dir, NULL, &again, &err), 0);
	assert_ptr_equal(first, again);
	assert_string_equal(numbers(dir, NULL, "red", 0), "600 520 601");
	tiny_file("merges.txt", "r e\n");
	assert_string_equal(numbers(dir, NULL, "red", 0), "600 519 323 601");
}

TEST(tokenizer_keeps_a_few_and_reads_the_others_again)
{
	const char *dir = tiny_clip();

	for (int i = 0; i < 12; i++) {
		scoped(free_p) char *card = xasprintf("{\"tokenizer\":{\"pad\":%d}}", i % 6);
		scoped(free_p) char *want = xasprintf("600 520 601 %d", i % 6);

		assert_string_equal(numbers(dir, card, "red", 4), want);
	}
}

TEST(tokenizer_that_is_wrong_names_the_file_and_the_line)
{
	const char *dir = tiny_clip();

	tiny_file("merges.txt", "#version: 0.2\nr e\nre d\n");
	assert_non_null(strstr(refusal(dir, NULL), "merges.txt' line 3: \"red\" is not in the vocabulary"));
	tiny_file("merges.txt", "r e\n\nr  e\n");
	assert_non_null(strstr(refusal(dir, NULL), "merges.txt' line 3: \"r  e\" is no pair"));
	unlink(test_path("merges.txt"));
	assert_non_null(strstr(refusal(dir, NULL), "merges.txt': No such file"));
	tiny_file("vocab.json", "{\n\"a\":0,\n\"b\"}");
	assert_non_null(strstr(refusal(dir, NULL), "vocab.json' line 3 is no JSON"));
	tiny_file("vocab.json", "{\"a\":0}");
	assert_non_null(strstr(refusal(dir, NULL), "vocab.json' has no piece \""));
	tiny_file("vocab.json", "{\"a\":0,\"b\":0}");
	assert_non_null(strstr(refusal(dir, NULL), "both have the number 0"));
	tiny_file("vocab.json", "{\"a\":-1}");
	assert_non_null(strstr(refusal(dir, NULL), "the number of \"a\""));
	tiny_file("vocab.json", "[]");
	assert_non_null(strstr(refusal(dir, NULL), "no JSON object"));
	tiny_file("vocab.txt", "a\nb\n");
	assert_non_null(strstr(refusal(dir, NULL), "vocab.txt' has no piece \"[CLS]\""));
}

TEST(tokenizer_that_is_not_there_says_what_would_be)
{
	assert_non_null(strstr(refusal(test_dir(), NULL), "neither vocab.txt nor vocab.json nor tokenizer.json"));
	assert_non_null(strstr(refusal("", NULL), "PIXELFLEET_MODELS_DIR"));
	assert_non_null(strstr(refusal(test_dir(), "{\"tokenizer\":{\"vocab\":\"gone.txt\"}}"), "gone.txt': No such file"));
	assert_int_equal(mkfifo(test_path("pipe.txt"), 0600), 0);
	assert_non_null(strstr(refusal(test_dir(), "{\"tokenizer\":{\"vocab\":\"pipe.txt\"}}"), "no file of at most"));
}

TEST(tokenizer_refuses_what_a_card_may_not_say)
{
	const char *dir = tiny_clip();

	assert_non_null(strstr(refusal(dir, "{\"tokenizer\":{\"type\":\"gpt\"}}"), "'gpt': allowed are \"clip\" and \"wordpiece\""));
	assert_non_null(strstr(refusal(dir, "{\"tokenizer\":{\"length\":2}}"), "tokenizer.length"));
	assert_non_null(strstr(refusal(dir, "{\"tokenizer\":{\"start\":\"x\"}}"), "tokenizer.start"));
	assert_non_null(strstr(refusal(dir, "{\"tokenizer\":{\"pad\":-1}}"), "tokenizer.pad"));
	assert_non_null(strstr(refusal(dir, "{\"tokenizer\":{\"vocab\":\"../vocab.json\"}}"), "no file of the model's directory"));
	assert_non_null(strstr(refusal(dir, "{\"tokenizer\":{\"type\":\"clip\",\"vocab\":\"vocab.txt\"}}"), "in a .json"));
}

static size_t peak_kb(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return (size_t)u.ru_maxrss;
}

TEST(tokenizer_refuses_a_vocabulary_that_would_take_all_memory)
{
	const size_t n = (size_t)15 << 20;
	const char *dir = tiny_clip();
	scoped(buf_free) struct buf lists = { 0 }, one_text = { 0 };
	size_t before_kb;

	for (buf_puts(&lists, "{\"a\":["); lists.len < n;)
		buf_puts(&lists, "[],");
	buf_puts(&lists, "0]}");
	tiny_file("vocab.json", lists.text);
	before_kb = peak_kb();
	assert_non_null(strstr(refusal(dir, NULL), "MiB of memory, at most 256 are allowed"));
	assert_true(peak_kb() - before_kb < 200 * 1024);
	for (buf_puts(&one_text, "{\""); one_text.len < n;)
		buf_puts(&one_text, "[{,\\\"");
	buf_puts(&one_text, "\":-1}");
	tiny_file("vocab.json", one_text.text);
	assert_non_null(strstr(refusal(dir, NULL), "the number of \"[{,"));
	assert_int_equal(truncate(test_path("vocab.json"), (off_t)VOCABULARY_JSON_MAX + 1), 0);
	assert_non_null(strstr(refusal(dir, NULL), "no file of at most 16777216 bytes"));
}
