#include "decoder.h"

#include "params.h"
#include "model_tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LENGTH = 512, BLIP_START = 30522, BLIP_END = 102, BLIP_PAD = 0 };

/* ---- which is which ---- */

struct role {
	const char *member;             /* of "names" in the card */
	const char *usual[2];
	const struct tensor_type **to;
	size_t rank;
	bool is_needed;
};

static const char *named_by_card(const struct decoder *d, const char *member)
{
	return json_string_value(json_object_get(json_object_get(json_object_get(d->model.card, "decoder"), "names"), member));
}

static int find_named(struct decoder *d, const struct role *r, struct err *err)
{
	const char *name = named_by_card(d, r->member);
	char is[600];

	if (name) {
		*r->to = model_input(&d->model, name);
		if (!*r->to)
			return err_set(err, ERR_REJECT, "its model.json: /decoder/names/%s: '%.60s' is none of its inputs, which are %s", r->member,
				name, model_tensors_text(d->model.in, d->model.nin, is, sizeof is));
		return 0;
	}
	for (size_t i = 0; i < countof(r->usual) && r->usual[i] && !*r->to; i++)
		*r->to = model_input(&d->model, r->usual[i]);
	return 0;
}

static bool is_taken(const struct decoder *d, const struct tensor_type *t)
{
	return t == d->ids || t == d->mask || t == d->states || t == d->states_mask;
}

static bool is_integer(const struct tensor_type *t)
{
	return strstr(t->datatype, "INT") != NULL;
}

/* By type: the states are the only input of three dimensions, the ids the first integers of two. */
static void find_by_shape(struct decoder *d)
{
	for (size_t i = 0; i < d->model.nin; i++) {
		const struct tensor_type *t = &d->model.in[i];

		if (is_taken(d, t))
			continue;
		if (!d->states && t->rank == 3 && !is_integer(t))
			d->states = t;
		else if (!d->ids && t->rank == 2 && is_integer(t))
			d->ids = t;
	}
}

static int refuse(const struct decoder *d, const char *why, struct err *err)
{
	char is[600];

	return err_set(err, ERR_REJECT, "%s; it takes %s, caption gives integers [N,T] (tokens), numbers [N,S,D] (what the encoder gave) "
		"and masks of both", why, model_tensors_text(d->model.in, d->model.nin, is, sizeof is));
}

static int find_roles(struct decoder *d, struct err *err)
{
	const struct role roles[] = {
		{ "ids", { "input_ids", "decoder_input_ids" }, &d->ids, 2, true },
		{ "mask", { "attention_mask", "decoder_attention_mask" }, &d->mask, 2, false },
		{ "states", { "encoder_hidden_states", "encoder_outputs" }, &d->states, 3, true },
		{ "states_mask", { "encoder_attention_mask", NULL }, &d->states_mask, 2, false },
	};

	for (size_t i = 0; i < countof(roles); i++)
		if (find_named(d, &roles[i], err) < 0)
			return -1;
	find_by_shape(d);
	for (size_t i = 0; i < d->model.nin; i++)
		if (strncmp(d->model.in[i].name, "past_key_values", 15) == 0 || strcmp(d->model.in[i].name, "use_cache_branch") == 0)
			return refuse(d, "the decoder wants the keys and values of the step before: export it without a cache", err);
		else if (!is_taken(d, &d->model.in[i]))
			return refuse(d, "the decoder has an input that nobody knows (its model.json can name them: /decoder/names)", err);
	for (size_t i = 0; i < countof(roles); i++)
		if (*roles[i].to ? (*roles[i].to)->rank != roles[i].rank || !tensor_converts("FP32", (*roles[i].to)->datatype) :
		    roles[i].is_needed)
			return refuse(d, *roles[i].to ? "an input of the decoder has another shape" : "the decoder lacks an input", err);
	return 0;
}

static bool fits(int64_t shape, int64_t is)
{
	return shape < 0 || shape == is;
}

