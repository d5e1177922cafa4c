"""A lane: a fleet that lives through many rounds, with its own Redis and PostgreSQL.

Dispatchers and workers sit in slots. What a fault ended is started again in its slot, as systemd
would do it. Every connection of a program goes through a link of its own (see proxy.py).
Where we are root the data of PostgreSQL and the artifacts are on small tmpfs, which can be filled.
"""
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.request

import psycopg2
import redis

from fleet import GRACE_S, Dispatcher, Fleet, Program, wait_for
from page import Page, points
from pictures import nature, small, vips
from proxy import Link
from receiver import Receiver
from services import ROOT, Services

BALLAST = "ballast"         # fills a disk
MAX_DISPATCHERS, MAX_WORKERS = 2, 3
DEAD_AFTER_MS = 3000
POSTGRES_MB, ARTIFACTS_MB = 300, 48
PERSISTENCE = {"none": {"appendonly": "no", "appendfsync": "everysec"},
               "everysec": {"appendonly": "yes", "appendfsync": "everysec"},
               "always": {"appendonly": "yes", "appendfsync": "always"}}
POSTGRES_OPTIONS = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB",
                    "-c", "max_connections=40", "-c", "shared_buffers=32MB"]


class Slot:
    """A place for a dispatcher or a worker: its program comes and goes, its links and its page stay."""

    def __init__(self, kind, k, links, page, port=None):
        self.kind, self.k, self.name = kind, k, f"{kind}{k}"
        self.links, self.page, self.port = links, page, port
        self.program = None
        self.may_end = False        # something we did may end it
        self.is_armed = False       # so may a fault point, also after it was started again
        self.stopped = False        # by SIGSTOP
        self.leaving = False        # told to end
        self.wanted = False
        self.down_since = None

    @property
    def is_up(self):
        return self.program is not None and self.program.process.poll() is None


