"""What the dispatcher answers over HTTP."""
import json
import re
import threading
import urllib.request

from fleet import wait_for
from pictures import names, png


def not_ready(fleet, word):
    """The reason with that word, once /ready gives it."""
    def reason():
        answer = fleet.http("GET", "/ready", check=False)
        return answer.status == 503 and next((text for text in answer.body["reasons"] if word in text), None)

    return wait_for(reason, 20, f"it is not ready because of {word}")


def test_health_and_ready_tell_different_things(fleet):
    fleet.start_dispatcher()
    assert fleet.http("GET", "/health").body["status"] == "ok"
    assert "no worker is alive" in not_ready(fleet, "worker")
    fleet.start_worker()
    wait_for(lambda: fleet.http("GET", "/ready", check=False).status == 200, 20, "it is ready")
    assert fleet.http("GET", "/ready").body["ready"] is True
    fleet.services.redis.stop()
    try:
        not_ready(fleet, "Redis")
        assert fleet.http("GET", "/health").status == 200
    finally:
        fleet.services.redis.start()
    wait_for(lambda: fleet.http("GET", "/ready", check=False).status == 200, 20, "it is ready again")


def test_ready_is_false_while_redis_may_drop_what_it_holds(fleet):
    fleet.start_dispatcher()
    fleet.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        not_ready(fleet, "noeviction")
    finally:
        fleet.redis.config_set("maxmemory-policy", "noeviction")


def test_a_job_is_accepted_only_after_it_is_in_postgresql(running):
    answer = running.http("POST", "/api/v1/jobs", {"pipeline": {"steps": [{"id": "a", "tool": "noop"}]}, "images": names(1)})
    assert answer.status == 202
    assert running.one("SELECT count(*) FROM pixelfleet.job WHERE id = %s", answer.body["id"]) == 1


def test_status_tells_steps_attempts_and_outputs(running):
    job = running.submit({"on_failure": "continue", "steps": [
        {"id": "src", "tool": "fetch"}, {"id": "thumb", "tool": "thumbnail", "needs": ["src"], "params": {"width": 8}},
        {"id": "bad", "tool": "fail", "needs": ["src"]}]}, [png(running.pictures / "a.png")], labels={"who": "test"})
    assert running.wait_end(job) == "partial", running.explain(job)
    body = running.job(job)
    assert (body["id"], body["state"], body["total"], body["succeeded"], body["failed"]) == (job, "partial", 3, 2, 1)
    assert body["labels"] == {"who": "test"}
    assert {step["step"]: step["state_counts"] for step in body["steps"]} == \
        {"src": {"succeeded": 1}, "thumb": {"succeeded": 1}, "bad": {"failed": 1}}
    instances = {instance["step"]: instance for instance in body["instances"]}
    assert instances["thumb"]["artifacts"][0]["width"] == 8
    assert instances["bad"]["attempts"][0]["error"] == {"kind": "reject", "message": "failed on purpose"}
    assert running.job(running.one("SELECT client_id FROM pixelfleet.job"))["id"] == job


