"""curves.py - throughput against what grows: one curve for each, of a few points, drawn by plot.py.

Each point is measured as the scenarios are, with programs and a database of its own; its turns follow each other.
"""
import collections
import contextlib
import statistics

import settings
from harness import one_turn, spread
from helper import applied, far_away, helper
from history import write_finished
from ours import Drain, Through, chains, noops
from settings import FULL, scaled
from visitors import Beside, Steady

SLOTS = f"io={settings.SLOTS}"
STEPS = scaled(50000, 1000)



class Grown(Beside):
    """Beside more finished steps than the point before, which shares its database."""

    def start(self):
        if not self.beside:
            super().start()
            return
        self.stand = self.beside.stand
        self.stand.fleet.redis.flushall()
        self.stand.fleet.start_dispatcher()
        write_finished(self.stand.fleet, self.finished, self.beside.finished)
        self.stand.settle()
        self.stand.jobs += (self.finished - self.beside.finished) // 1000
        self.away()


class Heard(Through):
    """With so many that watch the events of all jobs."""

    def __init__(self, services, listeners, load, **more):
        super().__init__(services, "curve-listeners", load, **more)
        self.listeners = listeners

    def run(self, turn, span):
        if not self.listeners:
            return super().run(turn, span)
        port = self.stand.fleet.dispatchers[0].url.rsplit(":", 1)[1]
        with helper("listeners", self.listeners, port):
            return super().run(turn, span)


class Far(Through):
    """With Redis so far away."""

    def __init__(self, services, rtt_ms, load, **more):
        super().__init__(services, "curve-rtt", load, **more)
        self.rtt_ms, self.proxy = rtt_ms, contextlib.ExitStack()

    def set_up(self):
        far = self.proxy.enter_context(far_away(self.services, self.rtt_ms, postgres=False))
        self.stand.fleet.settings.update(applied(far, self.services, self.stand.database))

    def stop(self):
        with self.proxy:
            super().stop()


# Title, the x axis, the points, those that FULL=1 adds, and how a point is made (beside the one before it).
Curve = collections.namedtuple("Curve", "title x points more make is_shared", defaults=[False])

MORE = {"workers": settings.WORKERS, "slots": SLOTS}

CURVES = {
    "backlog": Curve("Steps that are queued", "steps queued all the time, jobs of 100 pictures", [1000, 10000, 100000], [1000000],
                     lambda services, x, _: Steady(services, "curve-backlog", x, STEPS, **MORE)),
    "pictures": Curve("Pictures of a job", "pictures, one step each", [1, 10, 100, 1000, 10000], [],
                      lambda services, x, _: Drain(services, "curve-pictures", noops(max(STEPS, x), x), **MORE)),
    "steps": Curve("Steps of a job", "steps in a chain, one picture", [1, 4, 16, 64, 256], [],
                   lambda services, x, _: Drain(services, "curve-steps", chains(max(STEPS, scaled(500, 20) * x), x), **MORE)),
    "dispatchers": Curve("Dispatchers", "dispatchers, two workers, jobs of 100 pictures", [1, 2, 3, 4], [],
                         lambda services, x, _: Through(services, "curve-dispatchers", noops(STEPS, 100), dispatchers=x, workers=2,
                                                        slots=SLOTS)),
    "workers": Curve("Workers", "workers, jobs of 1,000 pictures", [1, 2, 4, 8, 16], [],
                     lambda services, x, _: Through(services, "curve-workers", noops(STEPS, 1000), workers=x, slots=SLOTS)),
    "listeners": Curve("Event subscribers", "streams of the events of all jobs, jobs of 100 pictures", [0, 10, 100, 1000], [],
                       lambda services, x, _: Heard(services, x, noops(STEPS, 100), **MORE)),
    "rows": Curve("Finished steps in the tables", "finished steps", [0, 100000, 1000000], [5000000, 20000000],
                  lambda services, x, before: Grown(services, "curve-rows", x, noops(STEPS, 1000), beside=before, **MORE), True),
    "rtt": Curve("Distance of Redis", "round trip in ms, by a proxy", [0, 1, 5], [],
                 lambda services, x, _: Far(services, x, noops(STEPS, 1000), **MORE)),
}


def points_of(curve):
    """Those to measure, and those that are left out: the large ones unless FULL=1, and larger ones the smaller SCALE is."""
    points = curve.points + (curve.more if FULL else [])
    taken = [x for x in points if x <= max(points[-1] * settings.SCALE, points[1])] if curve.more else points
    return taken, [x for x in curve.points + curve.more if x not in taken]


def measure_point(contestant):
    runs = [one_turn(contestant, turn) for turn in range(-1, settings.CURVE_REPEAT)]
    return {**spread([run["value"] for run in runs[1:]]),
            "cpu_us": statistics.median(sum(run["cpu_us"].values()) for run in runs[1:])}


def measure(name, services):
    """One curve: [{"x", "median", "min", "max", ...}]"""
    curve, points, before = CURVES[name], [], None
    taken, left_out = points_of(curve)
    with contextlib.ExitStack() as whole:
        for x in taken:
            with contextlib.ExitStack() as point:
                contestant = curve.make(services, x, before)
                (whole if curve.is_shared else point).callback(contestant.stop)
                contestant.start()
                points.append({"x": x, **measure_point(contestant)})
            before = contestant
    return {"title": curve.title, "x": curve.x, "y": "steps/s", "points": points, "left_out": left_out}
