"""Dead letters: read with redis-cli, put back with redis-cli, and the same through the API."""
import json
import pathlib
import subprocess

import pytest

from fleet import wait_for
from pictures import names, png


def redis_cli(fleet, *words):
    return subprocess.run(["redis-cli", "-p", fleet.services.redis.port, *words], check=True, capture_output=True,
                          text=True).stdout.strip()


def broken_job(fleet, on_failure="continue"):
    """A job of two pictures, one of which is no picture; its fetch is dead in queue image."""
    good = png(fleet.pictures / "good.png")
    bad = fleet.pictures / "bad.png"
    bad.write_text("this is not a picture")
    job = fleet.submit({"on_failure": on_failure, "steps": [
        {"id": "src", "tool": "fetch", "queue": "image"},
        {"id": "size", "tool": "metadata", "needs": ["src"]},
        {"id": "all", "tool": "aggregate", "needs": ["size"]}]}, [good, str(bad)])
    assert fleet.wait_end(job) == ("partial" if on_failure == "continue" else "failed"), fleet.explain(job)
    wait_for(lambda: fleet.redis.llen("pixelfleet:dlq:image") == 1, what="a dead letter")
    return job, bad


def test_a_dead_letter_is_readable_json_with_the_reason(running):
    job, bad = broken_job(running)
    letter = json.loads(redis_cli(running, "LRANGE", "pixelfleet:dlq:image", "0", "0"))
    assert (letter["job"], letter["step"], letter["tool"]) == (job, "src", "fetch")
    assert letter["error"]["kind"] == "reject"
    assert "picture" in letter["error"]["message"]
    assert len(letter["attempts"]) == 1
    assert letter["attempts"][0]["worker"]
    assert letter["task"]["source"] == str(bad)
    assert letter["failed_at"]


@pytest.mark.parametrize("on_failure", ["continue", "fail_fast"])
def test_lmove_of_a_repaired_step_turns_the_job_green(running, on_failure):
    job, bad = broken_job(running, on_failure)
    png(bad)
    redis_cli(running, "LMOVE", "pixelfleet:dlq:image", "pixelfleet:queue:image", "RIGHT", "LEFT")
    running.wait_state(job, "succeeded")
    assert set(running.steps(job).values()) == {"succeeded"}
    assert running.counts(job) == {"total": 5, "succeeded": 5, "failed": 0, "skipped": 0, "cancelled": 0}
    assert running.redis.llen("pixelfleet:dlq:image") == 0
    assert running.one("SELECT count(*) FROM pixelfleet.dead_letter") == 0


def test_a_letter_put_back_twice_changes_nothing_more(running):
    job, bad = broken_job(running)
    letter = running.redis.lindex("pixelfleet:dlq:image", 0)
    png(bad)
    redis_cli(running, "LMOVE", "pixelfleet:dlq:image", "pixelfleet:queue:image", "RIGHT", "LEFT")
    running.wait_state(job, "succeeded")
    before = running.sql("SELECT ordinal, state::text, changed_at FROM pixelfleet.step WHERE job = %s", job)
    running.push(letter, "pixelfleet:queue:image")
    running.push(letter, "pixelfleet:queue:image")
    wait_for(lambda: running.held() == 0, what="both copies are done with")
    assert running.sql("SELECT ordinal, state::text, changed_at FROM pixelfleet.step WHERE job = %s", job) == before
    assert running.state(job) == "succeeded"
    assert running.redis.llen("pixelfleet:dlq:image") == 0


def test_a_letter_that_fails_again_becomes_a_fresh_letter(running):
    job, bad = broken_job(running)
    bad.write_text("something else, but still no picture")
    redis_cli(running, "LMOVE", "pixelfleet:dlq:image", "pixelfleet:queue:image", "RIGHT", "LEFT")
    wait_for(lambda: running.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == 2, what="second failure")
    letter = wait_for(lambda: running.dead("image"), what="a fresh letter")[0]
    assert len(letter["attempts"]) == 2
    wait_for(lambda: running.held() == 0, what="the old copy is done with")
    assert running.redis.llen("pixelfleet:dlq:image") == 1
    assert running.state(job) == "partial"