def test_status_names_what_a_waiting_step_waits_for(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop", "queue": "lonely"}], names(1))
    instance = fleet.job(job)["instances"][0]
    assert instance["state"] == "queued"
    assert "lonely" in instance["waits_for"]


def test_jobs_are_listed_newest_first_with_filters_and_pages(running):
    jobs = [running.submit([{"id": "a", "tool": "noop"}], names(1), labels={"n": str(i % 2)}) for i in range(6)]
    for job in jobs:
        running.wait_end(job)
    first = running.http("GET", "/api/v1/jobs?limit=4").body
    assert [job["id"] for job in first["jobs"]] == jobs[:1:-1]
    second = running.http("GET", f"/api/v1/jobs?limit=4&before={first['next']}").body
    assert [job["id"] for job in second["jobs"]] == jobs[1::-1]
    assert len(running.http("GET", "/api/v1/jobs?label=n:1").body["jobs"]) == 3
    assert running.http("GET", "/api/v1/jobs?state=failed").body["jobs"] == []
    assert running.http("GET", "/api/v1/jobs?state=sleepy", check=False).status == 400
    assert running.http("GET", "/api/v1/jobs/01900000-0000-7000-8000-000000000000", check=False).status == 404


def test_an_artifact_is_served_with_its_type_and_a_strong_etag(running):
    job = running.submit([{"id": "src", "tool": "fetch"}], [png(running.pictures / "a.png")])
    running.wait_end(job)
    artifact = running.job(job)["instances"][0]["artifacts"][0]
    path = f"/api/v1/artifacts/{artifact['digest']}"
    answer = running.http("GET", path)
    assert answer.body == (running.pictures / "a.png").read_bytes()
    assert answer.headers["Content-Type"] == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    etag = answer.headers["ETag"]
    assert etag.startswith('"')
    assert running.http("GET", path, headers={"If-None-Match": etag}, check=False).status == 304
    part = running.http("GET", path, headers={"Range": "bytes=2-5", "If-Range": etag})
    assert (part.status, part.body) == (206, answer.body[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(answer.body)}"
    assert part.headers["ETag"] == etag
    assert running.http("HEAD", path, headers={"Range": "bytes=2-5"}).status == 200
    assert running.http("GET", path, headers={"Range": "bytes=-3"}).body == answer.body[-3:]
    assert running.http("GET", path, headers={"Range": "bytes=2-5", "If-Range": '"other"'}).body == answer.body
    behind = running.http("GET", path, headers={"Range": f"bytes={len(answer.body)}-"}, check=False)
    assert behind.status == 416
    assert behind.headers["Content-Range"] == f"bytes */{len(answer.body)}"
    assert running.http("GET", "/api/v1/artifacts/" + "0" * 64, check=False).status == 404
    assert running.http("GET", "/api/v1/artifacts/..%2f..%2fpasswd", check=False).status in (400, 404)


def test_pipelines_are_stored_listed_read_and_validated(fleet):
    fleet.start_dispatcher()
    definition = {"name": "mine", "steps": [{"name": "resize", "params": {"width": 5}}]}
    assert fleet.http("POST", "/api/v1/pipelines/validate", definition).body["valid"] is True
    answer = fleet.http("POST", "/api/v1/pipelines", definition)
    assert (answer.status, answer.body["name"]) == (201, "mine")
    assert [p["name"] for p in fleet.http("GET", "/api/v1/pipelines").body["pipelines"]] == ["mine"]
    assert fleet.http("GET", "/api/v1/pipelines/mine").body["steps"]
    assert fleet.http("GET", "/api/v1/pipelines/yours", check=False).status == 404
    wrong = fleet.http("POST", "/api/v1/pipelines/validate", {"steps": [{"name": "resise"}]}, check=False)
    assert wrong.status == 400
    assert wrong.body["error"]["problems"][0]["at"].startswith("/steps/0")


def test_tools_are_described_as_json_schema(fleet):
    fleet.start_dispatcher()
    tools = {tool["name"]: tool for tool in fleet.http("GET", "/api/v1/tools").body["tools"]}
    assert {"fetch", "resize", "thumbnail", "aggregate", "noop"} <= set(tools)
    assert tools["resize"]["params"]["properties"]["width"]["maximum"] == 32767


def test_queues_and_workers_tell_who_does_what(running):
    job = running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 600}}], names(6))
    wait_for(lambda: any(q["queue"] == "io" and q["running"] >= 4 for q in running.http("GET", "/api/v1/queues").body["queues"]),
             what="four run")
    queue = next(q for q in running.http("GET", "/api/v1/queues").body["queues"] if q["queue"] == "io")
    assert queue["served_by"] == 1
    assert queue["running"] == 4
    assert 1 <= queue["queued"] <= 2, "one of the two others may be with the worker already"
    worker = wait_for(lambda: next((w for w in running.http("GET", "/api/v1/workers").body["workers"] if w["running"]), None),
                      what="the heartbeat tells")
    assert worker["slots"]["io"] == 4
    assert {task["tool"] for task in worker["running"]} == {"sleep"}
    assert len(running.http("GET", "/api/v1/workers").body["dispatchers"]) == 1
    running.http("POST", f"/api/v1/jobs/{job}/cancel")


def test_metrics_are_prometheus_text(running):
    job = running.submit([{"id": "a", "tool": "noop"}, {"id": "b", "tool": "fail", "on_failure": "continue"}], names(3))
    running.wait_end(job)
    text = running.http("GET", "/metrics").body.decode()
    for line in text.strip().split("\n"):
        assert re.fullmatch(r"#.*|[a-z_:]+(\{[^}]*\})? -?[0-9.eE+]+(NaN|Inf)?", line), line
    for name in ("pixelfleet_jobs_accepted_total", "pixelfleet_seconds_since_progress", "pixelfleet_dead_letters_total"):
        assert re.search(rf"^{name}(\{{.*\}})? ", text, re.M), name
    assert re.search(r'queue="io"', text)


