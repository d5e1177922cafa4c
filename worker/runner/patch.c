#include "patch.h"

#include "fast_marching.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 160 };
#define PLATE    0.5f           /* of the energy: the rest is the membrane's */
#define STEP     1.2f           /* over-relaxation */

void patch_make(struct patch *p)
{
	size_t n = patch_pixels(p);

	p->values = xcalloc(n * (size_t)p->bands + 1, sizeof *p->values);
	p->hole = xcalloc(n + 1, 1);
}

void patch_done(struct patch *p)
{
	free(p->values);
	free(p->hole);
	*p = (struct patch){ 0 };
}

/* Mirrored at the border. */
static int inside(int v, int n)
{
	v = v < 0 ? -v : v >= n ? 2 * n - 2 - v : v;
	return v < 0 ? 0 : v >= n ? n - 1 : v;
}

struct stencil {                /* where a pixel's neighbours are */
	uint32_t at, near[4], corner[4], far[4];
};

static struct stencil stencil_at(const struct patch *p, size_t i)
{
	int w = p->width, h = p->height, x = (int)(i % (size_t)w), y = (int)(i / (size_t)w);
	int l = inside(x - 1, w), r = inside(x + 1, w), u = inside(y - 1, h), d = inside(y + 1, h);
#define AT(x_, y_) (uint32_t)((y_) * w + (x_))
	return (struct stencil){ (uint32_t)i, { AT(l, y), AT(r, y), AT(x, u), AT(x, d) }, { AT(l, u), AT(r, u), AT(l, d), AT(r, d) },
		{ AT(inside(x - 2, w), y), AT(inside(x + 2, w), y), AT(x, inside(y - 2, h)), AT(x, inside(y + 2, h)) } };
#undef AT
}

static float sum(const float *v, const uint32_t at[4])
{
	return v[at[0]] + v[at[1]] + v[at[2]] + v[at[3]];
}

/* Least bending and stretching: PLATE |laplace v|^2 + (1 - PLATE) |grad v|^2, whose minimum has at each pixel
 *	PLATE (20 v - 8 near + 2 corner + far) + (1 - PLATE) (4 v - near) = 0,
 * found by Gauss-Seidel rounds, forwards and backwards in turn. */
static void smooth(float *v, const struct stencil *s, size_t n)
{
	for (int round = 0; round < ROUNDS; round++)
		for (size_t k = 0; k < n; k++) {
			const struct stencil *a = &s[round % 2 ? n - 1 - k : k];
			float near = sum(v, a->near);
			float wanted = PLATE * (8 * near - 2 * sum(v, a->corner) - sum(v, a->far)) + (1 - PLATE) * near;

			v[a->at] += STEP * (wanted / (20 * PLATE + 4 * (1 - PLATE)) - v[a->at]);
		}
}

/* The mean of the two: the march keeps edges and guesses at what is between them, the plate knows no edges and is right
 * between them. Their errors have little to do with each other, so the mean's is less than either's. */
static void mix(struct patch *p, const struct stencil *s, size_t n)
{
	scoped(free_p) float *marched = xcalloc(n + 1, sizeof *marched);

	for (int b = 0; b < p->bands; b++) {
		float *v = p->values + (size_t)b * patch_pixels(p), least = v[0], most = v[0];

		for (size_t i = 0; i < patch_pixels(p); i++)
			if (!p->hole[i]) {
				least = min_of(least, v[i]);
				most = max_of(most, v[i]);
			}
		for (size_t k = 0; k < n; k++)
			marched[k] = v[s[k].at];
		smooth(v, s, n);
		for (size_t k = 0; k < n; k++) {
			float mean = (marched[k] + v[s[k].at]) / 2;

			v[s[k].at] = mean < least ? least : mean > most ? most : mean;
		}
	}
}

void patch_fill(struct patch *p)
{
	scoped(free_p) struct stencil *s = NULL;
	size_t n = 0, all = patch_pixels(p);

	for (size_t i = 0; i < all; i++)
		n += p->hole[i] != 0;
	if (n == 0 || n == all)
		return;
	fast_marching_fill(p);
	s = xcalloc(n, sizeof *s);
	n = 0;
	for (size_t i = 0; i < all; i++)
		if (p->hole[i])
			s[n++] = stencil_at(p, i);
	mix(p, s, n);
}
