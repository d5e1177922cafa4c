/*
 * plain_loop.c - what libvips alone does: one of the tools, or the whole photo pipeline, on the files of the command line.
 *
 *	plain_loop PROCESSES WORK OUTPUT_DIR FILE...
 *	plain_loop PROCESSES photo2 out a.jpg b.jpg     a 640 pixel JPEG, a 250 pixel WebP and the statistics of 32 x 32
 *	                                                pixels, from one decode at half the size (photo4: at a quarter)
 *
 * The files are dealt to so many processes of one thread each, which do their first one before the clock runs. What is done
 * to each is what the picture tools document that they do, with the parameters of scenario_photos.py, and nothing else; the
 * pictures have neither a colour profile nor a turn, which is checked. Prints the seconds that all of them took.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vips/vips.h>

enum { PATH_SIZE = 4096 };

/* Where the result goes, without what the format adds to the name. */
struct place {
	const char *dir;
	int number;
};

static const char *path_of(const struct place *to, const char *what, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%d.%s", to->dir, to->number, what);
	return path;
}

static int save_jpeg(VipsImage *image, const struct place *to, const char *what)
{
	char path[PATH_SIZE];

	return vips_jpegsave(image, path_of(to, what, path), "Q", 85, "optimize_coding", TRUE, "strip", TRUE, NULL);
}

static int save_webp(VipsImage *image, const struct place *to, const char *what)
{
	char path[PATH_SIZE];

	return vips_webpsave(image, path_of(to, what, path), "Q", 85, "strip", TRUE, NULL);
}

/* Gives *image's reference up for `next`. */
static void go_on(VipsImage **image, VipsImage *next)
{
	g_object_unref(*image);
	*image = next;
}

static int is_plain(VipsImage *image)
{
	return !vips_image_get_typeof(image, VIPS_META_ICC_NAME) && vips_image_get_orientation(image) <= 1;
}

/* The pixels as sRGB, in memory when they are needed in another order than the file's. */
static VipsImage *load(const char *from, int in_memory)
{
	VipsImage *image = vips_image_new_from_file(from, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL), *next;

	if (!image || !is_plain(image) || vips_colourspace(image, &next, VIPS_INTERPRETATION_sRGB, NULL))
		return NULL;
	go_on(&image, next);
	if (in_memory) {
		next = vips_image_copy_memory(image);
		if (!next)
			return NULL;
		go_on(&image, next);
	}
	return image;
}

static int finish(VipsImage *image, const struct place *to)
{
	int r = save_jpeg(image, to, "jpg");

	g_object_unref(image);
	return r;
}

static int do_stats(VipsImage *image)
{
	VipsImage *stats, *memory;

	if (vips_stats(image, &stats, NULL))
		return -1;
	memory = vips_image_copy_memory(stats);
	g_object_unref(stats);
	if (!memory)
		return -1;
	g_object_unref(memory);
	return 0;
}

/* ---- the tools ---- */

static int resize(const char *from, const struct place *to)
{
	VipsImage *image;

	return vips_thumbnail(from, &image, 640, "height", 640, NULL) ? -1 : finish(image, to);
}

static int thumbnail(const char *from, const struct place *to)
{
	VipsImage *image;

	return vips_thumbnail(from, &image, 250, "height", 250, NULL) ? -1 : finish(image, to);
}

static int smartcrop(const char *from, const struct place *to)
{
	VipsImage *image;

	return vips_thumbnail(from, &image, 320, "height", 320, "crop", VIPS_INTERESTING_ATTENTION, NULL) ? -1 : finish(image, to);
}

static int crop(const char *from, const struct place *to)
{
	VipsImage *image = load(from, 0), *next;

	if (!image || vips_crop(image, &next, 100, 100, 800, 600, NULL))
		return -1;
	go_on(&image, next);
	return finish(image, to);
}

static int rotate(const char *from, const struct place *to)
{
	VipsImage *image = load(from, 1), *next;

	if (!image || vips_rot(image, &next, VIPS_ANGLE_D90, NULL))
		return -1;
	go_on(&image, next);
	return finish(image, to);
}

