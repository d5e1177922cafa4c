"""Jobs of many instances are made in pieces, and stop nobody."""
import time

from fleet import SLOWNESS, wait_for
from pictures import names

CHAIN = [{"id": "a", "tool": "noop"}, {"id": "b", "tool": "noop", "needs": ["a"]}, {"id": "sum", "tool": "aggregate", "needs": ["b"]}]


def test_ten_thousand_pictures_come_to_one_end(running):
    job = running.submit(CHAIN, names(10000), timeout=60)
    assert running.wait_end(job, 120) == "succeeded"
    assert running.counts(job) == {"total": 20001, "succeeded": 20001, "failed": 0, "skipped": 0, "cancelled": 0}
    assert running.one("SELECT count(*) FROM pixelfleet.step WHERE job = %s", job) == 20001


def test_a_small_job_does_not_wait_for_a_large_one_to_be_made(fleet):
    fleet.start_dispatcher()
    large = fleet.submit(CHAIN, names(10000), timeout=60)
    small = fleet.submit([{"id": "a", "tool": "noop", "queue": "quick"}], names(1), timeout=60)
    fleet.start_worker("quick=1")
    assert fleet.wait_end(small, 20) == "succeeded"
    assert fleet.state(large) == "running"
    fleet.http("POST", f"/api/v1/jobs/{large}/cancel")
    wait_for(lambda: fleet.state(large) == "cancelled", 60, "the large one is cancelled, however much of it was made")
    assert fleet.counts(large)["cancelled"] == 20001


def test_a_failure_in_a_job_that_is_still_being_made_skips_what_comes(running):
    job = running.submit([{"id": "a", "tool": "fail", "params": {"items": [0]}}, {"id": "b", "tool": "noop", "needs": ["a"]}],
                         names(10000), timeout=60)
    assert running.wait_end(job, 120) == "failed"
    counts = running.counts(job)
    assert counts["failed"] == 1
    assert counts["succeeded"] + counts["skipped"] == 19999
    wait_for(lambda: running.held() == 0, 30, "nothing of it is left in Redis")


def test_a_job_whose_dispatcher_died_while_making_it_is_made_by_another(fleet):
    first = fleet.start_dispatcher()
    fleet.start_dispatcher()
    job = fleet.submit(CHAIN, names(10000), timeout=60)
    first.kill9()
    fleet.start_worker("io=8")
    assert fleet.wait_end(job, 120) == "succeeded"
    assert fleet.counts(job)["succeeded"] == 20001


def test_a_dispatcher_that_is_stopped_leaves_the_rest_of_a_large_job_to_another(fleet):
    first = fleet.start_dispatcher()
    steps = [{"id": f"s{k}", "tool": "noop"} for k in range(10)]
    # Without this a fast machine may be done before it is told to stop.
    fleet.sql("CREATE FUNCTION pixelfleet.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$")
    fleet.sql("CREATE TRIGGER slow BEFORE INSERT ON pixelfleet.step FOR EACH ROW WHEN (NEW.ordinal %% 200 = 0) "
              "EXECUTE FUNCTION pixelfleet.slow()")
    job = fleet.submit({"steps": steps, "name": "wide"}, names(10000), timeout=60)
    begin = time.monotonic()
    first.stop()
    took = time.monotonic() - begin
    fleet.sql("DROP TRIGGER slow ON pixelfleet.step")
    made = fleet.one("SELECT made FROM pixelfleet.job WHERE id = %s", job)
    assert made < 100000, "it was made before it could be stopped"
    assert took < 10 * SLOWNESS, f"it took {took:.1f} s to stop"
    fleet.start_dispatcher()
    wait_for(lambda: fleet.one("SELECT made FROM pixelfleet.job WHERE id = %s", job) == 100000, 90, "another makes the rest")
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel")
    wait_for(lambda: fleet.state(job) == "cancelled", 60, "it is cancelled")


def test_writing_a_large_job_may_take_longer_than_one_statement_may(fleet):
    """On a slow database the cancel of a job of the largest size takes minutes, and is not given up half-way."""
    fleet.start_dispatcher()
    job = fleet.submit({"steps": [{"id": f"s{k}", "tool": "noop", "needs": []} for k in range(4)], "name": "wide"}, names(10000), timeout=60)
    wait_for(lambda: fleet.one("SELECT made FROM pixelfleet.job WHERE id = %s", job) == 40000, 60, "it is made")
    fleet.sql("CREATE FUNCTION pixelfleet.slow() RETURNS trigger LANGUAGE plpgsql AS "
              "$$ BEGIN IF NEW.ordinal %% 100 = 0 THEN PERFORM pg_sleep(0.05); END IF; RETURN NEW; END $$")
    fleet.sql("CREATE TRIGGER slow BEFORE UPDATE ON pixelfleet.step FOR EACH ROW EXECUTE FUNCTION pixelfleet.slow()")
    begin = time.monotonic()
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel", timeout=90)
    took = time.monotonic() - begin
    assert fleet.state(job) == "cancelled"
    assert fleet.counts(job)["cancelled"] == 40000
    assert took > 15, f"{took:.1f} s: one statement could have done it"
