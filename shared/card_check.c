#include "card_check.h"

#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PROBLEMS_MAX 20
#define AT_MAX       400
#define FOUND_MAX    120
#define TEXT_MAX     4000
#define TENSORS_MAX  32
#define RANK_MAX     8

static const struct card_kind kinds[] = {
	{ "clip", { { "image", "vision_model.onnx" }, { "text", "text_model.onnx" } } },
	{ "caption", { { "encoder", "encoder.onnx" }, { "decoder", "decoder.onnx" } } },
	{ "faces", { { "detect", "det_10g.onnx" }, { "embed", "w600k_r50.onnx" } } },
	{ .name = "yolo" }, { .name = "segment" }, { .name = "face_detect" }, { .name = "face_embed" }, { .name = "inpaint" },
	{ .name = "other" },
};
#define KINDS "clip caption faces yolo segment face_detect face_embed inpaint other"

const struct card_kind *card_kind_find(const char *name)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (strcmp(kinds[i].name, *name ? name : "other") == 0)
			return &kinds[i];
	return NULL;
}

bool card_is_file_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 255 || *s == '/' || s[n - 1] == '/')
		return false;
	for (const char *p = s; *p; p += *p == '/') {
		size_t piece = strcspn(p, "/");

		if (piece == 0 || (piece == 1 && *p == '.') || (piece == 2 && strncmp(p, "..", 2) == 0))
			return false;
		for (; piece > 0; piece--, p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				return false;
	}
	return true;
}

/* ---- rules ---- */

enum type { TEXT, FILE_NAME, SERVER_NAME, ONE_OF, WHOLE, NUMBER, NUMBERS, SIZE, FLAG, LABELS, GROUP, PARTS, TENSORS, SHAPE };

struct rule {
	const char *name;
	enum type type;
	double least, most;             /* WHOLE, NUMBER, NUMBERS, SIZE */
	const char *words;              /* ONE_OF: separated by blanks */
	const struct rule *members;     /* GROUP, PARTS, TENSORS: of each; ends with a name of NULL */
};

#define DATATYPES "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64 BYTES"

static const struct rule tensor[] = {
	{ .name = "datatype", .type = ONE_OF, .words = DATATYPES },
	{ .name = "shape", .type = SHAPE },
	{ .name = NULL },
};
static const struct rule part[] = {
	{ .name = "file", .type = FILE_NAME },
	{ .name = "triton", .type = SERVER_NAME },
	{ .name = "inputs", .type = TENSORS, .members = tensor },
	{ .name = "outputs", .type = TENSORS, .members = tensor },
	{ .name = "max_batch", .type = WHOLE, .least = 1, .most = 1024 },
	{ .name = NULL },
};
static const struct rule preprocess[] = {
	{ .name = "resize", .type = ONE_OF, .words = "crop squash letterbox top_left" },
	{ .name = "edge", .type = WHOLE, .least = 1, .most = 8192 },
	{ .name = "kernel", .type = ONE_OF, .words = "cubic linear" },
	{ .name = "antialias", .type = FLAG },
	{ .name = "mean", .type = NUMBERS, .least = -1000, .most = 1000 },
	{ .name = "std", .type = NUMBERS, .least = 1e-6, .most = 1000 },
	{ .name = "scale", .type = NUMBER, .least = 1e-6, .most = 1e6 },
	{ .name = "pad", .type = NUMBER, .least = 0, .most = 255 },
	{ .name = "order", .type = ONE_OF, .words = "rgb bgr" },
	{ .name = NULL },
};
static const struct rule tokenizer[] = {
	{ .name = "type", .type = ONE_OF, .words = "clip wordpiece" },
	{ .name = "vocab", .type = FILE_NAME },
	{ .name = "merges", .type = FILE_NAME },
	{ .name = "length", .type = WHOLE, .least = 2, .most = 8192 },
	{ .name = "lowercase", .type = FLAG },
	{ .name = "start", .type = WHOLE, .least = 0, .most = 1 << 24 },
	{ .name = "end", .type = WHOLE, .least = 0, .most = 1 << 24 },
	{ .name = "pad", .type = WHOLE, .least = 0, .most = 1 << 24 },
	{ .name = NULL },
};
static const struct rule decoder[] = {
	{ .name = "start", .type = WHOLE, .least = 0, .most = 1 << 24 },
	{ .name = "end", .type = WHOLE, .least = 0, .most = 1 << 24 },
	{ .name = "pad", .type = WHOLE, .least = 0, .most = 1 << 24 },
	{ .name = "max_length", .type = WHOLE, .least = 1, .most = 4096 },
	{ .name = NULL },
};
static const struct rule whole[] = {
	{ .name = "kind", .type = ONE_OF, .words = KINDS },
	{ .name = "title", .type = TEXT },
	{ .name = "license", .type = TEXT },
	{ .name = "source", .type = TEXT },
	{ .name = "file", .type = FILE_NAME },
	{ .name = "parts", .type = PARTS, .members = part },
	{ .name = "triton", .type = SERVER_NAME },
	{ .name = "inputs", .type = TENSORS, .members = tensor },
	{ .name = "outputs", .type = TENSORS, .members = tensor },
	{ .name = "max_batch", .type = WHOLE, .least = 1, .most = 1024 },
	{ .name = "size", .type = SIZE, .least = 1, .most = 8192 },
	{ .name = "preprocess", .type = GROUP, .members = preprocess },
	{ .name = "labels", .type = LABELS },
	{ .name = "labels_file", .type = FILE_NAME },
	{ .name = "tokenizer", .type = GROUP, .members = tokenizer },
	{ .name = "decoder", .type = GROUP, .members = decoder },
	{ .name = "dim", .type = WHOLE, .least = 1, .most = 65536 },
	{ .name = NULL },
};