static int convert(const char *from, const struct place *to)
{
	VipsImage *image = load(from, 0);
	int r;

	if (!image)
		return -1;
	r = save_webp(image, to, "webp");
	g_object_unref(image);
	return r;
}

static int enhance(const char *from, const struct place *to)
{
	VipsImage *image = load(from, 1), *next;

	if (!image || vips_sharpen(image, &next, "sigma", 1.5, NULL))
		return -1;
	go_on(&image, next);
	if (vips_cast(image, &next, VIPS_FORMAT_UCHAR, NULL))
		return -1;
	go_on(&image, next);
	return finish(image, to);
}

/* One box with the label "cat 0.90", as large as the tool writes it. */
static int draw_on(VipsImage *image)
{
	double red[] = { 255, 59, 48 }, white[] = { 255, 255, 255 };
	int side = image->Xsize < image->Ysize ? image->Xsize : image->Ysize, px = VIPS_CLIP(11, side / 40, 96), pad = px / 4 > 2 ? px / 4 : 2;
	VipsImage *lazy, *mask;
	char font[64];
	int r = 0;

	for (int i = 0; i < 3; i++)
		r |= vips_draw_rect(image, red, 3, 200 + i, 200 + i, 400 - 2 * i, 300 - 2 * i, NULL);
	snprintf(font, sizeof font, "DejaVu Sans, sans %d", px);
	if (r || vips_text(&lazy, "cat 0.90", "font", font, "dpi", 72, NULL))
		return -1;
	mask = vips_image_copy_memory(lazy);
	g_object_unref(lazy);
	if (!mask)
		return -1;
	r |= vips_draw_rect(image, red, 3, 200, 200 - mask->Ysize - 2 * pad, mask->Xsize + 2 * pad, mask->Ysize + 2 * pad, "fill", TRUE, NULL);
	r |= vips_draw_mask(image, white, 3, mask, 200 + pad, 200 - mask->Ysize - pad, NULL);
	g_object_unref(mask);
	return r;
}

static int draw(const char *from, const struct place *to)
{
	VipsImage *image = load(from, 1);

	return !image || draw_on(image) ? -1 : finish(image, to);
}

