"""peers.py - pixelfleet beside BullMQ (with sharp) and Celery (with Pillow): the same work on the same machine, in turns.

    SCENARIOS=chain,fan    only these; of: noop, noop-1000, through, chain, fan, idle, photo
    TUNE=0                 no trials of the peers' settings: those that were best on a machine of two cores
    REPEAT=5 SCALE=1 WORKERS=1 SLOTS=64       as for `make bench` (see ../settings.py)
    JOBS=100000 CHAINS=10000 FANS=2000 LATENCIES=150 PHOTOS=36     how much of each a turn, times SCALE
    CELERY_JOBS=4000 CELERY_CHAINS=600 CELERY_FANS=150             the same for Celery, which is slower

Redis keeps its append-only file (everysec) for all, in two servers of the same kind. Writes build/bench/peers.json and
prints a table; the ratios are pixelfleet's figure to the peer's, turn by turn.
"""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "integration")]

import contestants as peer  # noqa: E402 pylint: disable=wrong-import-position
import ours  # noqa: E402 pylint: disable=wrong-import-position
import settings  # noqa: E402 pylint: disable=wrong-import-position
import tuning  # noqa: E402 pylint: disable=wrong-import-position
from fixtures import twelve_megapixels  # noqa: E402 pylint: disable=wrong-import-position
from harness import Results, compare  # noqa: E402 pylint: disable=wrong-import-position
from photos import Photographs  # noqa: E402 pylint: disable=wrong-import-position
from rig import Rig  # noqa: E402 pylint: disable=wrong-import-position
from scenario_photos import photo_steps  # noqa: E402 pylint: disable=wrong-import-position
from scenario_steps import Idle  # noqa: E402 pylint: disable=wrong-import-position
from stand import FOLDER, servers  # noqa: E402 pylint: disable=wrong-import-position

SIZES = {name: settings.scaled(settings.number(name, default, 1)) for name, default in (
    ("JOBS", 100000), ("CHAINS", 10000), ("FANS", 2000), ("LATENCIES", 150), ("PHOTOS", 36),
    ("CELERY_JOBS", 4000), ("CELERY_CHAINS", 600), ("CELERY_FANS", 150))}
NOTES = (
    "Durable: of pixelfleet, every step's result, a row that PostgreSQL has committed to disk before the clock stops; of BullMQ and of "
    "Celery, nothing but what Redis' append-only file has (everysec): a power failure takes up to a second of it.",
    "BullMQ: jobs without data, added by addBulk, 1,000 (flows: 250) a pipeline; the worker option removeOnComplete with count 0; "
    "processes, concurrency and ioredis' auto-pipelining by trial; no metrics. drainDelay, locks and the stalled check are as they come: "
    "they rest while the clock runs.",
    "Celery: acknowledged before they run, ignore_result wherever nobody waits, no rate limits, no events, no gossip, no mingle, no "
    "heartbeat, one connection that adds; pool and prefetch by trial.",
)


class Run:
    """What all scenarios need."""

    def __init__(self, results, services, rig):
        self.results, self.services, self.rig = results, services, rig
        self.slots = f"io={settings.SLOTS}"
        self.chosen = {}

    def tuned(self, name, work, candidates, measure):
        """The settings of a peer for a kind of work, tried when they are first asked for."""
        if os.environ.get("TUNE", "1") == "0":
            return candidates[0]
        if (name, work) not in self.chosen:
            self.chosen[name, work], tale = tuning.best(self.rig, name, candidates, measure)
            self.results.notes.append(f"{name}, {work}: {tale}")
        return self.chosen[name, work]

    def bullmq(self, kind, way=peer.Drain, name=None, n=1):
        candidates = tuning.BULLMQ_JOBS if kind == "noop" else tuning.BULLMQ_FLOWS
        trial = settings.scaled({"noop": 10000, "chain": 3000}.get(kind, 1000))
        start = self.tuned("bullmq", kind, candidates, lambda driver: tuning.speed(driver, kind, trial))
        return way(self.rig, "bullmq", kind, start, name=name, n=n)

    def celery(self, kind, way=peer.Drain, n=1):
        start = self.tuned("celery", "noop", tuning.CELERY_JOBS, lambda driver: tuning.speed(driver, "noop", settings.scaled(1000)))
        return way(self.rig, "celery", kind, start, n=n)

    def ours(self, way, scenario, load, **limits):
        return way(self.services, scenario, load, workers=settings.WORKERS, slots=self.slots, limits=limits)

    def compare(self, scenario, title, contestants, unit="steps/s", least=None):
        """`least`: {peer: the ratio that is wanted}."""
        compare(self.results, scenario, unit, contestants, title)
        self.results.want_ratio(scenario, {f"{contestants[0].name} / {name}": ratio for name, ratio in (least or {}).items()})


def noop(run):
    run.compare("noop", "No-op jobs of one step, drained", [
        run.ours(ours.Drain, "noop", ours.noops(SIZES["JOBS"], 1), least=20000),
        run.bullmq("noop", n=SIZES["JOBS"]), run.celery("noop", n=SIZES["CELERY_JOBS"])], least={"BullMQ": 1.5})


