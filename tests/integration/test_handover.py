"""Follow-ups that go straight to the worker whose report made them ready: the protocol, and what may go wrong on the way."""
import json
import time
import uuid

import pytest

from fleet import wait_for
from pictures import names, small

CHAIN = [{"id": "a", "tool": "noop"}, {"id": "b", "tool": "noop", "needs": ["a"]}, {"id": "c", "tool": "noop", "needs": ["b"]}]
FAN = [{"id": "a", "tool": "noop"}] + [{"id": f"m{i}", "tool": "noop", "needs": ["a"]} for i in range(8)]
IO = "pixelfleet:queue:io"
ME = "somewhere-1-abc123"
RUNNING = f"pixelfleet:running:{ME}"


def metric(fleet, name):
    return sum(int(line.split()[-1]) for d in fleet.dispatchers for line in
               fleet.http("GET", "/metrics", dispatcher=d).body.decode().splitlines() if line.startswith(name + " "))


def handed_over(fleet):
    return metric(fleet, "pixelfleet_tasks_handed_over_total")


def alive(fleet):
    """A heartbeat of a worker that is only this test."""
    fleet.redis.set(f"pixelfleet:worker:{ME}", json.dumps({"worker": ME, "slots": {"io": 4}, "running": []}), px=60000)
    fleet.redis.sadd("pixelfleet:workers", ME)


def claim(fleet):
    return wait_for(lambda: fleet.redis.lmove(IO, RUNNING, "LEFT", "RIGHT"), 20, "a task to claim")


def report(fleet, raw, room=None, worker=ME):
    """As a worker does; the whole answer."""
    task = json.loads(raw)
    said = {"run": str(uuid.uuid4()), "job": task["job"], "ordinal": task["ordinal"], "attempt": task["attempt"], "worker": worker,
            "started_at": "2026-01-02T03:04:05.678901Z", "ms": 1.5, "status": "succeeded"}
    headers = {"x-internal-token": fleet.token}
    if room is not None:
        headers["x-pixelfleet-room"] = room if isinstance(room, str) else json.dumps({"worker": worker, "room": room})
    return fleet.http("POST", "/internal/v1/results", [said], headers=headers).body


