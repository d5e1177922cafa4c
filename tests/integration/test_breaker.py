"""A backend that does not answer: no attempt is burnt, people see why, and work flows when it is back."""
import http.server
import json
import re
import threading
import time

import pytest

from fleet import SLOWNESS, wait_for
from pictures import names
from services import free_port
from webserver import WebServer

PROBE_S = 2
BACK_S = 10             # of which: a probe, the worker hearing of it, and a test machine with two cores


class Host:
    """Somebody's API on a port of its own. It begins by refusing connections."""

    def __init__(self):
        self.port = int(free_port())
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.backend = f"callback:127.0.0.1:{self.port}"
        self.seen, self.status, self.server = [], 204, None
        self.hangs = threading.Event()

    def is_(self, how):
        """refuses, hangs, says503, or answers."""
        if how == "refuses":
            self.close()
            return self
        self.status = 503 if how == "says503" else 204
        if how == "hangs":
            self.hangs.clear()
        else:
            self.hangs.set()
        if not self.server:
            self.open()
        return self

    def open(self):
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                host.seen.append((time.monotonic(), body["job"], body["step"]))
                host.hangs.wait(60)
                try:
                    self.send_response(host.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = WebServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.hangs.set()
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None


@pytest.fixture(name="host")
def make_host():
    host = Host()
    yield host
    host.close()


@pytest.fixture(name="other")
def make_other():
    host = Host().is_("answers")
    yield host
    host.close()


@pytest.fixture(name="caller")
def make_caller(fleet):
    """May reach loopback addresses, and asks often."""
    fleet.settings.update({"PIXELFLEET_ALLOW_PRIVATE_URLS": 1, "PIXELFLEET_BREAKER_PROBE_S": PROBE_S, "REQUEST_TIMEOUT": 2})
    return fleet


def calls(fleet, host, n, **more):
    """A job with n callbacks to the host."""
    steps = [{"id": "go", "tool": "noop"}]
    retry = more.pop("retry", {"max_attempts": 6, "backoff_s": 0.2, "max_backoff_s": 0.5})
    steps += [{"id": f"c{k}", "tool": "callback", "needs": ["go"], "params": {"url": host.url}, "retry": retry} for k in range(n)]
    return fleet.submit({"on_failure": "continue", "steps": steps}, names(1), **more)


def metric(fleet, name, dispatcher=None):
    text = fleet.http("GET", "/metrics", dispatcher=dispatcher).body.decode()
    match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(match[1]) if match else None


def gauge(host):
    return f'pixelfleet_breaker_open{{backend="{host.backend}"}}'


def breakers(fleet, dispatcher=None):
    return {b["backend"]: b for b in fleet.http("GET", "/api/v1/queues", dispatcher=dispatcher).body["breakers"]}


def all_wait(fleet, host, n):
    """Every one of the n steps is put off, nothing of it runs or is queued, and Redis has been told."""
    wait_for(lambda: host.backend in breakers(fleet), 30, "the breaker opens")
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.retry WHERE backend = %s", host.backend) >= n - 1
             and fleet.one("SELECT count(*) FROM pixelfleet.retry WHERE backend IS NULL") == 0, 30, "all steps wait for the backend")
    wait_for(lambda: fleet.redis.get(f"pixelfleet:breaker:{host.backend}"), 10, "the dispatcher tells it")


def attempts(fleet):
    return (fleet.one("SELECT count(*) FROM pixelfleet.attempt"), fleet.one("SELECT coalesce(sum(attempt), 0)::int FROM pixelfleet.step"))


def probes(fleet, more, dispatcher=None):
    """So many probes more have gone out."""
    before = metric(fleet, "pixelfleet_breaker_probes_total", dispatcher)
    wait_for(lambda: metric(fleet, "pixelfleet_breaker_probes_total", dispatcher) >= before + more, 30, f"{more} probes")


def comes_back(fleet, host, *jobs):
    """The host answers, and soon everything is done; nobody's attempts were counted meanwhile."""
    began = time.monotonic()
    host.is_("answers")
    for job in jobs:
        assert fleet.wait_end(job, BACK_S) == "succeeded", fleet.explain(job)
    print(f"back after {time.monotonic() - began:.1f} s")
    wait_for(lambda: not breakers(fleet), 5, "the breaker is closed")
    assert fleet.one("SELECT count(*) FROM pixelfleet.retry") == 0


@pytest.mark.parametrize("how", ["refuses", "says503", "hangs"])
def test_a_host_in_trouble_burns_no_attempts_and_work_flows_when_it_is_back(caller, host, how):
    caller.start_dispatcher()
    caller.start_worker()
    host.is_(how)
    job = calls(caller, host, 12)
    all_wait(caller, host, 12)
    before = attempts(caller)
    probes(caller, 3)
    assert attempts(caller) == before, "a probe or a deferral was charged"
    assert before[0] <= 5 + 4, "more faults were charged than it takes to open, and the slots that were at it"
    comes_back(caller, host, job)
    assert attempts(caller) == before
    assert {step for _, _, step in host.seen} >= {f"c{k}" for k in range(12)}
    assert caller.dead("io") == []