static int check_states(const struct decoder *d, struct err *err)
{
	const struct tensor_type *t = d->states, *is = &d->seen.is;
	char takes[400], gives[400];

	if (fits(t->shape[1], is->shape[1]) && fits(t->shape[2], is->shape[2]) &&
	    (!d->states_mask || fits(d->states_mask->shape[1], is->shape[1])))
		return 0;
	return err_set(err, ERR_REJECT, "the decoder takes %s, the encoder gives %s", tensor_text(t, takes, sizeof takes),
		tensor_text(is, gives, sizeof gives));
}

static void read_card(struct decoder *d)
{
	const json_t *card = json_object_get(d->model.card, "decoder");
	int most = param_int(card, "max_length", MOST_LENGTH);

	d->start = param_int(card, "start", BLIP_START);
	d->end = param_int(card, "end", BLIP_END);
	d->pad = param_int(card, "pad", BLIP_PAD);
	d->max_length = most < 2 ? 2 : most > MOST_LENGTH ? MOST_LENGTH : (size_t)most;
	if (d->ids->shape[1] > 0)
		d->max_length = min_of(d->max_length, (size_t)d->ids->shape[1]);
}

/* ---- asking ---- */

/* How many of n sequences there is room for, in one question and in one answer. */
static size_t at_once(const struct decoder *d, size_t n, size_t columns, size_t vocabulary)
{
	size_t question = d->seen.size + (size_t)d->seen.is.shape[1] * sizeof(int64_t) + 2 * columns * sizeof(int64_t);
	size_t answer = columns * vocabulary * sizeof(float), room = TENSOR_BYTES_MAX / max_of(question, answer);

	if (d->ids->shape[0] > 0 || d->states->shape[0] > 0)
		n = min_of(n, (size_t)1);
	return min_of(n, room);
}

static struct tensor make_ids(const struct decoder *d, const int64_t *ids, size_t n, size_t length, size_t columns)
{
	struct tensor t = model_integers(d->ids->name, (int64_t)n, (int64_t)columns);

	for (size_t i = 0; i < n * columns; i++)
		((int64_t *)t.bytes)[i] = i % columns < length ? ids[i / columns * length + i % columns] : d->pad;
	return t;
}

/* 1 for the first `length` of each row. */
static struct tensor make_mask(const char *name, size_t n, size_t length, size_t columns)
{
	struct tensor t = model_integers(name, (int64_t)n, (int64_t)columns);

	for (size_t i = 0; i < n * columns; i++)
		((int64_t *)t.bytes)[i] = i % columns < length;
	return t;
}

static struct tensor make_states(const struct decoder *d, size_t n)
{
	struct tensor t = { .is = d->seen.is, .size = n * d->seen.size, .bytes = xcalloc(n, d->seen.size) };

	memcpy(t.is.name, d->states->name, sizeof t.is.name);
	t.is.shape[0] = (int64_t)n;
	for (size_t i = 0; i < n; i++)
		memcpy((char *)t.bytes + i * d->seen.size, d->seen.bytes, d->seen.size);
	return t;
}

static int ask(struct decoder *d, const int64_t *ids, size_t n, size_t length, size_t columns, struct tensor *ret, struct err *err)
{
	size_t seen = (size_t)d->seen.is.shape[1], nin = 0;
	struct tensor in[4];
	int r;

	in[nin++] = make_ids(d, ids, n, length, columns);
	in[nin++] = make_states(d, n);
	if (d->mask)
		in[nin++] = make_mask(d->mask->name, n, length, columns);
	if (d->states_mask)
		in[nin++] = make_mask(d->states_mask->name, n, seen, seen);
	r = infer_run(d->ctx, d->at, &d->model, in, nin, (const char *[]){ d->logits->name }, ret, 1, err);
	while (nin > 0)
		tensor_done(&in[--nin]);
	return r;
}