def all_succeed(fleet, n, steps):
    wait_for(lambda: fleet.sql("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == [n], 60,
             lambda: f"{n} jobs succeed; {fleet.sql('SELECT client_id, state::text, succeeded, total FROM pixelfleet.job')}; "
                     f"{fleet.redis.keys('*')}")
    assert fleet.one("SELECT sum(succeeded) FROM pixelfleet.job") == n * steps
    wait_for(lambda: fleet.held() == 0, 40, "nothing is held any more")


# -- the protocol, with a worker that is only this test

def test_a_follow_up_comes_with_the_answer_and_is_in_running_byte_for_byte(fleet):
    fleet.start_dispatcher()
    alive(fleet)
    fleet.submit(CHAIN, names(1))
    answer = report(fleet, claim(fleet), {"io": 4})
    assert answer["answers"] == ["accepted"] and answer["first"] == 0
    assert [json.loads(t)["step"] for t in answer["tasks"]] == ["b"]
    assert fleet.redis.lrange(RUNNING, 1, -1) == answer["tasks"] and fleet.redis.llen(IO) == 0
    fleet.redis.delete(RUNNING)
    answer = report(fleet, answer["tasks"][0], {"io": 4})
    assert [json.loads(t)["step"] for t in answer["tasks"]] == ["c"]
    assert report(fleet, answer["tasks"][0], {"io": 4}) == {"answers": ["accepted"]}


@pytest.mark.parametrize("room", [None, {"image": 4}, {"io": 0}, {"io": -1}, {"io": "many"}, "{", "[]", '{"worker":"a b","room":{"io":4}}'])
def test_without_room_for_it_a_follow_up_goes_to_its_queue(fleet, room):
    fleet.start_dispatcher()
    alive(fleet)
    fleet.submit(CHAIN, names(1))
    assert report(fleet, claim(fleet), room) == {"answers": ["accepted"]}
    assert [json.loads(t)["step"] for t in fleet.redis.lrange(IO, 0, -1)] == ["b"]
    assert fleet.redis.llen(RUNNING) == 1 and handed_over(fleet) == 0


def test_a_follow_up_goes_to_its_queue_when_the_worker_is_not_known_to_be_alive(fleet):
    fleet.start_dispatcher()
    fleet.submit(CHAIN, names(1))
    assert report(fleet, claim(fleet), {"io": 4}) == {"answers": ["accepted"]}
    assert [json.loads(t)["step"] for t in fleet.redis.lrange(IO, 0, -1)] == ["b"]
    fleet.redis.delete(RUNNING)


def test_an_urgent_follow_up_goes_to_the_head_of_its_queue_when_the_worker_is_not_known_to_be_alive(fleet):
    fleet.start_dispatcher()
    fleet.submit(CHAIN, names(1), priority="high")
    urgent = claim(fleet)
    fleet.submit([{"id": "later", "tool": "noop"}], names(1))
    wait_for(lambda: fleet.redis.llen(IO) == 1, what="a task that waits")
    assert report(fleet, urgent, {"io": 4}) == {"answers": ["accepted"]}
    assert [json.loads(t)["step"] for t in fleet.redis.lrange(IO, 0, -1)] == ["b", "later"]
    fleet.redis.delete(RUNNING)


def test_no_more_is_handed_over_than_there_is_room_for(fleet):
    fleet.start_dispatcher()
    alive(fleet)
    fleet.submit(FAN, names(1))
    answer = report(fleet, claim(fleet), {"io": 3})
    assert [json.loads(t)["step"] for t in answer["tasks"]] == ["m0", "m1", "m2"]
    assert [json.loads(t)["step"] for t in fleet.redis.lrange(IO, 0, -1)] == [f"m{i}" for i in range(3, 8)]


def test_a_report_that_comes_again_has_its_follow_up_handed_over_again(fleet):
    fleet.start_dispatcher()
    alive(fleet)
    fleet.submit(CHAIN, names(1))
    first = claim(fleet)
    report(fleet, first, {"io": 4})
    again = report(fleet, first, {"io": 4})
    assert again["answers"] == ["duplicate"]
    assert [json.loads(t)["step"] for t in again["tasks"]] == ["b"]
    assert report(fleet, first) == {"answers": ["duplicate"]}
    assert [json.loads(t)["step"] for t in fleet.redis.lrange(IO, 0, -1)] == ["b"]


def test_follow_ups_of_urgent_jobs_are_to_go_first(fleet):
    fleet.start_dispatcher()
    alive(fleet)
    fleet.submit(CHAIN, names(1), priority="high")
    answer = report(fleet, claim(fleet), {"io": 4})
    assert [json.loads(t)["step"] for t in answer["tasks"]] == ["b"] and answer["first"] == 1


def test_what_is_handed_over_takes_no_room_of_the_window_and_passes_a_backlog_by(fleet):
    fleet.settings["PIXELFLEET_QUEUE_WINDOW"] = 2
    fleet.start_dispatcher()
    alive(fleet)
    fleet.submit(CHAIN, names(6))
    wait_for(lambda: fleet.redis.llen(IO) == 2 and fleet.backlog() == 4, 20, "a backlog")
    answer = report(fleet, claim(fleet), {"io": 4})
    assert [json.loads(t)["step"] for t in answer["tasks"]] == ["b"]
    wait_for(lambda: fleet.redis.llen(IO) == 2 and fleet.backlog() == 3, 20, "the window is filled again")
    assert report(fleet, claim(fleet)) == {"answers": ["accepted"]}
    wait_for(lambda: fleet.backlog() == 3 and fleet.redis.llen(IO) == 2, 20, "the other one is in the backlog")


# -- with real workers

def test_a_chain_is_claimed_once(fleet):
    fleet.start_dispatcher()
    fleet.start_worker("io=2")
    for _ in range(20):
        fleet.submit(CHAIN, names(1))
    all_succeed(fleet, 20, 3)
    assert handed_over(fleet) >= 36


def test_follow_ups_that_the_worker_does_not_serve_are_another_ones(fleet):
    fleet.start_dispatcher()
    fleet.start_worker("io=1")
    fleet.start_worker("image=1")
    job = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]},
                        {"id": "all", "tool": "aggregate", "needs": ["size"]}], small(fleet.pictures, 3))
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    assert handed_over(fleet) == 0