/* ---- what is wrong ---- */

/* A cut may be in the middle of a character. */
static json_t *whole_text(const char *s, size_t most)
{
	return json_stringn(s, utf8_whole(s, min_of(strlen(s), most)));
}

static void add(json_t *problems, const char *at, const json_t *found, const char *allowed)
{
	scoped(free_p) char *text = found ? json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (json_array_size(problems) < PROBLEMS_MAX)
		json_array_append_new(problems, json_pack("{s:o, s:o, s:s}", "at", whole_text(at, AT_MAX), "found",
			whole_text(text ? text : "nothing", FOUND_MAX), "allowed", allowed));
}

static bool is_word(const char *words, const char *s)
{
	size_t n = strlen(s);

	for (const char *p = words; *p; p += strspn(p, " ")) {
		size_t k = strcspn(p, " ");

		if (k == n && memcmp(p, s, n) == 0)
			return true;
		p += k;
	}
	return false;
}

static bool is_number(const json_t *v, const struct rule *r)
{
	return json_is_number(v) && isfinite(json_number_value(v)) && json_number_value(v) >= r->least && json_number_value(v) <= r->most;
}

static bool is_whole(const json_t *v, const struct rule *r)
{
	return json_is_integer(v) && is_number(v, r);
}

static bool is_list(const json_t *v, size_t n, const struct rule *r, bool (*is_one)(const json_t *, const struct rule *))
{
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!is_one(json_array_get(v, i), r))
			return false;
	return json_array_size(v) == n;
}

static bool is_server_name(const json_t *v)
{
	const char *s = json_string_value(v);

	return s && *s && *s != '.' && strlen(s) <= 128 &&
		strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == strlen(s);
}

static bool is_shape(const json_t *v)
{
	if (!json_is_array(v) || json_array_size(v) > RANK_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *d = json_array_get(v, i);

		if (!json_is_integer(d) || json_integer_value(d) < -1 || json_integer_value(d) > INT32_MAX)
			return false;
	}
	return true;
}

static bool are_labels(const json_t *v)
{
	if (!json_is_array(v) || json_array_size(v) > CARD_LABELS_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return false;
	return true;
}

static void list_words(const char *words, char *to, size_t size)
{
	size_t n = (size_t)snprintf(to, size, "one of ");

	for (const char *p = words; *p && n < size; p += strspn(p, " ")) {
		size_t k = strcspn(p, " ");

		n += (size_t)snprintf(to + n, size - n, "%s%.*s", p == words ? "" : ", ", (int)k, p);
		p += k;
	}
}

static void check_group(const json_t *v, const struct rule *rules, const char *at, json_t *problems);

static void check_each(const json_t *v, const struct rule *r, const char *at, size_t most, json_t *problems)
{
	const char *name;
	json_t *one;
	char text[AT_MAX];

	if (json_object_size(v) == 0 || json_object_size(v) > most) {
		snprintf(text, sizeof text, "an object of 1 to %zu members, each an object by its name", most);
		add(problems, at, v, text);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)v, name, one) {
		snprintf(text, sizeof text, "%.120s/%.255s", at, name);
		check_group(one, r->members, text, problems);
	}
}

