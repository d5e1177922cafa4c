"""What the programs and Redis take in memory, however much there is to do. The limits are those of the README."""
import re

import pytest

from fleet import SLOWNESS, wait_for
from pictures import names, nature

NOOP = {"steps": [{"id": "a", "tool": "noop"}]}
DISPATCHER_MB, WORKER_MB, TASK_BYTES = 64, 16, 700
pytestmark = pytest.mark.skipif(SLOWNESS != 1, reason="a sanitizer has the memory that it wants")


def memory_mb(pid, what):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(what + r":\s+(\d+)", status.read())[1]) / 1024


def peak_mb(program):
    return memory_mb(program.pid, "VmHWM")


def forget_peak(program):
    with open(f"/proc/{program.pid}/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")


def queue_steps(fleet, jobs, pictures):
    for _ in range(jobs):
        fleet.push({"pipeline": NOOP, "images": names(pictures)})
    wait_for(lambda: fleet.one("SELECT coalesce(sum(made), 0) FROM pixelfleet.job") == jobs * pictures, 60, "all of them are made")


def all_have_run(fleet, jobs):
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == jobs, 60, "all of them have run")


def small_enough(dispatcher, doing):
    assert peak_mb(dispatcher) <= DISPATCHER_MB, f"{peak_mb(dispatcher):.1f} MB while {doing}"
    forget_peak(dispatcher)


def test_a_dispatcher_stays_small_with_200000_steps_queued_and_so_does_redis(fleet):
    dispatcher = fleet.start_dispatcher()
    queue_steps(fleet, 20, 10000)
    small_enough(dispatcher, "accepting 200,000 steps")
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:io") == 100000, 30, "as many as Redis shall hold are there")
    assert fleet.backlog() == 100000
    each = fleet.redis.memory_usage("pixelfleet:queue:io", samples=0) / 100000
    assert each <= TASK_BYTES, f"{each:.0f} bytes a step in Redis"

    fleet.redis.flushall()
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 found=100000 pushed=100000", 60)
    small_enough(dispatcher, "making the queues anew")
    assert fleet.redis.llen("pixelfleet:queue:io") == 100000
    assert fleet.backlog() == 100000


def test_a_dispatcher_stays_small_while_the_largest_job_is_made_and_cancelled(fleet):
    dispatcher = fleet.start_dispatcher()
    steps = [{"id": f"s{k}", "tool": "noop", "needs": []} for k in range(20)]
    job = fleet.submit({"steps": steps, "name": "wide"}, names(10000), timeout=60)
    wait_for(lambda: fleet.one("SELECT made FROM pixelfleet.job WHERE id = %s", job) == 200000, 60, "it is made")
    small_enough(dispatcher, "a job of 200,000 steps is made")
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel", timeout=60)
    wait_for(lambda: fleet.state(job) == "cancelled", 60, "it is cancelled")
    small_enough(dispatcher, "it is cancelled")
    assert fleet.counts(job)["cancelled"] == 200000


def test_a_worker_stays_small_while_64_slots_run_20000_tasks(fleet):
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=2,io=64")
    queue_steps(fleet, 20, 1000)
    all_have_run(fleet, 20)
    assert peak_mb(worker) <= WORKER_MB, f"{peak_mb(worker):.1f} MB"


def test_a_runner_without_work_gives_back_what_its_pictures_took(fleet):
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=1")
    steps = [{"id": "source", "tool": "fetch"}, {"id": "turned", "tool": "rotate", "needs": ["source"], "params": {"angle": 90}}]
    fleet.wait_end(fleet.submit(steps, nature(fleet.pictures)), 60)
    runner, = set(worker.children()) - {worker.pid}
    most = memory_mb(runner, "VmHWM")
    wait_for(lambda: memory_mb(runner, "VmRSS") < most - 12, 10, lambda: f"{memory_mb(runner, 'VmRSS'):.0f} MB, {most:.0f} at the most")