def test_people_see_what_the_lane_waits_for(caller, host):
    caller.start_dispatcher()
    caller.start_worker()
    job = calls(caller, host, 10)
    all_wait(caller, host, 10)
    probes(caller, 2)
    late = calls(caller, host, 3)
    wait_for(lambda: metric(caller, "pixelfleet_breaker_deferrals_total") >= 2, 10, "workers hand back what they need not try")
    all_wait(caller, host, 13)
    probes(caller, 1)
    answer = caller.http("GET", "/api/v1/queues").body
    (breaker,) = answer["breakers"]
    assert breaker["backend"] == host.backend and breaker["state"] in ("open", "half_open")
    assert breaker["waiting"] in (12, 13) and "onnect" in breaker["why"] and breaker["next_probe"] > breaker["since"]
    lane = next(q for q in answer["queues"] if q["queue"] == "io")
    (waiting,) = lane["waiting_on_backend"]
    assert waiting["backend"] == host.backend and waiting["waiting"] in (12, 13) and waiting["why"] == breaker["why"]
    assert not any("waiting_on_backend" in q for q in answer["queues"] if q["queue"] != "io")
    printed = caller.cli("queues")
    assert host.backend in printed and "onnect" in printed and "NEXT PROBE" in printed
    assert metric(caller, gauge(host)) == 1
    assert metric(caller, "pixelfleet_breaker_opens_total") == 1
    assert metric(caller, "pixelfleet_breaker_faults_total") >= 5
    said = wait_for(lambda: (lambda o: o["waiting"] in (12, 13) and o)(json.loads(caller.redis.get(f"pixelfleet:breaker:{host.backend}"))),
                    10, "the number that waits is told with each probe")
    assert said["backend"] == host.backend and said["state"] in ("open", "half_open") and said["why"] == breaker["why"]
    waits = wait_for(lambda: [i["waits_for"] for i in caller.job(job)["instances"] if i["state"] == "retrying"], what="steps that wait")
    assert all(host.backend in text and "next probe" in text and "not counted" in text for text in waits)
    log = caller.dispatchers[0].text()
    assert len(re.findall(r"ev=breaker\.open ", log)) == 1
    comes_back(caller, host, job, late)
    assert "ev=breaker.closed" in caller.dispatchers[0].text()
    assert metric(caller, gauge(host)) in (0, None)
    assert "NEXT PROBE" not in caller.cli("queues")


def test_an_open_breaker_of_one_host_does_not_slow_another(caller, host, other):
    caller.start_dispatcher()
    caller.start_worker()
    host.is_("hangs")
    stuck = calls(caller, host, 40)
    all_wait(caller, host, 40)
    more = calls(caller, host, 40)
    began = time.monotonic()
    for _ in range(3):
        assert caller.wait_end(calls(caller, other, 20), 20) == "succeeded"
    took = time.monotonic() - began
    print(f"60 callbacks beside a host that hangs: {took:.1f} s")
    assert took < 6 * SLOWNESS, "a probe may hold one slot of four; nothing else may wait"
    assert len(other.seen) == 60
    comes_back(caller, host, stuck, more)


def test_two_dispatchers_know_the_same_and_let_one_probe_through_at_a_time(caller, host):
    both = [caller.start_dispatcher(), caller.start_dispatcher()]
    caller.start_worker()
    host.is_("says503")
    job = calls(caller, host, 12)
    all_wait(caller, host, 12)
    for d in both:
        wait_for(lambda d=d: metric(caller, gauge(host), d) == 1, 5, "each dispatcher knows")
    before, seen = attempts(caller), len(host.seen)
    wait_for(lambda: len(host.seen) >= seen + 5, 40, "five probes")
    times = [at for at, _, _ in host.seen[seen:]]
    gaps = [b - a for a, b in zip(times, times[1:])]
    print("seconds between probes:", [round(g, 2) for g in gaps])
    assert all(gap > 0.8 for gap in gaps), f"two at once: {gaps}"
    assert attempts(caller) == before
    assert sum(len(re.findall(r"ev=breaker\.open ", d.text())) for d in both) == 1, "one opens it, the other hears of it"
    comes_back(caller, host, job)
    for d in both:
        wait_for(lambda d=d: metric(caller, gauge(host), d) in (0, None), 5, "each dispatcher knows that it is closed")


def test_flushall_while_open_forgets_nothing(caller, host):
    caller.start_dispatcher()
    caller.start_worker()
    job = calls(caller, host, 12)
    all_wait(caller, host, 12)
    before = attempts(caller)
    key = f"pixelfleet:breaker:{host.backend}"
    assert caller.redis.get(key)
    caller.redis.flushall()
    wait_for(lambda: caller.redis.get(key), 10, "the dispatcher says it again")
    wait_for(lambda: caller.redis.get("pixelfleet:epoch"), 20, "the queues are rebuilt")
    probes(caller, 2)
    wait_for(lambda: caller.held() <= 1, 10, "what waits is not pushed")
    assert attempts(caller) == before
    comes_back(caller, host, job)
    assert attempts(caller) == before


