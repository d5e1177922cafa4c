"""recovery.py - how long it takes until work goes on after something died, on this machine.

Everything is real and durable: PostgreSQL commits to disk, Redis keeps its append-only file.

    SAMPLES=20 REBUILD=100000    how many deaths of each kind, how many queued steps to rebuild
    LIMITS=1                     exit status 1 when a limit is passed
"""
import json
import os
import pathlib
import secrets
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from fleet import Fleet, wait_for  # noqa: E402 pylint: disable=wrong-import-position
from pictures import names  # noqa: E402 pylint: disable=wrong-import-position
from services import Services  # noqa: E402 pylint: disable=wrong-import-position

SAMPLES = int(os.environ.get("SAMPLES", 20))
REBUILD = int(os.environ.get("REBUILD", 100000))


def percentile(times, share):
    times = sorted(times)
    return times[min(len(times) * share // 100, len(times) - 1)]


class Report:
    def __init__(self):
        self.over = []

    def times(self, what, seconds, limit):
        print(f"{what:<62} p50 {percentile(seconds, 50):5.2f} s   p99 {percentile(seconds, 99):5.2f} s   "
              f"({len(seconds)} times, limit {limit} s)", flush=True)
        if percentile(seconds, 99) > limit:
            self.over.append(what)


def beats(fleet):
    """{worker: heartbeat}"""
    keys = fleet.redis.keys("pixelfleet:worker:*")
    texts = fleet.redis.mget(keys) if keys else []
    return {beat["worker"]: beat for beat in map(json.loads, filter(None, texts))}


def running_where(fleet):
    """{job: worker} of the steps that were started."""
    return {task["job"]: name for name, beat in beats(fleet).items() for task in beat["running"]}


def dead_workers(fleet, samples):
    """From kill -9 of a worker to the start of its step in another."""
    victims = [fleet.start_worker("io=1") for _ in range(samples)]
    jobs = [fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 60}}], names(1)) for _ in range(samples)]
    before = wait_for(lambda: (where := running_where(fleet)) and set(jobs) <= set(where) and where, 60, "each victim runs a step")
    fleet.start_worker(f"io={samples}")
    killed, began = {}, {}
    by_name = {victim.worker: victim for victim in victims}
    for job in jobs:
        by_name[before[job]].kill9()
        killed[job] = time.monotonic()

        def look():
            for other, where in running_where(fleet).items():
                if other in killed and where != before[other]:
                    began.setdefault(other, time.monotonic())
        until = time.monotonic() + 0.3
        wait_for(lambda: (look(), time.monotonic() > until)[1], 10)
    wait_for(lambda: (look(), len(began) == len(jobs))[1], 60, "each step runs elsewhere")
    for job in jobs:
        fleet.http("POST", f"/api/v1/jobs/{job}/cancel", {})
        fleet.wait_end(job)
    return [began[job] - killed[job] for job in jobs]


def dead_dispatchers(fleet, samples):
    """From the death of a dispatcher that had just taken a submission to the acceptance of that job by another."""
    times = []
    for first in range(0, samples, 5):
        keys = []
        deaths = {}
        dying = [fleet.start_dispatcher(env={"FAULT": "intake.taken=1"}, faults=True) for _ in range(min(5, samples - first))]
        while len(deaths) < len(dying):
            keys.append("taken-" + secrets.token_hex(6))
            fleet.push({"id": keys[-1], "pipeline": {"steps": [{"id": "a", "tool": "noop"}]}, "images": names(1)})
            wait_for(lambda: fleet.redis.llen("pixelfleet:jobs") == 0, 20, "somebody took it")
            for program in dying:
                if program.process.poll() is not None and program not in deaths:
                    program.ended = True
                    deaths[program] = time.monotonic()
        accepted = {}

        def look():
            for key in keys:
                if key not in accepted and fleet.job_of(key):
                    accepted[key] = time.monotonic()
        wait_for(lambda: (look(), len(accepted) == len(keys))[1], 60, "every submission is accepted")
        late = sorted(accepted.values())[-len(deaths):]
        times += [at - death for at, death in zip(late, sorted(deaths.values()))]
    return times


def done(fleet):
    return fleet.one("SELECT count(*) FROM pixelfleet.step WHERE state = 'succeeded'")


def service_back(fleet, stop, start, samples):
    """From the moment the service answers again to the next step that succeeds."""
    times = []
    for _ in range(samples):
        fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 0.05}}], names(2000))
        wait_for(lambda: done(fleet) > 0, 30)
        stop()
        start()
        back = time.monotonic()
        if fleet.connection:
            fleet.connection.close()
        before = done(fleet)
        wait_for(lambda: done(fleet) > before, 60, "work goes on", every=0.005)
        times.append(time.monotonic() - back)
        for job in fleet.sql("SELECT id::text FROM pixelfleet.job WHERE state = 'running'"):
            fleet.http("POST", f"/api/v1/jobs/{job}/cancel", {})
            fleet.wait_end(job)
    return times


def rebuilds(fleet, steps, samples):
    """From FLUSHALL to the last of the queued steps in its queue again."""
    times = []
    for _ in range(steps // 1000):
        fleet.push({"pipeline": {"steps": [{"id": "a", "tool": "noop", "queue": "nobody"}]}, "images": names(1000)})
    # A scan that makes up for a push that failed meanwhile may queue some twice, which does no harm.
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:nobody") >= steps, 120, "all steps are queued")
    for _ in range(samples):
        wait_for(lambda: fleet.redis.exists("pixelfleet:epoch"), 30)
        fleet.redis.flushall()
        begin = time.monotonic()
        wait_for(lambda: fleet.redis.llen("pixelfleet:queue:nobody") >= steps and fleet.redis.exists("pixelfleet:epoch"), 60,
                 "all steps are queued again", every=0.01)
        times.append(time.monotonic() - begin)
        assert fleet.redis.llen("pixelfleet:queue:nobody") == steps
    return times


def measure(fleet, services, report):
    first = fleet.start_dispatcher()
    report.times("dead worker: its step runs elsewhere", dead_workers(fleet, SAMPLES), 15)
    report.times("dead dispatcher: what it had taken is accepted", dead_dispatchers(fleet, SAMPLES), 15)
    fleet.start_worker("io=4", dispatchers=[first])
    report.times("Redis killed and back: the next step succeeds",
                 service_back(fleet, lambda: services.redis.stop(signal.SIGKILL), services.redis.start, SAMPLES), 5)
    report.times("PostgreSQL stopped at once and back: the next step succeeds",
                 service_back(fleet, lambda: services.postgres.stop(signal.SIGQUIT), services.postgres.start, SAMPLES), 5)
    report.times(f"FLUSHALL: {REBUILD} queued steps are queued again", rebuilds(fleet, REBUILD, max(SAMPLES // 4, 3)), 5)


def main():
    folder = pathlib.Path("build/recovery").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report = Report()
    with Services(["--appendonly", "yes", "--appendfsync", "everysec"], ["-c", "fsync=on"]) as services:
        fleet = Fleet(services, "pixelfleet", folder, folder / "logs")
        try:
            measure(fleet, services, report)
            fleet.close()
        finally:
            fleet.kill()
    if report.over:
        print("over the limit: " + ", ".join(report.over))
    sys.exit(1 if report.over and os.environ.get("LIMITS") else 0)


if __name__ == "__main__":
    main()
