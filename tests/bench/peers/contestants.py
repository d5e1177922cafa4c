"""contestants.py - the peers, as contestants of harness.py.

Drain     everything is added while the workers pause; the clock runs from their release until the last job has ended
Through   the workers wait; the clock runs from the first add until the last job has ended
Latency   one no-op at a time on an idle system, from before the add until the end is heard of
Photos    the workers wait; the clock runs from the add until the last photo is done

The clock is the peer's own: it knows of the end first.
"""
import pathlib
import statistics

from meter import Meter


class Peer:
    """One kind of work of a peer. `start`: how its workers are started, {} of Driver.ask("start")."""

    def __init__(self, rig, peer, kind, start, name=None):
        self.rig, self.peer, self.kind, self.settings = rig, peer, kind, start
        self.name = name or {"bullmq": "BullMQ", "celery": "Celery"}[peer]
        self.driver = self.redis = None

    def start(self):
        self.driver = getattr(self.rig, self.peer)()
        self.driver.ask("start", **self.settings)
        self.redis = self.rig.redis.client()

    def groups(self):
        return {self.peer: [self.driver.pid], "redis": [self.rig.redis.process.pid]}

    def meter(self):
        return Meter(self.groups, None, self.redis)

    def prepare(self, turn):
        pass

    def timed(self, span, do, **more):
        """Asks for it; its own clock is the span's."""
        span.begin()
        answer = self.driver.ask(do, kind=self.kind, **more)
        span.end(span.began + answer["s"])
        return answer

    def stop(self):
        if self.driver:
            driver, self.driver = self.driver, None
            self.rig.close(driver)
        if self.redis:
            self.redis.close()


class Steps(Peer):
    """n jobs; of what warms up, a tenth."""

    def __init__(self, *where, n, **more):
        super().__init__(*where, **more)
        self.n = self.now = n

    def prepare(self, turn):
        self.now = max(self.n // 10, 1) if turn < 0 else self.n


class Drain(Steps):
    def __init__(self, *where, **more):
        super().__init__(*where, **more)
        self.added_s = 0.0

    def prepare(self, turn):
        super().prepare(turn)
        self.added_s = self.driver.ask("fill", kind=self.kind, n=self.now)["s"]

    def run(self, _turn, span):
        answer = self.timed(span, "release", n=self.now)
        return answer["steps"], {"added_per_s": answer["steps"] / self.added_s}


class Through(Steps):
    def run(self, _turn, span):
        return self.timed(span, "through", n=self.now)["steps"]


class Latency(Steps):
    def run(self, _turn, span):
        span.begin()
        times = sorted(self.driver.ask("latency", kind=self.kind, n=self.now)["ms"])
        span.end()
        return len(times), {"value": statistics.median(times), "p99": times[len(times) * 99 // 100]}


def as_photos(files, folder):
    """What a driver is told: the picture's path, and that of what is made of it, without its ending."""
    return [{"path": str(path), "out": str(folder / str(i))} for i, path in enumerate(files)]


class Photos(Peer):
    """The same files as those of `photographs` (see ../photos.py), which has to start before."""

    def __init__(self, *where, photographs, **more):
        super().__init__(*where, **more)
        self.photographs = photographs

    def run(self, turn, span):
        out = self.rig.out / f"{self.name}.{turn}".replace(" ", "-").replace("/", "-")
        out.mkdir()
        photos = as_photos(self.photographs.chosen(turn), out)
        self.timed(span, "photos", photos=photos)
        for photo in photos:
            for made in (pathlib.Path(photo["out"] + ".jpg"), pathlib.Path(photo["out"] + ".webp")):
                assert made.stat().st_size > 1000, f"{self.name}: {made} is not a picture"
        return len(photos)
