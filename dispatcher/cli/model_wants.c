#include "model_wants.h"

#include <stdio.h>
#include <string.h>

enum { LEAST_SIDE = 16, MOST_SIDE = 2048, FACE_SIDE = 112, SCRFD_OUTPUTS = 9, MOST_ENDED = 1000, MOST_CLASSES = 256, TEXT_MAX = 600 };

struct subject {
	const struct signature *s;
	const json_t *card;
	const char *tool;
};

static char *inputs_text(const struct subject *m, char to[TEXT_MAX])
{
	return ports_text(m->s->in, m->s->nin, to, TEXT_MAX);
}

static char *outputs_text(const struct subject *m, char to[TEXT_MAX])
{
	return ports_text(m->s->out, m->s->nout, to, TEXT_MAX);
}

static bool is_number(const struct port *p)
{
	return p->type->size > 0;
}

static bool is_integer(const struct port *p)
{
	return strstr(p->type->name, "INT") != NULL;
}

static bool is_size(const struct port *p, size_t axis, int64_t least, int64_t most)
{
	return axis < p->rank && (p->shape[axis] == -1 || (p->shape[axis] >= least && p->shape[axis] <= most));
}

static bool is_planes(const struct port *p, int64_t channels, int64_t least, int64_t most)
{
	return is_number(p) && p->rank == 4 && is_size(p, 0, 1, 1) && is_size(p, 1, channels, channels) && is_size(p, 2, least, most) &&
		is_size(p, 3, least, most);
}

static int want_inputs(const struct subject *m, size_t n, struct err *err)
{
	char text[TEXT_MAX];

	if (m->s->nin == n)
		return 0;
	return err_set(err, ERR_REJECT, "it takes %zu inputs (%s), %s gives %s", m->s->nin, inputs_text(m, text), m->tool,
		n == 1 ? "one" : "two");
}

/* Its one input is a picture, of the size that the card says. */
static int want_picture(const struct subject *m, struct err *err)
{
	const struct port *in = &m->s->in[0];
	const json_t *size = json_object_get(m->card, "size");
	char text[TEXT_MAX];

	if (want_inputs(m, 1, err) < 0)
		return -1;
	if (!is_planes(in, 3, LEAST_SIDE, MOST_SIDE))
		return err_set(err, ERR_REJECT, "it takes %s, %s gives FP32 [1,3,height,width] of %d to %d pixels a side", inputs_text(m, text),
			m->tool, LEAST_SIDE, MOST_SIDE);
	for (size_t i = 0; i < 2 && size; i++) {
		int64_t side = json_integer_value(json_array_get(size, i)), is = in->shape[3 - i];

		if (is != -1 && is != side)
			return err_set(err, ERR_REJECT, "it takes %s, its model.json says \"size\": [%lld,%lld], that is width and height",
				inputs_text(m, text), (long long)json_integer_value(json_array_get(size, 0)),
				(long long)json_integer_value(json_array_get(size, 1)));
	}
	return 0;
}

/* The output of that name, else the only one, else the only one of that rank; as the tools choose it. */
static int want_output(const struct subject *m, const char *usual, size_t rank, const struct port **ret, struct err *err)
{
	const struct signature *s = m->s;
	int found = port_find(s->out, s->nout, usual);
	size_t like = 0;
	char text[TEXT_MAX];

	if (found < 0 && s->nout == 1)
		found = 0;
	for (size_t i = 0; i < s->nout && found < 0; i++)
		like += s->out[i].rank == rank;
	for (size_t i = 0; i < s->nout && found < 0 && like == 1; i++)
		found = s->out[i].rank == rank ? (int)i : -1;
	if (found < 0)
		return err_set(err, ERR_REJECT, "it gives %s; %s wants '%s', or one of %zu dimensions", outputs_text(m, text), m->tool, usual, rank);
	*ret = &s->out[found];
	return 0;
}

static int want_shape(const struct subject *m, const struct port *out, size_t rank, const char *allowed, struct err *err)
{
	char text[TEXT_MAX];

	if (is_number(out) && out->rank == rank)
		return 0;
	return err_set(err, ERR_REJECT, "it gives %s, %s wants %s", ports_text(out, 1, text, sizeof text), m->tool, allowed);
}

static int want_labels(const struct subject *m, int64_t classes, struct err *err)
{
	size_t has = json_array_size(json_object_get(m->card, "labels"));

	if (!has || classes < 1 || (size_t)classes == has)
		return 0;
	return err_set(err, ERR_REJECT, "it gives %lld classes, its model.json has %zu labels", (long long)classes, has);
}

/* ---- a kind's part each ---- */

static int want_embedding(const struct subject *m, const char *usual, struct err *err)
{
	const json_t *dim = json_object_get(m->card, "dim");
	const struct port *out;
	char text[TEXT_MAX];

	if (want_output(m, usual, 2, &out, err) < 0 || want_shape(m, out, 2, "numbers [1,dim]", err) < 0)
		return -1;
	if (!dim || out->shape[1] == -1 || out->shape[1] == json_integer_value(dim))
		return 0;
	return err_set(err, ERR_REJECT, "it gives %s, its model.json says \"dim\": %lld", ports_text(out, 1, text, sizeof text),
		(long long)json_integer_value(dim));
}

