#include "retention.h"

#include "log.h"
#include "store.h"

#include <string.h>

#define LOCK_KEY      "7262726676"
#define ARTIFACT_AGE_S (24u * 3600)

static int drop_old(struct dispatcher *d, struct pg *pg, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) char *days = xasprintf("%u", d->conf.retention_days);

	if (pg_query(pg, &r, err, "SELECT week, dropped FROM drop_old_weeks(now() - $1::int * interval '1 day')", PG_VALUES(days)) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++)
		log_info("retention.week", "week=%s dropped=%s", pg_text(r, row, 0), pg_text(r, row, 1));
	return pg_query(pg, NULL, err, "DELETE FROM origin_letter WHERE pushed_at < now() - $1::int * interval '1 day'", PG_VALUES(days));
}

struct collector {
	struct pg *pg;
	struct err *err;
	bool failed;
};

static bool is_unused(void *arg, const char *digest)
{
	struct collector *c = arg;
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) char *hex = xasprintf("\\x%s", digest);

	if (c->failed || pg_query(c->pg, &r, c->err, "SELECT NOT EXISTS (SELECT FROM artifact WHERE digest = $1::bytea)", PG_VALUES(hex)) < 0) {
		c->failed = true;       /* not known is not unused */
		return false;
	}
	return *pg_text(r, 0, 0) == 't';
}

static int collect(struct dispatcher *d, struct pg *pg, struct err *err)
{
	struct collector c = { pg, err, false };
	struct store store;
	size_t n;

	if (store_open(&store, d->conf.artifacts, err) < 0)
		return -1;
	n = store_collect(&store, ARTIFACT_AGE_S, is_unused, &c);
	store_close(&store);
	if (n)
		log_info("retention.artifacts", "removed=%zu", n);
	return c.failed ? -1 : 0;
}

int retention_run(struct dispatcher *d, struct pg *pg, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	int rc;

	if (pg_script(pg, "SELECT make_partitions(now())", err) < 0)
		return -1;
	if (pg_query(pg, &r, err, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", PG_NONE) < 0)
		return -1;
	if (*pg_text(r, 0, 0) != 't')
		return 0;
	rc = drop_old(d, pg, err) < 0 || collect(d, pg, err) < 0 ? -1 : 0;
	if (pg->conn && pg_script(pg, "SELECT pg_advisory_unlock(" LOCK_KEY ")", err) < 0)
		return -1;
	return rc;
}
