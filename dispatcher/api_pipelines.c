/* api_pipelines.c - stored pipelines. */
#include "defstore.h"
#include "normal_form.h"
#include "request.h"
#include "rows.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

void api_pipeline_list(struct request *req)
{
	static const char sql[] = "SELECT p.name, p.id, " ROWS_TIME("p.created_at") " AS created_at, " ROWS_TIME("p.updated_at") " AS updated_at, "
		"jsonb_array_length(d.body -> 'steps') AS steps FROM pipeline p JOIN definition d ON d.id = p.definition ORDER BY p.name";
	scoped(PQclear_p) PGresult *r = NULL;
	struct buf text = { 0 };

	if (request_query(req, &r, sql, PG_NONE) < 0)
		return;
	buf_puts(&text, "{\"pipelines\":");
	rows_list(&text, r);
	buf_puts(&text, "}");
	answer_text(req, 200, &text);
}

/* NULL: problems were answered. */
static struct definition *parse(struct request *req, bool named)
{
	scoped(json_decref_p) json_t *body = request_json(req, JSON_OBJECT), *problems = json_array();
	scoped(definition_unref_p) struct definition *d = NULL;
	const json_t *name = json_object_get(body, "name");

	if (!body)
		return NULL;
	d = definition_parse(body, "", NULL, problems);
	problems_cut(problems);
	if (named && !name)
		problem_add(problems, NULL, "a name to store it under|/name");
	if (d && !json_array_size(problems))
		return steal(&d);
	answer_problems(req, problems);
	return NULL;
}

void api_pipeline_validate(struct request *req)
{
	scoped(definition_unref_p) struct definition *d = parse(req, false);
	struct buf text = { 0 };

	if (!d)
		return;
	buf_printf(&text, "{\"valid\":true,\"definition\":");
	buf_puts(&text, d->text);
	buf_puts(&text, "}");
	answer_text(req, 200, &text);
}

void api_pipeline_put(struct request *req)
{
	static const char sql[] = "INSERT INTO pipeline (name, id, definition) VALUES ($1, $2::uuid, $3::bigint) "
		"ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, updated_at = now() RETURNING name, id";
	scoped(definition_unref_p) struct definition *d = parse(req, true);
	scoped(PQclear_p) PGresult *r = NULL;
	struct buf text = { 0 };
	char id[UUID_TEXT], definition[24];
	struct err err;

	if (!d)
		return;
	uuid_new(id);
	if (definition_store(request_pg(req), d, &err) < 0) {
		answer_err(req, 500, &err);
		return;
	}
	snprintf(definition, sizeof definition, "%lld", (long long)d->id);
	if (pg_query(request_pg(req), &r, &err, sql, PG_VALUES(d->name, id, definition)) < 0) {
		answer_err(req, 500, &err);
		return;
	}
	rows_object(&text, r, 0);
	answer_text(req, 201, &text);
}

void api_pipeline_show(struct request *req)
{
	static const char sql[] = "SELECT d.body::text FROM pipeline p JOIN definition d ON d.id = p.definition "
		"WHERE p.name = $1 OR p.id::text = $1 ORDER BY p.name = $1 DESC LIMIT 1";
	scoped(PQclear_p) PGresult *r = NULL;
	struct buf text = { 0 };

	if (request_query(req, &r, sql, PG_VALUES(req->match.params[0])) < 0)
		return;
	if (PQntuples(r) != 1) {
		answer_error(req, 404, "there is no pipeline '%.200s'", req->match.params[0]);
		return;
	}
	buf_puts(&text, pg_text(r, 0, 0));
	answer_text(req, 200, &text);
}
