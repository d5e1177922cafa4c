#include "resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 22 };     /* of a weight's fraction: with 8 of a byte, and two for sums outside of 0..1, an int32_t is full */

struct axis {           /* which pixels make result pixel i: `count[i]` from `first[i]`, by weight[i * taps ...] */
	int taps;
	int *first, *count;
	int32_t *weight;
};

static void axis_done(struct axis *a)
{
	free(a->first);
	free(a->count);
	free(a->weight);
}

static double cubic(double x)
{
	const double a = -0.5;

	x = fabs(x);
	if (x < 1)
		return (a + 2) * x * x * x - (a + 3) * x * x + 1;
	return x < 2 ? a * (x * x * x - 5 * x * x + 8 * x - 4) : 0;
}

static double linear(double x)
{
	return max_of(1 - fabs(x), 0.0);
}

/* Of one result pixel, whose middle is at `middle`. */
static void weigh(double (*kernel)(double), double middle, double stretch, int first, int n, double *w, int32_t *to)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += w[i] = kernel((first + i + 0.5 - middle) / stretch);
	for (int i = 0; i < n; i++)
		to[i] = (int32_t)lround((fabs(sum) > 1e-9 ? w[i] / sum : 1.0 / n) * (1 << BITS));
}

/* n result pixels from number `at` on, of `whole` that `length` of `size` pixels become. */
static struct axis make_axis(const struct resample *how, int size, double length, int whole, int at, int n)
{
	double scale = length / whole, stretch = how->is_sparse ? 1 : max_of(scale, 1.0);
	double reach = (how->kernel == KERNEL_CUBIC ? 2 : 1) * stretch;
	struct axis a = { .taps = (int)ceil(reach) * 2 + 1 };
	scoped(free_p) double *w = xcalloc((size_t)a.taps, sizeof *w);

	a.first = xcalloc((size_t)n, sizeof *a.first);
	a.count = xcalloc((size_t)n, sizeof *a.count);
	a.weight = xcalloc((size_t)n * (size_t)a.taps, sizeof *a.weight);
	for (int i = 0; i < n; i++) {
		double middle = (at + i + 0.5) * scale;
		int first = max_of((int)(middle - reach + 0.5), 0), end = min_of((int)(middle + reach + 0.5), size);

		a.first[i] = min_of(first, size - 1);
		end = max_of(end, a.first[i] + 1);
		a.count[i] = min_of(end - a.first[i], a.taps);
		weigh(how->kernel == KERNEL_CUBIC ? cubic : linear, middle, stretch, a.first[i], a.count[i], w,
			a.weight + (size_t)i * (size_t)a.taps);
	}
	return a;
}

static uint8_t to_byte(int32_t sum)
{
	int32_t v = sum >> BITS;

	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void row_of_three(const uint8_t *from, const struct axis *a, int n, uint8_t *to)
{
	for (int x = 0; x < n; x++, to += 3) {
		const int32_t *w = a->weight + (size_t)x * (size_t)a->taps;
		const uint8_t *p = from + 3 * (size_t)a->first[x];
		int32_t r = 1 << (BITS - 1), g = r, b = r;

		for (int i = 0; i < a->count[x]; i++, p += 3) {
			r += p[0] * w[i];
			g += p[1] * w[i];
			b += p[2] * w[i];
		}
		to[0] = to_byte(r);
		to[1] = to_byte(g);
		to[2] = to_byte(b);
	}
}

static void row_of_any(const uint8_t *from, const struct axis *a, int bands, int n, uint8_t *to)
{
	for (int x = 0; x < n; x++)
		for (int c = 0; c < bands; c++) {
			const int32_t *w = a->weight + (size_t)x * (size_t)a->taps;
			const uint8_t *p = from + (size_t)bands * (size_t)a->first[x] + c;
			int32_t sum = 1 << (BITS - 1);

			for (int i = 0; i < a->count[x]; i++, p += bands)
				sum += *p * w[i];
			*to++ = to_byte(sum);
		}
}

/* One result line from `count` lines of `stride` bytes. */
static void column(const uint8_t *from, size_t stride, const int32_t *w, int count, int32_t *sums, uint8_t *to)
{
	for (size_t x = 0; x < stride; x++)
		sums[x] = 1 << (BITS - 1);
	for (int i = 0; i < count; i++, from += stride)
		for (size_t x = 0; x < stride; x++)
			sums[x] += from[x] * w[i];
	for (size_t x = 0; x < stride; x++)
		to[x] = to_byte(sums[x]);
}

void resample(const struct pixels *from, const struct resample *how, struct pixels *to)
{
	int whole_width = how->whole_width > 0 ? how->whole_width : to->width;
	int whole_height = how->whole_height > 0 ? how->whole_height : to->height;
	scoped(axis_done) struct axis h = make_axis(how, from->width, how->width > 0 ? how->width : from->width, whole_width,
		how->left, to->width);
	scoped(axis_done) struct axis v = make_axis(how, from->height, how->height > 0 ? how->height : from->height, whole_height,
		how->top, to->height);
	int top = v.first[0], lines = v.first[to->height - 1] + v.count[to->height - 1] - top;
	size_t stride = (size_t)to->width * (size_t)from->bands;
	scoped(free_p) uint8_t *rows = xcalloc((size_t)lines, stride);
	scoped(free_p) int32_t *sums = xcalloc(stride, sizeof *sums);

	to->bands = from->bands;
	to->bytes = xcalloc((size_t)to->height, stride);
	for (int y = 0; y < lines; y++) {
		const uint8_t *line = from->bytes + (size_t)(top + y) * (size_t)from->width * (size_t)from->bands;

		if (from->bands == 3)
			row_of_three(line, &h, to->width, rows + (size_t)y * stride);
		else
			row_of_any(line, &h, from->bands, to->width, rows + (size_t)y * stride);
	}
	for (int y = 0; y < to->height; y++)
		column(rows + (size_t)(v.first[y] - top) * stride, stride, v.weight + (size_t)y * (size_t)v.taps, v.count[y], sums,
			to->bytes + (size_t)y * stride);
}

void pixels_done(struct pixels *p)
{
	free(p->bytes);
	*p = (struct pixels){ 0 };
}
