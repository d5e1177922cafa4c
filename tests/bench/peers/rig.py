"""rig.py - where the peers run: a Redis of their own, and a driver process for each that is measured.

    with Rig() as rig:
        bullmq = rig.bullmq()       a Driver (see lines.py) with a database of that Redis to itself
        bullmq.ask("start", processes=2, concurrency=100)

Redis keeps its append-only file, fsync every second, as it does for pixelfleet. Nothing else of a peer is durable.
"""
import os
import pathlib
import shutil

import redis
from lines import Driver
from services import ROOT, Redis, scratch_dir
from stand import REDIS_OPTIONS

HERE = pathlib.Path(__file__).resolve().parent
NODE = ROOT / "build" / "bench" / "peers"
DATABASES = 16


class Rig:
    def __init__(self):
        self.folder = scratch_dir()
        self.redis = Redis(self.folder / "redis", REDIS_OPTIONS)
        self.log = NODE / "log"
        self.out = NODE / "photos"      # what they make of photographs
        self.drivers = []
        self.free = list(range(DATABASES))

    def __enter__(self):
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        self.log.write_bytes(b"")
        self.redis.start()
        return self

    def __exit__(self, *_):
        for driver in self.drivers:
            driver.kill()
        self.redis.stop()
        for folder in (self.folder, self.out):
            shutil.rmtree(folder, ignore_errors=True)

    def bullmq(self):
        return self.driver("BullMQ", ["node", str(HERE / "bullmq.js"), self.redis.port], {"NODE_PATH": str(NODE / "node_modules")})

    def celery(self):
        return self.driver("Celery", ["/usr/bin/python3", "-B", str(HERE / "celery_driver.py")], {"PYTHONDONTWRITEBYTECODE": "1"})

    def driver(self, name, command, env):
        database = self.free.pop(0)
        url = f"redis://127.0.0.1:{self.redis.port}/{database}"
        driver = Driver(name, [*command, str(database)], str(NODE), self.log, {**os.environ, **env, "PEERS_REDIS": url})
        driver.database = database
        self.drivers.append(driver)
        return driver

    def close(self, driver):
        """Ends a driver; its database is the next one's."""
        self.drivers.remove(driver)
        try:
            driver.close()
        except BaseException:
            driver.kill()
            raise
        with redis.Redis(port=int(self.redis.port), db=driver.database) as client:
            client.flushdb()
        self.free.insert(0, driver.database)
