"""Injuries of Redis, PostgreSQL, the callback's receiver and the disks."""
import os
import pathlib
import signal
import subprocess
import time

import psycopg2

from injury import Cannot, Injury, row
from lane import BALLAST


class OfRedis(Injury):
    def process(self, lane):
        if not lane.services.redis.process:
            raise Cannot("Redis is down already")
        return lane.services.redis.process


class StopRedis(OfRedis):
    LASTS = (1, 3, 6, 10)

    def inject(self, lane):
        os.kill(self.process(lane).pid, signal.SIGSTOP)
        lane.counts["SIGSTOP Redis"] += 1

    def heal(self, lane):
        lane.wake_servers()


class EndRedis(OfRedis):
    LASTS = (0, 1, 4)

    def inject(self, lane):
        self.process(lane)
        lane.services.redis.stop(self.settings["how"])
        lane.counts[f"{self.settings['how'].name} Redis"] += 1

    def heal(self, lane):
        lane.ensure_servers()


class FlushRedis(OfRedis):
    def inject(self, lane):
        self.process(lane)
        lane.redis.flushall()
        lane.counts["FLUSHALL"] += 1


class FullRedis(OfRedis):
    LASTS = (2, 5, 8)

    def inject(self, lane):
        self.process(lane)
        lane.redis.config_set("maxmemory", lane.redis.info("memory")["used_memory"] + 20000)
        lane.counts["Redis full"] += 1

    def heal(self, lane):
        lane.redis.config_set("maxmemory", 0)