class Lane(Fleet):
    def __init__(self, services):
        folder = services.folder / "fleet"
        folder.mkdir()
        super().__init__(services, "pixelfleet", folder, folder / "logs")
        self.can_mount = services.is_root
        self.redis.close()
        self.redis = redis.Redis(port=int(services.redis.port), decode_responses=True, socket_timeout=5)
        (folder / "data").mkdir()
        if self.can_mount:
            services.mount(folder / "data", ARTIFACTS_MB)
        self.started = 0
        self.ended = []             # programs that ended since the last account
        self.notes = []             # what the round's report should have
        self.receiver = Receiver()
        self.counts = collections.Counter()
        self.excused = set()        # workers whose death may be charged to what they held
        models = self.folder / "models"
        subprocess.run(["/usr/bin/python3", "-B", str(ROOT / "tests" / "data" / "make_models.py"), str(models)], check=True)
        self.settings.update({
            "PIXELFLEET_MODELS_DIR": str(models),
            "PIXELFLEET_DEAD_AFTER_MS": DEAD_AFTER_MS, "PIXELFLEET_SCAN_INTERVAL_S": 8, "PIXELFLEET_DRAIN_S": 4,
            "PIXELFLEET_ALLOW_PRIVATE_URLS": 1, "REQUEST_TIMEOUT": 6, "PIXELFLEET_QUEUE_WINDOW": 300})
        names = points()
        self.dispatcher_slots = [self.make_slot("dispatcher", k, names, services.free_port()) for k in range(MAX_DISPATCHERS)]
        self.worker_slots = [self.make_slot("worker", k, names) for k in range(MAX_WORKERS)]
        self.make_pictures()

    def make_pictures(self):
        small(self.pictures, 24)
        for path in nature(self.folder, 3):     # real photographs, made small
            path = pathlib.Path(path)
            vips("thumbnail", path, self.pictures / path.name, 320)
            path.unlink()

    def some_pictures(self, n):
        return sorted(str(path) for path in self.pictures.iterdir())[:n]

    def make_slot(self, kind, k, names, port=None):
        links = {"redis": Link(f"{kind}{k} to redis", self.services.redis.port)}
        if kind == "dispatcher":
            links["postgres"] = Link(f"{kind}{k} to postgres", self.services.postgres.port)
        else:
            for slot in self.dispatcher_slots:
                links[slot.name] = Link(f"{kind}{k} to {slot.name}", slot.port)
        return Slot(kind, k, links, Page(self.folder / f"{kind}{k}.page", names), port)

    @property
    def slots(self):
        return self.dispatcher_slots + self.worker_slots

    @property
    def wanted(self):
        return [slot for slot in self.slots if slot.wanted]

    def sql(self, query, *values):
        """Once more on a new connection, when the old one went with the server."""
        try:
            return super().sql(query, *values)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self.connection = None
            return super().sql(query, *values)

    # -- programs

    def environment(self, extra=None):
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env.update({"PROCESSING_INTERNAL_TOKEN": self.token, "PIXELFLEET_DATA_DIR": str(self.folder / "data"),
                    "PIXELFLEET_ALLOWED_ROOTS": str(self.pictures), "PIXELFLEET_LOG_LEVEL": "info"})
        env.update(self.settings)
        env.update(extra or {})
        return {name: str(value) for name, value in env.items()}

    def start_slot(self, slot):
        env = {"REDIS_URL": f"redis://127.0.0.1:{slot.links['redis'].port}/0", "FAULT_PAGE": slot.page.path}
        if slot.kind == "dispatcher":
            env["PIXELFLEET_LISTEN"] = f"127.0.0.1:{slot.port}"
            env["DATABASE_URL"] = re.sub(r":\d+/", f":{slot.links['postgres'].port}/", self.services.postgres.url("pixelfleet"))
            kind, name, arguments = Dispatcher, "pixelfleet-dispatcher", []
        else:
            order = [link.port for key, link in slot.links.items() if key != "redis" and self.slot(key).wanted]
            order = order[slot.k % len(order):] + order[:slot.k % len(order)]
            env["PIXELFLEET_DISPATCHER_URL"] = ",".join(f"http://127.0.0.1:{port}" for port in order)
            kind, name = Program, "pixelfleet-worker"
            arguments = ["--slots", f"io=6,image=2,infer=1,odd=2,own-{slot.k}=1"]
        log = self.logs / f"{self.started:04d}-{slot.name}.log"
        self.started += 1
        slot.program = kind(name, arguments, self.environment(env), log)
        slot.program.mark = 0
        slot.program.slot = slot
        slot.program.fds = None
        slot.may_end = slot.stopped = slot.leaving = False
        slot.down_since = None
        self.programs.append(slot.program)

    def slot(self, name):
        return next(slot for slot in self.slots if slot.name == name)

    def worker_name(self, slot):
        found = re.search(r"ev=worker\.ready .*?worker=(\S+)", slot.program.text())
        return found[1] if found else None

    def supervise(self):
        """Starts again what has ended, half a second later."""
        for slot in self.wanted:
            if slot.is_up:
                continue
            if slot.program and not slot.program.ended:
                slot.program.ended = True
                slot.down_since = time.monotonic()
                self.ended.append(slot.program)
                code = slot.program.process.returncode
                if not (slot.may_end or slot.is_armed) or code not in (0, -9, 137):
                    self.notes.append(f"PROBLEM {slot.name} ended by itself with {code}: {slot.program.log}")
            if slot.down_since is None or time.monotonic() - slot.down_since > 0.5:
                self.start_slot(slot)

    def arrange(self, n_dispatchers, n_workers):
        """So many of each shall run; what is too much is stopped, in order."""
        for slots, n in ((self.worker_slots, n_workers), (self.dispatcher_slots, n_dispatchers)):
            for slot in slots:
                slot.wanted = slot.k < n
                if not slot.wanted and slot.is_up:
                    self.stop_slot(slot)
        self.supervise()
        self.wait_ready()

    def stop_slot(self, slot):
        slot.may_end = True
        slot.program.stop()
        self.ended.append(slot.program)

    def restart_slot(self, slot):
        self.stop_slot(slot)
        self.start_slot(slot)

    def wait_restarted(self):
        """Who was told to end has ended, and its successor is ready."""
        def is_whole():
            self.supervise()
            return all(slot.is_up and not slot.leaving for slot in self.wanted)
        wait_for(is_whole, GRACE_S, lambda: f"all have come back: { {slot.name: slot.is_up for slot in self.wanted} }")
        self.wait_ready()

    def wait_ready(self):
        for slot in self.wanted:
            slot.program.wait_logged(rf"ev={slot.kind}\.ready", 30)

    def wait_ready_or_ended(self, slot):
        """A fault point may end it before it is ready."""
        wait_for(lambda: not slot.is_up or re.search(rf"ev={slot.kind}\.ready", slot.program.text()), 30, f"{slot.name} is ready")

    @staticmethod
    def kill_quietly(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def post_any(self, path, body):
        """To the first dispatcher that takes it."""
        problem = None
        for slot in self.dispatcher_slots:
            request = urllib.request.Request(f"http://127.0.0.1:{slot.port}{path}", data=json.dumps(body).encode(), method="POST",
                                             headers={"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return json.loads(answer.read())
            except OSError as error:
                problem = error
        raise AssertionError(f"no dispatcher took POST {path}: {problem}")

    # -- servers

    def disk(self, name):
        return self.services.postgres.folder if name == "postgres" else self.folder / "data"

    def postgres_is_stopped(self):
        pids = self.postgres_pids()
        return bool(pids) and pathlib.Path(f"/proc/{pids[0]}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def set_persistence(self, how):
        self.services.redis.options = ["--appendonly", PERSISTENCE[how]["appendonly"], "--appendfsync", PERSISTENCE[how]["appendfsync"]]
        for name, value in PERSISTENCE[how].items():
            self.redis.config_set(name, value)

    def postgres_pids(self):
        """The postmaster and its children, which have sessions of their own."""
        process = self.services.postgres.process
        if not process:
            return []
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [process.pid, *map(int, children)]

    def answers(self, server):
        try:
            if server is self.services.redis:
                return self.redis.ping()
            server.connect("postgres").close()
            return True
        except (redis.RedisError, psycopg2.Error):
            return False

    def ensure_servers(self):
        """Both run, as far as they can: on a full disk PostgreSQL ends again."""
        for server in (self.services.redis, self.services.postgres):
            if server.process and server.process.poll() is not None:
                server.process = None
            if server.process is None:
                server.launch()
                wait_for(lambda s=server: self.answers(s) or s.process.poll() is not None, 30, f"{type(server).__name__} answers")
        if self.connection is not None and self.connection.closed:
            self.connection = None

    def wake_servers(self):
        for pid in [*self.postgres_pids(), *([self.services.redis.process.pid] if self.services.redis.process else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def heal(self):
        """Whatever a fault left behind is gone."""
        for slot in self.slots:
            for link in slot.links.values():
                link.heal()
            slot.page.set_clock(0)
            if slot.stopped and slot.is_up:
                os.kill(slot.program.pid, signal.SIGCONT)
            slot.stopped = False
        self.wake_servers()
        for disk in ("postgres", "artifacts"):
            with contextlib.suppress(OSError):          # read-only until the round ends
                (self.disk(disk) / BALLAST).unlink(missing_ok=True)
        self.ensure_servers()

    # -- the end of a lane

    def close_lane(self):
        self.kill()
        self.receiver.close()
        for slot in self.slots:
            for link in slot.links.values():
                link.close()
        if self.connection:
            self.connection.close()
        self.redis.close()


def mount_tmpfs(folder, megabytes):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "pixelfleet-faults", str(folder)], check=True)


class LaneServices(Services):
    """A Redis and a PostgreSQL whose data, where we are root, is on a small tmpfs."""

    def __init__(self, is_root):
        super().__init__([], POSTGRES_OPTIONS)
        self.is_root = is_root
        self.mounts = []

    def __enter__(self):
        if self.is_root:
            self.mount(self.postgres.folder, POSTGRES_MB)
        return super().__enter__()

    def mount(self, folder, megabytes):
        mount_tmpfs(folder, megabytes)
        self.mounts.append(folder)

    def __exit__(self, *_):
        self.redis.stop(signal.SIGKILL)
        if self.postgres.process:
            self.postgres.stop()
        for folder in self.mounts:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_until(condition, timeout):
    """True when it came true in time."""
    try:
        return bool(wait_for(condition, timeout))
    except AssertionError:
        return False
