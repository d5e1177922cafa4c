#include "defstore.h"

#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define CACHE_SLOTS 1024        /* by id modulo: a fleet has few definitions at a time */

static struct definition *cache[CACHE_SLOTS];
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

static struct definition *cache_get(int64_t id)
{
	struct definition *d;

	must(pthread_mutex_lock(&cache_lock) == 0);
	d = cache[id % CACHE_SLOTS];
	if (d && d->id == id)
		definition_ref(d);
	else
		d = NULL;
	must(pthread_mutex_unlock(&cache_lock) == 0);
	return d;
}

static void cache_put(struct definition *d)
{
	struct definition **slot = &cache[d->id % CACHE_SLOTS], *old;

	must(pthread_mutex_lock(&cache_lock) == 0);
	old = *slot;
	*slot = definition_ref(d);
	must(pthread_mutex_unlock(&cache_lock) == 0);
	definition_unref(old);
}

__attribute__((destructor)) static void cache_clear(void)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		definition_unref(steal(&cache[i]));
}

static int64_t find_stored(const char *text)
{
	int64_t id = 0;

	must(pthread_mutex_lock(&cache_lock) == 0);
	for (size_t i = 0; i < CACHE_SLOTS && !id; i++)
		if (cache[i] && strcmp(cache[i]->text, text) == 0)
			id = cache[i]->id;
	must(pthread_mutex_unlock(&cache_lock) == 0);
	return id;
}

static int store_steps(struct pg *pg, const struct definition *d, const char *id, struct err *err)
{
	scoped(buf_free) struct buf per_item = { 0 }, idx = { 0 }, ids = { 0 }, tools = { 0 }, queues = { 0 };

	pg_array_begin(&per_item), pg_array_begin(&idx), pg_array_begin(&ids), pg_array_begin(&tools), pg_array_begin(&queues);
	for (int i = 0; i < d->nnodes; i++) {
		const struct node *n = &d->nodes[i];

		pg_array_word(&per_item, n->tool->scope == TOOL_EACH ? "t" : "f");
		pg_array_int(&idx, n->index);
		pg_array_text(&ids, n->id);
		pg_array_text(&tools, n->tool->name);
		pg_array_text(&queues, n->queue);
	}
	pg_array_end(&per_item), pg_array_end(&idx), pg_array_end(&ids), pg_array_end(&tools), pg_array_end(&queues);
	return pg_query(pg, NULL, err, "INSERT INTO definition_step (definition, per_item, idx, id, tool, queue) "
		"SELECT $1, * FROM unnest($2::boolean[], $3::int[], $4::text[], $5::text[], $6::text[]) ON CONFLICT DO NOTHING",
		PG_VALUES(id, per_item.text, idx.text, ids.text, tools.text, queues.text));
}

int definition_store(struct pg *pg, struct definition *d, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) char *neach = NULL, *nall = NULL;
	uint8_t digest[32];
	char hex[67] = "\\x";

	if (d->id || (d->id = find_stored(d->text)))
		return 0;
	crypto_generichash(digest, sizeof digest, (const uint8_t *)d->text, strlen(d->text), NULL, 0);
	sodium_bin2hex(hex + 2, sizeof hex - 2, digest, sizeof digest);
	neach = xasprintf("%d", d->neach);
	nall = xasprintf("%d", d->nall);
	if (pg_query(pg, &r, err, "INSERT INTO definition (digest, name, neach, nall, body) VALUES ($1::bytea, $2, $3::int, $4::int, $5::jsonb) "
			"ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING id",
			PG_VALUES(hex, d->name, neach, nall, d->text)) < 0)
		return -1;
	if (store_steps(pg, d, pg_text(r, 0, 0), err) < 0)
		return -1;
	d->id = pg_int(r, 0, 0);
	cache_put(d);
	return 0;
}

static int compile(const char *text, int64_t id, struct definition **ret, struct err *err)
{
	scoped(json_decref_p) json_t *body = json_loads(text, 0, NULL);
	scoped(json_decref_p) json_t *problems = json_array();
	struct definition *d = body ? definition_parse(body, "", NULL, problems) : NULL;

	if (!d)
		return err_set(err, ERR_REJECT, "stored definition %lld does not compile: this program is older than what stored it", (long long)id);
	d->id = id;
	*ret = d;
	return 0;
}

int definition_load(struct pg *pg, int64_t id, struct definition **ret, struct err *err)
{
	struct definition *d = cache_get(id);
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) char *text = NULL;

	if (d) {
		*ret = d;
		return 0;
	}
	text = xasprintf("%lld", (long long)id);
	if (pg_query(pg, &r, err, "SELECT body::text FROM definition WHERE id = $1::bigint", PG_VALUES(text)) < 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_REJECT, "there is no definition %lld", (long long)id);
	if (compile(pg_text(r, 0, 0), id, &d, err) < 0)
		return -1;
	cache_put(d);
	*ret = d;
	return 0;
}

int pipeline_find(struct pg *pg, const char *name_or_id, char **ret_text, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(pg, &r, err, "SELECT d.body::text FROM pipeline p JOIN definition d ON d.id = p.definition "
			"WHERE p.name = $1 OR p.id = $2::uuid ORDER BY p.name = $1 DESC LIMIT 1",
			PG_VALUES(name_or_id, uuid_is(name_or_id) ? name_or_id : NULL)) < 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_REJECT, "no pipeline with that name or id is stored");
	*ret_text = xstrdup(pg_text(r, 0, 0));
	return 0;
}
