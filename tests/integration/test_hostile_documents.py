"""Submissions, reports, tasks and letters that nobody should send, on every way in; and Redis keys of the wrong kind."""
import json
import re

import pytest

from fleet import wait_for
from hostile import descriptors, documents, rss_kb, settles
from pictures import names

NOOP = [{"id": "a", "tool": "noop"}]
REFUSED = documents.refused()


def check_alive(fleet):
    for program in fleet.programs:
        assert program.process.poll() is None, f"{program.name} ended; see {program.log}"
    job = fleet.submit(NOOP, names(3))
    assert fleet.wait_end(job) == "succeeded"
    wait_for(lambda: fleet.held() == 0, 10, "no task is left in Redis")


def test_each_hostile_submission_on_the_list_becomes_a_letter_with_the_reason(fleet):
    dispatcher = fleet.start_dispatcher()
    fleet.start_worker("io=1")
    wrong = []
    for what, document, words in REFUSED:
        fleet.redis.delete("pixelfleet:dlq:jobs")
        fleet.push(document)
        wait_for(lambda: fleet.redis.llen("pixelfleet:dlq:jobs") or fleet.sql("SELECT 1 FROM pixelfleet.job"), 10, f"{what}: a letter")
        letters = fleet.refused()
        if len(letters) != 1:
            wrong.append(f"{what}: it was accepted")
            fleet.sql("DELETE FROM pixelfleet.job")
        elif not re.search(words, json.dumps(letters[0]["error"], ensure_ascii=False)):
            wrong.append(f"{what}: the reason has no {words!r}: {json.dumps(letters[0]['error'])[:300]}")
        elif "hunter2" in json.dumps(letters[0]["error"]) or "hunter2" in dispatcher.text():
            wrong.append(f"{what}: the password is in the reason or in the log")
    assert not wrong, "\n".join(wrong)
    assert fleet.redis.llen("pixelfleet:jobs") == 0 and not fleet.redis.keys("pixelfleet:taken:*")
    check_alive(fleet)


def post(fleet, path, body, **headers):
    answer = fleet.http("POST", path, body, headers=headers, check=False)
    return answer.status, answer.body


POSTS = ("/api/v1/pipelines", "/api/v1/pipelines/validate", "/api/v1/dlq/image/retry", "/api/v1/dlq/image/discard",
         "/internal/v1/requeues", "/internal/v1/results")


def test_each_hostile_document_on_each_post_route_is_answered_with_what_is_wrong(fleet):
    fleet.start_dispatcher()
    fleet.start_worker("io=1")
    token = {"x-internal-token": fleet.token}
    wrong = []
    for what, document, words in REFUSED:
        status, body = post(fleet, "/api/v1/jobs", document)
        if status == 413 and len(document) > 1 << 20:
            continue
        if status != 400 or not re.search(words, json.dumps(body["error"], ensure_ascii=False)):
            wrong.append(f"POST /api/v1/jobs, {what}: {status} {json.dumps(body)[:300]}, not 400 and {words!r}")
    for route in POSTS:
        for what, document, words in documents.texts():
            status, body = post(fleet, route, document, **(token if route.startswith("/internal") else {}))
            is_list = what == "a list" and route.endswith("results")
            if not (is_list and status == 200) and (status not in (400, 404, 413) or not body["error"]["message"]):
                wrong.append(f"POST {route}, {what}: {status} {json.dumps(body)[:200]}")
    assert not wrong, "\n".join(wrong)
    assert fleet.sql("SELECT count(*) FROM pixelfleet.job") == [0]
    check_alive(fleet)


