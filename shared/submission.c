#include "submission.h"

#include "normal_form.h"
#include "submission_images.h"
#include "submission_key.h"
#include "url.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define ID_MAX_BYTES    200
#define LABELS_MAX      32
#define DEADLINE_MAX_S  31536000.0
#define URL_SHOWN       4104

static const char *const members[] = { "id", "pipeline", "images", "params", "priority", "deadline_s", "callback_url", "labels",
	"input_urls", "name", "version", "description", "on_failure", "steps", "components", NULL };
static const char *const definition_members[] = { "name", "version", "description", "on_failure", "steps", "components" };

void submission_free(struct submission *s)
{
	if (!s)
		return;
	free(s->client_id);
	free(s->pipeline);
	definition_unref(s->definition);
	json_decref(s->images);
	json_decref(s->params);
	json_decref(s->labels);
	free(s->callback_url);
	free(s);
}

/* Text of 1 to `most` bytes without control characters. */
bool submission_is_plain(const json_t *v, size_t most)
{
	const char *s = json_string_value(v);

	if (!s || !*s || json_string_length(v) > most)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* A password is not repeated. */
void submission_refuse_url(const char *url, const char *allowed, const char *at, json_t *problems)
{
	scoped(free_p) char *shown = xcalloc(1, URL_SHOWN);
	scoped(json_decref_p) json_t *found = json_string(url_shown(url, shown, URL_SHOWN));

	problem_add(problems, found, "%s|%s", allowed, at);
}

/* ---- the other members ---- */

static void read_labels(struct submission *s, const json_t *body, json_t *problems)
{
	json_t *labels = json_object_get(body, "labels"), *value;
	const char *key;

	if (!labels)
		return;
	if (!json_is_object(labels) || json_object_size(labels) > LABELS_MAX) {
		problem_add(problems, labels, "an object of at most %d texts|/labels", LABELS_MAX);
		return;
	}
	json_object_foreach(labels, key, value)
		if (!json_is_string(value) || json_string_length(value) > 256 || strlen(key) > 64)
			problem_add(problems, value, "text of at most 256 bytes, its name at most 64|/labels/%.*s",
				(int)utf8_whole(key, strnlen(key, 64)), key);
	s->labels = json_incref(labels);
}

static void read_small(struct submission *s, const json_t *body, json_t *problems)
{
	const json_t *id = json_object_get(body, "id"), *priority = json_object_get(body, "priority");
	const json_t *deadline = json_object_get(body, "deadline_s"), *callback = json_object_get(body, "callback_url");
	const char *word = json_string_value(priority);

	if (id && !submission_is_plain(id, ID_MAX_BYTES))
		problem_add(problems, id, "text of 1 to %d bytes|/id", ID_MAX_BYTES);
	else if (id)
		s->client_id = xstrdup(json_string_value(id));
	if (priority && !(word && (strcmp(word, "high") == 0 || strcmp(word, "normal") == 0)))
		problem_add(problems, priority, "\"high\" or \"normal\"|/priority");
	s->high = word && strcmp(word, "high") == 0;
	s->deadline_s = json_number_value(deadline);
	if (deadline && !(json_is_number(deadline) && s->deadline_s > 0 && s->deadline_s <= DEADLINE_MAX_S))
		problem_add(problems, deadline, "seconds, more than 0 and at most %.0f|/deadline_s", DEADLINE_MAX_S);
	if (callback && !(submission_is_plain(callback, 2048) && url_is_http(json_string_value(callback))))
		problem_add(problems, callback, "http://... or https://..., at most 2048 bytes|/callback_url");
	else if (callback && url_problem(json_string_value(callback)))
		submission_refuse_url(json_string_value(callback), url_problem(json_string_value(callback)), "/callback_url", problems);
	else if (callback)
		s->callback_url = xstrdup(json_string_value(callback));
	read_labels(s, body, problems);
}

/* A join may not ask for more needs than there are. */
static void check_joins(const struct submission *s, json_t *problems)
{
	const struct definition *d = s->definition;

	for (int i = 0; i < d->nnodes; i++) {
		const struct node *n = &d->nodes[i];
		scoped(json_decref_p) json_t *found = NULL;
		int all = 0;

		for (int k = 0; k < n->nneeds; k++)
			all += n->tool->scope == TOOL_ALL && d->nodes[n->needs[k]].tool->scope == TOOL_EACH ? s->items : 1;
		if (n->join == JOIN_ALL || n->join <= max_of(all, 1))
			continue;
		found = json_integer(n->join);
		problem_add(problems, found, "at most %d, the number of its needs (steps times pictures)|/pipeline/steps/%s/join", all, n->id);
	}
}

/* What must hold between the definition and the rest; only asked when each is right by itself. */
static void check_together(struct submission *s, json_t *problems)
{
	const struct definition *d = s->definition;
	const char *step;
	json_t *given;

	s->items = max_of((int)json_array_size(s->images), 1);
	if (!json_array_size(s->images) && definition_needs_images(d))
		problem_add(problems, NULL, "at least one picture: this pipeline reads pictures|/images");
	if (definition_total(d, s->items) > DEFINITION_MAX_INSTANCES) {
		scoped(json_decref_p) json_t *found = json_integer(definition_total(d, s->items));

		problem_add(problems, found, "at most %d instances: steps times pictures|/images", DEFINITION_MAX_INSTANCES);
	}
	check_joins(s, problems);
	json_object_foreach(s->params, step, given) {
		int k = definition_find(d, step);
		scoped(free_p) char *at = xasprintf("/params/%.*s", (int)utf8_whole(step, strnlen(step, 64)), step);

		if (k < 0)
			problem_add(problems, NULL, "the id of a step of the pipeline|%s", at);
		else
			tool_check_params(d->nodes[k].tool, given, at, problems);
	}
}

static void read_definition(struct submission *s, const json_t *body, json_t *problems)
{
	const json_t *pipeline = json_object_get(body, "pipeline");
	scoped(json_decref_p) json_t *own = json_object();
	const struct definition_use use = { .callback_url = s->callback_url, .params = s->params };
	bool has_own = json_object_get(body, "steps") || json_object_get(body, "components");

	if (pipeline && has_own) {
		problem_add(problems, NULL, "either pipeline, or the definition's own members|/pipeline");
	} else if (json_is_string(pipeline) && json_string_length(pipeline) >= 1 && json_string_length(pipeline) <= 128) {
		s->pipeline = xstrdup(json_string_value(pipeline));
	} else if (json_is_object(pipeline)) {
		s->definition = definition_parse(pipeline, "/pipeline", &use, problems);
	} else if (pipeline || !has_own) {
		problem_add(problems, pipeline, "the name or id of a stored pipeline, or a definition: {\"steps\": [...]}|/pipeline");
	} else {
		for (size_t i = 0; i < countof(definition_members); i++)
			if (json_object_get(body, definition_members[i]))
				json_object_set(own, definition_members[i], json_object_get(body, definition_members[i]));
		s->definition = definition_parse(own, "", &use, problems);
	}
}

/* ---- the digest ---- */

static void hash_text(crypto_generichash_state *state, const char *text)
{
	crypto_generichash_update(state, (const uint8_t *)text, strlen(text));
}

/* Of the body as jansson writes it, compact and with sorted keys. It is stored, so it stays as it is. `texts`: of the
 * members whose values were not parsed now (submission_key.h), how they are written so. */
static void digest(struct submission *s, const json_t *body, const json_t *texts)
{
	static const char *const sorted[] = { "callback_url", "components", "deadline_s", "description", "id", "images", "input_urls",
		"labels", "name", "on_failure", "params", "pipeline", "priority", "steps", "version" };
	crypto_generichash_state state;
	const char *before = "{\"";

	_Static_assert(countof(sorted) == countof(members) - 1, "all members, but for the NULL behind them");
	crypto_generichash_init(&state, NULL, 0, sizeof s->digest);
	for (size_t k = 0; k < countof(sorted); k++) {
		const json_t *value = json_object_get(body, sorted[k]);
		const char *known = json_string_value(json_object_get(texts, sorted[k]));
		scoped(free_p) char *text = value && !known ? json_dumps(value, SUBMISSION_TEXT_FLAGS) : NULL;

		if (!value)
			continue;
		hash_text(&state, before);
		hash_text(&state, sorted[k]);
		hash_text(&state, "\":");
		hash_text(&state, known ? known : text);
		before = ",\"";
	}
	hash_text(&state, "}");
	crypto_generichash_final(&state, s->digest, sizeof s->digest);
}

/* ---- all ---- */

/* `d`: what the definition is known to be; NULL: it is in the body. */
static struct submission *read_body(const json_t *body, const char *roots, struct definition *d, json_t *problems)
{
	struct submission *s = xcalloc(1, sizeof *s);
	json_t *params = json_object_get(body, "params");
	size_t before = json_array_size(problems);

	problem_unknown_members(problems, body, members, "");
	if (params && !json_is_object(params))
		problem_add(problems, params, "an object: parameters by step|/params");
	else
		s->params = json_incref(params);
	read_small(s, body, problems);
	submission_read_images(s, body, roots, problems);
	if (d)
		s->definition = definition_ref(d);
	else
		read_definition(s, body, problems);
	if (s->definition && json_array_size(problems) == before)
		check_together(s, problems);
	return s;
}

#define SMALL 2048

/* What is left of the text, parsed; NULL: it is no object. */
static json_t *parse_rest(const struct submission_key *k, const char *text, size_t len, json_t *problems)
{
	char small[SMALL];
	scoped(free_p) char *large = len > SMALL ? xcalloc(len, 1) : NULL;
	char *rest = large ? large : small;

	return json_parse_strict(rest, outline_without(&k->outline, text, len, k->out, rest), SUBMISSION_MAX_DEPTH, problems);
}

/* The short way: the definition is known, and only the rest is parsed. NULL: it is not, or something is wrong, which the
 * whole text tells better. */
static struct submission *read_known(struct definition_cache *cache, const struct submission_key *k, const char *text, size_t len,
	const char *roots, json_t *problems)
{
	scoped(json_decref_p) json_t *body = NULL, *texts = NULL;
	scoped(definition_unref_p) struct definition *d = definition_cache_get(cache, k->key.at, k->key.len, &texts);
	scoped(submission_free_p) struct submission *s = NULL;
	size_t before = json_array_size(problems);

	if (!d)
		return NULL;
	body = parse_rest(k, text, len, problems);
	if (json_is_object(body))
		s = read_body(body, roots, d, problems);
	if (!s || json_array_size(problems) > before || definition_lacks_params(d, s->params)) {
		while (json_array_size(problems) > before)
			json_array_remove(problems, json_array_size(problems) - 1);
		return NULL;
	}
	if (s->client_id)
		digest(s, body, texts);
	return steal(&s);
}

static struct submission *read_whole(const char *text, size_t len, const char *roots, json_t **ret_body, json_t *problems)
{
	scoped(submission_free_p) struct submission *s = NULL;
	scoped(json_decref_p) json_t *body = json_parse_strict(text, len, SUBMISSION_MAX_DEPTH, problems);
	size_t before = json_array_size(problems);

	if (!body)
		return NULL;
	if (!json_is_object(body)) {
		problem_add(problems, body, "an object: a submission|");
		return NULL;
	}
	s = read_body(body, roots, NULL, problems);
	if (json_array_size(problems) != before) {
		problems_cut(problems);
		return NULL;
	}
	if (s->client_id)
		digest(s, body, NULL);
	*ret_body = steal(&body);
	return steal(&s);
}

int submission_parse(struct definition_cache *cache, const char *text, size_t len, const char *roots, struct submission **ret,
	json_t *problems)
{
	scoped(submission_key_done) struct submission_key known = { 0 };
	scoped(json_decref_p) json_t *body = NULL;
	struct submission *s;

	if (len > SUBMISSION_MAX_BYTES) {
		scoped(json_decref_p) json_t *found = json_sprintf("%zu bytes", len);

		problem_add(problems, found, "at most %u bytes|", SUBMISSION_MAX_BYTES);
		return -1;
	}
	if (cache)
		submission_key_find(&known, text, len);
	if (known.key.len && (s = read_known(cache, &known, text, len, roots, problems))) {
		*ret = s;
		return 0;
	}
	s = read_whole(text, len, roots, &body, problems);
	if (!s)
		return -1;
	if (known.key.len) {
		scoped(json_decref_p) json_t *texts = submission_key_texts(&known, body);

		definition_cache_put(cache, known.key.at, known.key.len, s->definition, texts);
	}
	*ret = s;
	return 0;
}

/* The definition that is stored under the submission's name, with what the submission adds to it. */
static struct definition *compile(struct definition_cache *cache, const struct submission *s, const char *text, json_t *problems)
{
	const struct definition_use use = { .callback_url = s->callback_url, .params = s->params };
	scoped(json_decref_p) json_t *body = NULL, *members_kept = NULL;
	scoped(buf_free) struct buf key = { 0 };
	struct definition *d;

	buf_add(&key, text, strlen(text) + 1);
	buf_puts(&key, s->callback_url ? s->callback_url : "");
	d = cache ? definition_cache_get(cache, key.text, key.len, &members_kept) : NULL;
	if (d && !definition_lacks_params(d, s->params))
		return d;
	definition_unref(d);
	body = json_loads(text, 0, NULL);
	must(body != NULL);
	d = definition_parse(body, "/pipeline", &use, problems);
	if (d && cache)
		definition_cache_put(cache, key.text, key.len, d, NULL);
	return d;
}

int submission_resolve(struct definition_cache *cache, struct submission *s, const char *text, json_t *problems)
{
	size_t before = json_array_size(problems);

	s->definition = compile(cache, s, text, problems);
	if (s->definition)
		check_together(s, problems);
	if (json_array_size(problems) == before)
		return 0;
	problems_cut(problems);
	return -1;
}
