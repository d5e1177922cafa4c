#include "beam.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A model of four tokens: 0 is the start, 1 the end. The logits are log probabilities, by what came last or all that came. */
enum { START, END, A, B, TOKENS };

struct fake {
	struct beam_model beam;
	void (*say)(const int64_t *ids, size_t length, double p[TOKENS]);
	size_t steps, most_at_once;
	float odd;              /* added to one logit: NAN, INFINITY */
};

static int next(struct beam_model *m, const int64_t *ids, size_t n, size_t length, float **ret_logits, size_t *ret_vocabulary,
	struct err *err)
{
	struct fake *f = (struct fake *)m;

	(void)err;
	*ret_logits = xcalloc(n * TOKENS, sizeof **ret_logits);
	*ret_vocabulary = TOKENS;
	f->steps++;
	f->most_at_once = max_of(f->most_at_once, n);
	for (size_t i = 0; i < n; i++) {
		double p[TOKENS] = { 0 };

		assert_int_equal(ids[i * length], START);
		f->say(ids + i * length, length, p);
		for (size_t k = 0; k < TOKENS; k++)
			(*ret_logits)[i * TOKENS + k] = (float)(p[k] > 0 ? log(p[k]) + 3 : -100);       /* any constant does */
	}
	(*ret_logits)[B] += f->odd;
	return 0;
}

static struct fake search(void (*say)(const int64_t *, size_t, double[TOKENS]), size_t beams, size_t max_length, const char *want)
{
	struct fake f = { .beam.next = next, .say = say };
	const struct beam_want how = { .start = START, .end = END, .beams = beams, .max_length = max_length };
	scoped(free_p) int64_t *ids = NULL;
	struct err err;
	size_t n;

	assert_int_equal(beam_search(&f.beam, &how, &ids, &n, &err), 0);
	assert_int_equal(n, strlen(want));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ids[i], want[i] == 'a' ? A : B);
	return f;
}

static void a_then_b_then_end(const int64_t *ids, size_t length, double p[TOKENS])
{
	(void)length;
	p[ids[length - 1] == START ? A : ids[length - 1] == A ? B : END] = 1;
}

TEST(beam_search_ends_at_the_end)
{
	for (size_t beams = 1; beams <= BEAMS_MOST; beams++)
		search(a_then_b_then_end, beams, 20, "ab");
	assert_int_equal(search(a_then_b_then_end, 1, 20, "ab").steps, 3);
}

TEST(beam_search_stops_at_the_longest)
{
	search(a_then_b_then_end, 1, 2, "a");
	search(a_then_b_then_end, 1, 3, "ab");
	search(a_then_b_then_end, 4, 3, "ab");
}

/* a 0.6, b 0.4. After a: end 0.3, a 0.36, b 0.34; after aa and ab no better than 0.3 each. After b: end 1. */
static void garden_path(const int64_t *ids, size_t length, double p[TOKENS])
{
	static const double first[TOKENS] = { 0, 0, 0.6, 0.4 }, after_a[TOKENS] = { 0, 0.3, 0.36, 0.34 }, later[TOKENS] = { 0, 0.3, 0.35, 0.35 };
	static const double end[TOKENS] = { 0, 1, 0, 0 };

	memcpy(p, length == 1 ? first : ids[1] == B ? end : length == 2 ? after_a : later, sizeof first);
}

TEST(beam_search_finds_what_the_greedy_search_misses)
{
	assert_int_equal(search(garden_path, 1, 4, "aaa").most_at_once, 1);
	assert_int_equal(search(garden_path, 2, 4, "b").most_at_once, 2);
	search(garden_path, 8, 4, "b");
}

/* The end at once has 0.5; a, and then b and the end for certain, 0.45: of three tokens each is likelier in the mean. */
static void shorter_is_likelier(const int64_t *ids, size_t length, double p[TOKENS])
{
	static const double first[TOKENS] = { 0, 0.5, 0.45, 0.05 };

	if (length == 1)
		memcpy(p, first, sizeof first);
	else
		p[ids[length - 1] == A ? B : END] = 1;
}

TEST(beam_search_compares_by_the_mean_of_the_tokens)
{
	search(shorter_is_likelier, 1, 10, "");
	search(shorter_is_likelier, 2, 10, "ab");
}

/* The end is always the second best: with one beam it never counts, with two what goes on stays the better. */
static void end_second(const int64_t *ids, size_t length, double p[TOKENS])
{
	static const double always[TOKENS] = { 0, 0.4, 0.6, 0 };

	(void)ids, (void)length;
	memcpy(p, always, sizeof always);
}