@pytest.mark.parametrize("forgets", [False, True], ids=["redis_remembers", "nobody_remembers"])
def test_a_dispatcher_that_starts_again_while_open_goes_on(caller, host, forgets):
    caller.settings["PIXELFLEET_LISTEN"] = f"127.0.0.1:{free_port()}"
    first = caller.start_dispatcher()
    caller.start_worker()
    job = calls(caller, host, 12)
    all_wait(caller, host, 12)
    before = attempts(caller)
    first.stop()
    if forgets:
        caller.redis.flushall()
        host.is_("answers")
    second = caller.start_dispatcher()
    if not forgets:
        wait_for(lambda: metric(caller, gauge(host)) == 1, 10, "it reads what the first one wrote")
        probes(caller, 2)
        assert "ev=breaker.known" in second.text() and "ev=breaker.open " not in second.text()
    comes_back(caller, host, job)
    assert attempts(caller) == before


def test_a_waiting_job_ends_at_its_deadline(caller, host):
    caller.start_dispatcher()
    caller.start_worker()
    first = calls(caller, host, 8)
    all_wait(caller, host, 8)
    job = calls(caller, host, 5, deadline_s=4)
    assert caller.wait_end(job, 20) == "failed"
    assert set(caller.sql("SELECT reason::text FROM pixelfleet.step WHERE job = %s AND state = 'skipped'", job)) == {"deadline"}
    assert caller.one("SELECT count(*) FROM pixelfleet.retry WHERE job = %s", job) == 0
    comes_back(caller, host, first)
    assert not any(seen == job for _, seen, _ in host.seen)


def test_cancel_ends_what_waits_and_the_probes_go_on_with_others(caller, host):
    caller.start_dispatcher()
    caller.start_worker()
    host.is_("says503")
    job, later = calls(caller, host, 8), calls(caller, host, 8)
    all_wait(caller, host, 16)
    caller.http("POST", f"/api/v1/jobs/{job}/cancel")
    assert caller.wait_end(job) == "cancelled"
    assert caller.one("SELECT count(*) FROM pixelfleet.retry WHERE job = %s", job) == 0
    probes(caller, 2)
    comes_back(caller, host, later)


def test_when_patience_ends_faults_are_charged_again_and_nothing_waits_for_ever(caller, host):
    caller.settings["PIXELFLEET_BREAKER_PATIENCE_S"] = 4
    caller.start_dispatcher()
    caller.start_worker()
    job = calls(caller, host, 10)
    all_wait(caller, host, 10)
    assert caller.wait_end(job, 60) == "partial", caller.explain(job)
    wait_for(lambda: len(caller.dead("io")) == 10, 10, "each has its letter")
    assert "ev=breaker.overdue" in caller.dispatchers[0].text()
    assert caller.one("SELECT count(*) FROM pixelfleet.retry") == 0


def test_a_requeue_is_tried_at_once_although_the_breaker_is_open(caller, host):
    caller.start_dispatcher()
    caller.start_worker()
    job = calls(caller, host, 1, retry={"max_attempts": 1})
    assert caller.wait_end(job) == "partial"
    waiting = calls(caller, host, 12)
    all_wait(caller, host, 12)
    host.is_("answers")
    caller.cli("dlq", "retry", "io", "--all")
    assert caller.wait_state(job, "succeeded", timeout=BACK_S) == "succeeded"
    assert caller.wait_end(waiting, BACK_S) == "succeeded"


def test_an_answer_of_404_is_the_steps_own_failure_and_no_fault_of_the_host(caller, host):
    caller.start_dispatcher()
    caller.start_worker()
    host.is_("answers")
    host.status = 404
    job = calls(caller, host, 10)
    assert caller.wait_end(job) == "partial"
    assert not breakers(caller)
    assert metric(caller, "pixelfleet_breaker_faults_total") == 0
    wait_for(lambda: len(caller.dead("io")) == 10, 10, "each has its letter")


def test_a_long_wait_is_released_in_full(caller, host):
    """A thousand steps wait; all of them are done soon after, though each waited in PostgreSQL only."""
    caller.start_dispatcher()
    caller.start_worker("io=8")
    jobs = [calls(caller, host, 100) for _ in range(10)]
    all_wait(caller, host, 1000)
    wait_for(lambda: caller.held() <= 2, 20, "Redis holds at most a probe and what is about to be acknowledged")
    before = attempts(caller)
    began = time.monotonic()
    host.is_("answers")
    for job in jobs:
        assert caller.wait_end(job, 60) == "succeeded", caller.explain(job)
    print(f"1000 steps done {time.monotonic() - began:.1f} s after the host was back")
    assert attempts(caller) == before
