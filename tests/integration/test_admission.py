"""Decoded pictures share a worker's memory: what is too large is refused, what has no room waits, and nothing else."""
import json
import os
import pathlib
import re
import signal

from fleet import SLOWNESS, wait_for
from pictures import png

MIB = 1 << 20
SLOW = [{"id": "slow", "tool": "rotate", "params": {"angle": 33}}]        # decodes all of it
ROTATE = [{"id": "turn", "tool": "rotate", "params": {"angle": 90}}]


def start(fleet, slots, **settings):
    fleet.start_dispatcher()
    return fleet.start_worker(slots, env={"PIXELFLEET_LOG_LEVEL": "debug", **settings})


def heartbeat(fleet):
    workers = fleet.http("GET", "/api/v1/workers").body["workers"]
    return workers[0] if workers else {"running": [], "memory": {}}


def waiting(fleet):
    return [task for task in heartbeat(fleet)["running"] if "waits_for" in task]


def large(fleet, name, side=1700):
    return png(fleet.pictures / name, side, side)


def grants(worker):
    """What each task was granted, in order."""
    return [int(n) for n in re.findall(r"ev=memory\.granted .*?bytes=(\d+)", worker.text())]


def resident(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


def hold(fleet):
    """A job whose runner was stopped while it holds memory, and the runner's process id: nothing else fits."""
    worker = fleet.programs[-1]
    before = len(grants(worker))
    job = fleet.submit(SLOW, [large(fleet, "holder.png", 2500)])

    def stopped():
        runners = [pid for pid in worker.children() if pid != worker.pid]
        if not runners or len(grants(worker)) <= before:
            return None
        holder = max(runners, key=resident)     # others are idle, and have decoded nothing
        os.kill(holder, signal.SIGSTOP)
        return holder
    pid = wait_for(stopped, 30, "a runner that was granted memory", every=0.002)
    wait_for(lambda: heartbeat(fleet)["memory"].get("granted"), 10, "the stopped runner still holds its memory")
    return job, pid


def test_eight_pictures_far_over_the_budget_take_turns_and_all_succeed(fleet):
    worker = start(fleet, "image=4,io=4", PIXELFLEET_WORKER_MEMORY_MB=50)
    pictures = [large(fleet, f"{i}.png") for i in range(7)] + [png(fleet.pictures / "small.png")]
    job = fleet.submit(ROTATE, pictures)
    assert fleet.wait_end(job, 120) == "succeeded"
    granted = grants(worker)
    assert len(granted) == 8
    assert sum(granted) > 3 * 50 * MIB
    beat = wait_for(lambda: (now := heartbeat(fleet)) and now["memory"].get("peak") and not now["memory"]["granted"] and now, 10,
                    "all is given back")
    assert max(granted) <= beat["memory"]["peak"] <= beat["memory"]["total"] == 50 * MIB
    assert re.search(r"ev=memory\.waits .*memory: \d+ MiB of 50 MiB are free, it needs \d+ MiB", worker.text())
    attempts = fleet.sql("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job)[0]
    assert attempts == 0, "nobody's attempt was spent on waiting"


def test_over_the_budget_of_a_task_it_is_a_dead_letter_with_the_numbers(fleet):
    start(fleet, "image=1,io=1", PIXELFLEET_TASK_MEMORY_MB=20)
    job = fleet.submit(ROTATE, [large(fleet, "large.png")])
    assert fleet.wait_end(job) == "failed"
    letter, = fleet.letters("image")
    message = letter["error"]["message"] if isinstance(letter["error"], dict) else letter["error"]
    found = re.search(r"the picture has 1700 x 1700 x 1 page x 3 bands = 8670000 bytes decoded, which takes (\d+) bytes in this "
                      r"step; a task may have 20971520 \(PIXELFLEET_TASK_MEMORY_MB=20\)", message)
    assert found, message
    assert int(found[1]) > 20971520
    small = fleet.submit(ROTATE, [png(fleet.pictures / "small.png")])
    assert fleet.wait_end(small) == "succeeded"


def test_a_small_worker_lets_a_task_have_all_that_it_has(fleet):
    worker = start(fleet, "image=1,io=1", PIXELFLEET_WORKER_MEMORY_MB=48, PIXELFLEET_TASK_MEMORY_MB=2048)
    assert re.search(r"ev=worker\.memory .*worker_mb=48 task_mb=48", worker.text())
    assert heartbeat(fleet)["memory"]["task"] == 48 * MIB
    job = fleet.submit(ROTATE, [large(fleet, "huge.png", 4000)])
    assert fleet.wait_end(job, 60) == "failed"
    assert "PIXELFLEET_WORKER_MEMORY_MB=48" in json.dumps(fleet.letters("image"))


def test_a_killed_runner_gives_its_memory_to_the_one_that_waits(fleet):
    start(fleet, "image=2,io=2", PIXELFLEET_WORKER_MEMORY_MB=60)
    holder, runner = hold(fleet)
    job = fleet.submit(ROTATE, [large(fleet, "waiter.png", 2500)])
    task, = wait_for(lambda: waiting(fleet), 20, "a task waits for memory")
    assert re.fullmatch(r"memory: \d+ MiB of 60 MiB are free, it needs \d+ MiB", task["waits_for"])
    assert "memory: " in fleet.cli("workers"), "people see why it does not go on"
    os.kill(runner, signal.SIGKILL)
    assert fleet.wait_end(job, 30) == "succeeded"
    assert fleet.wait_end(holder, 60) == "succeeded", "its next attempt"


def test_a_cancelled_job_stops_waiting_at_once(fleet):
    worker = start(fleet, "image=2,io=2", PIXELFLEET_WORKER_MEMORY_MB=60)
    holder, runner = hold(fleet)
    job = fleet.submit(ROTATE, [large(fleet, "waiter.png", 2500)])
    wait_for(lambda: waiting(fleet), 20, "a task waits for memory")
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel")
    wait_for(lambda: len(heartbeat(fleet)["running"]) == 1, 5, "only the holder runs")
    assert re.search(r"ev=memory\.waited .*granted=0", worker.text())
    os.kill(runner, signal.SIGCONT)
    assert fleet.wait_end(holder, 30) == "succeeded"


def test_a_worker_that_drains_puts_back_what_waits(fleet):
    worker = start(fleet, "image=2,io=2", PIXELFLEET_WORKER_MEMORY_MB=60)
    holder, runner = hold(fleet)
    job = fleet.submit(ROTATE, [large(fleet, "waiter.png", 2500)])
    wait_for(lambda: waiting(fleet), 20, "a task waits for memory")
    worker.terminate()
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:image") == 1, 5, "the waiting task is in its queue again")
    os.kill(runner, signal.SIGCONT)
    worker.process.wait(20 * SLOWNESS)
    worker.wait_end()
    assert fleet.wait_end(holder, 10) == "succeeded"
    fleet.start_worker("image=2,io=2")
    assert fleet.wait_end(job, 30) == "succeeded"
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt") == 0


def test_waiting_does_not_count_against_the_time_limit(fleet):
    worker = start(fleet, "image=2,io=2", PIXELFLEET_WORKER_MEMORY_MB=60)
    holder, runner = hold(fleet)
    limit = 4 * SLOWNESS
    job = fleet.submit([{**ROTATE[0], "timeout_s": limit}], [large(fleet, "waiter.png", 2500)])
    since = wait_for(lambda: waiting(fleet), 20, "a task waits for memory")[0]["since"]
    now = fleet.one("SELECT now()")
    wait_for(lambda: (fleet.one("SELECT clock_timestamp()") - now).total_seconds() > limit + 1, limit + 10,
             "it waits longer than it may run")
    assert waiting(fleet)[0]["since"] == since, "the same attempt"
    os.kill(runner, signal.SIGCONT)
    assert fleet.wait_end(job, 30) == "succeeded"
    assert fleet.wait_end(holder, 30) == "succeeded"
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt") == 0
    assert int(re.search(r"ev=memory\.waited .*?ms=(\d+)", worker.text())[1]) > limit * 1000
