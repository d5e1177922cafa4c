"""history.py - finished jobs in the tables, as if the fleet had run for long; written by SQL, because running them would take
hours. Each is a job of 1,000 no-op steps that succeeded, with the values that such a job has.
"""
PICTURES = 1000
CHUNK = 1000            # jobs of one transaction

JOBS = """
INSERT INTO pixelfleet.job (id, definition, state, items, total, made, succeeded, created_at, ended_at, images)
SELECT pg_temp.finished(k), %(definition)s, 'succeeded', %(pictures)s, %(pictures)s, %(pictures)s, %(pictures)s, now(), now(),
       (SELECT jsonb_agg('http://pictures.invalid/' || i) FROM generate_series(0, %(pictures)s - 1) i)
FROM generate_series(%(first)s::bigint, %(last)s::bigint) k
"""

STEPS = """
INSERT INTO pixelfleet.step (job, ordinal, state, attempt, ms, changed_at)
SELECT pg_temp.finished(k), i, 'succeeded', 1, 0.01, now()
FROM generate_series(%(first)s::bigint, %(last)s::bigint) k, generate_series(0, %(pictures)s - 1) i
"""

# Ids of this week, older than those of the jobs that will be measured, in the order of their numbers.
IDS = """
CREATE FUNCTION pg_temp.finished(k bigint) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0')
        || '7000' || '8000' || lpad(to_hex(k), 12, '0'))::uuid
$$
"""


def write_finished(fleet, steps, have=0):
    """Makes `have` finished steps `steps`. The dispatcher has made the tables, and has run a job of one no-op step."""
    definition = fleet.one("SELECT max(definition) FROM pixelfleet.job")
    fleet.sql("DROP FUNCTION IF EXISTS pg_temp.finished(bigint)")
    fleet.sql(IDS)
    for first in range(have // PICTURES, steps // PICTURES, CHUNK):
        values = {"definition": definition, "pictures": PICTURES, "first": first, "last": min(first + CHUNK, steps // PICTURES) - 1}
        for statement in (JOBS, STEPS):
            with fleet.connection.cursor() as cursor:
                cursor.execute(statement, values)
    for table in ("job", "step"):       # as autovacuum would have done long ago, and shall not begin to do now
        fleet.sql(f"VACUUM (ANALYZE) pixelfleet.{table}")
