#include "flow.h"

#include "beneath.h"
#include "gallery.h"
#include "reference.h"
#include "sniff.h"
#include "url.h"
#include "utf8.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define REDIRECTS_MAX 5
#define NAME_MAX_BYTES 200
#define SHOWN 640

static size_t most_bytes(const struct flow_job *job)
{
	const json_t *p = json_object_get(job->params, "max_bytes");

	return json_is_integer(p) ? min_of(job->conf->max_file_size, (size_t)json_integer_value(p)) : job->conf->max_file_size;
}

static int too_large(const char *source, size_t most, struct err *err)
{
	return err_set(err, ERR_REJECT, "'%.600s' is larger than %zu bytes (MAX_FILE_SIZE, or max_bytes of the step)", source, most);
}

struct download {
	struct store_writer *to;
	struct err err;         /* why it could not be written, when is_stuck */
	bool is_stuck;
};

static bool keep_piece(void *arg, const char *bytes, size_t n)
{
	struct download *d = arg;

	d->is_stuck = store_write(d->to, bytes, n, &d->err) < 0;
	return !d->is_stuck;
}

static int fetch_url(const struct flow_job *job, const char *url, struct store_writer *to, struct err *err)
{
	scoped(http_response_done) struct http_response answer = { 0 };
	struct download download = { .to = to };
	const struct http_request q = { .url = url, .on_data = keep_piece, .arg = &download, .max_bytes = most_bytes(job),
		.timeout_s = flow_request_timeout_s(job),
		.max_redirects = REDIRECTS_MAX, .public_only = !job->conf->allow_private_urls, .stop = job->stop };
	int rc = httpc_perform(job->http, &q, &answer, err);

	if (download.is_stuck) {
		*err = download.err;
		return -1;
	}
	if (rc < 0)
		return -1;
	if (answer.status < 200 || answer.status > 299)
		return err_set(err, http_status_kind(answer.status), "'%.600s' answers %u", url, answer.status);
	return 0;
}

