"""A person cancels; what waits is dropped and what runs is stopped."""
from fleet import wait_for
from pictures import names


def slow_job(fleet, n=20):
    job = fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 600}},
                        {"id": "b", "tool": "noop", "needs": ["a"]}], names(n))
    wait_for(lambda: any(w["running"] for w in fleet.http("GET", "/api/v1/workers").body["workers"]), what="a step running")
    return job


def test_cancel_reaches_running_steps_and_drops_queued_ones(running):
    job = slow_job(running)
    answer = running.http("POST", f"/api/v1/jobs/{job}/cancel")
    assert answer.status == 202
    assert answer.body == {"id": job, "state": "cancelled"}
    assert running.state(job) == "cancelled"
    wait_for(lambda: running.held() == 0, 10, "the worker let go of everything")
    assert running.counts(job) == {"total": 40, "succeeded": 0, "failed": 0, "skipped": 0, "cancelled": 40}
    assert running.one("SELECT count(*) FROM pixelfleet.attempt") == 0
    assert running.redis.llen("pixelfleet:dlq:io") == 0


def test_a_cancelled_job_leaves_the_worker_free_for_the_next(running):
    running.http("POST", f"/api/v1/jobs/{slow_job(running)}/cancel")
    job = running.submit([{"id": "a", "tool": "noop"}], names(10))
    assert running.wait_end(job, 10) == "succeeded"


def test_what_has_ended_cannot_be_cancelled(running):
    job = running.submit([{"id": "a", "tool": "noop"}], names(1))
    running.wait_end(job)
    assert running.http("POST", f"/api/v1/jobs/{job}/cancel", check=False).status == 409
    assert running.state(job) == "succeeded"


def test_cancel_of_an_unknown_job_says_so(running):
    answer = running.http("POST", "/api/v1/jobs/01900000-0000-7000-8000-000000000000/cancel", check=False)
    assert answer.status == 404
    assert "01900000" in answer.body["error"]["message"]


def test_a_job_can_be_cancelled_while_nobody_serves_its_queue(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop", "queue": "nobody"}], names(100))
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel")
    assert fleet.counts(job)["cancelled"] == 100
    fleet.start_worker("nobody=1")
    wait_for(lambda: fleet.held() == 0, 20, "the tasks in Redis are dropped when somebody takes them")
    assert fleet.counts(job)["cancelled"] == 100
