#include "delivery.h"

#include "utf8.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE     "pixelfleet"
#define OCR_SOURCE "tesseract"

void delivery_done(struct delivery *d)
{
	free(d->path);
	json_decref(d->body);
	*d = (struct delivery){ 0 };
}

static const char *text(const json_t *object, const char *name, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : otherwise;
}

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

/* The first need that gave such a member. */
static const json_t *with_member(const json_t *data, const char *name)
{
	const json_t *d;
	size_t i;

	json_array_foreach(data, i, d)
		if (json_object_get(d, name))
			return d;
	return NULL;
}

static int need_member(const json_t *data, const char *name, const char *who, const json_t **ret, struct err *err)
{
	*ret = with_member(data, name);
	if (!*ret)
		return err_set(err, ERR_REJECT, "deliver: no need gave \"%s\", as %s does", name, who);
	return 0;
}

static bool is_float(const json_t *v)
{
	return json_is_number(v) && fabs(json_number_value(v)) <= (double)FLT_MAX;
}

/* The list itself, when it is as many numbers as are wanted. `whose` names it in the message. */
static int check_embedding(json_t *list, const json_t *params, const char *setting, const char *whose, struct err *err)
{
	const json_t *dim = json_object_get(params, "dim"), *v;
	size_t i;

	if (!json_is_array(list))
		return err_set(err, ERR_REJECT, "deliver: %s has no embedding", whose);
	if (dim && (json_int_t)json_array_size(list) != json_integer_value(dim))
		return err_set(err, ERR_REJECT, "deliver: the embedding of %s has %zu numbers, %s is %lld", whose, json_array_size(list),
			setting, (long long)json_integer_value(dim));
	json_array_foreach(list, i, v)
		if (!is_float(v))
			return err_set(err, ERR_REJECT, "deliver: element %zu of the embedding of %s is not a number", i, whose);
	return 0;
}

static int need_label(const json_t *params, const char **ret, struct err *err)
{
	*ret = text(params, "model", NULL);
	if (!*ret)
		return err_set(err, ERR_REJECT, "deliver: \"model\" is missing: the label that the embedding goes under");
	return 0;
}

static char *photo_path(const json_t *params, const char *what)
{
	return xasprintf("/api/internal/photos/%lld/%s", (long long)json_integer_value(json_object_get(params, "id")), what);
}

/* ---- embeddings ---- */

static int make_embedding(const json_t *params, const char *modality, const json_t *from, json_t *ml_result, struct delivery *ret,
	struct err *err)
{
	json_t *embedding = json_object_get(from, "embedding");
	scoped(free_p) char *whose = xasprintf("model '%.200s'", text(from, "model", "?"));
	scoped(json_decref_p) json_t *own = ml_result;
	const char *label;

	if (need_label(params, &label, err) < 0 || check_embedding(embedding, params, "PROCESSING_EMBEDDING_DIM", whose, err) < 0)
		return -1;
	ret->path = photo_path(params, "ml_result");
	ret->body = json_pack("{s:s, s:s, s:O, s:O, s:s}", "model", label, "modality", modality, "embedding", embedding,
		"ml_result", own, "processing_status", "done");
	must(ret->body != NULL);
	return 0;
}

static json_t *who_said_it(const json_t *from)
{
	return json_pack("{s:s, s:s, s:s}", "source", SOURCE, "model_name", text(from, "model", ""), "device", text(from, "device", "cpu"));
}

static int make_image(const json_t *params, const json_t *data, struct delivery *ret, struct err *err)
{
	const json_t *from;

	if (need_member(data, "embedding", "clip_embed", &from, err) < 0)
		return -1;
	return make_embedding(params, "image", from, who_said_it(from), ret, err);
}

static int make_caption(const json_t *params, const json_t *data, struct delivery *ret, struct err *err)
{
	const json_t *said, *from;
	json_t *ml_result;

	if (need_member(data, "caption", "caption", &said, err) < 0)
		return -1;
	if (is_blank(text(said, "caption", "")))
		return 0;
	if (need_member(data, "embedding", "text_embed", &from, err) < 0)
		return -1;
	ml_result = who_said_it(said);
	json_object_set(ml_result, "caption", json_object_get(said, "caption"));
	return make_embedding(params, "caption", from, ml_result, ret, err);
}

static int make_text(const json_t *params, const json_t *data, struct delivery *ret, struct err *err)
{
	const json_t *from;
	const char *label;

	if (need_member(data, "embedding", "text_embed", &from, err) < 0 || need_label(params, &label, err) < 0 ||
	    check_embedding(json_object_get(from, "embedding"), params, "PROCESSING_EMBEDDING_DIM", "the text", err) < 0)
		return -1;
	ret->path = xasprintf("/api/internal/text_queries/%lld", (long long)json_integer_value(json_object_get(params, "id")));
	ret->body = json_pack("{s:O, s:s}", "embedding", json_object_get(from, "embedding"), "model", label);
	must(ret->body != NULL);
	return 0;
}

/* ---- faces ---- */

static double at(const json_t *list, size_t i)
{
	return json_number_value(json_array_get(list, i));
}

