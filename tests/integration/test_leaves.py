"""Successes of steps that nothing waits for are written without a look at the job, on the expectation that it runs and the
step is queued. What becomes of reports when that is so, and when it is not."""
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet import wait_for
from pictures import names

ONE = [{"id": "a", "tool": "noop", "retry": {"max_attempts": 3, "backoff_s": 600}}]
CHAIN = [{"id": "a", "tool": "noop"}, {"id": "b", "tool": "noop", "needs": ["a"]}]
DIGEST = "ab" * 32


def report(job, kind=None, ordinal=0, **more):
    """What a worker says of one execution; `kind`: of its failure."""
    said = {"run": str(uuid.uuid4()), "job": job, "ordinal": ordinal, "attempt": 1, "worker": "nobody-1-000000",
            "started_at": "2026-01-02T03:04:05.678901Z", "ms": 1.5, "status": "failed" if kind else "succeeded", **more}
    return {**said, "error": {"kind": kind, "message": "no"}} if kind else said


def tell(fleet, *reports, dispatcher=None):
    """One POST, so that one batch of the ledger has them all."""
    headers = {"x-internal-token": fleet.token}
    return fleet.http("POST", "/internal/v1/results", list(reports), headers, dispatcher=dispatcher).body["answers"]


def counted(fleet, what):
    text = fleet.http("GET", "/metrics").body.decode()
    return int(re.search(rf"^pixelfleet_{what}_total (\d+)", text, re.M)[1])


def undone(fleet):
    """How often a transaction was undone because something was not as expected."""
    return counted(fleet, "ledger_failures")


def jobs(fleet, n):
    return [fleet.submit(ONE, names(1)) for _ in range(n)]


def counters(fleet, job):
    return fleet.sql("SELECT state::text, succeeded, failed, skipped, cancelled, ended_at IS NOT NULL FROM pixelfleet.job "
                     "WHERE id = %s", job)[0]


def test_all_that_a_report_says_is_written(fleet):
    fleet.start_dispatcher()
    one, *others = jobs(fleet, 4)
    picture = {"name": "picture", "digest": DIGEST, "media_type": "image/png", "bytes": 7, "width": 3, "height": 2}
    said = report(one, ms=2.5, artifacts=[picture, {**picture, "name": "bare", "width": 0}], data={"n": 1})
    assert tell(fleet, said) == ["accepted"]
    assert counters(fleet, one) == ("succeeded", 1, 0, 0, 0, True)
    assert fleet.sql("SELECT state::text, attempt, ms, data, jsonb_array_length(artifacts) FROM pixelfleet.step WHERE job = %s", one) == \
        [("succeeded", 1, 2.5, {"n": 1}, 2)]
    assert fleet.sql("SELECT name, encode(digest, 'hex'), media_type, bytes, width, height FROM pixelfleet.artifact WHERE job = %s "
                     "ORDER BY name", one) == [("bare", DIGEST, "image/png", 7, None, 2), ("picture", DIGEST, "image/png", 7, 3, 2)]
    assert tell(fleet, *[report(job, data={"job": job}) for job in others]) == ["accepted"] * 3
    for job in others:
        assert counters(fleet, job) == ("succeeded", 1, 0, 0, 0, True)
        assert fleet.one("SELECT data ->> 'job' FROM pixelfleet.step WHERE job = %s", job) == job
    assert undone(fleet) == 0


@pytest.mark.parametrize("beside", [0, 3])
def test_a_report_that_comes_again_is_a_duplicate_and_what_stands_beside_it_counts(fleet, beside):
    fleet.start_dispatcher()
    one, *others = jobs(fleet, 1 + beside)
    assert tell(fleet, report(one, data=1)) == ["accepted"]
    ended = fleet.one("SELECT ended_at FROM pixelfleet.job WHERE id = %s", one)
    assert tell(fleet, report(one, data=2), *map(report, others)) == ["duplicate"] + ["accepted"] * beside
    assert fleet.sql("SELECT data FROM pixelfleet.step WHERE job = %s", one) == [1]
    assert fleet.one("SELECT ended_at FROM pixelfleet.job WHERE id = %s", one) == ended
    for job in others:
        assert counters(fleet, job) == ("succeeded", 1, 0, 0, 0, True)
    assert undone(fleet) == 1
    assert (counted(fleet, "reports"), counted(fleet, "reports_duplicate")) == (2 + beside, 1)


def test_twice_in_one_batch_it_counts_once(fleet):
    fleet.start_dispatcher()
    one, other = jobs(fleet, 2)
    assert tell(fleet, report(one, data=1), report(other), report(one, data=2)) == ["accepted", "accepted", "duplicate"]
    assert fleet.sql("SELECT data FROM pixelfleet.step WHERE job = %s", one) == [1]
    assert undone(fleet) == 0


