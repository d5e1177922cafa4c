#include "client_ids.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

static int by_client_id(const void *a, const void *b)
{
	return strcmp((*(struct op *const *)a)->submission->client_id, (*(struct op *const *)b)->submission->client_id);
}

static size_t with_client_id(struct op **ops, size_t n, struct op **to)
{
	size_t count = 0;

	for (size_t k = 0; k < n; k++)
		if (ops[k]->kind == OP_ACCEPT && ops[k]->submission->client_id)
			to[count++] = ops[k];
	qsort(to, count, sizeof *to, by_client_id);     /* the same order in every dispatcher: no deadlock */
	return count;
}

static void digest_hex(const struct op *op, char hex[67])
{
	memcpy(hex, "\\x", 2);
	sodium_bin2hex(hex + 2, 65, op->submission->digest, sizeof op->submission->digest);
}

/* An op whose client id is taken already: the same job, or a conflict. */
static void judge_key(struct op *op, const char *job, const char *digest)
{
	char hex[67];

	digest_hex(op, hex);
	snprintf(op->result_job, sizeof op->result_job, "%s", job);
	if (strcmp(job, op->job) == 0)
		op->status = OP_ACCEPTED;
	else
		op->status = strcmp(digest, hex) == 0 ? OP_DUPLICATE : OP_CONFLICT;
}

int client_ids_claim(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	scoped(free_p) struct op **keyed = xcalloc(n, sizeof *keyed);
	size_t count = with_client_id(ops, n, keyed);
	scoped(buf_free) struct buf keys = { 0 }, jobs = { 0 }, digests = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;
	char hex[67];

	if (!count)
		return 0;
	pg_array_begin(&keys), pg_array_begin(&jobs), pg_array_begin(&digests);
	for (size_t k = 0; k < count; k++) {
		digest_hex(keyed[k], hex);
		pg_array_text(&keys, keyed[k]->submission->client_id);
		pg_array_word(&jobs, keyed[k]->job);
		pg_array_text(&digests, hex);
	}
	pg_array_end(&keys), pg_array_end(&jobs), pg_array_end(&digests);
	if (pg_query(pg, NULL, err, "INSERT INTO job_key (key, job, body_digest) SELECT * FROM unnest($1::text[], $2::uuid[], $3::bytea[]) "
			"ON CONFLICT DO NOTHING", PG_VALUES(keys.text, jobs.text, digests.text)) < 0 ||
	    pg_query(pg, &r, err, "SELECT u.n, j.job::text, j.body_digest::text FROM unnest($1::text[]) WITH ORDINALITY u(key, n) "
			"JOIN job_key j ON j.key = u.key", PG_VALUES(keys.text)) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++)
		judge_key(keyed[pg_int(r, row, 0) - 1], pg_text(r, row, 1), pg_text(r, row, 2));
	return 0;
}
