#include "beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct candidate {              /* a beginning and one token more */
	double score;           /* sum of log probabilities */
	size_t beam;
	int64_t token;
};

struct ended {
	double score;           /* mean */
	int64_t *ids;           /* without the end */
	size_t n;
};

struct search {
	const struct beam_want *want;
	size_t alive, length;           /* sequences, and the tokens of each */
	int64_t *ids;                   /* beams x max_length */
	double score[BEAMS_MOST];       /* of the living */
	struct ended ended[BEAMS_MOST];
	size_t nended;
};

static void search_done(struct search *s)
{
	free(s->ids);
	for (size_t i = 0; i < s->nended; i++)
		free(s->ended[i].ids);
}

/* ---- what has ended ---- */

static size_t worst_ended(const struct search *s)
{
	size_t worst = 0;

	for (size_t i = 1; i < s->nended; i++)
		if (s->ended[i].score < s->ended[worst].score)
			worst = i;
	return worst;
}

/* `generated`: how many tokens the sum is of. */
static void keep_ended(struct search *s, size_t beam, double sum, size_t generated)
{
	double score = sum / (double)max_of(generated, (size_t)1);
	size_t at = s->nended;

	if (s->nended == s->want->beams) {
		at = worst_ended(s);
		if (score <= s->ended[at].score)
			return;
		free(s->ended[at].ids);
	} else {
		s->nended++;
	}
	s->ended[at] = (struct ended){ score, xcalloc(s->length, sizeof(int64_t)), s->length };
	memcpy(s->ended[at].ids, s->ids + beam * s->want->max_length, s->length * sizeof(int64_t));
}

/* `best`: the greatest sum of this step, of sequences with `generated` tokens. */
static bool is_over(const struct search *s, double best, size_t generated)
{
	return s->nended == s->want->beams && s->ended[worst_ended(s)].score >= best / (double)generated;
}

/* ---- one step ---- */

/* The sum of exponentials, as a logarithm: what makes logits log probabilities. NaN when one of them is no number. */
static double log_sum(const float *logits, size_t n)
{
	double most = -INFINITY, sum = 0;

	for (size_t i = 0; i < n; i++)
		if (!((double)logits[i] <= most))
			most = (double)logits[i];
	if (!isfinite(most))
		return NAN;
	for (size_t i = 0; i < n; i++)
		sum += exp((double)logits[i] - most);
	return most + log(sum);
}

/* Into the list of the best, which is sorted; of equal ones the earlier stays before. */
static void offer(struct candidate *best, size_t *n, size_t most, struct candidate c)
{
	size_t at = *n;

	if (*n == most && c.score <= best[most - 1].score)
		return;
	at = *n == most ? most - 1 : (*n)++;
	for (; at > 0 && best[at - 1].score < c.score; at--)
		best[at] = best[at - 1];
	best[at] = c;
}

static int find_best(const struct search *s, const float *logits, size_t vocabulary, struct candidate *best, size_t *ret_n,
	struct err *err)
{
	size_t most = 2 * s->want->beams;

	*ret_n = 0;
	for (size_t b = 0; b < s->alive; b++) {
		const float *row = logits + b * vocabulary;
		double sum = log_sum(row, vocabulary);

		if (isnan(sum))
			return err_set(err, ERR_REJECT, "the decoder gives logits that are no numbers (token %zu of the sequence)", s->length);
		for (size_t i = 0; i < vocabulary; i++)
			offer(best, ret_n, most, (struct candidate){ s->score[b] + (double)row[i] - sum, b, (int64_t)i });
	}
	return 0;
}

/* The first `beams` that go on become the living. One that ends counts only when it is among the `beams` best. */
static void live_on(struct search *s, const struct candidate *best, size_t n)
{
	size_t row = s->want->max_length;
	int64_t *ids = xcalloc(s->want->beams * row, sizeof *ids);
	double score[BEAMS_MOST];
	size_t alive = 0;

	for (size_t i = 0; i < n && alive < s->want->beams; i++) {
		const struct candidate *c = &best[i];

		if (c->token == s->want->end) {
			if (i < s->want->beams)
				keep_ended(s, c->beam, c->score, s->length);
			continue;
		}
		memcpy(ids + alive * row, s->ids + c->beam * row, s->length * sizeof *ids);
		ids[alive * row + s->length] = c->token;
		score[alive++] = c->score;
	}
	free(s->ids);
	s->ids = ids;
	memcpy(s->score, score, alive * sizeof *score);
	s->alive = alive;
	s->length++;
}

/* *ret_over: nothing can get better. */
static int step(struct search *s, struct beam_model *m, bool *ret_over, struct err *err)
{
	struct candidate best[2 * BEAMS_MOST];
	scoped(free_p) float *logits = NULL;
	scoped(free_p) int64_t *given = xcalloc(s->alive * s->length, sizeof *given);
	size_t vocabulary, n, generated = s->length;

	for (size_t b = 0; b < s->alive; b++)
		memcpy(given + b * s->length, s->ids + b * s->want->max_length, s->length * sizeof *given);
	if (m->next(m, given, s->alive, s->length, &logits, &vocabulary, err) < 0)
		return -1;
	must(vocabulary >= 2 && vocabulary <= BEAM_VOCABULARY_MOST);
	if (find_best(s, logits, vocabulary, best, &n, err) < 0)
		return -1;
	live_on(s, best, n);
	*ret_over = s->alive == 0 || is_over(s, best[0].score, generated);
	return 0;
}

int beam_search(struct beam_model *m, const struct beam_want *want, int64_t **ret, size_t *ret_n, struct err *err)
{
	scoped(search_done) struct search s = { .want = want, .alive = 1, .length = 1 };
	const struct ended *best;
	bool is_done = false;

	must(want->beams >= 1 && want->beams <= BEAMS_MOST && want->max_length >= 2);
	s.ids = xcalloc(want->beams * want->max_length, sizeof *s.ids);
	s.ids[0] = want->start;
	while (!is_done && s.length < want->max_length)
		if (step(&s, m, &is_done, err) < 0)
			return -1;
	/* Cut off by the length, they count as they are. */
	for (size_t b = 0; !is_done && b < s.alive; b++)
		keep_ended(&s, b, s.score[b], s.length - 1);
	must(s.nended > 0);
	best = &s.ended[0];
	for (size_t i = 1; i < s.nended; i++)
		if (s.ended[i].score > best->score)
			best = &s.ended[i];
	*ret_n = best->n - 1;
	*ret = xcalloc(*ret_n ? *ret_n : 1, sizeof **ret);
	memcpy(*ret, best->ids + 1, *ret_n * sizeof **ret);
	return 0;
}
