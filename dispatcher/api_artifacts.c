/* api_artifacts.c - the bytes that steps made. Nobody knows what is in them, so browsers are told to trust nothing. */
#include "byte_range.h"
#include "reference.h"
#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TYPE "application/octet-stream"

/* Pictures that are only pictures (an SVG can hold a script). */
static bool is_inline(const char *media_type)
{
	static const char *const types[] = { "image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/avif", "image/bmp" };

	for (size_t i = 0; i < countof(types); i++)
		if (strcmp(types[i], media_type) == 0)
			return true;
	return false;
}

/* What a header may hold of a name that came from outside. */
static void disposition(const char *media_type, const char *name, char *to, size_t size)
{
	int n = snprintf(to, size, "%s; filename=\"", is_inline(media_type) ? "inline" : "attachment");
	char *p = to + n, *end = to + size - 3;

	for (; *name && p < end; name++)
		*p++ = strchr("\"\\/;%", *name) || *name < ' ' || *name > '~' ? '_' : *name;
	snprintf(p, 3, "\"");
}

static bool is_unchanged(struct request *req, const char *etag)
{
	const char *known = request_header(req, "If-None-Match");

	return known && (strstr(known, etag) || strcmp(known, "*") == 0);
}

static void add_headers(struct request *req, const char *etag)
{
	answer_header(req, "ETag", etag);
	answer_header(req, "Cache-Control", "private, max-age=31536000, immutable");
}

/* 404: never heard of; 410: a file that was referred to, and is not there any more as it was. */
static int open_artifact(struct request *req, const json_t *artifact, const char *digest, int *ret_fd, size_t *ret_size)
{
	scoped(store_close) struct store store = { .dir = -1 };
	struct err err;

	if (store_open(&store, req->d->conf.artifacts, &err) < 0) {
		answer_err(req, 500, &err);
		return -1;
	}
	if (artifact_open(&req->d->conf, &store, artifact, ret_fd, ret_size, NULL, &err) == 0)
		return 0;
	if (err.kind == ERR_REJECT && !reference_is(artifact))
		answer_error(req, 404, "there is no artifact %s", digest);
	else
		answer_err(req, 410, &err);
	return -1;
}

/* What its step said of it; what is in the store and was said of nowhere has a digest and no more. */
static json_t *read_artifact(const PGresult *r, const char *digest)
{
	json_t *said = PQntuples(r) ? json_loads(pg_text(r, 0, 2), 0, NULL) : NULL;

	return said ? said : json_pack("{s:s}", "digest", digest);
}

/* All of it, or the part that was asked for, when that is of this version. false: there is no such part. */
static bool answer_range(struct request *req, const char *media_type, const char *etag, int take_fd, size_t size)
{
	const char *version = request_header(req, "If-Range");
	uint64_t from = 0, n = 0;
	char range[80];

	switch (req->is_head || (version && strcmp(version, etag) != 0) ? RANGE_ALL : byte_range_parse(request_header(req, "Range"), size, &from, &n)) {
	case RANGE_ALL:
		answer_file(req, media_type, take_fd, size);
		break;
	case RANGE_PART:
		answer_part(req, media_type, take_fd, from, n);
		snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%zu", from, from + n - 1, size);
		answer_header(req, "Content-Range", range);
		break;
	case RANGE_NONE:
		close(take_fd);
		answer_error(req, 416, "the artifact has %zu bytes: the range begins behind them", size);
		snprintf(range, sizeof range, "bytes */%zu", size);
		answer_header(req, "Content-Range", range);
		return false;
	}
	answer_header(req, "Accept-Ranges", "bytes");
	return true;
}

void api_artifact(struct request *req)
{
	static const char sql[] = "SELECT a.media_type, a.name, coalesce((SELECT e FROM step s, jsonb_array_elements(s.artifacts) e "
		"WHERE s.job = a.job AND s.ordinal = a.ordinal AND e ->> 'digest' = $1 LIMIT 1)::text, '') "
		"FROM artifact a WHERE a.digest = decode($1, 'hex') ORDER BY a.job DESC LIMIT 1";
	const char *digest = req->match.params[0], *media_type = DEFAULT_TYPE, *name = digest;
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(json_decref_p) json_t *artifact = NULL;
	char etag[DIGEST_TEXT + 2], filename[320];
	size_t size;
	int fd;

	if (!digest_is(digest)) {
		answer_error(req, 400, "an artifact's name is 64 hexadecimal digits in lower case");
		return;
	}
	snprintf(etag, sizeof etag, "\"%s\"", digest);
	if (request_query(req, &r, sql, PG_VALUES(digest)) < 0)
		return;
	artifact = read_artifact(r, digest);
	if (open_artifact(req, artifact, digest, &fd, &size) < 0)
		return;
	if (PQntuples(r)) {
		media_type = pg_text(r, 0, 0);
		name = pg_text(r, 0, 1);
	}
	if (is_unchanged(req, etag)) {
		close_p(&fd);
		answer_nothing(req, 304, media_type);
		add_headers(req, etag);
		return;
	}
	disposition(media_type, name, filename, sizeof filename);
	if (!answer_range(req, media_type, etag, fd, size))
		return;
	add_headers(req, etag);
	answer_header(req, "Content-Disposition", filename);
	answer_header(req, "Content-Security-Policy", "default-src 'none'; sandbox");
}
