"""Reports of slow steps that wait for others: only while there is other work, and nothing is lost with them."""
import re

import pytest

from fleet import SLOWNESS, wait_for
from pictures import vips
from test_handover import metric

PICTURES = 160
GATHER_S = 0.02         # a report that waits, waits at least so long: worker/lane.c


def picture(folder, size="400x300"):
    """A JPEG that a step takes some milliseconds for."""
    path = folder / f"{size}.jpg"
    vips("gaussnoise", path, *size.split("x"))
    return str(path)


def prepared(fleet, n=PICTURES, more=()):
    """A job of n pictures that have been fetched; their slow steps wait in the queue `shop`, which nobody serves yet."""
    path = picture(fleet.pictures)
    small = {"id": "small", "tool": "thumbnail", "needs": ["src"], "params": {"width": 100}, "queue": "shop"}
    job = fleet.submit([{"id": "src", "tool": "fetch"}, small, *more], [path] * n)
    fetcher = fleet.start_worker("io=4")
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:shop") == n, 60, f"{n} pictures are fetched")
    fetcher.stop()
    return job


def made(fleet, job):
    return sum(state == "succeeded" and step == "small" for (step, _), state in fleet.steps(job).items())


def all_once(fleet, job, n=PICTURES):
    fleet.wait_state(job, "succeeded", timeout=90)
    assert fleet.counts(job) == {"total": 2 * n, "succeeded": 2 * n, "failed": 0, "skipped": 0, "cancelled": 0}
    wait_for(lambda: fleet.held() == 0, 40, "nothing is held any more")


@pytest.mark.skipif(SLOWNESS > 1, reason="the steps of an instrumented build take longer than reports wait")
def test_a_worker_with_more_to_do_than_it_can_sends_many_reports_at_once(fleet):
    fleet.start_dispatcher()
    job = prepared(fleet)
    before = metric(fleet, "pixelfleet_ledger_batches_total")
    fleet.start_worker("shop=4")
    all_once(fleet, job)
    assert metric(fleet, "pixelfleet_ledger_batches_total") - before < PICTURES / 4


def seconds_of_a_chain(fleet, path, steps):
    ids = ["src"] + [f"s{i}" for i in range(steps)]
    job = fleet.submit([{"id": "src", "tool": "fetch"}] + [{"id": step, "tool": "thumbnail", "needs": [before], "params": {"width": 100}}
                                                          for before, step in zip(ids, ids[1:])], [path])
    fleet.wait_state(job, "succeeded")
    return float(fleet.one("SELECT extract(epoch FROM ended_at - created_at) FROM pixelfleet.job WHERE id = %s", job))


@pytest.mark.skipif(SLOWNESS > 1, reason="the time is that of an ordinary build")
@pytest.mark.parametrize("slots", ["image=1,io=1", "image=4,io=4"])
def test_no_report_waits_on_a_worker_that_has_nothing_else_to_do(fleet, slots):
    steps = 12
    fleet.start_dispatcher()
    fleet.start_worker(slots)
    path = picture(fleet.pictures)
    taken = []
    # One chain is enough, however many of them a busy machine made slow: had its reports waited, it could not have been so quick.
    wait_for(lambda: taken.append(seconds_of_a_chain(fleet, path, steps)) or taken[-1] < steps * GATHER_S, 60,
             lambda: f"a chain of {steps} steps within {steps * GATHER_S} s: {taken}")


def test_a_worker_that_drains_reports_what_waited(fleet):
    fleet.start_dispatcher()
    job = prepared(fleet)
    worker = fleet.start_worker("shop=4")
    wait_for(lambda: made(fleet, job) > 0, 30, "some are made")
    worker.stop()
    done = int(re.search(r"ev=worker\.stop .*done=(\d+)", worker.text())[1])
    assert made(fleet, job) == done
    assert fleet.redis.llen(f"pixelfleet:running:{worker.worker}") == 0
    fleet.start_worker("shop=2")
    all_once(fleet, job)
    assert metric(fleet, "pixelfleet_reports_duplicate_total") == 0
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt") == 0


def test_what_a_killed_worker_had_not_reported_runs_again_and_counts_once(fleet):
    fleet.start_dispatcher()
    job = prepared(fleet)
    worker = fleet.start_worker("shop=4")
    wait_for(lambda: made(fleet, job) > 0, 30, "some are made")
    worker.kill9()
    fleet.start_worker("shop=2")
    all_once(fleet, job)


def test_a_job_that_is_cancelled_while_reports_wait_ends_and_leaves_nothing(fleet):
    fleet.start_dispatcher()
    # What nobody serves keeps it from being over before it is cancelled.
    job = prepared(fleet, more=[{"id": "open", "tool": "noop", "needs": ["src"], "queue": "nobody"}])
    fleet.start_worker("shop=4")
    wait_for(lambda: made(fleet, job) > 0, 30, "some are made")
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel")
    fleet.wait_state(job, "cancelled")
    fleet.start_worker("nobody=1")
    wait_for(lambda: fleet.held() == 0, 40, "nothing is held any more")
    counts = fleet.counts(job)
    assert counts["succeeded"] + counts["cancelled"] == 3 * PICTURES and made(fleet, job) + PICTURES == counts["succeeded"]
