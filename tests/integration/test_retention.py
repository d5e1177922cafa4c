"""Weeks that are over go away; what is still open or dead-lettered stays."""
from fleet import wait_for
from pictures import names

OLD = "id_at(now() - interval '60 days')"


def old_job(fleet, k, state="succeeded", dead=False):
    """A job of sixty days ago, as it would have been left by then."""
    job = fleet.one(f"SELECT (left({OLD}::text, 35) || %s)::uuid::text", str(k))
    fleet.sql("INSERT INTO pixelfleet.job (id, definition, items, total, made, state, created_at, succeeded, failed) "
              "SELECT %s::uuid, max(id), 1, 1, 1, %s::pixelfleet.job_state, now() - interval '60 days', %s, %s FROM pixelfleet.definition",
              job, state, int(not dead), int(dead))
    fleet.sql("INSERT INTO pixelfleet.step (job, ordinal, state, changed_at) VALUES (%s::uuid, 0, %s::pixelfleet.step_state, "
              "now() - interval '60 days')", job, "failed" if dead else "succeeded")
    if dead:
        fleet.sql("INSERT INTO pixelfleet.dead_letter (job, ordinal, queue, attempt, kind, message) "
                  "VALUES (%s::uuid, 0, 'io', 1, 'reject', 'old trouble')", job)
    return job


def prepare(fleet):
    """Leaves no dispatcher running: a week that has no jobs yet is dropped by whichever comes by."""
    dispatcher = fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(1))
    dispatcher.stop()
    fleet.sql("SET search_path = pixelfleet, public")
    fleet.sql("SELECT make_partitions(now() - interval '60 days')")
    return job


def test_a_week_older_than_the_retention_is_dropped_whole(fleet):
    young = prepare(fleet)
    old_job(fleet, 1)
    old_job(fleet, 2)
    fleet.start_dispatcher()
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job") == 1, what="the old week is gone")
    assert fleet.one("SELECT id::text FROM pixelfleet.job") == young
    assert fleet.one("SELECT count(*) FROM pixelfleet.step WHERE job < pixelfleet.id_at(now() - interval '50 days')") == 0
    partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'pixelfleet.%s'::regclass"
    assert len({fleet.one(partitions % table) for table in ("job", "step", "attempt", "artifact")}) == 1


def test_letters_of_messages_that_were_pushed_long_ago_go_and_those_still_owed_do_not(fleet):
    prepare(fleet)
    fleet.sql("INSERT INTO origin_letter (job, origin, message, error, pushed_at) SELECT gen_random_uuid(), 'photo_tasks', '{}', e, p "
              "FROM (VALUES ('old', now() - interval '60 days'), ('young', now()), ('owed', NULL)) AS v(e, p)")
    fleet.start_dispatcher()
    wait_for(lambda: fleet.sql("SELECT error FROM origin_letter WHERE pushed_at IS NOT NULL ORDER BY 1") == ["owed", "young"], what="one is gone")
    assert fleet.redis.lrange("photo_tasks_dlq", 0, -1) == ['{"error":"owed"}']


def test_jobs_with_a_listed_dead_letter_are_kept(fleet):
    young = prepare(fleet)
    old_job(fleet, 1)
    dead = old_job(fleet, 2, "failed", dead=True)
    fleet.start_dispatcher()
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job") == 2, what="the finished one is gone")
    assert set(fleet.sql("SELECT id::text FROM pixelfleet.job")) == {young, dead}
    assert fleet.one("SELECT count(*) FROM pixelfleet.dead_letter") == 1


def test_open_jobs_are_kept_however_old(fleet):
    prepare(fleet)
    old_job(fleet, 1)
    fleet.sql("UPDATE pixelfleet.job SET state = 'running', succeeded = 0 WHERE created_at < now() - interval '50 days'")
    fleet.sql("UPDATE pixelfleet.step SET state = 'blocked' WHERE changed_at < now() - interval '50 days'")
    old_job(fleet, 2)
    fleet.start_dispatcher()
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job") == 2, what="only the finished one is gone")
    assert fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'running'") == 2
    fleet.checks_accounts = False       # the one of sixty days ago was never really accepted


def test_partitions_are_made_ahead(fleet):
    fleet.start_dispatcher()
    ahead = fleet.one("SELECT count(*) FROM pg_inherits WHERE inhparent = 'pixelfleet.job'::regclass")
    assert ahead == 2
