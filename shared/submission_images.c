#include "submission_images.h"

#include "beneath.h"
#include "folder.h"
#include "normal_form.h"
#include "url.h"

#include <string.h>
#include <unistd.h>

#define IMAGE_MAX_BYTES 4096

static bool has_dots(const char *path)
{
	for (const char *s = path; (s = strstr(s, "..")); s += 2)
		if ((s == path || s[-1] == '/') && (s[2] == '/' || s[2] == '\0'))
			return true;
	return false;
}

static bool is_under(const char *path, const char *roots)
{
	for (const char *r = roots; *r;) {
		size_t n = strcspn(r, ":"), len = n;

		while (len > 1 && r[len - 1] == '/')
			len--;
		if (len && strncmp(path, r, len) == 0 && (path[len] == '/' || path[len] == '\0' || len == 1))
			return true;
		r += n + (r[n] == ':');
	}
	return false;
}

static void add_directory(struct submission *s, int fd, const char *path, const json_t *image, const char *at, json_t *problems)
{
	size_t before = json_array_size(s->images), room = SUBMISSION_MAX_IMAGES + 1 - min_of(before, (size_t)SUBMISSION_MAX_IMAGES);
	size_t odd = 0;

	if (folder_pictures(fd, path, room, s->images, &odd) < 0)
		problem_add(problems, image, "a directory that the dispatcher can read|%s", at);
	else if (odd)
		problem_add(problems, image, "pictures with names in UTF-8, without control characters; %zu in this directory %s not|%s", odd,
			odd == 1 ? "is" : "are", at);
	else if (json_array_size(s->images) == before && before <= SUBMISSION_MAX_IMAGES)
		problem_add(problems, image, "a directory with pictures in it (jpg, png, webp, gif, tiff, heif, avif)|%s", at);
}

static void add_path(struct submission *s, const json_t *image, const char *roots, const char *at, json_t *problems)
{
	const char *path = json_string_value(image);
	scoped(close_p) int fd = -1;
	struct err err;

	if (*path != '/')
		problem_add(problems, image, "http://..., https://... or an absolute path|%s", at);
	else if (has_dots(path))
		problem_add(problems, image, "a path without ..|%s", at);
	else if (!is_under(path, roots))
		problem_add(problems, image, "a path under one of PIXELFLEET_ALLOWED_ROOTS: %s|%s", *roots ? roots : "(none is set)", at);
	else if (beneath_open_dir(roots, path, &fd, &err) == 0)
		add_directory(s, fd, path, image, at, problems);
	else                    /* a file, or whatever the worker will say of it */
		json_array_append(s->images, (json_t *)image);
}

static void add_image(struct submission *s, const json_t *image, size_t i, const char *member, const char *roots, json_t *problems)
{
	bool is_text = submission_is_plain(image, IMAGE_MAX_BYTES), is_url = is_text && url_is_http(json_string_value(image));
	const char *url_wrong = is_url ? url_problem(json_string_value(image)) : NULL;
	scoped(free_p) char *at = NULL;

	if (is_url && !url_wrong) {
		json_array_append(s->images, (json_t *)image);
		return;
	}
	at = xasprintf("/%s/%zu", member, i);
	if (is_url)
		submission_refuse_url(json_string_value(image), url_wrong, at, problems);
	else if (is_text)
		add_path(s, image, roots, at, problems);
	else
		problem_add(problems, image, "text: a URL or an absolute path, of 1 to %d bytes|%s", IMAGE_MAX_BYTES, at);
}

/* Nothing but addresses, of which nothing is to be said: the most frequent case. */
static bool are_plain_urls(const json_t *images)
{
	const json_t *image;
	size_t i;

	json_array_foreach(images, i, image)
		if (!submission_is_plain(image, IMAGE_MAX_BYTES) || !url_is_http(json_string_value(image)) || url_problem(json_string_value(image)))
			return false;
	return json_array_size(images) <= SUBMISSION_MAX_IMAGES;
}

void submission_read_images(struct submission *s, const json_t *body, const char *roots, json_t *problems)
{
	const char *member = json_object_get(body, "input_urls") ? "input_urls" : "images";
	const json_t *images = json_object_get(body, member), *image;
	size_t i;

	if (json_object_get(body, "images") && json_object_get(body, "input_urls"))
		problem_add(problems, NULL, "either images or input_urls|/input_urls");
	if (json_is_array(images) && are_plain_urls(images)) {
		s->images = json_incref((json_t *)images);
		return;
	}
	s->images = json_array();
	if (!images)
		return;
	if (!json_is_array(images)) {
		problem_add(problems, images, "a list of URLs and paths|/%s", member);
		return;
	}
	json_array_foreach(images, i, image) {
		if (json_array_size(s->images) > SUBMISSION_MAX_IMAGES || json_array_size(problems) > 50)
			break;
		add_image(s, image, i, member, roots, problems);
	}
	if (json_array_size(s->images) > SUBMISSION_MAX_IMAGES) {
		scoped(json_decref_p) json_t *found = json_sprintf("more than %d pictures", SUBMISSION_MAX_IMAGES);

		problem_add(problems, found, "at most %d pictures in one job|/%s", SUBMISSION_MAX_IMAGES, member);
	}
}
