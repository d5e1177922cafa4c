#include "origin.h"

#include "gallery.h"
#include "normal_form.h"
#include "photo_pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES  4000
#define QUERY_MAX_BYTES 8192
#define LABEL_MAX_BYTES 256
#define ID_MOST         999999999999999999LL    /* 18 digits, as the paths of results take them */

struct origins {
	const struct conf *conf;
	struct clip_models models;
	struct definition *photo[TASK_SETS], *text;     /* photo[0] is not made: nothing to do */
	struct origin list[2];
	size_t n;
};

/* ---- members ---- */

/* As int() of Python reads it: a whole number, or text that is one. */
static bool read_id(const json_t *v, json_int_t *ret)
{
	const char *s = json_string_value(v);
	char *end;

	if (json_is_integer(v)) {
		*ret = json_integer_value(v);
		return *ret >= 0 && *ret <= ID_MOST;
	}
	if (!s || strlen(s) != json_string_length(v))
		return false;
	s += strspn(s, " \t\r\n");
	s += *s == '+';
	errno = 0;
	*ret = strtoll(s, &end, 10);
	return *s >= '0' && *s <= '9' && end[strspn(end, " \t\r\n")] == '\0' && errno == 0 && *ret <= ID_MOST;
}

static json_int_t need_id(const json_t *message, const char *name, json_t *problems)
{
	const json_t *v = json_object_get(message, name);
	json_int_t id = 0;

	if (!read_id(v, &id))
		problem_add(problems, v, "a whole number from 0 to %lld|/%s", ID_MOST, name);
	return id;
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static json_t *label_of(json_int_t id)
{
	return json_sprintf("%lld", (long long)id);
}

/* ---- photos ---- */

static unsigned read_tasks(const struct conf *c, const json_t *message, json_t *problems)
{
	static const struct { const char *name; unsigned task; } known[] = {
		{ "thumbnail", TASK_THUMBNAIL }, { "clip", TASK_CLIP }, { "face", TASK_FACE }, { "faces", TASK_FACE }, { "ocr", TASK_OCR },
	};
	const json_t *list = json_object_get(message, "tasks"), *v;
	unsigned tasks = 0;
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		problem_add(problems, list, "a list of thumbnail, clip, face, ocr|/tasks");
	json_array_foreach(list, i, v) {
		if (!json_is_string(v))
			problem_add(problems, v, "the name of a task: thumbnail, clip, face, ocr|/tasks/%zu", i);
		for (size_t k = 0; json_is_string(v) && k < countof(known); k++)
			if (strcmp(json_string_value(v), known[k].name) == 0)
				tasks |= known[k].task;         /* other names are other runners' business */
	}
	return c->ocr_enabled ? tasks : tasks & ~(unsigned)TASK_OCR;
}

static const char *need_path(const json_t *message, json_t *problems)
{
	const json_t *v = json_object_get(message, "path");
	const char *path = json_string_value(v);

	if (path && *path && json_string_length(v) <= PATH_MAX_BYTES && is_plain(path))
		return path;
	problem_add(problems, v, "a path of 1 to %d bytes|/path", PATH_MAX_BYTES);
	return NULL;
}

static json_t *ids_for_deliveries(const struct definition *d, json_int_t id)
{
	json_t *params = json_object();

	for (int i = 0; i < d->nnodes; i++)
		if (strcmp(d->nodes[i].tool->name, "deliver") == 0)
			json_object_set_new(params, d->nodes[i].id, json_pack("{s:I}", "id", id));
	return params;
}

static int read_photo(const struct origins *o, const json_t *message, struct submission **ret, json_t *problems)
{
	json_int_t id = need_id(message, "photo_id", problems), user = 0;
	const json_t *given_user = json_object_get(message, "user_id");
	bool has_user = given_user && !json_is_null(given_user);
	const char *path = need_path(message, problems);
	unsigned tasks = read_tasks(o->conf, message, problems);
	struct submission *s;

	if (has_user)
		user = need_id(message, "user_id", problems);
	if (json_array_size(problems))
		return -1;
	if (!tasks) {
		*ret = NULL;
		return 0;
	}
	s = xcalloc(1, sizeof *s);
	s->items = 1;
	s->definition = definition_ref(o->photo[tasks]);
	s->images = json_pack("[o]", json_sprintf(GALLERY_UPLOAD "%s", path));
	s->params = ids_for_deliveries(s->definition, id);
	s->labels = json_pack("{s:o}", "photo_id", label_of(id));
	if (has_user)
		json_object_set_new(s->labels, "user_id", label_of(user));
	*ret = s;
	return 0;
}

/* ---- texts ---- */

static const char *read_label(const struct origins *o, const json_t *message, json_t *problems)
{
	const json_t *v = json_object_get(message, "model");
	const char *label = json_string_value(v);

	if (!v || json_is_null(v) || (label && !*label))
		return o->conf->default_model;
	if (!label || json_string_length(v) > LABEL_MAX_BYTES || !is_plain(label))
		problem_add(problems, v, "the label of a model, at most %d bytes|/model", LABEL_MAX_BYTES);
	return label;
}

static int read_text(const struct origins *o, const json_t *message, struct submission **ret, json_t *problems)
{
	const json_t *type = json_object_get(message, "type"), *query = json_object_get(message, "query");
	const char *label = read_label(o, message, problems);
	json_int_t id = need_id(message, "request_id", problems);
	struct submission *s;

	if (type && !(json_is_string(type) && strcmp(json_string_value(type), "text_embed") == 0))
		problem_add(problems, type, "\"text_embed\"|/type");
	if (!json_is_string(query) || json_string_length(query) < 1 || json_string_length(query) > QUERY_MAX_BYTES)
		problem_add(problems, query, "text of 1 to %d bytes|/query", QUERY_MAX_BYTES);
	if (json_array_size(problems))
		return -1;
	s = xcalloc(1, sizeof *s);
	s->items = 1;
	s->definition = definition_ref(o->text);
	s->images = json_array();
	s->params = json_pack("{s:{s:O, s:s}, s:{s:I, s:s}}", "text", "text", query, "model", clip_models_find(o->conf, &o->models, label),
		"deliver-text", "id", id, "model", label);
	s->labels = json_pack("{s:o}", "request_id", label_of(id));
	*ret = s;
	return 0;
}

/* ---- all ---- */

int origin_read(const struct origins *o, const struct origin *from, const char *text, size_t len, struct submission **ret, json_t *problems)
{
	scoped(json_decref_p) json_t *message = NULL;

	if (len > SUBMISSION_MAX_BYTES) {
		scoped(json_decref_p) json_t *found = json_sprintf("%zu bytes", len);

		problem_add(problems, found, "at most %u bytes|", SUBMISSION_MAX_BYTES);
		return -1;
	}
	message = json_parse_strict(text, len, SUBMISSION_MAX_DEPTH, problems);
	if (!message)
		return -1;
	if (!json_is_object(message)) {
		problem_add(problems, message, "an object: a message|");
		return -1;
	}
	return from->read(o, message, ret, problems);
}

static int make_pipelines(struct origins *o, struct err *err)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(buf_free) struct buf why = { 0 };

	if (*o->conf->photo_queue)
		for (unsigned tasks = 1; tasks < TASK_SETS; tasks++)
			if (!json_array_size(problems))
				o->photo[tasks] = photo_pipeline(o->conf, &o->models, tasks, problems);
	if (*o->conf->text_queue && !json_array_size(problems))
		o->text = text_pipeline(o->conf, problems);
	if (!json_array_size(problems))
		return 0;
	problems_text(problems, &why);
	return err_set(err, ERR_REJECT, "the settings of the photo and text queues make no pipeline: %s", why.text);
}

struct origins *origins_new(const struct conf *conf, struct err *err)
{
	struct origins *o = xcalloc(1, sizeof *o);

	o->conf = conf;
	if (clip_models_read(conf, &o->models, err) < 0 || make_pipelines(o, err) < 0) {
		origins_free(o);
		return NULL;
	}
	if (*conf->photo_queue)
		o->list[o->n++] = (struct origin){ conf->photo_queue, conf->photo_dlq, read_photo };
	if (*conf->text_queue)
		o->list[o->n++] = (struct origin){ conf->text_queue, conf->text_dlq, read_text };
	return o;
}

void origins_free(struct origins *o)
{
	if (!o)
		return;
	clip_models_free(&o->models);
	for (size_t i = 0; i < countof(o->photo); i++)
		definition_unref(o->photo[i]);
	definition_unref(o->text);
	free(o);
}

const struct origin *origins_all(const struct origins *o, size_t *ret_n)
{
	*ret_n = o->n;
	return o->list;
}

const struct origin *origin_find(const struct origins *o, const char *list)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->list[i].list, list) == 0)
			return &o->list[i];
	return NULL;
}