static int want_one_of_two(const struct subject *m, const char *other, struct err *err)
{
	if (port_find(m->s->in, m->s->nin, other) < 0)
		return 0;
	return err_set(err, ERR_REJECT, "this is picture and text in one file: it wants '%s' too. Take the export of two files, "
		"vision_model.onnx and text_model.onnx", other);
}

static int clip_image(const struct subject *m, struct err *err)
{
	if (want_one_of_two(m, "input_ids", err) < 0 || want_picture(m, err) < 0)
		return -1;
	return want_embedding(m, "image_embeds", err);
}

static bool is_text_input(const struct subject *m, const struct port *p)
{
	bool is_known = m->s->nin == 1 || strcmp(p->name, "input_ids") == 0 || strcmp(p->name, "attention_mask") == 0 ||
		strcmp(p->name, "token_type_ids") == 0;

	return is_known && is_number(p) && p->rank == 2 && is_size(p, 0, 1, 1) && is_size(p, 1, 3, 8192);
}

static int clip_text(const struct subject *m, struct err *err)
{
	bool is_right = m->s->nin > 0 && (m->s->nin == 1 || port_find(m->s->in, m->s->nin, "input_ids") >= 0);
	char text[TEXT_MAX];

	if (want_one_of_two(m, "pixel_values", err) < 0)
		return -1;
	for (size_t i = 0; i < m->s->nin; i++)
		is_right = is_right && is_text_input(m, &m->s->in[i]);
	if (!is_right)
		return err_set(err, ERR_REJECT, "it takes %s; %s gives numbers [1,length] as 'input_ids', 'attention_mask' and 'token_type_ids'",
			inputs_text(m, text), m->tool);
	return want_embedding(m, "text_embeds", err);
}

static int caption_encoder(const struct subject *m, struct err *err)
{
	const struct port *out;

	if (want_picture(m, err) < 0 || want_output(m, "last_hidden_state", 3, &out, err) < 0)
		return -1;
	return want_shape(m, out, 3, "numbers [1,S,D]", err);
}

static int caption_decoder(const struct subject *m, struct err *err)
{
	bool has_ids = false, has_states = false;
	const struct port *out;
	char text[TEXT_MAX];

	for (size_t i = 0; i < m->s->nin; i++) {
		const struct port *p = &m->s->in[i];

		if (strncmp(p->name, "past_key_values", 15) == 0 || strcmp(p->name, "use_cache_branch") == 0)
			return err_set(err, ERR_REJECT, "it wants the keys and values of the step before ('%.60s'): export it without a cache", p->name);
		has_ids = has_ids || (p->rank == 2 && is_integer(p));
		has_states = has_states || (p->rank == 3 && !is_integer(p) && is_number(p));
	}
	if (!has_ids || !has_states)
		return err_set(err, ERR_REJECT, "it takes %s; %s gives integers [N,T] (tokens), numbers [N,S,D] (what the encoder gave) and masks of "
			"both", inputs_text(m, text), m->tool);
	return want_output(m, "logits", 3, &out, err);
}

static int face_detector(const struct subject *m, struct err *err)
{
	const struct port *in = &m->s->in[0];
	char text[TEXT_MAX];

	if (want_picture(m, err) < 0)
		return -1;
	if (m->s->nout != SCRFD_OUTPUTS)
		return err_set(err, ERR_REJECT, "it gives %zu outputs, an SCRFD with landmarks %d", m->s->nout, SCRFD_OUTPUTS);
	if ((in->shape[2] > 0 && in->shape[2] % 32) || (in->shape[3] > 0 && in->shape[3] % 32))
		return err_set(err, ERR_REJECT, "it takes %s, whose sides are no multiples of 32", inputs_text(m, text));
	return 0;
}

static int face_embedder(const struct subject *m, struct err *err)
{
	char text[TEXT_MAX];

	if (want_inputs(m, 1, err) < 0)
		return -1;
	if (!is_planes(&m->s->in[0], 3, FACE_SIDE, FACE_SIDE) || m->s->nout == 0 || m->s->out[0].rank < 2)
		return err_set(err, ERR_REJECT, "it takes %s, faces gives FP32 [N,3,%d,%d] and wants an embedding [N,dim]", inputs_text(m, text),
			FACE_SIDE, FACE_SIDE);
	return 0;
}

/* -1: it does not say. 0: it is no output of a YOLO. */
static int64_t yolo_classes(const struct port *p)
{
	int64_t a = p->rank == 3 ? p->shape[1] : 0, b = p->rank == 3 ? p->shape[2] : 0;

	if (!is_number(p) || p->rank != 3 || !is_size(p, 0, 1, 1))
		return 0;
	if (a == -1 || b == -1 || (b == 6 && a <= MOST_ENDED))
		return -1;
	return a > b && b > 5 ? b - 5 : b > a && a > 4 ? a - 4 : 0;
}

