/* api_photos.c - what the photo and text queues report: embeddings and results of photos, faces, embeddings of queries.
 *
 * The same request twice changes nothing more: rows are replaced, never added. */
#include "embedding.h"
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MAX    200
#define FACES_MAX    1000

/* *ret is the path's id; -1: it was answered. */
static int read_id(struct request *req, const char **ret)
{
	const char *s = req->match.params[0];
	size_t n = strlen(s);

	if (n < 1 || n > 18 || strspn(s, "0123456789") != n) {
		answer_error(req, 400, "the id '%.40s' is no whole number", s);
		return -1;
	}
	*ret = s;
	return 0;
}

/* A text member, or `otherwise` where it is missing or null; -1: it was answered. */
static int read_text(struct request *req, const json_t *body, const char *name, size_t most, const char *otherwise, const char **ret)
{
	const json_t *v = json_object_get(body, name);
	size_t n = json_string_length(v);

	*ret = otherwise;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || n == 0 || n > most || strlen(json_string_value(v)) != n) {
		answer_error(req, 400, "\"%s\": allowed is text of 1 to %zu bytes", name, most);
		return -1;
	}
	*ret = json_string_value(v);
	return 0;
}

/* The body, and the array literal of its embedding (empty: it has none). NULL: it was answered. */
static json_t *read_body(struct request *req)
{
	embedding_spell(&req->body);
	return request_json(req, JSON_OBJECT);
}

static int read_embedding(struct request *req, const json_t *list, size_t size, const char *setting, const char *whose, struct buf *to)
{
	struct err err;

	if (embedding_read(list, size, setting, to, &err) == 0)
		return 0;
	answer_error(req, 422, "%s%s", whose, err.msg);
	return -1;
}

/* Sends one statement; -1: it was answered. */
static int send_it(struct request *req, struct pg *pg, const char *sql, int n, const char *const *values)
{
	struct err err;

	if (pg_send(pg, &err, sql, n, values) == 0)
		return 0;
	answer_err(req, 500, &err);
	return -1;
}

/* Waits for what was sent, which is one transaction, and answers. */
static void finish(struct request *req, struct pg *pg, const char *id, const char *status)
{
	struct err err;

	if (pg_wait(pg, NULL, &err) < 0)
		answer_err(req, 500, &err);
	else
		answer_json(req, 200, json_pack("{s:I, s:s*}", "id", (json_int_t)strtoll(id, NULL, 10), "processing_status", status));
}

static const char photo_sql[] = "INSERT INTO photo AS p (id, processing_status, ml_result, ml_status, thumbnail_url) "
	"VALUES ($1, coalesce($2, 'done'), coalesce($3::jsonb, '{}'), $4, $5) ON CONFLICT (id) DO UPDATE SET "
	"processing_status = coalesce($2, p.processing_status), ml_result = p.ml_result || excluded.ml_result, "
	"ml_status = p.ml_status || excluded.ml_status, thumbnail_url = coalesce(excluded.thumbnail_url, p.thumbnail_url), updated_at = now()";
static const char embedding_sql[] = "INSERT INTO photo_embedding (photo, model, modality, embedding) "
	"VALUES ($1, $2, $3, as_embedding($4)) ON CONFLICT (photo, model, modality) DO UPDATE SET embedding = excluded.embedding, updated_at = now()";

/* {"clip":"done"} and the like. */
static void done_tasks(const char *modality, bool has_embedding, const json_t *result, const char *thumbnail, struct buf *to)
{
	scoped(json_decref_p) json_t *done = json_object();

	if (has_embedding && strcmp(modality, "image") == 0)
		json_object_set_new(done, "clip", json_string("done"));
	if (has_embedding && strcmp(modality, "caption") == 0)
		json_object_set_new(done, "caption", json_string("done"));
	if (json_object_get(result, "ocr_text") || json_object_get(result, "ocr"))
		json_object_set_new(done, "ocr", json_string("done"));
	if (thumbnail)
		json_object_set_new(done, "thumbnail", json_string("done"));
	buf_json(to, done);
}

void api_photo_result(struct request *req)
{
	scoped(json_decref_p) json_t *body = read_body(req);
	const json_t *embedding = json_object_get(body, "embedding"), *result = json_object_get(body, "ml_result");
	bool has_embedding = embedding && !json_is_null(embedding), has_result = result && !json_is_null(result);
	scoped(buf_free) struct buf numbers = { 0 }, text = { 0 }, done = { 0 };
	struct pg *pg = request_pg(req);
	const char *id, *model, *modality, *status, *thumbnail;

	if (!body || read_id(req, &id) < 0 || read_text(req, body, "model", LABEL_MAX, req->d->conf.default_model, &model) < 0 ||
	    read_text(req, body, "modality", LABEL_MAX, "image", &modality) < 0 ||
	    read_text(req, body, "processing_status", LABEL_MAX, NULL, &status) < 0 ||
	    read_text(req, body, "thumbnail_url", 4096, NULL, &thumbnail) < 0)
		return;
	if (has_result && !json_is_object(result)) {
		answer_error(req, 400, "\"ml_result\": allowed is an object");
		return;
	}
	if (has_embedding && read_embedding(req, embedding, req->d->conf.embedding_dim, "PROCESSING_EMBEDDING_DIM", "", &numbers) < 0)
		return;
	if (has_result)
		buf_json(&text, result);
	done_tasks(modality, has_embedding, result, thumbnail, &done);
	if (send_it(req, pg, photo_sql, PG_VALUES(id, status, text.text, done.text, thumbnail)) < 0 ||
	    (has_embedding && send_it(req, pg, embedding_sql, PG_VALUES(id, model, modality, numbers.text)) < 0))
		return;
	finish(req, pg, id, status ? status : "done");
}