def test_slow_and_quick_steps_take_turns_with_what_others_submit(fleet):
    """A worker that is busy with long chains still claims what is urgent."""
    fleet.start_dispatcher()
    fleet.start_worker("io=1")
    nap = {"tool": "sleep", "params": {"seconds": 0.1}}
    steps = [{"id": "s0", **nap}] + [{"id": f"s{i}", "needs": [f"s{i - 1}"], **nap} for i in range(1, 60)]
    jobs = [fleet.submit(steps, names(1)) for _ in range(3)]
    wait_for(lambda: handed_over(fleet) > 3, 20, "the chains are under way")
    urgent = fleet.submit([{"id": "a", "tool": "noop"}], names(1), priority="high")
    assert fleet.wait_end(urgent, 10) == "succeeded"
    assert [fleet.state(job) for job in jobs] == ["running"] * 3
    for job in jobs:
        fleet.http("POST", f"/api/v1/jobs/{job}/cancel")
    wait_for(lambda: fleet.held() == 0, 40, "nothing is held any more")


@pytest.mark.parametrize("hit", [1, 2, 3, 6])
def test_when_the_answer_with_the_task_is_lost_nothing_is_lost_or_doubled(fleet, hit):
    fleet.start_dispatcher()
    fleet.start_worker("io=2", env={"FAULT": f"worker.answer={hit}"}, faults=True)
    for _ in range(3):
        fleet.submit(CHAIN, names(2))
    all_succeed(fleet, 3, 6)


@pytest.mark.parametrize("hit", [1, 2])
def test_when_the_worker_dies_with_what_it_was_handed_another_one_runs_it(fleet, hit):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    fleet.start_dispatcher()
    doomed = fleet.start_worker("io=2", env={"FAULT": f"worker.handed={hit}"}, faults=True)
    for _ in range(3):
        fleet.submit(CHAIN, names(2))
    wait_for(lambda: doomed.process.poll() is not None, 30, "the fault ends it")
    doomed.ended = True
    fleet.start_worker("io=2")
    all_succeed(fleet, 3, 6)
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt") == 0        # none of them had started


@pytest.mark.parametrize("hit", [1, "*"])
def test_when_its_heartbeat_is_gone_the_queue_has_them(fleet, hit):
    dispatcher = fleet.start_dispatcher(env={"FAULT": f"ledger.hand={hit}"}, faults=True)
    fleet.start_worker("io=2")
    for _ in range(3):
        fleet.submit(CHAIN, names(2))
    all_succeed(fleet, 3, 6)
    assert dispatcher.logged(r"ev=handover\.refused")
    assert (handed_over(fleet) == 0) == (hit == "*")


def test_a_worker_that_drains_is_handed_nothing_more(fleet):
    fleet.start_dispatcher()
    first = fleet.start_worker("io=2")
    nap = {"tool": "sleep", "params": {"seconds": 0.3}}
    steps = [{"id": "s0", **nap}] + [{"id": f"s{i}", "needs": [f"s{i - 1}"], **nap} for i in range(1, 8)]
    jobs = [fleet.submit(steps, names(1)) for _ in range(3)]
    wait_for(lambda: handed_over(fleet) > 2, 20, "the chains are under way")
    began = time.monotonic()
    first.stop()
    assert time.monotonic() - began < 3             # not until its chains were finished
    assert not fleet.redis.keys("pixelfleet:running:*") and fleet.redis.llen(IO) == 3
    fleet.start_worker("io=4")
    for job in jobs:
        assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt") == 0


def test_when_redis_is_emptied_what_was_handed_over_is_written_down_again(fleet):
    fleet.start_dispatcher()
    fleet.start_worker("io=1")
    nap = {"tool": "sleep", "params": {"seconds": 1.5}}
    steps = [{"id": "s0", **nap}] + [{"id": f"s{i}", "needs": [f"s{i - 1}"], **nap} for i in range(1, 3)]
    jobs = [fleet.submit(steps, names(1)) for _ in range(2)]
    wait_for(lambda: handed_over(fleet) >= 1, 20, "one is handed over")
    fleet.redis.flushall()
    for job in jobs:
        assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    wait_for(lambda: fleet.held() == 0 and not fleet.redis.llen(IO), 40, "nothing is left behind")


def test_a_cancelled_job_is_handed_over_no_further(fleet):
    fleet.start_dispatcher()
    fleet.start_worker("io=1")
    nap = {"tool": "sleep", "params": {"seconds": 0.3}}
    steps = [{"id": "s0", **nap}] + [{"id": f"s{i}", "needs": [f"s{i - 1}"], **nap} for i in range(1, 100)]
    job = fleet.submit(steps, names(4))
    wait_for(lambda: handed_over(fleet) >= 1, 20, "one is handed over")
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel")
    assert fleet.wait_end(job) == "cancelled"
    wait_for(lambda: fleet.held() == 0 and fleet.redis.llen(IO) == 0, 20, "nothing is held any more")
