#include "mend.h"
#include "patch.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct patch patch_of(int width, int height, int bands, float (*value)(int x, int y))
{
	struct patch p = { .width = width, .height = height, .bands = bands, .reach = PATCH_REACH };

	patch_make(&p);
	for (int b = 0; b < bands; b++)
		for (int y = 0; y < height; y++)
			for (int x = 0; x < width; x++)
				p.values[((size_t)b * (size_t)height + (size_t)y) * (size_t)width + (size_t)x] = value(x, y) + 10 * (float)b;
	return p;
}

static void dig(struct patch *p, int left, int top, int right, int bottom)
{
	for (int y = top; y < bottom; y++)
		for (int x = left; x < right; x++) {
			p->hole[(size_t)y * (size_t)p->width + (size_t)x] = 1;
			for (int b = 0; b < p->bands; b++)
				p->values[((size_t)b * (size_t)p->height + (size_t)y) * (size_t)p->width + (size_t)x] = 999;
		}
}

static float slope(int x, int y)
{
	return 20 + 1.5f * (float)x + 0.5f * (float)y;
}

static float edge(int x, int y)
{
	return x + y < 60 ? 30 : 200;
}

static float flat(int x, int y)
{
	(void)x, (void)y;
	return 77;
}

static double worst(const struct patch *p, float (*value)(int x, int y))
{
	double most = 0;

	for (int b = 0; b < p->bands; b++)
		for (int y = 0; y < p->height; y++)
			for (int x = 0; x < p->width; x++)
				most = fmax(most, fabs((double)(p->values[((size_t)b * (size_t)p->height + (size_t)y) * (size_t)p->width + (size_t)x] -
					value(x, y) - 10 * (float)b)));
	return most;
}

TEST(patch_leads_a_slope_on)
{
	struct patch p = patch_of(60, 60, 3, slope);

	dig(&p, 25, 20, 35, 40);
	patch_fill(&p);
	assert_true(worst(&p, slope) < 4);
	patch_done(&p);
}

TEST(patch_leads_an_edge_on)
{
	struct patch p = patch_of(60, 60, 1, edge);
	size_t wrong = 0;

	dig(&p, 26, 26, 34, 34);
	patch_fill(&p);
	for (int y = 26; y < 34; y++)
		for (int x = 26; x < 34; x++)
			wrong += fabsf(p.values[y * 60 + x] - edge(x, y)) > 80;
	assert_true(wrong <= 6);
	patch_done(&p);
}

TEST(patch_of_one_value_stays_so_wherever_the_hole_is)
{
	static const int holes[][4] = { { 0, 0, 1, 1 }, { 0, 0, 40, 39 }, { 39, 0, 40, 40 }, { 0, 20, 40, 40 }, { 5, 5, 6, 6 } };

	for (size_t i = 0; i < countof(holes); i++) {
		struct patch p = patch_of(40, 40, 2, flat);

		dig(&p, holes[i][0], holes[i][1], holes[i][2], holes[i][3]);
		patch_fill(&p);
		assert_true(worst(&p, flat) < 0.01);
		patch_done(&p);
	}
}

TEST(patch_without_a_hole_or_without_anything_else_stays_as_it_is)
{
	struct patch p = patch_of(20, 10, 1, slope);

	patch_fill(&p);
	assert_true(worst(&p, slope) < 1e-6);
	dig(&p, 0, 0, 20, 10);
	patch_fill(&p);
	assert_true(p.values[0] == 999);
	patch_done(&p);
	p = patch_of(1, 1, 1, flat);
	dig(&p, 0, 0, 1, 1);
	patch_fill(&p);
	patch_done(&p);
	p = patch_of(2, 1, 1, flat);
	dig(&p, 0, 0, 1, 1);
	patch_fill(&p);
	assert_true(worst(&p, flat) < 0.01);
	patch_done(&p);
}

/* Coarsely in its middle: the time does not grow with it. */
TEST(mend_fills_a_large_hole_and_nothing_else)
{
	enum { W = 1500, H = 900 };
	uint8_t *pixels = xcalloc(W * H, 1), *was = xcalloc(W * H, 1);
	struct canvas c = { pixels, W, H, 1, false };
	struct hole h;

	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			pixels[y * W + x] = (uint8_t)(30 + x / 10 + y / 20);
	memcpy(was, pixels, W * H);
	hole_make(&h, W, H);
	for (int y = 60; y < H - 60; y++)
		memset(h.at + y * W + 60, 1, W - 120);
	for (size_t i = 0; i < W * H; i++)
		pixels[i] = h.at[i] ? 255 : pixels[i];
	mend(&c, &h, 4);
	assert_int_equal(hole_count(&h), 0);
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			bool in_hole = x >= 60 && x < W - 60 && y >= 60 && y < H - 60;

			if (in_hole)
				assert_true(pixels[y * W + x] >= 30 && pixels[y * W + x] < 30 + W / 10 + H / 20);
			else
				assert_int_equal(pixels[y * W + x], was[y * W + x]);
		}
	hole_done(&h);
	free(pixels);
	free(was);
}