def test_of_a_cancelled_job_it_is_stale(fleet):
    fleet.start_dispatcher()
    one, other = jobs(fleet, 2)
    fleet.http("POST", f"/api/v1/jobs/{one}/cancel")
    assert tell(fleet, report(one), report(other)) == ["stale", "accepted"]
    assert counters(fleet, one) == ("cancelled", 0, 0, 0, 1, True)
    assert counters(fleet, other) == ("succeeded", 1, 0, 0, 0, True)


def test_a_success_of_a_step_that_waits_for_its_next_attempt_leaves_nothing_due(fleet):
    fleet.start_dispatcher()
    one = jobs(fleet, 1)[0]
    assert tell(fleet, report(one, "retry")) == ["accepted"]
    assert fleet.one("SELECT count(*) FROM pixelfleet.retry") == 1
    assert tell(fleet, report(one)) == ["accepted"]
    assert counters(fleet, one) == ("succeeded", 1, 0, 0, 0, True)
    assert fleet.one("SELECT count(*) FROM pixelfleet.retry") == 0
    assert undone(fleet) == 1


def test_a_success_after_the_failure_takes_the_letter_away(fleet):
    fleet.start_dispatcher()
    one = jobs(fleet, 1)[0]
    assert tell(fleet, report(one, "reject")) == ["accepted"]
    wait_for(lambda: fleet.dead("io"), what="a dead letter")
    assert tell(fleet, report(one)) == ["accepted"]
    assert counters(fleet, one) == ("succeeded", 1, 0, 0, 0, True)
    assert fleet.one("SELECT count(*) FROM pixelfleet.dead_letter") == 0
    assert fleet.dead("io") == []


def test_of_a_job_that_went_with_its_rows_it_is_unknown(fleet):
    fleet.start_dispatcher()
    fleet.checks_accounts = False
    one, other = jobs(fleet, 2)
    fleet.sql("DELETE FROM pixelfleet.job WHERE id = %s", one)
    assert tell(fleet, report(one), report(other)) == ["unknown", "accepted"]


def test_two_dispatchers_told_of_the_same_jobs_count_each_once(fleet):
    both = [fleet.start_dispatcher(), fleet.start_dispatcher()]
    made = jobs(fleet, 40)
    for job in made:
        assert tell(fleet, report(job), dispatcher=both[0]) == ["accepted"]
        assert tell(fleet, report(job), dispatcher=both[1]) == ["duplicate"]
    assert fleet.one("SELECT sum(succeeded) FROM pixelfleet.job WHERE state = 'succeeded'") == 40


def test_two_dispatchers_told_of_pictures_of_one_job_at_once_lose_none(fleet):
    both = [fleet.start_dispatcher(), fleet.start_dispatcher()]
    job = fleet.submit(ONE, names(200))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda k: tell(fleet, report(job, ordinal=k), dispatcher=both[k % 2]), range(200)))
    assert answers == [["accepted"]] * 200
    assert counters(fleet, job) == ("succeeded", 200, 0, 0, 0, True)


def test_a_job_of_many_pictures_counts_them_batch_by_batch_and_ends_with_the_last(fleet):
    fleet.start_dispatcher()
    job = fleet.submit(CHAIN, names(3))
    tell(fleet, *[report(job, ordinal=2 * k) for k in range(3)])
    assert tell(fleet, report(job, ordinal=1)) == ["accepted"]
    assert counters(fleet, job) == ("running", 4, 0, 0, 0, False)
    assert tell(fleet, report(job, ordinal=1), report(job, ordinal=3)) == ["duplicate", "accepted"]
    assert counters(fleet, job) == ("running", 5, 0, 0, 0, False)
    assert tell(fleet, report(job, ordinal=5)) == ["accepted"]
    assert counters(fleet, job) == ("succeeded", 6, 0, 0, 0, True)
    assert undone(fleet) == 1


def test_a_job_in_which_something_failed_counts_on_and_ends_as_partial(fleet):
    fleet.start_dispatcher()
    job = fleet.submit({"steps": ONE, "on_failure": "continue"}, names(4))
    assert tell(fleet, report(job, "reject", ordinal=1)) == ["accepted"]
    assert tell(fleet, report(job, ordinal=0)) == ["accepted"]
    assert tell(fleet, report(job, ordinal=2)) == ["accepted"]
    assert counters(fleet, job) == ("running", 2, 1, 0, 0, False)
    assert undone(fleet) == 0
    assert tell(fleet, report(job, ordinal=3)) == ["accepted"]
    assert counters(fleet, job) == ("partial", 3, 1, 0, 0, True)


def test_of_a_job_that_was_stopped_it_changes_no_end(fleet):
    fleet.start_dispatcher()
    job = fleet.submit(ONE, names(3))
    assert tell(fleet, report(job, "reject", ordinal=1)) == ["accepted"]
    assert fleet.wait_end(job) == "failed"
    was = counters(fleet, job)
    assert tell(fleet, report(job, ordinal=0)) == ["stale"]
    assert counters(fleet, job) == was
