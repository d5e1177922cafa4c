/*
 * tool_inpaint.c - takes something out of a picture and fills the hole.
 *
 *	artifact "image", with `save_mask` also "mask" (PNG, 255: filled)
 *	{"filled":5120,"method":"fast_marching","regions":3,"width":1200,"height":800, with a model: "backend","model","device"}
 *
 * What is taken out: regions.h. How it is filled: with a model, lama.h, else mend.h. Only the pixels of the hole change:
 * all others are those of the upright picture. A step that finds nothing to fill gives the picture as it was.
 */
#include "lama.h"
#include "mend.h"
#include "params.h"
#include "patch.h"
#include "picture_write.h"
#include "regions.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_FEATHER = 64, MODEL_FEATHER = 2 };
#define MODEL_BYTES (64.0 * 1048576)    /* tensors, and the part of the picture that they are made of */

struct inpainting {
	struct runner_job job;          /* with the masks behind its other inputs, */
	struct runner_job without_masks;
	struct job_input *inputs;
	struct picture from;
	VipsImage *image;
	struct canvas canvas;
	struct hole hole;
	struct regions regions;
	struct lama lama;
	bool by_model;
};

static void inpainting_done(struct inpainting *p)
{
	free(p->inputs);
	picture_close(&p->from);
	image_unref_p(&p->image);
	hole_done(&p->hole);
	lama_done(&p->lama);
}

/* ---- the picture ---- */

static void sort_inputs(const struct runner_job *job, struct inpainting *p)
{
	size_t n = 0;

	p->job = p->without_masks = *job;
	p->inputs = xcalloc(job->ninputs + 1, sizeof *p->inputs);
	for (int aside = 0; aside < 2; aside++) {
		for (size_t i = 0; i < job->ninputs; i++)
			if (regions_is_aside(&job->inputs[i]) == (aside == 1))
				p->inputs[n++] = job->inputs[i];
		if (!aside)
			p->without_masks.ninputs = n;
	}
	p->job.inputs = p->without_masks.inputs = p->inputs;
}

/* Of each pixel: holes, and copies of the bands, for a soft border and in 8 bits. */
static double more_bytes(const struct inpainting *p)
{
	double band = (double)vips_format_sizeof(p->from.header->BandFmt);

	return 4 + p->from.header->Bands * (band + (band > 1));
}

static int open_picture(const struct runner_job *job, struct inpainting *p, struct err *err)
{
	double pixels, kept;

	sort_inputs(job, p);
	if (picture_open(&p->without_masks, &p->from, err) < 0)
		return -1;
	pixels = (double)p->from.width * p->from.height;
	kept = pixels * more_bytes(p);
	p->lama.at.keeps = (size_t)(kept + pixels * p->from.header->Bands * (double)vips_format_sizeof(p->from.header->BandFmt));
	p->from.use.is_kept = true;
	p->from.use.more_bytes = kept +
		(p->by_model ? MODEL_BYTES : mend_bytes(pixels, min_of(p->from.header->Bands, 4)));
	if (picture_load(&p->from, false, &p->image, err) < 0)
		return -1;
	if (p->image->Bands > 4)
		return err_set(err, ERR_REJECT, "the picture has %d bands, at most 4 can be filled", p->image->Bands);
	if (picture_decode(&p->image, err) < 0)
		return -1;
	if (vips_image_inplace(p->image))
		return picture_fail(err, "cannot change the picture");
	p->canvas = (struct canvas){ VIPS_IMAGE_ADDR(p->image, 0, 0), p->image->Xsize, p->image->Ysize, p->image->Bands,
		picture_is_wide(p->image) };
	return 0;
}

/* ---- the hole ---- */

/* A canvas of 8 bits: this one, or a copy in *ret_bytes. */
static struct canvas narrowed(const struct canvas *c, uint8_t **ret_bytes)
{
	struct canvas narrow = *c;
	size_t n = (size_t)c->width * (size_t)c->height * (size_t)c->bands;

	if (!c->is_wide)
		return narrow;
	*ret_bytes = xcalloc(n + 1, 1);
	for (size_t i = 0; i < n; i++)
		(*ret_bytes)[i] = (uint8_t)(((const uint16_t *)c->pixels)[i] >> 8);
	narrow.pixels = *ret_bytes;
	narrow.is_wide = false;
	return narrow;
}

static int find_hole(struct inpainting *p, size_t *ret_filled, struct err *err)
{
	scoped(free_p) uint8_t *bytes = NULL;
	struct canvas narrow = narrowed(&p->canvas, &bytes);

	hole_make(&p->hole, p->canvas.width, p->canvas.height);
	if (regions_read(&p->job, &narrow, &p->hole, &p->regions, err) < 0)
		return -1;
	*ret_filled = hole_count(&p->hole);
	if (!p->by_model && *ret_filled == (size_t)p->canvas.width * (size_t)p->canvas.height)
		return err_set(err, ERR_REJECT, "all of the picture's %zu pixels are to be filled, and nothing is left to fill them from",
			*ret_filled);
	return 0;
}

/* ---- filling ---- */

struct soft {                   /* a softer border: the picture as it was shows through there */
	struct canvas was;
	int feather;
};

static int feather_of(const struct inpainting *p)
{
	return min_of(param_int(p->job.params, "feather", p->by_model ? MODEL_FEATHER : 0), (int)MOST_FEATHER);
}

