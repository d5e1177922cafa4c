#include "photo_pipeline.h"

#include <string.h>

static json_t *model_params(const struct conf *c, const char *model)
{
	return json_pack("{s:s, s:s}", "backend", c->photo_backend, "model", model);
}

static void add(json_t *steps, const char *id, const char *tool, const char *need, json_t *params)
{
	scoped(json_decref_p) json_t *own = params;
	json_t *needs = need ? json_pack("[s]", need) : json_array();

	json_array_append_new(steps, json_pack("{s:s, s:s, s:o, s:O*}", "id", id, "tool", tool, "needs", needs, "params", own));
}

/* Behind the step `id`. A server that restarts is away for longer than three tries take. */
static json_t *deliver(json_t *steps, const char *id, json_t *params)
{
	scoped(free_p) char *name = xasprintf("deliver-%s", id);
	json_t *step;

	add(steps, name, "deliver", id, params);
	step = json_array_get(steps, json_array_size(steps) - 1);
	json_object_set_new(step, "retry", json_pack("{s:i, s:f, s:f}", "max_attempts", 5, "backoff_s", 1.0, "max_backoff_s", 60.0));
	return step;
}

static json_t *embedding_params(const struct conf *c, const char *as, const char *label)
{
	return json_pack("{s:s, s:s, s:i}", "as", as, "model", label, "dim", (int)c->embedding_dim);
}

static void add_clip(const struct conf *c, const struct clip_models *models, json_t *steps)
{
	for (size_t i = 0; i < models->n; i++) {
		scoped(free_p) char *id = i ? xasprintf("clip-%zu", i + 1) : xstrdup("clip");

		add(steps, id, "clip_embed", "source", model_params(c, models->list[i].name));
		deliver(steps, id, embedding_params(c, "image", models->list[i].label));
	}
}

/* The text is embedded by the first model. */
static void add_caption(const struct conf *c, const struct clip_models *models, json_t *steps)
{
	json_t *params = model_params(c, c->caption_model_name), *step;

	json_object_set_new(params, "max_length", json_integer(c->caption_max_length));
	add(steps, "caption", "caption", "source", params);
	add(steps, "caption-text", "text_embed", "caption", model_params(c, models->list[0].name));
	step = deliver(steps, "caption", embedding_params(c, "caption", models->list[0].label));
	json_array_append_new(json_object_get(step, "needs"), json_string("caption-text"));
}

static void add_faces(const struct conf *c, json_t *steps)
{
	add(steps, "faces", "faces", "source", model_params(c, c->face_model_name));
	deliver(steps, "faces", json_pack("{s:s, s:s, s:i}", "as", "faces", "model", c->default_face_model,
		"dim", (int)c->face_embedding_dim));
}

static json_t *languages(const char *list)
{
	json_t *langs = json_array();

	for (const char *p = list; *p; p += *p == ',') {
		size_t n = strcspn(p, ","), blank = strspn(p, " \t"), end = n;

		while (end > blank && strchr(" \t", p[end - 1]))
			end--;
		if (end > blank)
			json_array_append_new(langs, json_stringn(p + blank, end - blank));
		p += n;
	}
	return langs;
}

static void add_ocr(const struct conf *c, json_t *steps)
{
	scoped(json_decref_p) json_t *langs = languages(c->ocr_langs);

	add(steps, "ocr", "ocr", "source", json_pack("{s:O, s:f, s:i}", "langs", langs, "min_conf", c->ocr_min_conf, "max_chars", 0));
	deliver(steps, "ocr", json_pack("{s:s, s:O, s:f, s:I}", "as", "ocr", "langs", langs, "min_conf", c->ocr_min_conf,
		"max_chars", (json_int_t)c->ocr_max_chars));
}

static struct definition *compile(const char *name, json_t *take_steps, json_t *problems)
{
	scoped(json_decref_p) json_t *body = json_pack("{s:s, s:s, s:o}", "name", name, "on_failure", "continue", "steps", take_steps);

	must(body != NULL);
	return definition_parse(body, "", NULL, problems);
}

struct definition *photo_pipeline(const struct conf *conf, const struct clip_models *models, unsigned tasks, json_t *problems)
{
	json_t *steps = json_array();

	add(steps, "source", "fetch", NULL, NULL);
	if (tasks & TASK_THUMBNAIL)
		add(steps, "thumbnail", "thumbnail", "source", NULL);
	if (tasks & TASK_CLIP)
		add_clip(conf, models, steps);
	if (tasks & TASK_CLIP && conf->caption_enabled)
		add_caption(conf, models, steps);
	if (tasks & TASK_FACE)
		add_faces(conf, steps);
	if (tasks & TASK_OCR)
		add_ocr(conf, steps);
	return compile("photo message", steps, problems);
}

struct definition *text_pipeline(const struct conf *conf, json_t *problems)
{
	json_t *steps = json_array();

	add(steps, "text", "text_embed", NULL, json_pack("{s:s}", "backend", conf->photo_backend));
	deliver(steps, "text", json_pack("{s:s, s:i}", "as", "text", "dim", (int)conf->embedding_dim));
	return compile("text message", steps, problems);
}
