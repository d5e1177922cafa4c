"""stand.py - our programs on a fresh database and an empty Redis, for one scenario.

    with servers() as services:                         Redis with its append-only file, PostgreSQL that commits to disk
        with Stand(services, "noop") as stand:
            dispatcher = stand.fleet.start_dispatcher()
            stand.fleet.start_worker("io=64")
            ...

When it ends, every program is stopped and checked as the integration tests do it (exit status, logs, accounts), and
stand.rows says how many rows were written in all.
"""
import atexit
import json
import os
import pathlib
import secrets
import shutil
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from fleet import Dispatcher, Fleet, wait_for  # noqa: E402 pylint: disable=wrong-import-position
from services import ROOT, Services, built, die_with_us  # noqa: E402 pylint: disable=wrong-import-position

from meter import Meter  # noqa: E402 pylint: disable=wrong-import-position

FOLDER = pathlib.Path(os.environ.get("BENCH_DIR") or ROOT / "build" / "bench").resolve()
REDIS_OPTIONS = ["--appendonly", "yes", "--appendfsync", "everysec"]
POSTGRES_OPTIONS = ["-c", "fsync=on", "-c", "synchronous_commit=on"]


# Folders of stands that have ended. They go at the very end: an ext4 without a journal looks, whenever a file is made, at all
# that were deleted in the last minutes, which took a worker half a millisecond for each picture.
LEFT = []


@atexit.register
def clear():
    for folder in LEFT:
        shutil.rmtree(folder, ignore_errors=True)


def servers():
    return Services(REDIS_OPTIONS, POSTGRES_OPTIONS)


class Stand:
    def __init__(self, services, name):
        self.services, self.name = services, name
        self.database = "b_" + secrets.token_hex(6)
        self.folder = FOLDER / f"{name}.{self.database}"
        self.admin = services.postgres.connect("postgres")
        self.rows = None        # what was written, once the stand has ended
        self.done = 0           # units of work that it has done in all,
        self.jobs = 0           # and the jobs of them; the scenario counts
        self.fleet, self.events = None, None

    def open(self):
        return self.__enter__()

    def close(self):
        """Once is enough, twice does no harm. While an exception is on its way nothing is expected of the programs."""
        if self.fleet:
            self.__exit__(*sys.exc_info())

    def __enter__(self):
        self.execute(f"CREATE DATABASE {self.database}")
        self.services.redis.client().flushall()
        self.folder.mkdir(parents=True)
        LEFT.append(self.folder)
        self.fleet = Fleet(self.services, self.database, self.folder, FOLDER / "logs" / self.folder.name)
        self.meter = Meter(self.groups, self.admin, self.fleet.redis)
        return self

    def __exit__(self, kind, *_):
        fleet, self.fleet = self.fleet, None
        try:
            if kind is None:
                fleet.close()
                self.rows = self.written()
        finally:
            fleet.kill()
            self.execute(f"DROP DATABASE {self.database} WITH (FORCE)")
            self.admin.close()

    def execute(self, statement):
        with self.admin.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def groups(self):
        """{class: [pids]} of all that takes part."""
        alive = [program for program in self.fleet.programs if not program.ended]
        return {
            "dispatcher": [p.pid for p in alive if isinstance(p, Dispatcher)],
            "worker": [p.pid for p in alive if p.name == "pixelfleet-worker"],
            "postgres": [self.services.postgres.process.pid],
            "redis": [self.services.redis.process.pid],
        }

    def settle(self):
        """What was written before shall not be paid for in what is measured now."""
        self.execute("CHECKPOINT")
        os.sync()

    def written(self):
        """Rows inserted, updated (and of these: without a new index entry) and deleted in pixelfleet's tables. Every
        backend has ended, so every backend has reported."""
        connection = self.services.postgres.connect(self.database)
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint, sum(n_tup_del)::bigint "
                           "FROM pg_stat_user_tables WHERE schemaname = 'pixelfleet'")
            inserted, updated, hot, deleted = (int(n or 0) for n in cursor.fetchone())
        connection.close()
        return {"inserted": inserted, "updated": updated, "updated_hot": hot, "deleted": deleted}

    # -- work

    def push_all(self, submissions, key="pixelfleet:jobs"):
        """LPUSHes texts, many at a time."""
        pipe, n = self.fleet.redis.pipeline(transaction=False), 0
        for text in submissions:
            pipe.lpush(key, text)
            n += 1
            if n % 1000 == 0:
                pipe.execute()
        pipe.execute()

    def queued(self, queue):
        """Tasks of a queue: in Redis, and in the backlog when Redis has its fill."""
        waiting = self.fleet.redis.llen(f"pixelfleet:queue:{queue}")
        return waiting + self.fleet.backlog(queue)

    def wait_queued(self, queue, n, timeout=120):
        """Until n tasks wait, and every instance of every job has its row."""
        every = 0.05 if n <= 200000 else 0.5        # counting a large backlog takes its time, too
        wait_for(lambda: self.queued(queue) >= n, timeout, lambda: f"{n} tasks are queued: {self.queued(queue)}; {self.refused()}", every)
        wait_for(lambda: not self.fleet.sql("SELECT FROM pixelfleet.job WHERE state = 'running' AND made < total LIMIT 1"),
                 timeout, "all rows are made", 0.05)

    def wait_done(self, jobs, timeout=300, queue="io", every=0.003):
        """Until `jobs` jobs in all have succeeded; the moment of it. While much is queued nobody but Redis is asked, and
        that seldom: the client shall not be what is measured."""
        until = time.monotonic() + timeout
        while True:
            if self.fleet.redis.llen(f"pixelfleet:queue:{queue}") > 2000:
                time.sleep(0.02)
            elif self.fleet.redis.llen("pixelfleet:jobs") or self.fleet.sql("SELECT 1 FROM pixelfleet.job WHERE state = 'running' LIMIT 1"):
                time.sleep(every)
            else:
                at = time.monotonic()
                if self.succeeded() >= jobs:
                    return at
                time.sleep(every)
            assert time.monotonic() < until, f"not {jobs} jobs succeeded within {timeout} s: {self.states()}; {self.refused()}"

    def listen(self):
        """What wait_told() hears begins here; the dispatcher finds out within a second that somebody listens."""
        self.events = self.fleet.redis.pubsub(ignore_subscribe_messages=True)
        self.events.psubscribe("pixelfleet:events:*")
        self.events.get_message(timeout=1)

    def wait_told(self, jobs, timeout=600):
        """Until the dispatcher says that the job has succeeded after which it is so many in all; the moment of that. Of a run
        of a second, the pause between two questions would be a percent."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            message = self.events.get_message(timeout=1)
            at = time.monotonic()
            over = not message or json.loads(message["data"]).get("state", "running") != "running"
            if over and self.succeeded() >= jobs:
                return at
        raise AssertionError(f"nothing was told of {jobs} jobs that succeeded within {timeout} s: {self.states()}; {self.refused()}")

    def states(self):
        return dict(self.fleet.sql("SELECT state::text, count(*) FROM pixelfleet.job GROUP BY 1"))

    def succeeded(self):
        return self.fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'")

    def refused(self):
        return self.fleet.refused()[:1]

    def counter(self, name):
        """The sum of a counter over all dispatchers' /metrics."""
        total = 0
        for dispatcher in self.fleet.dispatchers:
            with urllib.request.urlopen(dispatcher.url + "/metrics", timeout=20) as response:
                lines = response.read().decode().splitlines()
            total += sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
        return int(total)