class Events(threading.Thread):
    """Reads server-sent events until the stream ends."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.response = urllib.request.urlopen(url, timeout=60)
        self.kind = self.response.headers["Content-Type"]
        self.seen = []
        self.start()

    def run(self):
        event = None
        for line in self.response:
            line = line.decode().rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                self.seen.append((event, json.loads(line[6:])))


def test_events_of_a_job_begin_with_a_snapshot_and_end_with_its_end(running):
    job = running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 0.5}},
                          {"id": "b", "tool": "noop", "needs": ["a"]}], names(8))
    events = Events(f"{running.dispatchers[0].url}/api/v1/events?job={job}")
    assert events.kind.startswith("text/event-stream")
    assert running.wait_end(job) == "succeeded"
    events.join(10)
    assert not events.is_alive(), "the stream ends with the job"
    assert {kind for kind, _ in events.seen} == {"job"}
    assert all(data["id"] == job for _, data in events.seen)
    done = [data["succeeded"] for _, data in events.seen]
    assert done == sorted(done)
    assert events.seen[-1][1]["state"] == "succeeded"


def test_events_of_all_jobs_tell_of_each(running):
    events = Events(f"{running.dispatchers[0].url}/api/v1/events")
    jobs = {running.submit([{"id": "a", "tool": "noop"}], names(1)) for _ in range(3)}
    wait_for(lambda: jobs <= {data["id"] for _, data in events.seen if data["state"] == "succeeded"}, 20, "each end was told")


def test_with_tokens_nothing_that_reads_or_starts_work_is_open(fleet):
    token = "t" * 40
    (fleet.folder / "tokens").write_text(token + "\n")
    fleet.start_dispatcher(env={"PIXELFLEET_API_TOKENS_FILE": fleet.folder / "tokens"})
    for method, path in (("GET", "/api/v1/jobs"), ("POST", "/api/v1/jobs"), ("GET", "/api/v1/workers"), ("GET", "/metrics"),
                         ("GET", "/api/v1/events"), ("GET", "/api/v1/dlq/io"), ("POST", "/api/v1/dlq/io/retry")):
        assert fleet.http(method, path, check=False).status == 401, path
        assert fleet.http(method, path, headers={"Authorization": "Bearer " + "x" * 40}, check=False).status == 401, path
    assert fleet.http("GET", "/api/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status == 200
    assert fleet.http("GET", "/api/v1/jobs", headers={"x-api-token": token}).status == 200
    assert fleet.http("GET", "/health").status == 200


def test_another_address_than_loopback_needs_tokens(fleet):
    dispatcher = fleet.start_dispatcher(env={"PIXELFLEET_LISTEN": "0.0.0.0:0"}, wait=False)
    wait_for(lambda: dispatcher.process.poll() is not None, what="it refuses to start")
    dispatcher.ended = True
    fleet.checks_accounts = False
    assert dispatcher.process.returncode != 0
    assert "PIXELFLEET_API_TOKENS_FILE" in dispatcher.text()


def test_results_need_the_internal_token(fleet):
    fleet.start_dispatcher()
    for headers in ({}, {"x-internal-token": "wrong" * 10}):
        assert fleet.http("POST", "/internal/v1/results", [], headers, check=False).status == 401
    assert fleet.http("POST", "/internal/v1/results", [], {"x-internal-token": fleet.token}).body == {"answers": []}


def test_the_previous_internal_token_is_still_accepted(fleet):
    fleet.start_dispatcher(env={"PROCESSING_INTERNAL_TOKEN": "n" * 40, "PROCESSING_INTERNAL_TOKEN_PREVIOUS": fleet.token})
    assert fleet.http("POST", "/internal/v1/results", [], {"x-internal-token": fleet.token}).body == {"answers": []}


def test_what_is_wrong_with_a_request_is_said(fleet):
    fleet.start_dispatcher()
    assert fleet.http("GET", "/nowhere", check=False).status == 404
    assert fleet.http("DELETE", "/api/v1/jobs", check=False).status == 405
    assert fleet.http("POST", "/api/v1/jobs", b"{nonsense", check=False).status == 400
    assert fleet.http("POST", "/api/v1/jobs", b"x" * (2 << 20), check=False).status in (400, 413)


def test_an_envelope_that_no_dispatcher_sealed_is_never_run(running):
    forged = {"v": 1, "job": "01900000-0000-7000-8000-000000000000", "step": "a", "item": 0, "ordinal": 0, "attempt": 1,
              "tool": "fetch", "queue": "io", "timeout_s": 60, "final": True, "params": {}, "source": "/etc/passwd",
              "inputs": [], "seal": "0" * 32}
    running.push(forged, "pixelfleet:queue:io")
    wait_for(lambda: running.held() == 0, 20, "it is dealt with")
    assert any("passwd" in letter for letter in
               running.redis.lrange("pixelfleet:dlq:io", 0, -1) + running.redis.lrange("pixelfleet:dlq:jobs", 0, -1))