def noop_1000(run):
    jobs = max(SIZES["JOBS"] // 2, 1)
    run.compare("noop-1000", "No-op steps, 1,000 of a job (BullMQ: each a job), drained", [
        run.ours(ours.Drain, "noop-1000", ours.noops(jobs, min(1000, jobs)), least=20000),
        run.bullmq("noop", n=jobs)], least={"BullMQ": 1.5})


def through(run):
    jobs = max(SIZES["JOBS"] // 2, 1)
    run.compare("through", "No-op jobs of one step, from the first add to the last end", [
        run.ours(ours.Through, "through", ours.noops(jobs, 1)),
        run.bullmq("noop", peer.Through, n=jobs), run.celery("noop", peer.Through, n=SIZES["CELERY_JOBS"])])


def chain(run):
    run.compare("chain", "Chains of three steps, drained", [
        run.ours(ours.Drain, "chain", ours.chains(3 * SIZES["CHAINS"]), least=20000),
        run.bullmq("chain", n=SIZES["CHAINS"]), run.celery("chain", n=SIZES["CELERY_CHAINS"])], least={"BullMQ": 2})


def fan(run):
    ways = [run.bullmq("fan", name="BullMQ, first step adds a flow", n=SIZES["FANS"]),
            run.bullmq("gather", name="BullMQ, first step waits for children", n=SIZES["FANS"]),
            run.bullmq("tree", name="BullMQ, static tree", n=SIZES["FANS"])]
    run.compare("fan", "1 → 8 → 1, drained", [
        run.ours(ours.Drain, "fan", ours.fans(10 * SIZES["FANS"]), least=15000), *ways,
        run.celery("fan", n=SIZES["CELERY_FANS"])], least={way.name: 1.6 for way in ways[:2]})
    run.results.note("fan", "BullMQ's trees have no first step that several others wait for, so the static tree is 8 → 1 → 1: ten jobs, "
                     "but not the same work. Where the first step waits for its children it is also the last one, and is run twice: ten steps "
                     "of nine jobs.")


def idle(run):
    n = SIZES["LATENCIES"]

    def way(name, kind, start, title=None):
        return peer.Latency(run.rig, name, kind, start, name=title, n=n)

    run.compare("idle", "One no-op job on an idle system, p50", [
        Idle(run.services, "event", n),
        way("bullmq", "in-process", {"processes": 0}, "BullMQ, adder and worker in one process"),
        way("bullmq", "events", {"processes": 1, "concurrency": 1}, "BullMQ, QueueEvents"),
        way("celery", "", tuning.CELERY_JOBS[0])], unit="ms")
    run.results.note("idle", "Ratios of times: below 1 is ahead. The clock runs from before the add until the client has heard of the end; "
                     "between jobs there is a rest of 5 to 25 ms.")


def photo(run):
    fleet = Photographs(run.services, "photo", photo_steps(True), lambda _: twelve_megapixels(settings.SEED), SIZES["PHOTOS"],
                        name="pixelfleet, separate steps")
    trial = peer.as_photos(twelve_megapixels(settings.SEED), run.rig.out)
    candidates = {"bullmq": tuning.BULLMQ_PHOTOS, "celery": tuning.CELERY_PHOTOS}

    def way(name, kind, title):
        start = run.tuned(name, "photos, one decode", candidates[name], lambda driver: tuning.photo_speed(driver, "once", trial))
        return peer.Photos(run.rig, name, kind, start, name=title, photographs=fleet)

    once = way("bullmq", "once", "BullMQ and sharp, one job, one decode")
    run.compare("photo", "12-megapixel JPEG → 640 JPEG + 250 WebP + stats of 32x32", [
        fleet, once,
        way("bullmq", "thrice", "BullMQ and sharp, one job, three decodes"),
        way("bullmq", "flow", "BullMQ and sharp, flow of three jobs, a decode each"),
        way("bullmq", "chain", "BullMQ and sharp, flow of three jobs, pixels handed on in a file"),
        way("celery", "once", "Celery and Pillow, one task, one decode"),
        way("celery", "thrice", "Celery and Pillow, one task, three decodes"),
    ], unit="photos/s", least={once.name: 1})
    run.results.note("photo", "sharp: one thread a picture, no cache, the JPEG shrunk while it is decoded, quality 85 for both; statistics "
                     "by a loop over the 32x32 pixels, which is faster than sharp's stats(). Pillow: draft() and LANCZOS, quality 85. The "
                     "peers' results are files, which nobody syncs. pixelfleet with fast_shrink, as sharp has it by default.")


SCENARIOS = {"noop": noop, "noop-1000": noop_1000, "through": through, "chain": chain, "fan": fan, "idle": idle, "photo": photo}


def chosen():
    names = os.environ.get("SCENARIOS", "").replace(",", " ").split() or list(SCENARIOS)
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise SystemExit(f"bench-peers: SCENARIOS: there is no {', '.join(unknown)}; allowed: {', '.join(SCENARIOS)}")
    return names


def versions_of(rig):
    found = {}
    for name in ("bullmq", "celery"):
        driver = getattr(rig, name)()
        found.update(driver.ask("versions"))
        rig.close(driver)
    return found


def main():
    names = chosen()
    results = Results(settings.REPEAT, settings.SEED, {**settings.as_dict(), **{name.lower(): size for name, size in SIZES.items()}})
    try:
        with Rig() as rig, servers() as services:
            results.notes += [*NOTES, "Of the peers: " + ", ".join(f"{name} {version}" for name, version in versions_of(rig).items()) + "."]
            run = Run(results, services, rig)
            for name in names:
                print(f"bench-peers: {name} ...", file=sys.stderr, flush=True)
                SCENARIOS[name](run)
                results.write(FOLDER / "peers.json")
    except KeyboardInterrupt:
        print("bench-peers: stopped", file=sys.stderr)
        sys.exit(130)
    finally:
        if results.scenarios:
            print(results.table(), flush=True)


if __name__ == "__main__":
    main()