/* What is allowed; "": it is that. */
static void judge(const json_t *v, const struct rule *r, char *allowed, size_t size)
{
	const char *s = json_string_value(v);
	bool good = true;

	switch (r->type) {
	case TEXT:
		good = s && strlen(s) <= TEXT_MAX;
		snprintf(allowed, size, "a text of at most %d bytes", TEXT_MAX);
		break;
	case FILE_NAME:
		good = s && card_is_file_name(s);
		snprintf(allowed, size, "a file of the model's directory: relative, no \"..\", at most 255 bytes");
		break;
	case SERVER_NAME:
		good = is_server_name(v);
		snprintf(allowed, size, "1 to 128 letters, digits, '_', '-' and '.', not first a '.'");
		break;
	case ONE_OF:
		good = s && is_word(r->words, s);
		list_words(r->words, allowed, size);
		break;
	case WHOLE:
		good = is_whole(v, r);
		snprintf(allowed, size, "a whole number, %.0f to %.0f", r->least, r->most);
		break;
	case NUMBER:
		good = is_number(v, r);
		snprintf(allowed, size, "a number, %g to %g", r->least, r->most);
		break;
	case NUMBERS:
		good = is_list(v, 3, r, is_number);
		snprintf(allowed, size, "a list of three numbers, each %g to %g", r->least, r->most);
		break;
	case SIZE:
		good = is_list(v, 2, r, is_whole);
		snprintf(allowed, size, "[width, height], each %.0f to %.0f", r->least, r->most);
		break;
	case FLAG:
		good = json_is_boolean(v);
		snprintf(allowed, size, "true or false");
		break;
	case LABELS:
		good = are_labels(v);
		snprintf(allowed, size, "a list of at most %d texts", CARD_LABELS_MAX);
		break;
	case SHAPE:
		good = is_shape(v);
		snprintf(allowed, size, "a list of at most %d sizes; -1 is any", RANK_MAX);
		break;
	case GROUP:
	case PARTS:
	case TENSORS:
		good = json_is_object(v);
		snprintf(allowed, size, "an object");
		break;
	}
	if (good)
		*allowed = '\0';
}

static void check_member(const json_t *v, const struct rule *r, const char *at, json_t *problems)
{
	char allowed[400];

	judge(v, r, allowed, sizeof allowed);
	if (*allowed)
		add(problems, at, v, allowed);
	else if (r->type == GROUP)
		check_group(v, r->members, at, problems);
	else if (r->type == PARTS)
		check_each(v, r, at, 8, problems);
	else if (r->type == TENSORS)
		check_each(v, r, at, TENSORS_MAX, problems);
}

static void check_group(const json_t *v, const struct rule *rules, const char *at, json_t *problems)
{
	char below[AT_MAX + 40];

	if (!json_is_object(v)) {
		add(problems, *at ? at : "/", v, "an object");
		return;
	}
	for (const struct rule *r = rules; r->name; r++) {
		const json_t *member = json_object_get(v, r->name);

		snprintf(below, sizeof below, "%s/%s", at, r->name);
		if (member)
			check_member(member, r, below, problems);
	}
}

/* ---- what does not go together ---- */

static bool knows_file(const struct card_kind *kind, const char *name)
{
	for (size_t i = 0; i < countof(kind->parts); i++)
		if (kind->parts[i].part && strcmp(kind->parts[i].part, name) == 0)
			return true;
	return false;
}

static bool is_part_name(const char *s)
{
	return *s && strlen(s) <= 32 && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(s);
}

static void check_parts(const json_t *card, json_t *problems)
{
	const char *said = json_string_value(json_object_get(card, "kind"));
	const struct card_kind *kind = card_kind_find(said ? said : "");
	json_t *parts = json_object_get(card, "parts"), *one;
	const char *name;
	char at[AT_MAX];

	if (parts && json_object_get(card, "file"))
		add(problems, "/file", json_object_get(card, "file"), "either \"file\" or \"parts\"");
	json_object_foreach(parts, name, one) {
		snprintf(at, sizeof at, "/parts/%.255s", name);
		if (!is_part_name(name))
			add(problems, at, one, "a part is named by 1 to 32 letters, digits, '_' and '-'");
		else if (kind && json_is_object(one) && !json_object_get(one, "file") && !knows_file(kind, name))
			add(problems, at, one, "\"file\" is needed: this kind of model has no part of this name by itself");
	}
}

json_t *card_problems(const json_t *card)
{
	json_t *problems = json_array();

	check_group(card, whole, "", problems);
	if (!json_is_object(card))
		return problems;
	check_parts(card, problems);
	if (json_object_get(card, "labels") && json_object_get(card, "labels_file"))
		add(problems, "/labels_file", json_object_get(card, "labels_file"), "either \"labels\" or \"labels_file\"");
	return problems;
}
