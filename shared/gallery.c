#include "gallery.h"

#include <string.h>
#include <strings.h>

#define LIST_MAX_BYTES 200
#define DIM_MAX        65536

/* It ends in a newline where it is remembered with a message, and it shares a Redis with our own keys. */
static int check_list(const char *env, const char *name, struct err *err)
{
	for (const char *s = name; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f)
			return err_set(err, ERR_REJECT, "%s: the name of a list has no blanks and no control characters", env);
	if (strlen(name) > LIST_MAX_BYTES)
		return err_set(err, ERR_REJECT, "%s: %zu bytes, at most %d are allowed", env, strlen(name), LIST_MAX_BYTES);
	if (strncmp(name, "pixelfleet:", 11) == 0)
		return err_set(err, ERR_REJECT, "%s: '%s' is one of pixelfleet's own keys", env, name);
	return 0;
}

static int check_lists(const struct conf *c, struct err *err)
{
	const struct { const char *env, *name; } lists[] = {
		{ "REDIS_QUEUE_NAME", c->photo_queue }, { "REDIS_DLQ_NAME", c->photo_dlq },
		{ "TEXT_EMBED_QUEUE_NAME", c->text_queue }, { "TEXT_EMBED_DLQ_NAME", c->text_dlq },
	};

	for (size_t i = 0; i < countof(lists); i++) {
		if (check_list(lists[i].env, lists[i].name, err) < 0)
			return -1;
		for (size_t k = 0; k < i; k++) {
			bool both_dlq = i == 3 && k == 1;       /* letters of both may share a list */

			if (*lists[i].name && !both_dlq && strcmp(lists[i].name, lists[k].name) == 0)
				return err_set(err, ERR_REJECT, "%s and %s are both '%s'", lists[k].env, lists[i].env, lists[i].name);
		}
	}
	return 0;
}

static int check_dir(const char *env, const char *path, struct err *err)
{
	if (*path && *path != '/')
		return err_set(err, ERR_REJECT, "%s: '%.200s' is not an absolute path", env, path);
	if (strchr(path, ':'))
		return err_set(err, ERR_REJECT, "%s: '%.200s' has a ':' in it, which separates directories", env, path);
	return 0;
}

static int check_dim(const char *env, unsigned dim, struct err *err)
{
	if (dim < 1 || dim > DIM_MAX)
		return err_set(err, ERR_REJECT, "%s: %u is not from 1 to %d", env, dim, DIM_MAX);
	return 0;
}

static int check_url(const char *url, struct err *err)
{
	if (!*url)
		return 0;
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return err_set(err, ERR_REJECT, "API_BASE_URL: '%.200s' does not start with http:// or https://", url);
	for (const char *s = url; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f || *s == '?' || *s == '#')
			return err_set(err, ERR_REJECT, "API_BASE_URL: '%.200s' is not a base that paths can be added to", url);
	return 0;
}

static int check_langs(const char *list, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-, \t";

	if (list[strspn(list, letters)] || !list[strspn(list, ", \t")])
		return err_set(err, ERR_REJECT, "OCR_LANGS: '%.200s' is no list of languages, as ch_sim,en is", list);
	return 0;
}

int gallery_check(const struct conf *c, struct err *err)
{
	if (strcmp(c->photo_backend, "onnx") != 0 && strcmp(c->photo_backend, "triton") != 0)
		return err_set(err, ERR_REJECT, "PIXELFLEET_PHOTO_BACKEND: '%s' is neither onnx nor triton", c->photo_backend);
	if (check_lists(c, err) < 0 || check_dir("PROJECT_ROOT", c->project_root, err) < 0 ||
	    check_dir("UPLOAD_BASE_DIR", c->upload_base_dir, err) < 0 || check_url(c->api_base_url, err) < 0 ||
	    check_langs(c->ocr_langs, err) < 0)
		return -1;
	return check_dim("PROCESSING_EMBEDDING_DIM", c->embedding_dim, err) < 0 ||
		check_dim("PROCESSING_FACE_EMBEDDING_DIM", c->face_embedding_dim, err) < 0 ? -1 : 0;
}

const char *gallery_base(const struct conf *c)
{
	return *c->project_root ? c->project_root : c->upload_base_dir;
}