static int add_face(const json_t *params, const char *label, const json_t *item, size_t i, json_t *to, struct err *err)
{
	const json_t *box = json_object_get(item, "box");
	json_t *embedding = json_object_get(item, "embedding");
	scoped(free_p) char *whose = xasprintf("face %zu", i);

	if (json_array_size(box) != 4)
		return err_set(err, ERR_REJECT, "deliver: %s has no box [left, top, width, height]", whose);
	if (check_embedding(embedding, params, "PROCESSING_FACE_EMBEDDING_DIM", whose, err) < 0)
		return -1;
	json_array_append_new(to, json_pack("{s:O, s:s, s:{s:f, s:f, s:f, s:f}}", "embedding", embedding, "model", label, "bbox",
		"x1", at(box, 0), "y1", at(box, 1), "x2", at(box, 0) + at(box, 2), "y2", at(box, 1) + at(box, 3)));
	return 0;
}

static int make_faces(const json_t *params, const json_t *data, struct delivery *ret, struct err *err)
{
	scoped(json_decref_p) json_t *faces = json_array();
	const json_t *from, *item;
	const char *label;
	size_t i;

	if (need_member(data, "items", "faces", &from, err) < 0 || need_label(params, &label, err) < 0)
		return -1;
	json_array_foreach(json_object_get(from, "items"), i, item)
		if (add_face(params, label, item, i, faces, err) < 0)
			return -1;
	ret->path = photo_path(params, "faces");
	ret->body = json_pack("{s:O}", "faces", faces);
	return 0;
}

/* ---- text in the photo ---- */

static json_t *four_points(const json_t *item)
{
	const json_t *points = json_object_get(item, "points"), *box = json_object_get(item, "box");
	double l = at(box, 0), t = at(box, 1), r = l + at(box, 2), b = t + at(box, 3);

	if (json_array_size(points) == 4)
		return json_incref((json_t *)points);
	return json_pack("[[f,f],[f,f],[f,f],[f,f]]", l, t, r, t, r, b, l, b);
}

/* How many bytes the first `most` characters have; 0: all. */
static size_t bytes_of(const struct buf *b, json_int_t most)
{
	size_t end = 0;

	if (!most)
		return b->len;
	while (end < b->len && most-- > 0)
		end += max_of(utf8_sequence(b->text + end, b->len - end), (size_t)1);
	return end;
}

static void add_words(const json_t *item, double min_conf, struct buf *words, json_t *to)
{
	const char *word = text(item, "text", text(item, "label", ""));
	double conf = json_number_value(json_object_get(item, "score"));

	if (conf < min_conf || is_blank(word))
		return;
	buf_printf(words, "%s%s", words->len ? " " : "", word);
	json_array_append_new(to, json_pack("{s:s, s:f, s:o}", "text", word, "conf", conf, "bbox", four_points(item)));
}

static int make_ocr(const json_t *params, const json_t *data, struct delivery *ret, struct err *err)
{
	scoped(json_decref_p) json_t *items = json_array(), *words = NULL, *langs = NULL;
	scoped(buf_free) struct buf b = { 0 };
	const json_t *from, *item;
	size_t i;

	if (need_member(data, "items", "ocr", &from, err) < 0)
		return -1;
	json_array_foreach(json_object_get(from, "items"), i, item)
		add_words(item, json_number_value(json_object_get(params, "min_conf")), &b, items);
	ret->path = photo_path(params, "ml_result");
	if (!json_array_size(items)) {
		ret->body = json_pack("{s:{s:s}, s:s}", "ml_result", "ocr_text", "", "processing_status", "done");
		return 0;
	}
	words = json_stringn(b.text, bytes_of(&b, json_integer_value(json_object_get(params, "max_chars"))));
	langs = json_object_get(params, "langs") ? json_incref(json_object_get(params, "langs")) : json_array();
	ret->body = json_pack("{s:{s:O, s:{s:O, s:O, s:O, s:s}}, s:s}", "ml_result", "ocr_text", words, "ocr", "text", words,
		"items", items, "lang", langs, "source", OCR_SOURCE, "processing_status", "done");
	must(ret->body != NULL);
	return 0;
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	int (*make)(const json_t *params, const json_t *data, struct delivery *ret, struct err *err);
} kinds[] = {
	{ "image", make_image }, { "caption", make_caption }, { "faces", make_faces }, { "ocr", make_ocr }, { "text", make_text },
};

int delivery_make(const json_t *params, const json_t *data, struct delivery *ret, struct err *err)
{
	const char *as = text(params, "as", "");

	if (!json_is_integer(json_object_get(params, "id")))
		return err_set(err, ERR_REJECT, "deliver: \"id\" is missing: of the photo, or of the query");
	for (size_t i = 0; i < countof(kinds); i++)
		if (strcmp(kinds[i].name, as) == 0)
			return kinds[i].make(params, data, ret, err);
	return err_set(err, ERR_REJECT, "deliver: \"as\" is '%.40s', allowed is image, caption, faces, ocr or text", as);
}