static void keep(const struct inpainting *p, struct soft *s)
{
	size_t n = (size_t)p->canvas.width * (size_t)p->canvas.height * (size_t)p->canvas.bands * (p->canvas.is_wide ? 2 : 1);

	s->was = p->canvas;
	s->was.pixels = xcalloc(n, 1);
	memcpy(s->was.pixels, p->canvas.pixels, n);
}

/* The ring at `depth` pixels from the border, of which `reached` has all before. */
static void blend_ring(struct inpainting *p, const struct soft *s, struct hole *reached, int depth)
{
	struct hole before;
	float share = (float)depth / (float)(s->feather + 1);

	hole_make(&before, reached->width, reached->height);
	hole_add(&before, reached, 0, 0);
	hole_widen(reached, 1);
	for (int y = 0; y < p->canvas.height; y++)
		for (int x = 0; x < p->canvas.width; x++) {
			size_t i = (size_t)y * (size_t)p->canvas.width + (size_t)x;

			for (int b = 0; b < p->canvas.bands && reached->at[i] && !before.at[i]; b++)
				canvas_set(&p->canvas, x, y, b, share * canvas_get(&p->canvas, x, y, b) +
					(1 - share) * canvas_get(&s->was, x, y, b));
		}
	hole_done(&before);
}

static void blend(struct inpainting *p, struct soft *s)
{
	struct hole reached;

	hole_make(&reached, p->canvas.width, p->canvas.height);
	for (size_t i = 0; i < (size_t)p->canvas.width * (size_t)p->canvas.height; i++)
		reached.at[i] = !p->hole.at[i];
	for (int depth = 1; depth <= s->feather; depth++)
		blend_ring(p, s, &reached, depth);
	hole_done(&reached);
	free(s->was.pixels);
}

static int fill_by_model(struct inpainting *p, struct err *err)
{
	const char *strategy = param_str(p->job.params, "strategy", "crop");

	return lama_fill(&p->lama, p->job.ctx, strcmp(strategy, "resize") == 0 ? LAMA_RESIZE : strcmp(strategy, "original") == 0 ?
		LAMA_ORIGINAL : LAMA_CROP, &p->canvas, &p->hole, err);
}

static int fill(struct inpainting *p, struct err *err)
{
	struct soft soft = { .feather = feather_of(p) };
	int r = 0;

	if (soft.feather > 0)
		keep(p, &soft);
	if (p->by_model) {
		r = fill_by_model(p, err);
	} else {
		struct hole left;

		hole_make(&left, p->hole.width, p->hole.height);
		hole_add(&left, &p->hole, 0, 0);
		mend(&p->canvas, &left, param_int(p->job.params, "radius", PATCH_REACH));
		hole_done(&left);
	}
	if (soft.feather > 0)
		blend(p, &soft);
	vips_image_invalidate_all(p->image);
	return r;
}

/* ---- what it gives ---- */

static int write_mask(const struct inpainting *p, struct err *err)
{
	scoped(json_decref_p) json_t *as_png = json_pack("{s:s}", "format", "png");
	scoped(image_unref_p) VipsImage *mask = NULL;
	VipsImage *next;
	size_t n = (size_t)p->hole.width * (size_t)p->hole.height;

	mask = vips_image_new_from_memory(p->hole.at, n, p->hole.width, p->hole.height, 1, VIPS_FORMAT_UCHAR);
	if (!mask || vips_linear1(mask, &next, 255, 0, "uchar", TRUE, NULL))
		return picture_fail(err, "cannot make the mask");
	picture_step(&mask, next);
	mask->Type = VIPS_INTERPRETATION_B_W;
	return picture_write(&p->job, &p->from, mask, "mask", as_png, err);
}

static json_t *make_data(const struct inpainting *p, size_t filled)
{
	json_t *data = json_pack("{s:I, s:s, s:I, s:i, s:i}", "filled", (json_int_t)filled,
		"method", p->by_model ? "lama" : "fast_marching", "regions", (json_int_t)(p->regions.masks + p->regions.areas + p->regions.texts),
		"width", p->canvas.width, "height", p->canvas.height);

	if (p->by_model) {
		json_object_set_new(data, "backend", json_string(p->lama.at.backend));
		json_object_set_new(data, "model", json_string(p->lama.at.model));
		json_object_set_new(data, "device", json_string(p->lama.model.device));
	}
	return data;
}

static bool wants_model(const json_t *params)
{
	const char *method = param_str(params, "method", "auto");

	return strcmp(method, "lama") == 0 || (strcmp(method, "auto") == 0 && param_has(params, "model"));
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(inpainting_done) struct inpainting p = { .by_model = wants_model(job->params) };
	size_t filled = 0;

	if (p.by_model && lama_find(job, &p.lama, err) < 0)
		return -1;
	if (open_picture(job, &p, err) < 0 || find_hole(&p, &filled, err) < 0)
		return -1;
	if (filled > 0 && fill(&p, err) < 0)
		return -1;
	if (picture_write(&p.job, &p.from, p.image, "image", NULL, err) < 0)
		return -1;
	if (param_bool(job->params, "save_mask") && write_mask(&p, err) < 0)
		return -1;
	*ret_data = make_data(&p, filled);
	return 0;
}

const struct runner_tool tool_inpaint = { "inpaint", run };
