"""A private Redis and a private PostgreSQL (see tests/private.sh), as objects."""
import collections
import ctypes
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess

import psycopg2
import redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRIVATE = str(ROOT / "tests" / "private.sh")


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1

# Whoever ends a test run by SIGTERM wants what Ctrl-C does: everything we started is ended too.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def die_with_us():
    """For preexec_fn: not even kill -9 of the test run leaves its processes behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ask(*words):
    return subprocess.run([PRIVATE, *words], check=True, capture_output=True, text=True).stdout.strip()


def use_ports_of(lane):
    """Lanes of a test run have ports of their own: one that was closed for a while is still there when it is opened again."""
    first = 20000 + 1500 * (lane % 8)
    os.environ["PRIVATE_PORTS"] = f"{first}-{first + 1499}"


LANE = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
if LANE:
    use_ports_of(int(LANE[1]))
GIVEN = collections.deque(maxlen=300)       # to those who may not listen yet


def free_port():
    """For what is closed for a while and opened again, too: the kernel hands it to nobody who connects somewhere meanwhile."""
    while (port := ask("port")) in GIVEN:
        pass
    GIVEN.append(port)
    return port


def scratch_dir():
    """A new folder that PostgreSQL's user can reach too, even when we are root."""
    return pathlib.Path(ask("scratch", str(ROOT / "build")))


class Service:
    """A server in the foreground of a child process of ours."""

    stop_signal = signal.SIGTERM

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None

    def launch(self):
        self.process = subprocess.Popen(self.command(), start_new_session=True, preexec_fn=die_with_us,
                                        env={**os.environ, "PRIVATE_PDEATHSIG": "QUIT"})

    def start(self):
        self.launch()
        ask(self.waits, self.port)
        return self

    def stop(self, how=None):
        if self.process:
            self.process.send_signal(how or self.stop_signal)
            self.process.wait(30)
            self.process = None


class Redis(Service):
    waits = "wait-redis"

    def __init__(self, folder, options=()):
        super().__init__(folder)
        self.options = list(options)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.unix_url = f"unix://{self.folder}/redis.sock"

    def command(self):
        return [PRIVATE, "redis", str(self.folder), self.port, *self.options]

    def client(self):
        return redis.Redis(port=int(self.port), decode_responses=True)


class Postgres(Service):
    waits = "wait-postgres"
    stop_signal = signal.SIGINT         # ends the connections that are left

    def __init__(self, folder, options=("-c", "fsync=off", "-c", "full_page_writes=off")):
        super().__init__(folder)
        self.options = list(options)
        self.password = secrets.token_hex(8)

    def command(self):
        return [PRIVATE, "postgres", str(self.folder), self.port, self.password, *self.options]

    def url(self, database="pixelfleet"):
        return f"postgresql://pixelfleet:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="pixelfleet"):
        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True
        return connection


class Services:
    """Both of them in one scratch folder, which goes with them."""

    def __init__(self, redis_options=(), postgres_options=None):
        self.folder = scratch_dir()
        self.redis = Redis(self.folder / "redis", redis_options)
        self.postgres = Postgres(self.folder / "postgres", *([postgres_options] if postgres_options else []))

    @staticmethod
    def free_port():
        return free_port()

    def __enter__(self):
        try:
            self.redis.start()
            self.postgres.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.redis.stop()
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def process_stats():
    """(process, fields of its stat from the state on) of all that there are; one may end while this looks."""
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            yield int(name), pathlib.Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue


def built(name, faults=False):
    """Path of one of our programs."""
    folder = os.environ.get("PIXELFLEET_FAULTS_BUILD", "build/faults") if faults else \
        os.environ.get("PIXELFLEET_BUILD", "build/rel")
    return str(ROOT / folder / name)