/* ---- faces ---- */

struct faces {
	struct buf models, idxs, embeddings, boxes;     /* array literals; an embedding is text, itself an array literal */
	json_t *counts;                                 /* faces so far, by model */
};

static void faces_free(struct faces *f)
{
	buf_free(&f->models);
	buf_free(&f->idxs);
	buf_free(&f->embeddings);
	buf_free(&f->boxes);
	json_decref(f->counts);
}

static int read_face(struct request *req, const json_t *face, size_t i, struct faces *f)
{
	scoped(buf_free) struct buf numbers = { 0 }, box = { 0 };
	const json_t *bbox = json_object_get(face, "bbox");
	json_int_t idx;
	const char *model;
	char whose[40];

	snprintf(whose, sizeof whose, "face %zu: ", i);
	if (!json_is_object(face)) {
		answer_error(req, 400, "/faces/%zu: allowed is an object", i);
		return -1;
	}
	if (read_text(req, face, "model", LABEL_MAX, req->d->conf.default_face_model, &model) < 0 ||
	    read_embedding(req, json_object_get(face, "embedding"), req->d->conf.face_embedding_dim, "PROCESSING_FACE_EMBEDDING_DIM", whose,
		    &numbers) < 0)
		return -1;
	if (bbox && !json_is_null(bbox))
		buf_json(&box, bbox);
	idx = json_integer_value(json_object_get(f->counts, model));
	json_object_set_new(f->counts, model, json_integer(idx + 1));
	pg_array_text(&f->models, model);
	pg_array_int(&f->idxs, idx);
	pg_array_text(&f->embeddings, numbers.text);
	pg_array_text(&f->boxes, box.text);
	return 0;
}

static int read_faces(struct request *req, const json_t *list, struct faces *f)
{
	pg_array_begin(&f->models);
	pg_array_begin(&f->idxs);
	pg_array_begin(&f->embeddings);
	pg_array_begin(&f->boxes);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (read_face(req, json_array_get(list, i), i, f) < 0)
			return -1;
	/* Where there are none now, those that were found by the usual model before go. */
	if (json_array_size(list) == 0)
		json_object_set_new(f->counts, req->d->conf.default_face_model, json_integer(0));
	pg_array_end(&f->models);
	pg_array_end(&f->idxs);
	pg_array_end(&f->embeddings);
	pg_array_end(&f->boxes);
	return 0;
}

void api_photo_faces(struct request *req)
{
	static const char insert_sql[] = "INSERT INTO photo_face (photo, model, idx, embedding, bbox) "
		"SELECT $1::bigint, m, i, as_embedding(e::real[]), b::jsonb FROM unnest($2::text[], $3::int[], $4::text[], $5::text[]) AS f(m, i, e, b) "
		"ON CONFLICT (photo, model, idx) DO UPDATE SET embedding = excluded.embedding, bbox = excluded.bbox, updated_at = now()";
	static const char rest_sql[] = "DELETE FROM photo_face f USING jsonb_each($2::jsonb) AS n(model, count) "
		"WHERE f.photo = $1::bigint AND f.model = n.model AND f.idx >= n.count::text::int";
	scoped(json_decref_p) json_t *body = read_body(req);
	const json_t *list = json_object_get(body, "faces");
	scoped(faces_free) struct faces f = { .counts = json_object() };
	scoped(buf_free) struct buf counts = { 0 };
	struct pg *pg = request_pg(req);
	const char *id;

	if (!body || read_id(req, &id) < 0)
		return;
	if (!json_is_array(list) || json_array_size(list) > FACES_MAX) {
		answer_error(req, 400, "\"faces\": allowed is a list of at most %d faces", FACES_MAX);
		return;
	}
	if (read_faces(req, list, &f) < 0)
		return;
	buf_json(&counts, f.counts);
	if (send_it(req, pg, photo_sql, PG_VALUES(id, NULL, NULL, "{\"face\":\"done\"}", NULL)) < 0 ||
	    send_it(req, pg, rest_sql, PG_VALUES(id, counts.text)) < 0 ||
	    send_it(req, pg, insert_sql, PG_VALUES(id, f.models.text, f.idxs.text, f.embeddings.text, f.boxes.text)) < 0)
		return;
	finish(req, pg, id, NULL);
}

/* ---- texts ---- */

void api_text_query(struct request *req)
{
	static const char sql[] = "INSERT INTO text_query (id, model, embedding) VALUES ($1, $2, as_embedding($3)) "
		"ON CONFLICT (id) DO UPDATE SET model = excluded.model, embedding = excluded.embedding, updated_at = now()";
	scoped(json_decref_p) json_t *body = read_body(req);
	scoped(buf_free) struct buf numbers = { 0 };
	struct pg *pg = request_pg(req);
	const char *id, *model;

	if (!body || read_id(req, &id) < 0 || read_text(req, body, "model", LABEL_MAX, req->d->conf.default_model, &model) < 0 ||
	    read_embedding(req, json_object_get(body, "embedding"), req->d->conf.embedding_dim, "PROCESSING_EMBEDDING_DIM", "", &numbers) < 0)
		return;
	if (send_it(req, pg, sql, PG_VALUES(id, model, numbers.text)) < 0)
		return;
	finish(req, pg, id, NULL);
}
