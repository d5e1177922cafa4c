"""ours.py - pixelfleet as a contestant: one dispatcher, workers, and the ways of giving it no-op steps.

Drain     everything is queued before; the clock runs from the start of the worker processes until the last job has
          succeeded in PostgreSQL
Through   the workers wait; the clock runs from the first LPUSH until the last job has succeeded in PostgreSQL
"""
import json

from pictures import names
from stand import Stand


def step(name, *needs, tool="noop", **more):
    return {"id": name, "tool": tool, **({"needs": list(needs)} if needs else {}), **more}


class Load:
    """Jobs that are all alike: `steps` with `pictures` each, so many `jobs`."""

    def __init__(self, jobs, pictures, steps):
        self.jobs, self.pictures, self.pipeline = max(jobs, 1), pictures, {"steps": steps}
        self.each = pictures * len(steps)       # step instances of a job
        self.ready = pictures * sum("needs" not in each for each in steps)      # of these, without needs

    @property
    def steps(self):
        return self.jobs * self.each

    def texts(self):
        text = json.dumps({"pipeline": self.pipeline, "images": names(self.pictures)})
        return (text for _ in range(self.jobs))

    def part(self, share):
        """The same, of fewer jobs."""
        part = Load.__new__(Load)
        part.__dict__.update(self.__dict__, jobs=max(round(self.jobs * share), 1))
        return part


def noops(steps, pictures):
    return Load(max(steps // pictures, 1), pictures, [step("a")])


def chains(steps, length=3):
    return Load(max(steps // length, 1), 1, [step("s0")] + [step(f"s{i}", f"s{i - 1}") for i in range(1, length)])


def fans(steps, width=8):
    middle = [f"m{i}" for i in range(width)]
    return Load(max(steps // (width + 2), 1), 1, [step("first"), *(step(name, "first") for name in middle), step("last", *middle)])


class Pixelfleet:
    """What all ways have in common."""

    warm = 0.1          # share of the load that warms up

    def __init__(self, services, scenario, workers=1, slots="io=64", dispatchers=1, limits=None, name="pixelfleet", beside=None):
        """`beside`: another one of these, whose programs and database it uses: there is but one Redis."""
        self.services, self.scenario, self.beside, self.name = services, scenario, beside, name
        self.workers, self.slots, self.dispatchers, self.limits = workers, slots, dispatchers, limits or {}
        self.stand = None

    def start(self):
        if self.beside:
            self.stand = self.beside.stand
            return
        self.stand = Stand(self.services, self.scenario).open()
        self.set_up()
        for _ in range(self.dispatchers):
            self.stand.fleet.start_dispatcher()

    def set_up(self):
        """Before any program starts."""

    def meter(self):
        return self.stand.meter

    def start_workers(self, wait):
        return [self.stand.fleet.start_worker(self.slots, wait=wait) for _ in range(self.workers)]

    def stop(self):
        if self.stand:
            self.stand.close()

    def extra(self):
        """What only the whole stand can tell, and so not who shares one."""
        if self.beside:
            return {}
        rows, done = self.stand.rows, max(self.stand.done, 1)
        writes = rows["inserted"] + rows["updated"] + rows["deleted"]
        return {"row_writes": writes / done, "rows": {name: n / done for name, n in rows.items()}}


class Steps(Pixelfleet):
    def __init__(self, services, scenario, load, **more):
        super().__init__(services, scenario, **more)
        self.load, self.now = load, load

    def prepare(self, turn):
        self.now = self.load.part(self.warm) if turn < 0 else self.load

    def finish(self):
        """The work of this turn, after its end."""
        self.stand.done += self.now.steps
        return self.now.steps

    def wait(self):
        self.stand.jobs += self.now.jobs
        return self.stand.wait_done(self.stand.jobs)


class Drain(Steps):
    def prepare(self, turn):
        super().prepare(turn)
        self.stand.push_all(self.now.texts())
        self.stand.wait_queued("io", self.now.jobs * self.now.ready)

    def run(self, _turn, span):
        span.begin()
        workers = self.start_workers(False)
        span.end(self.wait())
        for worker in workers:
            worker.stop()
        return self.finish()


class Through(Steps):
    def start(self):
        super().start()
        self.start_workers(True)

    def run(self, _turn, span):
        texts = list(self.now.texts())
        span.begin()
        self.stand.push_all(texts)
        span.end(self.wait())
        return self.finish()