def test_a_letter_of_a_cancelled_or_unknown_job_goes_to_the_refused_with_the_reason(running):
    job, _ = broken_job(running)
    letter = running.redis.lindex("pixelfleet:dlq:image", 0)
    running.push(letter.replace(job, "01900000-0000-7000-8000-000000000000"), "pixelfleet:queue:image")
    wait_for(lambda: len(running.refused()) == 1 or len(running.dead("image")) == 2, what="it is told somewhere")


def test_the_lists_come_back_from_postgresql_when_redis_lost_them(running):
    broken_job(running)
    running.redis.flushall()
    wait_for(lambda: running.redis.llen("pixelfleet:dlq:image") == 1, 30, "the dead letter is listed again")


def test_retry_through_the_api_runs_it_again(running):
    job, bad = broken_job(running)
    png(bad)
    assert running.http("POST", "/api/v1/dlq/image/retry", {"job": job}).body == {"retried": 1}
    running.wait_state(job, "succeeded")
    assert running.redis.llen("pixelfleet:dlq:image") == 0


def test_retry_can_change_the_parameters(running):
    job = running.submit([{"id": "a", "tool": "fail"}], names(3))
    assert running.wait_end(job) == "failed"
    job = running.submit({"on_failure": "continue", "steps": [{"id": "a", "tool": "fail"}]}, names(3))
    running.wait_state(job, "failed", "partial")
    wait_for(lambda: len([x for x in running.dead("io") if x["job"] == job]) == 3, what="three letters")
    wrong = running.http("POST", "/api/v1/dlq/io/retry", {"job": job, "params": {"items": "none"}}, check=False)
    assert wrong.status == 400
    assert running.http("POST", "/api/v1/dlq/io/retry", {"job": job, "params": {"items": []}}).body == {"retried": 3}
    running.wait_state(job, "succeeded")


def test_a_discarded_letter_is_no_longer_listed(running):
    job, _ = broken_job(running)
    assert running.http("POST", "/api/v1/dlq/image/discard", {"job": job}).body == {"discarded": 1}
    assert running.redis.llen("pixelfleet:dlq:image") == 0
    assert running.http("GET", "/api/v1/dlq/image").body["total"] == 0
    assert running.http("POST", "/api/v1/dlq/image/retry", {"job": job}).body == {"retried": 0}
    assert running.state(job) == "partial"


def test_a_filter_that_means_everything_has_to_say_so(running):
    broken_job(running)
    assert running.http("POST", "/api/v1/dlq/image/discard", {}, check=False).status == 400
    assert running.http("POST", "/api/v1/dlq/image/discard", {"all": True}).body == {"discarded": 1}


def test_the_api_lists_letters_by_queue(running):
    job, _ = broken_job(running)
    assert {"queue": "image", "dead": 1} in running.http("GET", "/api/v1/dlq").body["queues"]
    body = running.http("GET", "/api/v1/dlq/image?limit=10").body
    assert (body["queue"], body["total"], body["letters"][0]["job"]) == ("image", 1, job)


def test_a_refused_submission_can_be_repaired_and_pushed_again(running):
    running.push('{"pipeline": {"steps": [{"id": "a", "tool": "nop"}]}, "images": ["http://pictures.invalid/1"]}')
    letter = wait_for(running.refused, what="a letter")[0]
    text = letter["submission"]
    text = text if isinstance(text, str) else json.dumps(text)
    running.push(text.replace('"nop"', '"noop"'))
    wait_for(lambda: running.sql("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == [1], what="it runs")


def test_a_picture_that_breaks_its_decoder_hurts_only_its_own_step(running, photographs):
    whole = pathlib.Path(photographs[0]).read_bytes()
    torn = running.pictures / "torn.jpg"
    torn.write_bytes(whole[:len(whole) // 3])
    job = running.submit({"on_failure": "continue", "steps": [
        {"id": "src", "tool": "fetch"}, {"id": "small", "tool": "thumbnail", "needs": ["src"]}]},
        [photographs[0], str(torn), photographs[1]])
    running.wait_end(job, 60)
    steps = running.steps(job)
    assert steps["small", 0] == steps["small", 2] == "succeeded"
