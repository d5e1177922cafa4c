#include "submission.h"

#include "beneath.h"
#include "folder.h"
#include "normal_form.h"
#include "url.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#define IMAGE_MAX_BYTES 4096
#define ID_MAX_BYTES    200
#define LABELS_MAX      32
#define DEADLINE_MAX_S  31536000.0

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

/* ---- pictures ---- */

/* Text of 1 to `most` bytes without control characters. */
static bool is_plain(const json_t *v, size_t most)
{
	const char *s = json_string_value(v);

	if (!s || !*s || json_string_length(v) > most)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static bool has_dots(const char *path)
{
	for (const char *s = path; (s = strstr(s, "..")); s += 2)
		if ((s == path || s[-1] == '/') && (s[2] == '/' || s[2] == '\0'))
			return true;
	return false;
}

static bool is_under(const char *path, const char *roots)
{
	for (const char *r = roots; *r;) {
		size_t n = strcspn(r, ":"), len = n;

		while (len > 1 && r[len - 1] == '/')
			len--;
		if (len && strncmp(path, r, len) == 0 && (path[len] == '/' || path[len] == '\0' || len == 1))
			return true;
		r += n + (r[n] == ':');
	}
	return false;
}

static void add_directory(struct submission *s, int fd, const char *path, const json_t *image, const char *at, json_t *problems)
{
	size_t before = json_array_size(s->images), room = SUBMISSION_MAX_IMAGES + 1 - min_of(before, (size_t)SUBMISSION_MAX_IMAGES);
	size_t odd = 0;

	if (folder_pictures(fd, path, room, s->images, &odd) < 0)
		problem_add(problems, image, "a directory that the dispatcher can read|%s", at);
	else if (odd)
		problem_add(problems, image, "pictures with names in UTF-8, without control characters; %zu in this directory %s not|%s", odd,
			odd == 1 ? "is" : "are", at);
	else if (json_array_size(s->images) == before && before <= SUBMISSION_MAX_IMAGES)
		problem_add(problems, image, "a directory with pictures in it (jpg, png, webp, gif, tiff, heif, avif)|%s", at);
}

static void add_path(struct submission *s, const json_t *image, const char *roots, const char *at, json_t *problems)
{
	const char *path = json_string_value(image);
	scoped(close_p) int fd = -1;
	struct err err;

	if (*path != '/')
		problem_add(problems, image, "http://..., https://... or an absolute path|%s", at);
	else if (has_dots(path))
		problem_add(problems, image, "a path without ..|%s", at);
	else if (!is_under(path, roots))
		problem_add(problems, image, "a path under one of PIXELFLEET_ALLOWED_ROOTS: %s|%s", *roots ? roots : "(none is set)", at);
	else if (beneath_open_dir(roots, path, &fd, &err) == 0)
		add_directory(s, fd, path, image, at, problems);
	else                    /* a file, or whatever the worker will say of it */
		json_array_append(s->images, (json_t *)image);
}

/* A password is not repeated. */
static void refuse_url(const char *url, const char *allowed, const char *at, json_t *problems)
{
	scoped(free_p) char *shown = xcalloc(1, IMAGE_MAX_BYTES + 8);
	scoped(json_decref_p) json_t *found = json_string(url_shown(url, shown, IMAGE_MAX_BYTES + 8));

	problem_add(problems, found, "%s|%s", allowed, at);
}

static void add_image(struct submission *s, const json_t *image, size_t i, const char *member, const char *roots, json_t *problems)
{
	const char *text = json_string_value(image);
	scoped(free_p) char *at = xasprintf("/%s/%zu", member, i);

	if (!is_plain(image, IMAGE_MAX_BYTES))
		problem_add(problems, image, "text: a URL or an absolute path, of 1 to %d bytes|%s", IMAGE_MAX_BYTES, at);
	else if (!url_is_http(text))
		add_path(s, image, roots, at, problems);
	else if (url_problem(text))
		refuse_url(text, url_problem(text), at, problems);
	else
		json_array_append(s->images, (json_t *)image);
}

static void read_images(struct submission *s, const json_t *body, const char *roots, json_t *problems)
{
	const char *member = json_object_get(body, "input_urls") ? "input_urls" : "images";
	const json_t *images = json_object_get(body, member), *image;
	size_t i;

	s->images = json_array();
	if (json_object_get(body, "images") && json_object_get(body, "input_urls"))
		problem_add(problems, NULL, "either images or input_urls|/input_urls");
	if (!images)
		return;
	if (!json_is_array(images)) {
		problem_add(problems, images, "a list of URLs and paths|/%s", member);
		return;
	}
	json_array_foreach(images, i, image) {
		if (json_array_size(s->images) > SUBMISSION_MAX_IMAGES || json_array_size(problems) > 50)
			break;
		add_image(s, image, i, member, roots, problems);
	}
	if (json_array_size(s->images) > SUBMISSION_MAX_IMAGES) {
		scoped(json_decref_p) json_t *found = json_sprintf("more than %d pictures", SUBMISSION_MAX_IMAGES);

		problem_add(problems, found, "at most %d pictures in one job|/%s", SUBMISSION_MAX_IMAGES, member);
	}
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

	if (id && !is_plain(id, ID_MAX_BYTES))
		problem_add(problems, id, "text of 1 to %d bytes|/id", ID_MAX_BYTES);
	else if (id)
		s->client_id = xstrdup(json_string_value(id));
	if (priority && !(word && (strcmp(word, "high") == 0 || strcmp(word, "normal") == 0)))
		problem_add(problems, priority, "\"high\" or \"normal\"|/priority");
	s->high = word && strcmp(word, "high") == 0;
	s->deadline_s = json_number_value(deadline);
	if (deadline && !(json_is_number(deadline) && s->deadline_s > 0 && s->deadline_s <= DEADLINE_MAX_S))
		problem_add(problems, deadline, "seconds, more than 0 and at most %.0f|/deadline_s", DEADLINE_MAX_S);
	if (callback && !(is_plain(callback, 2048) && url_is_http(json_string_value(callback))))
		problem_add(problems, callback, "http://... or https://..., at most 2048 bytes|/callback_url");
	else if (callback && url_problem(json_string_value(callback)))
		refuse_url(json_string_value(callback), url_problem(json_string_value(callback)), "/callback_url", problems);
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
		scoped(json_decref_p) json_t *found = json_integer(n->join);
		int all = 0;

		for (int k = 0; k < n->nneeds; k++)
			all += n->tool->scope == TOOL_ALL && d->nodes[n->needs[k]].tool->scope == TOOL_EACH ? s->items : 1;
		if (n->join != JOIN_ALL && n->join > max_of(all, 1))
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

static void digest(struct submission *s, const json_t *body)
{
	scoped(free_p) char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);

	must(text != NULL);
	crypto_generichash(s->digest, sizeof s->digest, (const uint8_t *)text, strlen(text), NULL, 0);
}

int submission_parse(const char *text, size_t len, const char *roots, struct submission **ret, json_t *problems)
{
	scoped(json_decref_p) json_t *body = NULL;
	scoped(submission_free_p) struct submission *s = NULL;
	size_t before = json_array_size(problems);
	json_t *params;

	if (len > SUBMISSION_MAX_BYTES) {
		scoped(json_decref_p) json_t *found = json_sprintf("%zu bytes", len);

		problem_add(problems, found, "at most %u bytes|", SUBMISSION_MAX_BYTES);
		return -1;
	}
	body = json_parse_strict(text, len, SUBMISSION_MAX_DEPTH, problems);
	if (!body)
		return -1;
	if (!json_is_object(body)) {
		problem_add(problems, body, "an object: a submission|");
		return -1;
	}
	s = xcalloc(1, sizeof *s);
	problem_unknown_members(problems, body, members, "");
	params = json_object_get(body, "params");
	if (params && !json_is_object(params))
		problem_add(problems, params, "an object: parameters by step|/params");
	else
		s->params = json_incref(params);
	read_small(s, body, problems);
	read_images(s, body, roots, problems);
	read_definition(s, body, problems);
	if (s->definition && json_array_size(problems) == before)
		check_together(s, problems);
	digest(s, body);
	if (json_array_size(problems) != before) {
		problems_cut(problems);
		return -1;
	}
	*ret = steal(&s);
	return 0;
}

int submission_resolve(struct submission *s, const json_t *body, json_t *problems)
{
	const struct definition_use use = { .callback_url = s->callback_url, .params = s->params };
	size_t before = json_array_size(problems);

	s->definition = definition_parse(body, "/pipeline", &use, problems);
	if (s->definition)
		check_together(s, problems);
	if (json_array_size(problems) == before)
		return 0;
	problems_cut(problems);
	return -1;
}
