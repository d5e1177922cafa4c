#include "detect_simulated.h"

#include "params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 16, FEWEST = 4, MORE = 9 };

static const char *const labels[] = {
	"person", "car", "cat", "dog", "bicycle", "bird", "boat", "chair", "bottle", "potted plant",
};

struct item {
	const char *label;
	double score, box[4];
};

/* splitmix64 (Steele, Lea, Flood 2014): from one seed, the same numbers everywhere. */
static uint64_t next_number(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static double next_share(uint64_t *seed)        /* 0 to under 1 */
{
	return (double)(next_number(seed) >> 11) / 9007199254740992.0;
}

/* FNV-1a of a small version of the picture. */
static int seed_of(const struct picture *p, uint64_t *ret, struct err *err)
{
	const struct picture_box box = { .width = SIDE, .height = SIDE, .size = VIPS_SIZE_FORCE, .crop = VIPS_INTERESTING_NONE };
	scoped(image_unref_p) VipsImage *image = NULL;
	uint64_t h = 0xcbf29ce484222325u;

	if (picture_shrink(p, &box, 1, &image, err) < 0 || picture_decode(&image, err) < 0)
		return -1;
	for (size_t i = 0; i < VIPS_IMAGE_SIZEOF_IMAGE(image); i++)
		h = (h ^ *(VIPS_IMAGE_ADDR(image, 0, 0) + i)) * 0x100000001b3u;
	*ret = h;
	return 0;
}

static double tenths(double v)
{
	return floor(v * 10) / 10;
}

static struct item invent(uint64_t *seed, int width, int height)
{
	struct item it = { .label = labels[next_number(seed) % countof(labels)] };

	it.score = floor((0.05 + 0.94 * next_share(seed)) * 1000) / 1000;
	it.box[2] = tenths(width * (0.1 + 0.5 * next_share(seed)));
	it.box[3] = tenths(height * (0.1 + 0.5 * next_share(seed)));
	it.box[0] = tenths((width - it.box[2]) * next_share(seed));
	it.box[1] = tenths((height - it.box[3]) * next_share(seed));
	return it;
}

static int best_first(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return (x->score < y->score) - (x->score > y->score);
}

static bool is_wanted(const struct item *it, const json_t *params)
{
	const json_t *only = json_object_get(params, "label_in");
	size_t i;
	json_t *label;

	if (it->score < param_num(params, "score_threshold", 0.25))
		return false;
	json_array_foreach((json_t *)(uintptr_t)only, i, label)
		if (strcmp(json_string_value(label), it->label) == 0)
			return true;
	return json_array_size(only) == 0;
}

static json_t *invent_items(uint64_t seed, const struct picture *p, const json_t *params)
{
	struct item found[FEWEST + MORE];
	size_t n = FEWEST + next_number(&seed) % MORE;
	size_t most = (size_t)param_int(params, "max_items", 100);
	json_t *items = json_array();

	for (size_t i = 0; i < n; i++)
		found[i] = invent(&seed, p->width, p->height);
	qsort(found, n, sizeof *found, best_first);
	for (size_t i = 0; i < n && json_array_size(items) < most; i++)
		if (is_wanted(&found[i], params))
			json_array_append_new(items, json_pack("{s:s,s:f,s:[f,f,f,f]}", "label", found[i].label,
				"score", found[i].score, "box",
				found[i].box[0], found[i].box[1], found[i].box[2], found[i].box[3]));
	return items;
}

int detect_simulated(const struct picture *p, const json_t *params, json_t **ret_data, struct err *err)
{
	uint64_t seed;

	if (seed_of(p, &seed, err) < 0)
		return -1;
	*ret_data = json_pack("{s:o,s:i,s:i,s:b,s:s}", "items", invent_items(seed, p, params),
		"width", p->width, "height", p->height, "simulated", 1, "model", "simulated");
	return 0;
}
