#include "migrate.h"

#include "migrations.h"
#include "pg.h"

#define LOCK_KEY "7262726674"   /* any number, the same for all who migrate */

static int apply(struct pg *pg, const struct migration *m, FILE *to, struct err *err)
{
	scoped(free_p) char *sql = xasprintf("BEGIN;\n%s\nINSERT INTO pixelfleet.migration (version, name) VALUES (%d, '%s');\nCOMMIT",
		m->sql, m->version, m->name);

	if (pg_script(pg, sql, err) < 0) {
		pg_rollback(pg);
		return err_wrap(err, "migration %s", m->name);
	}
	if (to)
		fprintf(to, "applied %s\n", m->name);
	return 0;
}

static int run_locked(struct pg *pg, FILE *to, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	int64_t have;

	if (pg_script(pg, "CREATE SCHEMA IF NOT EXISTS pixelfleet; "
			  "CREATE TABLE IF NOT EXISTS pixelfleet.migration (version int PRIMARY KEY, name text NOT NULL, "
			  "applied_at timestamptz NOT NULL DEFAULT now()); "
			  "COMMENT ON TABLE pixelfleet.migration IS 'Which files of sql/ have been applied'", err) < 0)
		return -1;
	if (pg_query(pg, &r, err, "SELECT coalesce(max(version), 0) FROM migration", PG_NONE) < 0)
		return -1;
	have = pg_int(r, 0, 0);
	if (have > (int64_t)nmigrations)
		return err_set(err, ERR_REJECT, "the database is at version %d, this program knows %zu: it is older than the database",
			(int)have, nmigrations);
	for (size_t i = (size_t)have; i < nmigrations; i++)
		if (apply(pg, &migrations[i], to, err) < 0)
			return -1;
	if (to && have == (int64_t)nmigrations)
		fprintf(to, "up to date at version %d\n", (int)have);
	return 0;
}

int migrate_run(const char *database_url, FILE *to, struct err *err)
{
	struct pg pg;
	int rc = -1;

	pg_init(&pg, database_url, NULL);
	pg.patience_s = 0;      /* a big database takes its time */
	if (pg_script(&pg, "SELECT pg_advisory_lock(" LOCK_KEY ")", err) == 0)
		rc = run_locked(&pg, to, err);
	pg_done(&pg);           /* and with the connection goes the lock */
	return rc;
}
