"""scenario_size.py - much queued, much finished, much in memory, and far away: what grows with the load, and what may not."""
import settings
from fixtures import copies, ordinary, refresh
from harness import compare
from helper import applied, far_away
from meter import CORES, descendants, memory_kb, processes
from ours import noops, step
from photos import Photographs
from scenario_photos import photo_steps
from settings import FULL, scaled
from stand import Stand
from visitors import Beside, Steady

SLOTS = f"io={settings.SLOTS}"
QUEUED = scaled(1000000 if FULL else 100000, 1000)
FINISHED = scaled(20000000 if FULL else 1000000, 1000)
PHOTOGRAPHS = scaled(20000 if FULL else 1000, 20)


def bounded(full, used):
    return "" if full == used else f" (FULL=1: {full:,})"


# ---- throughput with much queued ----

def backlog(results, services):
    """The backlog is held at its size while steps are done: as much comes as goes."""
    steps, more = scaled(60000, 2000), {"workers": settings.WORKERS, "slots": SLOTS}
    first = Steady(services, "backlog", 1000, steps, name="1,000 queued", **more)
    many = Steady(services, "backlog", QUEUED, steps, name=f"{QUEUED:,} queued", **more)
    compare(results, "backlog", "steps/s", [many, first], "No-op steps, by how many are queued" + bounded(1000000, QUEUED))
    results.want_ratio("backlog", {f"{many.name} / {first.name}": 0.85})


# ---- throughput beside much that is finished ----

def rows(results, services):
    load = noops(scaled(100000), 1000)
    more = {"workers": settings.WORKERS, "slots": SLOTS}
    many = Beside(services, "rows", FINISHED, load, name=f"{FINISHED:,} finished", **more)
    none = Beside(services, "rows", 0, load, name="0 finished", **more)
    compare(results, "rows", "steps/s", [many, none],
            "No-op steps from LPUSH to succeeded, by finished steps in the tables" + bounded(20000000, FINISHED))
    results.want_ratio("rows", {f"{many.name} / {none.name}": 0.85})


# ---- memory ----

def single(results, scenario, title, unit, value, most=None, **figures):
    """A figure that is no matter of turns."""
    results.add(scenario, title, unit, "pixelfleet", [{"value": value, **figures}], {"most": most} if most else None)


def memory_queued(results, services):
    with Stand(services, "memory") as stand:
        dispatcher = stand.fleet.start_dispatcher()
        before = stand.fleet.redis.info("memory")["used_memory"]
        load = noops(QUEUED, 1000)
        stand.push_all(load.texts())
        stand.wait_queued("io", load.steps, 900)
        length = stand.fleet.redis.llen("pixelfleet:queue:io")
        used = stand.fleet.redis.info("memory")["used_memory"] - before
        what = f"{load.steps:,} queued" + bounded(1000000, QUEUED)
        single(results, "memory-dispatcher", f"Dispatcher with {what}", "MiB resident", memory_kb(dispatcher.pid) / 1024, 64,
               peak_mb=memory_kb(dispatcher.pid, "VmHWM") / 1024)
        single(results, "memory-redis", f"Redis for each of the {length:,} tasks that its window holds", "bytes", used / length, 700,
               in_redis=length)
        worker = stand.fleet.start_worker(SLOTS)
        stand.wait_done(load.jobs, 900)
        single(results, "memory-worker", f"Worker after {load.steps:,} no-op steps", "MiB resident", memory_kb(worker.pid) / 1024, 16)
        single(results, "memory-dispatcher-after", f"Dispatcher after {load.steps:,} no-op steps", "MiB resident, at most",
               memory_kb(dispatcher.pid, "VmHWM") / 1024, 64)


def runners_kb(worker):
    return [memory_kb(pid) for pid in descendants(worker.pid, processes())]


def memory_photographs(results, services):
    """The same two runners do all of it: none is replaced after so many tasks."""
    with Stand(services, "memory-photographs") as stand:
        stand.fleet.settings["PIXELFLEET_RUNNER_TASKS"] = 100000000
        stand.fleet.start_dispatcher()
        worker = stand.fleet.start_worker(f"image={CORES},io=4")
        part = min(PHOTOGRAPHS, 500)
        files = copies(ordinary(stand.folder), part, stand.fleet.pictures)
        most = []
        for k in range(PHOTOGRAPHS // part):
            refresh(files, f"part {k}")
            stand.fleet.push({"pipeline": {"steps": photo_steps(False)}, "images": [str(path) for path in files]})
            stand.wait_done(k + 1, 900, every=0.05)
            most.append(max(runners_kb(worker)) / 1024)
            for path in (stand.folder / "data").rglob("*"):
                if path.is_file() and "artifacts" in path.parts:
                    path.unlink()
        done = part * len(most)
        what = f"{done:,} photographs of 1.3 to 4.9 megapixels{bounded(20000, PHOTOGRAPHS)}, three steps each"
        single(results, "memory-runner", f"Largest image runner after {what}", "MiB resident", most[-1], 80, peak_mb=max(most))
        single(results, "memory-worker-photographs", f"Worker after {what}", "MiB resident", memory_kb(worker.pid) / 1024, 16)


def memory(results, services):
    memory_queued(results, services)
    memory_photographs(results, services)


# ---- far away ----

class Distant(Photographs):
    """A worker with 8 slots and its dispatcher, started for each turn, with both servers so far away."""

    def __init__(self, services, rtt_ms, **more):
        steps = [step("src", tool="fetch"), step("thumb", "src", tool="thumbnail", params={"width": 250})]
        super().__init__(services, "distance", steps, ordinary, scaled(480, 16), slots="image=8,io=8", **more)
        self.rtt_ms, self.way = rtt_ms, None

    def start(self):
        super().start()
        if not self.beside:
            for program in reversed(self.stand.fleet.programs):
                program.stop()

    def run(self, turn, span):
        fleet = self.stand.fleet
        with far_away(self.services, self.rtt_ms) as settings_far:
            fleet.settings.update(applied(settings_far, self.services, self.stand.database))
            try:
                programs = [fleet.start_dispatcher(), fleet.start_worker(self.slots)]
                done = super().run(turn, span)
            finally:
                for name in settings_far:
                    fleet.settings.pop(name, None)
            for program in reversed(programs):
                program.stop()
        return done


def distance(results, services):
    near = Distant(services, 0, name="near")
    far = Distant(services, 5, name="5 ms to Redis and PostgreSQL", beside=near)
    compare(results, "distance", "pictures/s", [near, far], "Thumbnails by a worker with 8 slots", ours=far.name)
    results.want_ratio("distance", {f"{far.name} / near": 0.9})