static int copy(const struct flow_job *job, const char *path, int from, struct store_writer *to, struct err *err)
{
	char chunk[65536];
	size_t left = most_bytes(job);
	ssize_t n;

	while ((n = read(from, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, ERR_RETRY, "cannot read '%.600s': %s", path, strerror(errno));
		if ((size_t)n > left)           /* it grows while it is read */
			return too_large(path, most_bytes(job), err);
		if (store_write(to, chunk, (size_t)n, err) < 0)
			return -1;
		if (__atomic_load_n(job->stop, __ATOMIC_ACQUIRE))
			return err_set(err, ERR_CANCEL, "stopped while reading '%.600s'", path);
		left -= (size_t)n;
	}
	return 0;
}

static bool wants_copy(const struct flow_job *job)
{
	const json_t *p = json_object_get(job->params, "copy");

	return json_is_boolean(p) ? json_is_true(p) : job->conf->fetch_copy;
}

/* What people would call it: the last part of the path, without a URL's query. */
static json_t *base_name(const char *source)
{
	size_t n = strstr(source, "://") ? strcspn(source, "?#") : strlen(source), from, len = 0;

	while (n && source[n - 1] == '/')
		n--;
	for (from = n; from && source[from - 1] != '/'; from--)
		;
	while (from + len < n && len < NAME_MAX_BYTES) {
		size_t step = utf8_sequence(source + from + len, n - from - len);

		if (!step)
			break;
		len += step;
	}
	return json_stringn(source + from, len);
}

/* What every artifact of ours has. `head` is the beginning of the file. */
static int describe(const char *source, const char *head, size_t n, const char *digest, size_t bytes, json_t **ret, struct err *err)
{
	const struct picture_type *type;

	if (sniff_picture(head, n, &type, err) < 0)
		return err_wrap(err, "'%.600s'", source);
	*ret = json_pack("{s:s, s:s, s:s, s:I, s:s, s:o}", "name", "picture", "digest", digest, "media_type", type->media_type,
		"bytes", (json_int_t)bytes, "origin", type->name, "file", base_name(source));
	must(*ret != NULL);
	return 0;
}

/* A picture whose bytes have been written. */
static int keep(const char *source, struct store_writer *w, json_t **ret, struct err *err)
{
	char head[SNIFF_BYTES], digest[DIGEST_TEXT];
	scoped(json_decref_p) json_t *artifact = NULL;
	size_t size, n = store_writer_head(w, head, sizeof head);

	if (describe(source, head, n, "", 0, &artifact, err) < 0 || store_writer_commit(w, digest, &size, err) < 0)
		return -1;
	json_object_set_new(artifact, "digest", json_string(digest));
	json_object_set_new(artifact, "bytes", json_integer((json_int_t)size));
	*ret = steal(&artifact);
	return 0;
}

static int refer(const struct flow_job *job, const char *path, int fd, json_t **ret, struct err *err)
{
	struct reference r;

	if (reference_make(path, fd, &r, err) < 0)
		return -1;
	if (r.bytes > most_bytes(job))          /* it grows */
		return too_large(path, most_bytes(job), err);
	if (describe(path, r.head, min_of(r.head_len, (size_t)SNIFF_BYTES), r.digest, r.bytes, ret, err) < 0)
		return -1;
	reference_describe(&r, path, *ret);
	return 0;
}

static int fetch_path(const struct flow_job *job, const char *roots, const char *path, json_t **ret, struct err *err)
{
	scoped(store_writer_free_p) struct store_writer *to = NULL;
	scoped(close_p) int from = -1;
	size_t size;

	if (beneath_open(roots, path, &from, &size, err) < 0)
		return -1;
	if (size > most_bytes(job))
		return too_large(path, most_bytes(job), err);
	if (!wants_copy(job))
		return refer(job, path, from, ret, err);
	if (store_writer_new(job->store, &to, err) < 0 || copy(job, path, from, to, err) < 0)
		return -1;
	return keep(path, to, ret, err);
}

/* Of a photo message: the gallery's directory is open too, and relative paths begin there. */
static int fetch_upload(const struct flow_job *job, const char *path, json_t **ret, struct err *err)
{
	const char *base = gallery_base(job->conf);
	scoped(free_p) char *roots = xasprintf("%s:%s", job->conf->allowed_roots, base);
	scoped(free_p) char *whole = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", base, path);

	if (*path != '/' && !*base)
		return err_set(err, ERR_REJECT, "'%.600s' is a relative path: PROJECT_ROOT or UPLOAD_BASE_DIR has to say where it begins", path);
	return fetch_path(job, roots, whole, ret, err);
}

static int fetch_web(const struct flow_job *job, const char *url, json_t **ret, struct err *err)
{
	scoped(store_writer_free_p) struct store_writer *to = NULL;
	char shown[SHOWN];

	if (url_problem(url))
		return err_set(err, ERR_REJECT, "'%.600s': allowed is %s", url_shown(url, shown, sizeof shown), url_problem(url));
	if (store_writer_new(job->store, &to, err) < 0 || fetch_url(job, url, to, err) < 0)
		return -1;
	return keep(url, to, ret, err);
}

static int fetch_any(const struct flow_job *job, const char *source, json_t **ret, struct err *err)
{
	char shown[SHOWN];

	if (strncmp(source, GALLERY_UPLOAD, strlen(GALLERY_UPLOAD)) == 0)
		return fetch_upload(job, source + strlen(GALLERY_UPLOAD), ret, err);
	if (url_is_http(source))
		return fetch_web(job, source, ret, err);
	if (*source != '/' && strstr(source, "://"))
		return err_set(err, ERR_REJECT, "'%.600s': pictures come from http://, https://, or a path under "
			"PIXELFLEET_ALLOWED_ROOTS", url_shown(source, shown, sizeof shown));
	return fetch_path(job, job->conf->allowed_roots, source, ret, err);
}

int flow_fetch(const struct flow_job *job, struct task_result *ret, struct err *err)
{
	const char *source = job->task->source;
	json_t *artifact = NULL;

	if (!source || !*source)
		return err_set(err, ERR_REJECT, "fetch: the job names no picture for this item");
	if (fetch_any(job, source, &artifact, err) < 0)
		return -1;
	ret->artifacts = json_pack("[o]", artifact);
	return 0;
}