static int stats(const char *from, const struct place *to)
{
	VipsImage *image = vips_image_new_from_file(from, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
	int r;

	(void)to;
	if (!image)
		return -1;
	r = do_stats(image);
	g_object_unref(image);
	return r;
}

/* The tool's DCT of 32 x 32 numbers is left out: it has no libvips call. */
static int phash(const char *from, const struct place *to)
{
	VipsImage *image, *next;

	(void)to;
	if (vips_thumbnail(from, &image, 32, "height", 32, "size", VIPS_SIZE_FORCE, NULL) ||
	    vips_colourspace(image, &next, VIPS_INTERPRETATION_B_W, NULL))
		return -1;
	go_on(&image, next);
	next = vips_image_copy_memory(image);
	if (!next)
		return -1;
	go_on(&image, next);
	g_object_unref(image);
	return 0;
}

static int metadata(const char *from, const struct place *to)
{
	VipsImage *image = vips_image_new_from_file(from, NULL);
	const char *text;

	(void)to;
	if (!image)
		return -1;
	if (vips_image_get_typeof(image, "exif-ifd0-Make"))
		(void)!vips_image_get_string(image, "exif-ifd0-Make", &text);
	vips_image_get_orientation(image);
	g_object_unref(image);
	return 0;
}

/* ---- the photo pipeline ---- */

static VipsImage *fit(VipsImage *image, int side)
{
	VipsImage *small;

	return vips_thumbnail_image(image, &small, side, "height", side, NULL) ? NULL : small;
}

static int outputs(VipsImage *image, const struct place *to)
{
	VipsImage *large = fit(image, 640), *small = fit(image, 250), *least = fit(image, 32);
	int r = !large || !small || !least || save_jpeg(large, to, "640.jpg") || save_webp(small, to, "250.webp") || do_stats(least);

	g_clear_object(&large);
	g_clear_object(&small);
	g_clear_object(&least);
	return r ? -1 : 0;
}

static int photo(const char *from, const struct place *to, int shrink)
{
	VipsImage *lazy, *image;
	int r;

	if (vips_jpegload(from, &lazy, "shrink", shrink, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL) || !is_plain(lazy))
		return -1;
	image = vips_image_copy_memory(lazy);
	g_object_unref(lazy);
	if (!image)
		return -1;
	r = outputs(image, to);
	g_object_unref(image);
	return r;
}

static int photo2(const char *from, const struct place *to)
{
	return photo(from, to, 2);
}

static int photo4(const char *from, const struct place *to)
{
	return photo(from, to, 4);
}

static const struct work {
	const char *name;
	int (*run)(const char *from, const struct place *to);
} works[] = {
	{ "resize", resize }, { "thumbnail", thumbnail }, { "crop", crop }, { "smartcrop", smartcrop }, { "rotate", rotate },
	{ "convert", convert }, { "enhance", enhance }, { "draw", draw }, { "stats", stats }, { "phash", phash },
	{ "metadata", metadata }, { "photo2", photo2 }, { "photo4", photo4 },
};

static const struct work *find_work(const char *name)
{
	for (size_t i = 0; i < sizeof works / sizeof *works; i++)
		if (strcmp(works[i].name, name) == 0)
			return &works[i];
	return NULL;
}

/* Libraries are opened and fonts found before the clock runs, as in a process that has been there for a while. */
static int get_ready(const struct work *work, const char *dir, char **files, int me)
{
	const struct place to = { dir, me };

	if (VIPS_INIT("plain_loop"))
		return -1;
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	return work->run(files[me], &to);
}

static int deal(const struct work *work, int me, int processes, const char *dir, int nfiles, char **files, const int ready[2],
	const int go[2])
{
	char none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(go[1]);
	if (me < nfiles && get_ready(work, dir, files, me) < 0) {
		fprintf(stderr, "plain_loop: %s of %s: %s\n", work->name, files[me], vips_error_buffer());
		return -1;
	}
	if (write(ready[1], "", 1) != 1)
		return -1;
	close(ready[1]);        /* else who waits would not see that another one has failed */
	if (read(go[0], &none, 1) != 0)
		return -1;
	for (int i = me; i < nfiles; i += processes) {
		const struct place to = { dir, i };

		if (work->run(files[i], &to) < 0) {
			fprintf(stderr, "plain_loop: %s of %s: %s\n", work->name, files[i], vips_error_buffer());
			return -1;
		}
	}
	return 0;
}

/* Waits until so many have said that they are ready; they go when `go` is closed. */
static int wait_ready(int processes, const int ready[2])
{
	char one;

	close(ready[1]);
	for (int i = 0; i < processes; i++)
		if (read(ready[0], &one, 1) != 1)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	const struct work *work = argc > 2 ? find_work(argv[2]) : NULL;
	struct timespec begin, end;
	int processes, status, failed = 0, ready[2], go[2];

	if (argc < 5 || !work || (processes = (int)strtol(argv[1], NULL, 10)) < 1) {
		fprintf(stderr, "usage: plain_loop PROCESSES WORK OUTPUT_DIR FILE...\nWORK is one of:");
		for (size_t i = 0; i < sizeof works / sizeof *works; i++)
			fprintf(stderr, " %s", works[i].name);
		fputc('\n', stderr);
		return 2;
	}
	if (pipe(ready) < 0 || pipe(go) < 0)
		return EXIT_FAILURE;
	for (int i = 0; i < processes; i++)
		if (fork() == 0)
			_exit(deal(work, i, processes, argv[3], argc - 4, argv + 4, ready, go) < 0);
	if (wait_ready(processes, ready) < 0)
		failed = 1;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	close(go[1]);
	while (wait(&status) > 0)
		failed |= status;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.4f\n", (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
