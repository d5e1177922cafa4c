"""The client's id is an idempotency key."""
import json
from concurrent.futures import ThreadPoolExecutor

from fleet import wait_for
from pictures import names

STEPS = {"steps": [{"id": "a", "tool": "noop"}]}


def body(**more):
    return {"id": "order-1", "pipeline": STEPS, "images": names(1), **more}


def test_the_same_id_and_body_is_one_job(running):
    first = running.http("POST", "/api/v1/jobs", body())
    second = running.http("POST", "/api/v1/jobs", body())
    assert (first.status, second.status) == (202, 202)
    assert first.body["id"] == second.body["id"]
    assert second.body["duplicate"] is True
    assert running.wait_end(first.body["id"]) == "succeeded"
    assert running.one("SELECT count(*) FROM pixelfleet.job") == 1


def test_the_same_id_with_another_body_is_refused(running):
    running.http("POST", "/api/v1/jobs", body())
    answer = running.http("POST", "/api/v1/jobs", body(images=names(2)), check=False)
    assert answer.status == 409
    assert "order-1" in answer.body["error"]["message"]
    assert running.one("SELECT count(*) FROM pixelfleet.job") == 1


def test_a_submission_pushed_twice_is_one_job_and_no_letter(running):
    for _ in range(20):
        running.push(body())
    job = wait_for(lambda: running.job_of("order-1"), what="it is accepted")
    assert running.wait_end(job) == "succeeded"
    wait_for(lambda: not running.redis.exists("pixelfleet:jobs") and not running.redis.keys("pixelfleet:taken:*"),
             what="all twenty are dealt with")
    assert running.one("SELECT count(*) FROM pixelfleet.job") == 1
    assert running.refused() == []


def test_another_body_pushed_under_the_same_id_becomes_a_letter(running):
    running.push(body())
    wait_for(lambda: running.job_of("order-1"), what="it is accepted")
    running.push(body(images=names(2)))
    letter = wait_for(running.refused, what="a letter")[0]
    assert "order-1" in json.dumps(letter["error"])


def test_without_an_id_the_same_body_is_two_jobs(running):
    jobs = {running.http("POST", "/api/v1/jobs", {"pipeline": STEPS, "images": names(1)}).body["id"] for _ in range(2)}
    assert len(jobs) == 2


def test_two_dispatchers_asked_at_once_make_one_job(fleet):
    both = [fleet.start_dispatcher(), fleet.start_dispatcher()]
    fleet.start_worker()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: fleet.http("POST", "/api/v1/jobs", body(), dispatcher=both[i % 2]), range(40)))
    assert len({answer.body["id"] for answer in answers}) == 1
    assert fleet.one("SELECT count(*) FROM pixelfleet.job") == 1
    fleet.wait_end(answers[0].body["id"])