class OfPostgres(Injury):
    def draw(self, rng):
        self.connections = []

    def process(self, lane):
        if not lane.services.postgres.process:
            raise Cannot("PostgreSQL is down already")
        return lane.services.postgres.process

    def execute(self, lane, statement):
        self.process(lane)
        if lane.postgres_is_stopped():
            raise Cannot("PostgreSQL is stopped")
        connection = psycopg2.connect(lane.services.postgres.url("postgres"), connect_timeout=3, options="-c statement_timeout=3000",
                                      application_name="injury")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def end_sessions(self, lane):
        self.execute(lane, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pixelfleet'")


class StopPostgres(OfPostgres):
    LASTS = (1, 3, 6, 10)

    def inject(self, lane):
        self.process(lane)
        for pid in lane.postgres_pids():
            os.kill(pid, signal.SIGSTOP)
        lane.counts["SIGSTOP PostgreSQL"] += 1

    def heal(self, lane):
        lane.wake_servers()


class EndPostgres(OfPostgres):
    LASTS = (0, 1, 4)

    def inject(self, lane):
        self.process(lane)
        lane.wake_servers()
        try:
            lane.services.postgres.stop(self.settings["how"])
        except subprocess.TimeoutExpired:       # seen once in a few hundred times; as an operator would
            for pid in lane.postgres_pids():
                os.kill(pid, signal.SIGKILL)
            lane.services.postgres.stop(signal.SIGKILL)
        lane.counts[f"PostgreSQL {self.settings['called']} stop"] += 1

    def heal(self, lane):
        lane.ensure_servers()


class KillBackend(OfPostgres):
    """The whole server begins anew."""

    def inject(self, lane):
        pids = [pid for pid in lane.postgres_pids()
                if b"pixelfleet pixelfleet" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")]
        if not pids:
            raise Cannot("nobody is connected")
        os.kill(pids[int(self.seed * len(pids))], signal.SIGKILL)
        lane.counts["kill -9 of a PostgreSQL backend"] += 1


class EndSessions(OfPostgres):
    def inject(self, lane):
        self.end_sessions(lane)
        lane.counts["PostgreSQL sessions ended"] += 1


class Crowd(OfPostgres):
    """All connections are taken, by us."""

    LASTS = (3, 6)

    def take(self, lane):
        try:
            while len(self.connections) < 60:
                self.connections.append(psycopg2.connect(lane.services.postgres.url("postgres"), connect_timeout=2))
        except psycopg2.Error:
            pass

    def inject(self, lane):
        self.process(lane)
        if lane.postgres_is_stopped():
            raise Cannot("PostgreSQL is stopped")
        self.take(lane)
        if self.connections:
            with self.connections[0].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pixelfleet'")
        for _ in range(5):
            self.take(lane)
            time.sleep(0.02)
        lane.counts["PostgreSQL out of connections"] += 1

    def heal(self, lane):
        for connection in self.connections:
            connection.close()
        self.connections = []


class ReadOnly(OfPostgres):
    LASTS = (2, 5)

    def inject(self, lane):
        self.execute(lane, "ALTER DATABASE pixelfleet SET default_transaction_read_only = on")
        self.end_sessions(lane)
        lane.counts["PostgreSQL read only"] += 1

    def heal(self, lane):
        lane.wake_servers()
        lane.ensure_servers()
        self.execute(lane, "ALTER DATABASE pixelfleet RESET default_transaction_read_only")
        self.end_sessions(lane)


class FullDisk(Injury):
    LASTS = (3, 6)

    def file(self, lane):
        return lane.disk(self.settings["disk"]) / BALLAST

    def inject(self, lane):
        if not lane.can_mount:
            raise Cannot("a disk of its own needs root")
        try:
            with open(self.file(lane), "wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 65536)
        except OSError:
            pass
        lane.counts[f"{self.settings['disk']} disk full"] += 1

    def heal(self, lane):
        self.file(lane).unlink(missing_ok=True)
        if self.settings["disk"] == "postgres":
            lane.ensure_servers()


class ReadOnlyDisk(Injury):
    LASTS = (3, 6)

    def remount(self, lane, how):
        return subprocess.run(["mount", "-o", f"remount,{how}", str(lane.disk("artifacts"))], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0

    def inject(self, lane):
        if not lane.can_mount:
            raise Cannot("a disk of its own needs root")
        for _ in range(50):             # busy while somebody writes
            if self.remount(lane, "ro"):
                lane.counts["artifacts read only"] += 1
                return
            time.sleep(0.01)
        raise Cannot("the disk is never idle")

    def heal(self, lane):
        self.remount(lane, "rw")


class BadReceiver(Injury):
    LASTS = (2, 5)

    def inject(self, lane):
        lane.receiver.mode = self.settings["mode"]
        lane.counts["callbacks unanswered"] += 1

    def heal(self, lane):
        lane.receiver.mode = "well"


row("kill-redis", "kill -9 of Redis, then a start", EndRedis, how=signal.SIGKILL)
row("restart-redis", "SIGTERM to Redis, then a start", EndRedis, how=signal.SIGTERM)
row("stop-redis", "SIGSTOP of Redis, SIGCONT later", StopRedis)
row("flush-redis", "FLUSHALL", FlushRedis)
row("full-redis", "Redis has reached its maxmemory", FullRedis)
row("crash-postgres", "immediate stop of PostgreSQL, then a start", EndPostgres, how=signal.SIGQUIT, called="immediate")
row("restart-postgres", "fast stop of PostgreSQL, then a start", EndPostgres, how=signal.SIGINT, called="fast")
row("kill-backend", "kill -9 of one of PostgreSQL's backends", KillBackend)
row("stop-postgres", "SIGSTOP of PostgreSQL, SIGCONT later", StopPostgres)
row("end-sessions", "pg_terminate_backend() of all our sessions", EndSessions)
row("crowd-postgres", "PostgreSQL is out of connections", Crowd)
row("read-only-postgres", "PostgreSQL only reads, as after a failover", ReadOnly)
row("full-postgres", "the disk of PostgreSQL is full", FullDisk, disk="postgres")
row("full-artifacts", "the disk of the artifacts is full", FullDisk, disk="artifacts")
row("read-only-artifacts", "the disk of the artifacts is mounted read-only", ReadOnlyDisk)
row("busy-receiver", "the address of the callbacks answers 503", BadReceiver, mode="busy")
row("mute-receiver", "the address of the callbacks does not answer", BadReceiver, mode="mute")
