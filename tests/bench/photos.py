"""photos.py - pictures as work: the fleet on one side, a plain loop of libvips calls on the other, on the same files."""
import pathlib
import subprocess
import time

from fixtures import copies, refresh
from meter import CORES, Meter
from ours import Pixelfleet
from stand import built, die_with_us, wait_for


class Photographs(Pixelfleet):
    """One job for all pictures; the clock runs from its LPUSH until the dispatcher tells that it has succeeded in PostgreSQL."""

    def __init__(self, services, scenario, steps, originals, n, slots=f"image={CORES},io=4", **more):
        super().__init__(services, scenario, slots=slots, **more)
        self.steps, self.originals, self.n = steps, originals, n
        self.files = []

    def start(self):
        super().start()
        if self.beside:
            self.files = self.beside.files
            return
        self.start_workers(True)
        self.stand.listen()
        self.files = copies(self.originals(self.stand.folder), self.n, self.stand.fleet.pictures)

    def prepare(self, turn):
        """Every picture becomes a new one."""
        refresh(self.files, f"{self.name} {turn}")

    def chosen(self, turn):
        return self.files[:max(self.n // 10, 2 * CORES)] if turn < 0 else self.files

    def submission(self, files):
        return {"id": f"{self.scenario}-{self.name}-{self.stand.jobs}".replace(" ", "-"), "pipeline": {"steps": self.steps},
                "images": [str(path) for path in files]}

    def run(self, turn, span):
        files = self.chosen(turn)
        submission = self.submission(files)
        span.begin()
        self.stand.fleet.push(submission)
        self.stand.jobs += 1
        span.end(self.stand.wait_told(self.stand.jobs))
        self.stand.done += len(files)
        return len(files)

    def outputs(self, step, artifact, items):
        """Bytes of what the step gave in the last job."""
        job = self.stand.fleet.sql("SELECT id::text FROM pixelfleet.job ORDER BY id DESC LIMIT 1")[0]
        rows = self.stand.fleet.sql(
            "SELECT v.item, encode(a.digest, 'hex') FROM pixelfleet.artifact a JOIN pixelfleet.step_view v USING (job, ordinal) "
            "WHERE a.job = %s AND v.step = %s AND a.name = %s AND v.item < %s ORDER BY 1", job, step, artifact, items)
        return {item: self.stand.fleet.http("GET", f"/api/v1/artifacts/{digest}").body for item, digest in rows}


class Gated(Photographs):
    """The tool alone: the pictures have been fetched, and their tasks wait in a queue that nobody serves. The clock begins
    when that list is renamed to the one that the worker waits at."""

    def submission(self, files):
        steps = [{**step, "queue": "gate"} if step["tool"] != "fetch" else step for step in self.steps]
        return {**super().submission(files), "pipeline": {"steps": steps}}

    def run(self, turn, span):
        files = self.chosen(turn)
        self.stand.fleet.push(self.submission(files))
        self.stand.jobs += 1
        wait_for(lambda: self.stand.fleet.redis.llen("pixelfleet:queue:gate") >= len(files), 120, "all pictures are fetched")
        span.begin()
        self.stand.fleet.redis.rename("pixelfleet:queue:gate", "pixelfleet:queue:image")
        span.began = time.monotonic()
        span.end(self.stand.wait_told(self.stand.jobs))
        return len(files)


class PlainLoop:
    """The same libvips calls, in as many processes of one thread as there are cores, and nothing else."""

    child = "plain loop"

    def __init__(self, photographs, work, name="plain loop"):
        self.photographs, self.work, self.name = photographs, work, name
        self.out = None

    def start(self):
        pass

    def meter(self):
        return Meter(lambda: {})

    def prepare(self, turn):
        self.out = self.photographs.stand.folder / f"plain-{self.work}.{turn}"
        self.out.mkdir()

    def run(self, turn, span):
        files = self.photographs.chosen(turn)
        span.begin()
        done = subprocess.run([built("plain_loop"), str(CORES), self.work, str(self.out), *map(str, files)], check=True,
                              stdout=subprocess.PIPE, text=True, timeout=600, preexec_fn=die_with_us)
        span.end(span.began + float(done.stdout))       # the programs of the fleet have been there for long, too
        return len(files)

    def stop(self):
        pass

    def outputs(self, what, items):
        return {item: pathlib.Path(self.out / f"{item}.{what}").read_bytes() for item in range(items)}
