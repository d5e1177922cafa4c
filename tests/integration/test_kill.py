"""kill -9, as the world does it."""
import json
import os
import time

from fleet import SLOWNESS, wait_for
from pictures import names, small


def holding(fleet, worker):
    return fleet.redis.llen(f"pixelfleet:running:{worker.worker}")


def test_tasks_of_a_killed_worker_run_elsewhere_within_15_seconds(fleet):
    fleet.start_dispatcher()
    doomed = fleet.start_worker("io=4")
    job = fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 2}}], names(4))
    wait_for(lambda: holding(fleet, doomed) == 4, what="the worker holds four tasks")
    fleet.start_worker("io=4")
    doomed.kill9()
    begin = time.monotonic()
    assert fleet.wait_end(job, 30) == "succeeded", fleet.explain(job)
    assert time.monotonic() - begin < (15 + 2) * SLOWNESS
    wait_for(lambda: fleet.held() == 0, what="nothing is held any more")
    assert fleet.counts(job)["succeeded"] == 4


def test_a_killed_runner_is_one_failed_attempt_of_one_step(fleet):
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=1")
    job = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]}],
                       small(fleet.pictures, 20))
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    for pid in worker.children():
        if pid != worker.pid:
            os.kill(pid, 9)
    again = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]}],
                         small(fleet.pictures, 20))
    assert fleet.wait_end(again, 60) == "succeeded", fleet.explain(again)


def test_a_task_that_kills_its_workers_is_poison_and_dead_lettered(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    fleet.start_dispatcher()
    bystanders = [fleet.start_worker("other=1") for _ in range(2)]
    job = fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 600}}], names(1))
    for _ in range(3):
        worker = fleet.start_worker("io=1")
        wait_for(lambda w=worker: any(
            task["job"] == job for task in json.loads(fleet.redis.get(f"pixelfleet:worker:{w.worker}") or '{"running": []}')["running"]),
            30, "the worker's heartbeat names the task")
        worker.kill9()
        wait_for(lambda w=worker: holding(fleet, w) == 0, 30, "the dead worker's task was taken back")
    assert fleet.wait_end(job, 30) == "failed", fleet.explain(job)
    letter = wait_for(lambda: fleet.dead("io"), what="a dead letter")[0]
    assert "died" in json.dumps(letter["error"]) or "death" in json.dumps(letter["error"])
    assert all(bystander.process.poll() is None for bystander in bystanders)


def submit_many(fleet, first, n):
    pipe = fleet.redis.pipeline(transaction=False)
    for i in range(first, first + n):
        pipe.lpush("pixelfleet:jobs", json.dumps({"id": f"many-{i}", "pipeline": {"steps": [{"id": "a", "tool": "noop"}]},
                                                  "images": ["http://pictures.invalid/1"]}))
    pipe.execute()


def test_a_dispatcher_killed_amid_5000_submissions_loses_and_doubles_none(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 3000
    submit_many(fleet, 0, 5000)         # before anybody takes them, so that it dies amid them
    doomed = fleet.start_dispatcher()
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job") > 0, what="some were accepted", every=0.001)
    doomed.kill9()
    fleet.start_dispatcher()
    fleet.start_worker("io=8")
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") >= 5000, 90,
             lambda: f"all end; {fleet.sql('SELECT state::text, count(*) FROM pixelfleet.job GROUP BY 1')}")
    assert fleet.one("SELECT count(*) FROM pixelfleet.job") == 5000
    assert fleet.one("SELECT count(DISTINCT client_id) FROM pixelfleet.job") == 5000
    assert fleet.one("SELECT count(*) FROM pixelfleet.step") == 5000
    assert fleet.refused() == []
    wait_for(lambda: not fleet.redis.keys("pixelfleet:taken:*") and fleet.held() == 0, 30, "nothing is left behind")


def test_the_only_dispatcher_killed_and_started_again_goes_on(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 3000
    fleet.settings["PIXELFLEET_LISTEN"] = f"127.0.0.1:{fleet.services.free_port()}"
    doomed = fleet.start_dispatcher()
    fleet.start_worker("io=8")
    submit_many(fleet, 0, 2000)
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job") > 200, what="some were accepted", every=0.005)
    doomed.kill9()
    fleet.start_dispatcher()
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") >= 2000, 90,
             lambda: f"all end; {fleet.sql('SELECT state::text, count(*) FROM pixelfleet.job GROUP BY 1')}")
    assert fleet.one("SELECT count(*) FROM pixelfleet.step") == 2000


def test_sigterm_puts_back_what_cannot_finish_without_burning_an_attempt(fleet):
    fleet.settings["PIXELFLEET_DRAIN_S"] = 1
    fleet.start_dispatcher()
    leaving = fleet.start_worker("io=2")
    job = fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 4}}], names(2))
    wait_for(lambda: holding(fleet, leaving) == 2, what="the worker holds both tasks")
    leaving.stop()
    assert holding(fleet, leaving) == 0
    fleet.start_worker("io=2")
    assert fleet.wait_end(job, 30) == "succeeded", fleet.explain(job)
    assert fleet.sql("SELECT attempt FROM pixelfleet.step WHERE job = %s", job) == [1, 1]