static int yolo(const struct subject *m, struct err *err)
{
	int at = port_find(m->s->out, m->s->nout, "output0");
	int64_t classes;
	char text[TEXT_MAX];

	if (want_picture(m, err) < 0)
		return -1;
	classes = m->s->nout ? yolo_classes(&m->s->out[at < 0 ? 0 : at]) : 0;
	if (classes == 0)
		return err_set(err, ERR_REJECT, "it gives %s; a YOLO model gives FP32 [1,boxes,5+classes] (v5), [1,4+classes,boxes] (v8) or "
			"[1,boxes,6]", outputs_text(m, text));
	return want_labels(m, classes, err);
}

static int segment(const struct subject *m, struct err *err)
{
	const struct port *out = &m->s->out[0];
	int64_t classes = out->rank == 4 ? out->shape[1] : 1;
	char text[TEXT_MAX];

	if (want_picture(m, err) < 0)
		return -1;
	if (!m->s->nout || !is_number(out) || out->rank < 3 || out->rank > 4 || !is_size(out, 0, 1, 1) || classes == 0 || classes > MOST_CLASSES)
		return err_set(err, ERR_REJECT, "it gives %s; segment wants FP32 [1,classes,height,width] of 1 to %d classes", outputs_text(m, text),
			MOST_CLASSES);
	return classes == 1 ? 0 : want_labels(m, classes, err);
}

static int inpaint(const struct subject *m, struct err *err)
{
	const struct port *in = m->s->in;
	size_t mask = in[0].rank == 4 && in[0].shape[1] == 1 ? 0 : 1;
	char text[TEXT_MAX];

	if (want_inputs(m, 2, err) < 0)
		return -1;
	if (is_planes(&in[1 - mask], 3, 1, 4096) && is_planes(&in[mask], 1, 1, 4096) && m->s->nout)
		return 0;
	return err_set(err, ERR_REJECT, "it takes %s, inpaint gives FP32 [1,3,height,width] and FP32 [1,1,height,width]", inputs_text(m, text));
}

static int classify(const struct subject *m, struct err *err)
{
	const struct port *out;

	if (want_picture(m, err) < 0 || want_output(m, "logits", 2, &out, err) < 0 || want_shape(m, out, 2, "[1,classes]", err) < 0)
		return -1;
	return want_labels(m, out->shape[1], err);
}

/* ---- which is which ---- */

static const struct role {
	const char *kind, *part, *tool;
	int (*fits)(const struct subject *m, struct err *err);
} roles[] = {
	{ "clip", "image", "clip_embed", clip_image },
	{ "clip", "text", "text_embed", clip_text },
	{ "caption", "encoder", "caption", caption_encoder },
	{ "caption", "decoder", "caption", caption_decoder },
	{ "faces", "detect", "faces", face_detector },
	{ "faces", "embed", "faces", face_embedder },
	{ "yolo", "", "detect", yolo },
	{ "segment", "", "segment", segment },
	{ "inpaint", "", "inpaint", inpaint },
	{ "other", "", "classify", classify },
};

/* Of kind "other" is what has no card, too: whatever it is. */
static bool is_open(const struct role *r)
{
	return strcmp(r->kind, "other") == 0;
}

const char *model_tool(const char *kind, const char *part)
{
	for (size_t i = 0; i < countof(roles); i++)
		if (strcmp(roles[i].kind, kind) == 0 && strcmp(roles[i].part, part) == 0 && !is_open(&roles[i]))
			return roles[i].tool;
	return NULL;
}

int model_fits(const char *kind, const char *part, const struct signature *s, const json_t *card, struct err *err)
{
	const struct role *of_kind = NULL;

	for (size_t i = 0; i < countof(roles); i++) {
		const struct subject m = { s, card, roles[i].tool };

		if (strcmp(roles[i].kind, kind) != 0 || is_open(&roles[i]))
			continue;
		if (strcmp(roles[i].part, part) != 0) {
			of_kind = &roles[i];
			continue;
		}
		return roles[i].fits(&m, err) < 0 ? err_wrap(err, "the tool %s would refuse it", roles[i].tool) : 0;
	}
	if (of_kind && !*part)
		return err_set(err, ERR_REJECT, "the tool %s would refuse it: a model of kind \"%s\" has parts, and this is one file (model.json: "
			"/file)", of_kind->tool, kind);
	return 0;
}

json_t *model_guesses(const struct signature *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < countof(roles); i++) {
		const struct subject m = { s, NULL, roles[i].tool };
		const char *part = roles[i].part;
		scoped(free_p) char *text = xasprintf("kind %s%s%s (tool %s)", roles[i].kind, *part ? ", part " : "", part, roles[i].tool);
		struct err err;

		if (roles[i].fits(&m, &err) == 0)
			json_array_append_new(all, json_string(text));
	}
	return all;
}
