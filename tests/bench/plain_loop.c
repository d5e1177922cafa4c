/*
 * plain_loop.c - what libvips alone does: thumbnails of the files named on the command line.
 *
 *	plain_loop PROCESSES WIDTH OUTPUT_DIR FILE...
 *
 * The files are dealt to so many processes of one thread each. Prints the seconds it took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vips/vips.h>

static int shrink(const char *from, int width, const char *to)
{
	VipsImage *image;
	int r;

	if (vips_thumbnail(from, &image, width, "height", width, NULL))
		return -1;
	r = vips_jpegsave(image, to, "Q", 85, "strip", TRUE, NULL);
	g_object_unref(image);
	return r;
}

static int deal(int me, int processes, int width, const char *dir, int nfiles, char **files)
{
	char to[4096];

	if (VIPS_INIT("plain_loop"))
		return -1;
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	for (int i = me; i < nfiles; i += processes) {
		snprintf(to, sizeof to, "%s/%d.jpg", dir, i);
		if (shrink(files[i], width, to) < 0) {
			fprintf(stderr, "%s: %s", files[i], vips_error_buffer());
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	int processes, width, status, failed = 0;

	if (argc < 5 || (processes = (int)strtol(argv[1], NULL, 10)) < 1 || (width = (int)strtol(argv[2], NULL, 10)) < 1) {
		fprintf(stderr, "usage: plain_loop PROCESSES WIDTH OUTPUT_DIR FILE...\n");
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < processes; i++)
		if (fork() == 0)
			_exit(deal(i, processes, width, argv[3], argc - 4, argv + 4) < 0);
	while (wait(&status) > 0)
		failed |= status;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.3f\n", (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
