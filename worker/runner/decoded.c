#include "decoded.h"

#include "log.h"
#include "picture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PICTURES = 2 };

static struct {
	struct decoded places[PICTURES];
	unsigned long clock, began;     /* used since `began`: by the task at hand */
	bool is_short;                  /* nothing stays behind the task */
} kept;

void decoded_done(struct decoded *p)
{
	for (int i = 0; i < DECODED_LEVELS; i++)
		image_unref_p(&p->levels[i]);
	*p = (struct decoded){ 0 };
}

static size_t bytes_of(const struct decoded *p)
{
	size_t n = 0;

	for (int i = 0; i < DECODED_LEVELS; i++)
		if (p->levels[i])
			n += VIPS_IMAGE_SIZEOF_IMAGE(p->levels[i]);
	return n;
}

bool decoded_fit(double bytes)
{
	return bytes <= (double)DECODED_MOST * 3 / 4;    /* the smaller ones that are made from it need a third more */
}

/* ---- which stay ---- */

/* By the task at hand. */
static bool is_used(const struct decoded *p)
{
	return p->used > kept.began;
}

static struct decoded *oldest_unused(void)
{
	struct decoded *found = NULL;

	for (int i = 0; i < PICTURES; i++) {
		struct decoded *p = &kept.places[i];

		if (*p->digest && !is_used(p) && (!found || p->used < found->used))
			found = p;
	}
	return found;
}

static struct decoded *free_place(void)
{
	for (int i = 0; i < PICTURES; i++)
		if (!*kept.places[i].digest)
			return &kept.places[i];
	return NULL;
}

static size_t all_bytes(void)
{
	size_t n = 0;

	for (int i = 0; i < PICTURES; i++)
		n += bytes_of(&kept.places[i]);
	return n;
}

void decoded_make_room(double bytes)
{
	struct decoded *p;

	while ((!free_place() || (double)all_bytes() + bytes * 4 / 3 > (double)DECODED_MOST) && (p = oldest_unused()))
		decoded_done(p);
}

struct decoded *decoded_find(const struct decoded_key *key)
{
	for (int i = 0; i < PICTURES; i++) {
		struct decoded *p = &kept.places[i];

		if (!*p->digest || strcmp(p->digest, key->digest) != 0 || p->shrink != key->shrink || fabs(p->scale - key->scale) > 0)
			continue;
		if (!is_used(p))
			p->left--;
		p->used = ++kept.clock;
		log_debug("picture.found", "digest=%.16s shrink=%d", key->digest, key->shrink);
		return p;
	}
	return NULL;
}

struct decoded *decoded_keep(const struct decoded_key *key, VipsImage *take_image, int steps)
{
	struct decoded *p;

	decoded_make_room((double)VIPS_IMAGE_SIZEOF_IMAGE(take_image));
	p = free_place();
	must(p != NULL);        /* a task opens one picture to share */
	snprintf(p->digest, sizeof p->digest, "%s", key->digest);
	p->levels[0] = take_image;
	p->shrink = key->shrink;
	p->scale = key->scale;
	p->left = steps - 1;
	p->used = ++kept.clock;
	log_debug("picture.kept", "digest=%.16s shrink=%d bytes=%zu steps=%d", key->digest, key->shrink, bytes_of(p), steps);
	return p;
}

size_t decoded_idle_bytes(void)
{
	size_t n = 0;

	for (int i = 0; i < PICTURES; i++)
		if (!is_used(&kept.places[i]))
			n += bytes_of(&kept.places[i]);
	return n;
}

void decoded_yield(void)
{
	struct decoded *p;

	kept.is_short = true;
	while ((p = oldest_unused()))
		decoded_done(p);
}

void decoded_rest(void)
{
	for (int i = 0; i < PICTURES; i++)
		if (kept.is_short || kept.places[i].left <= 0)
			decoded_done(&kept.places[i]);
	kept.is_short = false;
	kept.began = kept.clock;
}

bool decoded_is_any(void)
{
	return all_bytes() > 0;
}

void decoded_drop_all(void)
{
	for (int i = 0; i < PICTURES; i++)
		decoded_done(&kept.places[i]);
}

/* ---- smaller ones ---- */

/* Two lines to one. A last column or line without a neighbour is left out, as vips_jpegload does it. */
static inline void halve_line(const VipsPel *a, const VipsPel *b, VipsPel *to, int pairs, int bands)
{
	for (int x = 0; x < pairs; x++, a += 2 * bands, b += 2 * bands)
		for (int k = 0; k < bands; k++)
			*to++ = (VipsPel)((a[k] + a[k + bands] + b[k] + b[k + bands] + 2) >> 2);
}

static void halve_lines(VipsImage *from, int y, VipsPel *to)
{
	const VipsPel *a = VIPS_IMAGE_ADDR(from, 0, 2 * y), *b = VIPS_IMAGE_ADDR(from, 0, 2 * y + 1);
	int pairs = from->Xsize / 2;

	switch (from->Bands) {          /* the compiler makes something of a number that it knows */
	case 1: halve_line(a, b, to, pairs, 1); break;
	case 3: halve_line(a, b, to, pairs, 3); break;
	default: halve_line(a, b, to, pairs, from->Bands); break;
	}
}

static int halve(VipsImage *from, VipsImage **ret, struct err *err)
{
	scoped(image_unref_p) VipsImage *to = vips_image_new_memory();
	scoped(free_p) VipsPel *line = NULL;

	must(from->BandFmt == VIPS_FORMAT_UCHAR && from->Coding == VIPS_CODING_NONE);
	if (from->Xsize < 2 || from->Ysize < 2) {
		*ret = g_object_ref(from);
		return 0;
	}
	if (vips_image_pipelinev(to, VIPS_DEMAND_STYLE_ANY, from, NULL))
		return picture_fail(err, "cannot make it smaller");
	to->Xsize = from->Xsize / 2;
	to->Ysize = from->Ysize / 2;
	line = xcalloc(1, VIPS_IMAGE_SIZEOF_LINE(to));
	for (int y = 0; y < to->Ysize; y++) {
		halve_lines(from, y, line);
		if (vips_image_write_line(to, y, line))
			return picture_fail(err, "cannot make it smaller");
	}
	*ret = steal(&to);
	return 0;
}

int decoded_level(struct decoded *p, int halvings, VipsImage **ret, struct err *err)
{
	must(halvings >= 0 && halvings < DECODED_LEVELS);
	for (int i = 0; i < halvings; i++)
		if (!p->levels[i + 1] && halve(p->levels[i], &p->levels[i + 1], err) < 0)
			return -1;
	*ret = g_object_ref(p->levels[halvings]);
	return 0;
}
