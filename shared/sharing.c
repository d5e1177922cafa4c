#include "sharing.h"

#include <stdlib.h>
#include <string.h>

#define SIDE_ANY 10000000       /* as long as the other side wants it */
#define BOXES_MAX 16            /* in an envelope; of more, one that suffices for all */

struct box {
	int width, height;
	bool covers, is_fast;
};

struct boxes {
	struct box *list;
	size_t n, cap;
};

static void boxes_done(struct boxes *b)
{
	free(b->list);
}

/* What decodes enough for `a` does for b. A box that is filled needs more of the picture than one that it fits into. */
static bool suffices(const struct box *a, const struct box *b)
{
	return a->width >= b->width && a->height >= b->height && (a->covers || !b->covers) && (!a->is_fast || b->is_fast);
}

static void add_box(struct boxes *to, struct box box)
{
	size_t kept = 0;

	for (size_t i = 0; i < to->n; i++)
		if (suffices(&to->list[i], &box))
			return;
	for (size_t i = 0; i < to->n; i++)
		if (!suffices(&box, &to->list[i]))
			to->list[kept++] = to->list[i];
	to->n = kept;
	to->list = grow(to->list, to->n + 1, &to->cap, sizeof *to->list);
	to->list[to->n++] = box;
}

static void bound(struct boxes *boxes)
{
	struct box all = { .is_fast = true };

	if (boxes->n <= BOXES_MAX)
		return;
	for (size_t i = 0; i < boxes->n; i++) {
		all.width = max_of(all.width, boxes->list[i].width);
		all.height = max_of(all.height, boxes->list[i].height);
		all.covers |= boxes->list[i].covers;
		all.is_fast &= boxes->list[i].is_fast;
	}
	add_box(boxes, all);
}

/* ---- what a step wants of its picture ---- */

enum want { WANT_NOTHING, WANT_FIT, WANT_WHOLE };

/* 0: not given, or no size at all; then the step fails by itself. */
static int side(const json_t *params, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(params, name));

	return v > 0 && v < SIDE_ANY ? (int)v : 0;
}

static bool is_word(const json_t *params, const char *name, const char *word)
{
	const char *value = json_string_value(json_object_get(params, name));

	return value && strcmp(value, word) == 0;
}

static bool is_fast(const json_t *params)
{
	return json_is_true(json_object_get(params, "fast_shrink"));
}

static enum want want_resize(const json_t *params, struct boxes *to)
{
	int width = side(params, "width"), height = side(params, "height");
	bool is_exact = width && height && json_is_false(json_object_get(params, "keep_aspect"));

	if (!is_word(params, "kernel", "lanczos3"))
		return WANT_WHOLE;
	if (!width && !height)
		return WANT_NOTHING;
	add_box(to, (struct box){ width ? width : SIDE_ANY, height ? height : SIDE_ANY, is_exact, is_fast(params) });
	return WANT_FIT;
}

static enum want want_one(const json_t *size, const json_t *params, struct boxes *to)
{
	int width = side(size, "width"), height = side(size, "height");
	const json_t *own = json_object_get(size, "fit");

	if (!width)
		return WANT_NOTHING;
	add_box(to, (struct box){ width, height ? height : width, is_word(own ? size : params, "fit", "cover"), is_fast(params) });
	return WANT_FIT;
}

static enum want want_thumbnail(const json_t *params, struct boxes *to)
{
	const json_t *sizes = json_object_get(params, "sizes"), *size;
	enum want want = WANT_NOTHING;
	size_t i;

	if (json_array_size(sizes) == 0)
		return want_one(params, params, to);
	json_array_foreach(sizes, i, size)
		if (want_one(size, params, to) == WANT_FIT)
			want = WANT_FIT;
	return want;
}

static enum want want_smartcrop(const json_t *params, struct boxes *to)
{
	int width = side(params, "width"), height = side(params, "height");

	if (!width || !height)
		return WANT_NOTHING;
	add_box(to, (struct box){ width, height, .covers = true });
	return WANT_FIT;
}

static enum want want_phash(const json_t *params, struct boxes *to)
{
	(void)params;
	add_box(to, (struct box){ 32, 32, .covers = true });
	return WANT_FIT;
}

static enum want want_stats(const json_t *params, struct boxes *to)
{
	int size = side(params, "size");

	if (!size)
		return WANT_WHOLE;
	add_box(to, (struct box){ size, size, .covers = false });
	return WANT_FIT;
}

static enum want want_whole(const json_t *params, struct boxes *to)
{
	(void)params;
	(void)to;
	return WANT_WHOLE;
}

/* A tool that is not here decodes for itself. */
static const struct {
	const char *tool;
	enum want (*want)(const json_t *params, struct boxes *to);
} wants[] = {
	{ "resize", want_resize }, { "thumbnail", want_thumbnail }, { "smartcrop", want_smartcrop }, { "phash", want_phash },
	{ "stats", want_stats }, { "crop", want_whole }, { "rotate", want_whole }, { "convert", want_whole },
	{ "enhance", want_whole }, { "draw", want_whole },
};