/* Of shorter_is_likelier, "" and "b" have ended after two steps, "ab" is better after the third, and the fourth has
 * nothing left that is. */
TEST(beam_search_stops_when_nothing_can_get_better)
{
	assert_int_equal(search(end_second, 1, 9, "aaaaaaaa").steps, 8);
	assert_int_equal(search(end_second, 2, 9, "aaaaaaaa").steps, 8);
	assert_int_equal(search(shorter_is_likelier, 2, 400, "ab").steps, 4);
}

TEST(beam_search_takes_logits_that_forbid_and_none_that_are_no_numbers)
{
	static const float odd[] = { NAN, INFINITY };
	struct fake f = { .beam.next = next, .say = a_then_b_then_end, .odd = -INFINITY };
	const struct beam_want how = { .start = START, .end = END, .beams = 3, .max_length = 9 };
	scoped(free_p) int64_t *ids = NULL;
	struct err err;
	size_t n;

	assert_int_equal(beam_search(&f.beam, &how, &ids, &n, &err), 0);
	for (size_t i = 0; i < countof(odd); i++) {
		int64_t *none = NULL;

		f.odd = odd[i];
		assert_int_equal(beam_search(&f.beam, &how, &none, &n, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_non_null(strstr(err.msg, "no numbers (token 1 of the sequence)"));
	}
}

/* ---- against another implementation ---- */

enum { PIECES = 12 };

struct odd {                    /* twelve tokens; the logits are a hash of all that came before */
	struct beam_model beam;
	uint32_t seed;
};

static int next_odd(struct beam_model *m, const int64_t *ids, size_t n, size_t length, float **ret_logits, size_t *ret_vocabulary,
	struct err *err)
{
	(void)err;
	*ret_logits = xcalloc(n * PIECES, sizeof **ret_logits);
	*ret_vocabulary = PIECES;
	for (size_t i = 0; i < n * PIECES; i++) {
		uint32_t h = ((struct odd *)m)->seed * 2654435761u;

		for (size_t k = 0; k < length; k++)
			h = (h ^ (uint32_t)ids[i / PIECES * length + k]) * 16777619u + (h >> 13);
		h = (h ^ (uint32_t)(i % PIECES) * 97u) * 2246822519u;
		h = (h ^ h >> 15) * 3266489917u;
		(*ret_logits)[i] = (float)((h ^ h >> 16) % 1000) / 200.0f + (i % PIECES == END ? 1.0f : 0.0f);
	}
	return 0;
}

/* What a few lines of Python find that follow BeamSearchScorer; of 60 seeds and 1 to 8 beams none was found otherwise. */
TEST(beam_search_finds_what_hugging_faces_finds)
{
	static const struct { uint32_t seed; size_t beams, n; int64_t ids[8]; } cases[] = {
		{ 1, 1, 0, { 0 } }, { 1, 2, 4, { 10, 9, 2, 3 } }, { 1, 5, 7, { 10, 9, 2, 5, 3, 6, 9 } },
		{ 3, 1, 8, { 2, 10, 5, 5, 0, 11, 4, 7 } }, { 3, 2, 6, { 2, 10, 0, 7, 3, 2 } }, { 3, 5, 6, { 2, 10, 5, 5, 0, 2 } },
		{ 7, 1, 2, { 5, 9 } }, { 7, 2, 6, { 5, 9, 11, 2, 10, 10 } }, { 7, 5, 4, { 10, 10, 8, 0 } },
		{ 11, 1, 0, { 0 } }, { 11, 2, 2, { 6, 7 } }, { 11, 5, 5, { 3, 0, 8, 0, 7 } },
		{ 20, 1, 4, { 4, 4, 0, 2 } }, { 20, 2, 6, { 4, 0, 8, 6, 2, 10 } }, { 20, 5, 5, { 4, 0, 2, 10, 8 } },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct odd m = { .beam.next = next_odd, .seed = cases[i].seed };
		const struct beam_want how = { .start = START, .end = END, .beams = cases[i].beams, .max_length = 9 };
		scoped(free_p) int64_t *ids = NULL;
		struct err err;
		size_t n;

		assert_int_equal(beam_search(&m.beam, &how, &ids, &n, &err), 0);
		assert_int_equal(n, cases[i].n);
		assert_memory_equal(ids, cases[i].ids, n * sizeof *ids);
	}
}
