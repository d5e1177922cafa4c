"""scenario_steps.py - steps that do nothing, each of them durable: what the engine alone costs."""
import json
import statistics
import subprocess
import time

import settings
from fleet import wait_for
from harness import compare
from ours import Drain, Pixelfleet, Through, chains, fans, noops, step
from pictures import names
from services import built, die_with_us
from settings import scaled

SLOTS = f"io={settings.SLOTS}"


def drain(services, scenario, load, least=None):
    return Drain(services, scenario, load, workers=settings.WORKERS, slots=SLOTS, limits={"least": least} if least else None)


def through(services, scenario, load):
    return Through(services, scenario, load, workers=settings.WORKERS, slots=SLOTS)


def noop(results, services):
    compare(results, "noop", "steps/s", [drain(services, "noop", noops(scaled(100000), 1000), 20000)],
            "No-op steps drained, jobs of 1,000 pictures")


def noop_jobs(results, services):
    compare(results, "noop-jobs", "steps/s", [drain(services, "noop-jobs", noops(scaled(100000), 1), 20000)],
            "No-op steps drained, jobs of one step")


def chain(results, services):
    compare(results, "chain", "steps/s", [drain(services, "chain", chains(scaled(60000)), 20000)],
            "Chains of three steps drained, one picture each")


def fan(results, services):
    compare(results, "fan", "steps/s", [drain(services, "fan", fans(scaled(60000)), 15000)], "1 → 8 → 1 drained, one picture each")


def all_through(results, services):
    for scenario, load, title in (
            ("through", noops(scaled(100000), 1000), "No-op steps from LPUSH to succeeded, jobs of 1,000 pictures"),
            ("through-jobs", noops(scaled(50000), 1), "No-op steps from LPUSH to succeeded, jobs of one step"),
            ("through-chain", chains(scaled(60000)), "Chains of three steps from LPUSH to succeeded"),
            ("through-fan", fans(scaled(60000)), "1 → 8 → 1 from LPUSH to succeeded")):
        compare(results, scenario, "steps/s", [through(services, scenario, load)], title)


class Intake(Pixelfleet):
    """A dispatcher without workers finds its list full. The clock runs from the first take until every job has its
    committed row and its task in the queue. Each turn has a dispatcher and a database of its own."""

    def __init__(self, services, jobs):
        super().__init__(services, "intake", limits={"least": 20000})
        self.jobs, self.now = jobs, 0

    def prepare(self, turn):
        self.stop()
        self.start()
        self.stand.fleet.dispatchers[0].stop()      # it has made the tables
        self.now = max(self.jobs // 10, 1) if turn < 0 else self.jobs
        text = json.dumps({"pipeline": {"steps": [step("a")]}, "images": names(1)})
        self.stand.push_all(text for _ in range(self.now))

    def run(self, _turn, span):
        fleet = self.stand.fleet
        span.begin()
        dispatcher = fleet.start_dispatcher(wait=False)
        wait_for(lambda: fleet.redis.llen("pixelfleet:jobs") < self.now, 30, "a submission is taken", 0.0005)
        span.began = time.monotonic()
        wait_for(lambda: fleet.redis.llen("pixelfleet:queue:io") >= self.now, 300, "all tasks are queued", 0.003)
        span.end()
        dispatcher.wait_logged(r"ev=dispatcher\.ready", 30)
        assert fleet.one("SELECT count(*) FROM pixelfleet.job") == self.now
        self.stand.done = self.now
        return self.now


def intake(results, services):
    compare(results, "intake", "jobs/s", [Intake(services, scaled(50000))], "Intake: submissions that wait, until they are rows and tasks")


class Idle(Pixelfleet):
    """One job at a time on an idle system, from LPUSH until a client knows that it has succeeded. See latency.c."""

    limits_of = {"event": {"most": 1.5, "p99_most": 3.0}}

    def __init__(self, services, how, jobs):
        super().__init__(services, "idle-" + how, slots="image=2,infer=1,io=4", limits=self.limits_of.get(how),
                         name="pixelfleet, by " + how)
        self.how, self.jobs, self.child = how, jobs, "asker"

    def start(self):
        super().start()
        self.start_workers(True)

    def prepare(self, turn):
        pass

    def run(self, turn, span):
        jobs = max(self.jobs // 10, 20) if turn < 0 else self.jobs
        asked = [built("latency"), self.how, self.services.redis.port, str(jobs), str(settings.SEED + turn + 1)]
        if self.how == "poll":
            asked.append(self.services.postgres.url(self.stand.database))
        span.begin()
        done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True, timeout=600, preexec_fn=die_with_us)
        span.end()
        times = sorted(float(line) / 1000 for line in done.stdout.split())
        self.stand.done += len(times)
        return len(times), {"value": percentile(times, 50), "p99": percentile(times, 99), "p90": percentile(times, 90), "most": times[-1]}


def percentile(times, share):
    return times[min(len(times) * share // 100, len(times) - 1)]


def idle(results, services):
    compare(results, "idle", "ms", [Idle(services, "event", scaled(400, 20))], "LPUSH to done on an idle system, p50")
    compare(results, "idle-poll", "ms", [Idle(services, "poll", scaled(400, 20))],
            "The same, as a client sees it that asks PostgreSQL every 50 µs")
    results.note("idle", "The client (latency.c) is subscribed to pixelfleet:events:* and takes the message of the job's success, which "
                 "the dispatcher publishes after the commit; between jobs it rests for 5 to 25 ms.")


def large(results, services):
    """Cost per step: jobs of 10,000 pictures and of 10, by turns."""
    steps = scaled(50000, 10000)
    more = {"workers": settings.WORKERS, "slots": SLOTS}
    first = Drain(services, "large", noops(steps, 10000), name="jobs of 10,000 pictures", **more)
    contestants = [first, Drain(services, "large", noops(steps, 10), name="jobs of 10 pictures", beside=first, **more)]
    runs = compare(results, "large", "steps/s", contestants, "No-op steps drained: large jobs and small ones")
    cpu = [statistics.median(sum(run["cpu_us"].values()) for run in runs[contestant.name]) for contestant in contestants]
    results.scenarios["large"]["cpu_ratio"] = cpu[0] / cpu[1]
    results.note("large", f"CPU of all processes per step, 10,000 pictures to 10: {cpu[0]:.1f} µs / {cpu[1]:.1f} µs = "
                 f"{cpu[0] / cpu[1]:.2f} (at most 1.2)")