def test_each_hostile_report_is_refused_or_unknown_and_changes_nothing(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop", "queue": "nobody"}], names(1))
    for document in documents.reports(job):
        status, body = post(fleet, "/internal/v1/results", document, **{"x-internal-token": fleet.token})
        assert status == 200 and len(body["answers"]) == 1, f"{document[:200]}: {status} {body}"
    many = b"[" + b",".join([documents.reports(job)[0][1:-1]] * 10001) + b"]"
    assert post(fleet, "/internal/v1/results", many, **{"x-internal-token": fleet.token})[0] == 400
    state, attempt = fleet.sql("SELECT state::text, attempt FROM pixelfleet.step")[0]
    odd = [report for report in documents.reports(job) if json.loads(report)[0]]
    assert (state, attempt) == ("queued", 1), f"{len(odd)} odd reports made it {state}"
    fleet.start_worker("nobody=1")
    assert fleet.wait_end(job) == "succeeded"


def good_envelope(fleet):
    job = fleet.submit([{"id": "a", "tool": "noop", "queue": "parked"}], ["http://pictures.invalid/x"])
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:parked"), 10, "a task waits")
    return job, fleet.redis.lindex("pixelfleet:queue:parked", 0).encode()


def test_what_lies_on_a_queue_and_is_no_task_becomes_a_letter(fleet):
    fleet.start_dispatcher()
    fleet.start_worker("image=1,io=2")
    job, envelope = good_envelope(fleet)
    tasks = [task for task in documents.tasks(envelope) if task[1] != envelope]
    for queue in ("image", "io"):
        for _, task in tasks:
            fleet.redis.rpush(f"pixelfleet:queue:{queue}", task)
    dead = wait_for(lambda: fleet.held() == 1 and [*fleet.refused(), *fleet.dead("image"), *fleet.dead("io")], 20,
                       lambda: f"the queues are empty: {fleet.held()} {len(fleet.refused())}")
    assert len(dead) == 2 * len(tasks), [json.dumps(letter)[:100] for letter in dead]
    assert all(re.search(r"seal|JSON|task|bytes", json.dumps(letter["error"])) for letter in dead)
    assert fleet.state(job) == "running"
    fleet.start_worker("parked=1")
    assert fleet.wait_end(job) == "succeeded"
    check_alive(fleet)


def test_what_a_dead_worker_held_and_is_no_task_does_not_hinder_its_reaping(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 1000
    fleet.start_dispatcher()
    job, envelope = good_envelope(fleet)
    fleet.redis.lmove("pixelfleet:queue:parked", "pixelfleet:running:ghost")
    for _, task in documents.tasks(envelope):
        fleet.redis.rpush("pixelfleet:running:ghost", task)
    fleet.redis.sadd("pixelfleet:workers", "ghost")
    fleet.start_worker("parked=1,io=1")
    assert fleet.wait_end(job) == "succeeded"
    wait_for(lambda: not fleet.redis.exists("pixelfleet:running:ghost"), 20, "the ghost is reaped")
    fleet.redis.delete(*[key for key in fleet.redis.keys("pixelfleet:queue:*")] or ["none"])
    check_alive(fleet)


def test_what_a_dead_dispatcher_took_and_is_no_submission_becomes_a_letter(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 1000
    for i, (_, document, _) in enumerate(documents.texts()):
        if len(document) < 1 << 20:
            fleet.redis.hset("pixelfleet:taken:ghost", f"00000000-0000-7000-8000-{i:012x}", b"pixelfleet:jobs\n" + document)
    fleet.redis.hset("pixelfleet:taken:ghost", "no uuid", b"pixelfleet:jobs\n{}")
    fleet.redis.hset("pixelfleet:taken:ghost", "x" * 5000, b"no newline")
    fleet.redis.sadd("pixelfleet:dispatchers", "ghost")
    n = fleet.redis.hlen("pixelfleet:taken:ghost")
    fleet.start_dispatcher()
    fleet.start_worker("io=1")
    wait_for(lambda: not fleet.redis.exists("pixelfleet:taken:ghost"), 20, lambda: fleet.redis.hkeys("pixelfleet:taken:ghost"))
    assert fleet.redis.llen("pixelfleet:dlq:jobs") == n
    check_alive(fleet)


WRONG_KINDS = ["jobs", "queue:io", "queue:image", "dlq:io", "dlq:jobs", "workers", "dispatchers", "queues", "epoch", "running:MINE", "worker:MINE"]


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_a_key_of_the_wrong_kind_stops_nobody_once_it_is_gone(fleet, name):
    """A text where a list or set is expected, and a list where a text is: it is said, and nothing dies of it."""
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=2")
    key = "pixelfleet:" + name.replace("MINE", worker.worker)
    fleet.redis.delete(key)
    if name in ("epoch", "worker:MINE"):
        fleet.redis.rpush(key, "x")
    else:
        fleet.redis.set(key, "x")
    if name != "jobs":
        fleet.push({"id": "meanwhile", "pipeline": {"steps": [{"id": "f", "tool": "fail"}]}, "images": names(1)})
        fleet.push("garbage")
    wait_for(lambda: re.search(r"WRONGTYPE", worker.text() + fleet.dispatchers[0].text()) or fleet.redis.type(key) in ("none", "list", "set"),
             20, "somebody says it, or puts it right")
    if fleet.redis.type(key) not in ("list", "set") or name in ("epoch", "worker:MINE"):
        fleet.redis.delete(key)
    check_alive(fleet)
    if name != "jobs":
        fleet.wait_end(wait_for(lambda: fleet.job_of("meanwhile"), 20, "what came meanwhile is accepted"))
        wait_for(lambda: fleet.redis.llen("pixelfleet:dlq:jobs") == 1, 20, "and what is none is a letter")


def test_hostile_documents_leave_no_memory_and_no_descriptors_behind(fleet):
    dispatcher = fleet.start_dispatcher()
    worker = fleet.start_worker("io=1")
    _, envelope = good_envelope(fleet)
    tasks = [task for _, task in documents.tasks(envelope)]

    def load():
        pipe = fleet.redis.pipeline()
        for _, document, _ in REFUSED:
            pipe.lpush("pixelfleet:jobs", document)
        for task in tasks:
            pipe.rpush("pixelfleet:queue:io", task)
        pipe.execute()
        for _, document, _ in documents.texts():
            post(fleet, "/api/v1/jobs", document)
        wait_for(lambda: fleet.redis.llen("pixelfleet:jobs") == 0 and fleet.held() == 1, 30, "all is read")

    load()
    files = descriptors(dispatcher), descriptors(worker)
    seen = settles(lambda: (rss_kb(dispatcher), rss_kb(worker)), load, 8)
    print(f"\nRSS of dispatcher and worker in KB, before and after {len(REFUSED) + len(tasks)} documents each time: {seen}")
    # Each of the HTTP server's 4 threads keeps a connection to Redis and one to PostgreSQL, from its first need on;
    # so do the worker's one claimer and one slot, to the dispatcher.
    wait_for(lambda: descriptors(dispatcher) <= files[0] + 8 and descriptors(worker) <= files[1] + 2, 10,
             lambda: f"{files} descriptors are not more: {descriptors(dispatcher), descriptors(worker)}")