static int check_logits(const struct tensor *t, size_t n, size_t columns, size_t vocabulary, struct err *err)
{
	char is[400];

	if (strcmp(t->is.datatype, "FP32") == 0 && t->is.rank == 3 && t->is.shape[0] == (int64_t)n && t->is.shape[1] == (int64_t)columns &&
	    t->is.shape[2] >= 2 && t->is.shape[2] <= BEAM_VOCABULARY_MOST && (!vocabulary || t->is.shape[2] == (int64_t)vocabulary) &&
	    t->size == n * columns * (size_t)t->is.shape[2] * sizeof(float))
		return 0;
	return err_set(err, ERR_REJECT, "the decoder gives %s, caption wants numbers [%zu,%zu,vocabulary]", tensor_text(&t->is, is, sizeof is),
		n, columns);
}

/* The logits behind the last token of each sequence. */
static void take_last(const struct tensor *from, size_t n, size_t length, size_t columns, size_t vocabulary, float *to)
{
	const float *all = from->bytes;

	for (size_t i = 0; i < n; i++)
		memcpy(to + i * vocabulary, all + (i * columns + length - 1) * vocabulary, vocabulary * sizeof *to);
}

static int next(struct beam_model *m, const int64_t *ids, size_t n, size_t length, float **ret_logits, size_t *ret_vocabulary,
	struct err *err)
{
	struct decoder *d = (struct decoder *)m;
	size_t columns = d->ids->shape[1] > 0 ? (size_t)d->ids->shape[1] : length;
	size_t vocabulary = d->logits->rank == 3 && d->logits->shape[2] > 0 ? (size_t)d->logits->shape[2] : 0;
	scoped(free_p) float *logits = NULL;

	for (size_t at = 0, some; at < n; at += some) {
		scoped(tensor_done) struct tensor out = { 0 };

		some = at_once(d, n - at, columns, vocabulary ? vocabulary : 65536);
		if (some == 0)
			return err_set(err, ERR_REJECT, "%zu tokens x %zu logits, or the %zu bytes that the encoder gave, are more than %zu bytes: "
				"\"max_length\" has to be less, or the model is too large", columns, vocabulary ? vocabulary : (size_t)65536,
				d->seen.size, TENSOR_BYTES_MAX);
		if (ask(d, ids + at * length, some, length, columns, &out, err) < 0 || check_logits(&out, some, columns, vocabulary, err) < 0)
			return -1;
		vocabulary = (size_t)out.is.shape[2];
		if (!logits)
			logits = xcalloc(n * vocabulary, sizeof *logits);
		take_last(&out, some, length, columns, vocabulary, logits + at * vocabulary);
	}
	*ret_logits = steal(&logits);
	*ret_vocabulary = vocabulary;
	return 0;
}

/* ---- opening ---- */

static int find_model(struct decoder *d, struct err *err)
{
	if (infer_describe(d->ctx, d->at, &d->model, err) < 0)
		return -1;
	if (find_roles(d, err) < 0 || check_states(d, err) < 0 || model_output(&d->model, "logits", 3, "caption", &d->logits, err) < 0)
		return -1;
	if (d->ids->shape[1] == 1)
		return refuse(d, "the decoder takes one token, without those before it", err);
	read_card(d);
	return 0;
}

int decoder_open(struct runner_ctx *ctx, const struct infer_target *at, struct tensor *take_seen, struct decoder *ret, struct err *err)
{
	*ret = (struct decoder){ .beam.next = next, .ctx = ctx, .at = at, .seen = *take_seen };
	*take_seen = (struct tensor){ 0 };
	must(ret->seen.is.rank == 3 && ret->seen.is.shape[0] == 1);
	if (find_model(ret, err) == 0)
		return 0;
	decoder_done(ret);
	return -1;
}

void decoder_done(struct decoder *d)
{
	if (d->beam.next) {
		model_done(&d->model);
		tensor_done(&d->seen);
	}
	*d = (struct decoder){ 0 };
}