static enum want want_of(const struct node *n, const json_t *params, struct boxes *to)
{
	const json_t *more = json_object_get(params, n->id);
	scoped(json_decref_p) json_t *merged = NULL, *complete = NULL;
	size_t i = 0;

	while (i < countof(wants) && strcmp(wants[i].tool, n->tool->name) != 0)
		i++;
	if (i == countof(wants))
		return WANT_NOTHING;
	merged = n->params ? json_copy(n->params) : json_object();
	if (json_is_object(more))
		json_object_update(merged, (json_t *)more);
	complete = tool_fill_defaults(n->tool, merged);
	return wants[i].want(complete, to);
}

/* ---- who reads the same ---- */

/* The step whose picture the tool opens: the first one among what it reads; -1: none. */
static int picture_of(const struct definition *d, const struct node *n)
{
	if (n->tool->scope != TOOL_EACH || n->tool->runs != TOOL_RUNNER || !tool_takes_picture(n->tool))
		return -1;
	for (int k = 0; k < n->nreads; k++)
		if (d->nodes[n->reads[k]].tool->scope == TOOL_EACH && tool_gives_pictures(d->nodes[n->reads[k]].tool))
			return n->reads[k];
	return -1;
}

struct wish {
	int from;               /* the node whose picture it reads */
	enum want want;
	struct boxes boxes;
};

static void make_wish(const struct definition *d, int node, const json_t *params, struct wish *ret)
{
	ret->from = picture_of(d, &d->nodes[node]);
	if (ret->from >= 0)
		ret->want = want_of(&d->nodes[node], params, &ret->boxes);
}

static bool is_of_group(const struct definition *d, const struct wish *wishes, int a, int b)
{
	return wishes[a].want && wishes[a].want == wishes[b].want && wishes[a].from == wishes[b].from &&
		strcmp(d->nodes[a].queue, d->nodes[b].queue) == 0;
}

static char *xstrdup_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static char *write_text(int steps, const struct boxes *boxes)
{
	struct buf to = { 0 };

	buf_printf(&to, "{\"steps\":%d", steps);
	for (size_t i = 0; i < boxes->n; i++)
		buf_printf(&to, "%s{\"width\":%d,\"height\":%d%s%s}", i ? "," : ",\"fit\":[", boxes->list[i].width, boxes->list[i].height,
			boxes->list[i].covers ? ",\"cover\":true" : "", boxes->list[i].is_fast ? ",\"fast\":true" : "");
	buf_puts(&to, boxes->n ? "]}" : "}");
	return buf_take(&to);
}

static char *text_of_group(const struct definition *d, const struct wish *wishes, int node)
{
	scoped(boxes_done) struct boxes all = { 0 };
	int steps = 0;

	for (int i = 0; i < d->nnodes; i++) {
		if (!is_of_group(d, wishes, node, i))
			continue;
		steps++;
		for (size_t k = 0; k < wishes[i].boxes.n; k++)
			add_box(&all, wishes[i].boxes.list[k]);
	}
	bound(&all);
	return steps > 1 ? write_text(steps, &all) : NULL;
}

static void wishes_free(struct wish *wishes, int n)
{
	for (int i = 0; i < n; i++)
		boxes_done(&wishes[i].boxes);
	free(wishes);
}

void sharing_link(struct definition *d)
{
	struct wish *wishes = xcalloc((size_t)d->nnodes + 1, sizeof *wishes);

	for (int i = 0; i < d->nnodes; i++)
		make_wish(d, i, NULL, &wishes[i]);
	for (int i = 0; i < d->nnodes; i++)
		for (int k = 0; wishes[i].want && k <= i; k++)
			if (is_of_group(d, wishes, i, k)) {     /* the first one of the group knows already */
				d->nodes[i].shared = k < i ? xstrdup_or_null(d->nodes[k].shared) : text_of_group(d, wishes, i);
				break;
			}
	wishes_free(wishes, d->nnodes);
}

char *sharing_text(const struct definition *d, int node, const json_t *params)
{
	int from = picture_of(d, &d->nodes[node]);
	struct wish *wishes;
	char *text;

	if (json_object_size(params) == 0 || from < 0)
		return xstrdup_or_null(d->nodes[node].shared);
	wishes = xcalloc((size_t)d->nnodes + 1, sizeof *wishes);
	for (int i = 0; i < d->nnodes; i++)
		if (picture_of(d, &d->nodes[i]) == from)
			make_wish(d, i, params, &wishes[i]);
	text = wishes[node].want ? text_of_group(d, wishes, node) : NULL;
	wishes_free(wishes, d->nnodes);
	return text;
}
