#include "align.h"

#include <math.h>

enum { SHIFT = 5, STEPS = 1 << SHIFT };         /* of a pixel */

const float align_arcface[5][2] = {
	{ 38.2946f, 51.6963f }, { 73.5318f, 51.5014f }, { 56.0252f, 71.7366f }, { 41.5493f, 92.3655f }, { 70.7299f, 92.2041f },
};

static void middle(const float (*points)[2], size_t n, double ret[2])
{
	ret[0] = ret[1] = 0;
	for (size_t i = 0; i < n; i++) {
		ret[0] += (double)points[i][0] / (double)n;
		ret[1] += (double)points[i][1] / (double)n;
	}
}

int similarity_fit(const float (*from)[2], const float (*to)[2], size_t n, struct similarity *ret)
{
	double p[2], q[2], along = 0, across = 0, spread = 0, a, b;

	middle(from, n, p);
	middle(to, n, q);
	for (size_t i = 0; i < n; i++) {
		double px = (double)from[i][0] - p[0], py = (double)from[i][1] - p[1];
		double qx = (double)to[i][0] - q[0], qy = (double)to[i][1] - q[1];

		along += px * qx + py * qy;
		across += px * qy - py * qx;
		spread += px * px + py * py;
	}
	a = along / spread;
	b = across / spread;
	if (!isfinite(a) || !isfinite(b) || a * a + b * b < 1e-12)
		return -1;
	*ret = (struct similarity){ a, b, q[0] - a * p[0] + b * p[1], q[1] - b * p[0] - a * p[1] };
	return 0;
}

static struct similarity inverse(const struct similarity *s)
{
	double size = s->a * s->a + s->b * s->b, a = s->a / size, b = -s->b / size;

	return (struct similarity){ a, b, -(a * s->dx - b * s->dy), -(b * s->dx + a * s->dy) };
}

static int byte_at(const struct pixels *from, int64_t x, int64_t y, int band)
{
	if (x < 0 || y < 0 || x >= from->width || y >= from->height)
		return 0;
	return from->bytes[((size_t)y * (size_t)from->width + (size_t)x) * (size_t)from->bands + (size_t)(from->bands == 1 ? 0 : band)];
}

/* x and y in steps. */
static uint8_t value_at(const struct pixels *from, int64_t x, int64_t y, int band)
{
	int64_t left = x >> SHIFT, top = y >> SHIFT;
	int fx = (int)(x & (STEPS - 1)), fy = (int)(y & (STEPS - 1));
	int upper = byte_at(from, left, top, band) * (STEPS - fx) + byte_at(from, left + 1, top, band) * fx;
	int lower = byte_at(from, left, top + 1, band) * (STEPS - fx) + byte_at(from, left + 1, top + 1, band) * fx;

	return (uint8_t)((upper * (STEPS - fy) + lower * fy + STEPS * STEPS / 2) / (STEPS * STEPS));
}

/* A place far outside is outside, and no number that has no room. */
static int64_t in_steps(double v)
{
	return (int64_t)floor(fmin(fmax(v, -1e9), 1e9) * STEPS + 0.5);
}

void align_warp(const struct pixels *from, const struct similarity *s, struct pixels *to)
{
	struct similarity back = inverse(s);
	uint8_t *at = to->bytes;

	for (int y = 0; y < to->height; y++)
		for (int x = 0; x < to->width; x++) {
			int64_t fx = in_steps(back.a * x - back.b * y + back.dx), fy = in_steps(back.b * x + back.a * y + back.dy);

			for (int band = 0; band < 3; band++)
				*at++ = value_at(from, fx, fy, band);
		}
}
