"""visitors.py - contestants with a database each: there is but one Redis, so the programs of each run in its own turns only.

Beside    no-op steps from LPUSH to succeeded, in a database that may be full of finished ones
Steady    as much is pushed as is done, so that a number of steps stays queued; the clock runs while so many are done
"""
import time

from history import PICTURES, write_finished
from ours import Steps, noops
from stand import wait_for


class Visitor(Steps):
    def start(self):
        super().start()
        self.settle_in()
        self.away()

    def settle_in(self):
        """What has to be in the database before the first turn."""

    def away(self):
        for program in reversed(self.stand.fleet.programs):
            program.stop()

    def arrive(self):
        fleet = self.stand.fleet
        fleet.redis.flushall()
        fleet.start_dispatcher()
        wait_for(lambda: fleet.redis.exists("pixelfleet:epoch"), 120, "the queues are made anew")

    def extra(self):
        """What was written is not of the turns alone."""
        return {}


class Beside(Visitor):
    def __init__(self, services, scenario, finished, load, **more):
        super().__init__(services, scenario, load, **more)
        self.finished = finished

    def settle_in(self):
        fleet = self.stand.fleet
        fleet.checks_accounts = False           # that of 20 million steps
        fleet.start_worker(self.slots)
        self.stand.push_all(noops(1, 1).texts())
        wait_for(self.stand.succeeded, 30, "a first job has succeeded")
        if self.finished:
            write_finished(fleet, self.finished)
            self.stand.settle()
        self.stand.jobs = 1 + self.finished // PICTURES

    def prepare(self, turn):
        super().prepare(turn)
        self.arrive()
        self.start_workers(True)

    def run(self, _turn, span):
        texts = list(self.now.texts())
        span.begin()
        self.stand.push_all(texts)
        span.end(self.wait())
        self.away()
        return self.finish()


class Steady(Visitor):
    """Jobs of 100 pictures, however many are queued."""

    PICTURES = 100

    def __init__(self, services, scenario, queued, steps, **more):
        super().__init__(services, scenario, noops(steps, self.PICTURES), **more)
        self.wanted = max(queued // self.PICTURES, 1)           # open jobs
        self.every = min(max(queued / 300000, 0.002), 0.1)      # seconds between two looks, in which a third of it is done at most
        self.since, self.before = None, 0                       # jobs from this id on are looked at; before it so many have ended

    def settle_in(self):
        self.push(self.wanted)
        self.stand.wait_queued("io", self.wanted * self.PICTURES, 600)

    def push(self, n):
        self.stand.push_all(self.load.part(n / self.load.jobs).texts() if n > 0 else ())
        self.stand.jobs += max(n, 0)

    def prepare(self, turn):
        self.goal = max(int(self.load.steps * (self.warm if turn < 0 else 1)), 1000)
        self.arrive()
        self.push(self.wanted - (self.stand.jobs - self.ended()))
        wait_for(self.is_full, 600, lambda: f"{self.open_steps()} steps are queued: {self.stand.queued('io')}", 0.5)

    def open_steps(self):
        return self.stand.fleet.one("SELECT coalesce(sum(total - succeeded), 0)::bigint FROM pixelfleet.job WHERE state = 'running'")

    def is_full(self):
        """Of the jobs that were under way when the workers went, a part is done."""
        return self.stand.jobs - self.ended() >= self.wanted and self.stand.queued("io") >= self.open_steps()

    def ended(self):
        """Jobs that have ended, without looking at all of them each time."""
        fleet = self.stand.fleet
        since = self.since or "00000000-0000-0000-0000-000000000000"
        ended, first = fleet.one("SELECT count(*) FILTER (WHERE state <> 'running'), min(id::text) FILTER (WHERE state = 'running') "
                                 "FROM pixelfleet.job WHERE id >= %s", since)
        total = self.before + ended
        if first and first > since:
            self.before += fleet.one("SELECT count(*) FROM pixelfleet.job WHERE id >= %s AND id < %s", since, first)
            self.since = first
        return total

    def steps_done(self):
        return self.stand.fleet.one("SELECT coalesce(sum(succeeded), 0)::bigint FROM pixelfleet.job")

    def feed_until(self, done):
        """Keeps as many jobs open as there shall be, until so many jobs have ended in all."""
        while True:
            ended = self.ended()
            if ended >= done:
                return
            self.push(self.wanted - (self.stand.jobs - ended))
            time.sleep(self.every)

    def run(self, _turn, span):
        workers = self.start_workers(True)
        self.feed_until(self.ended() + 5)
        span.begin()
        before = self.steps_done()
        span.began = time.monotonic()
        self.feed_until(self.ended() + self.goal // self.PICTURES)
        at = time.monotonic()
        steps = self.steps_done() - before
        span.end(at)
        for worker in workers:
            worker.stop()
        self.away()
        return steps
