"""celery_driver.py - drives Celery for peers.py, with the orders of bullmq.js.

    {"do":"start","pool":"prefork","processes":1,"concurrency":2,"prefetch":64}
    {"do":"fill"|"release"|"through","kind":"noop"|"chain"|"fan","n":4000}   {"do":"latency","n":100}   {"do":"photos",...}   {"do":"stop"}
"""
import json
import os
import platform
import random
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "integration")]

import celery
import kombu
import PIL
import redis
from celery import chain, chord, group

from celery_tasks import DONE, URL, answer, app, last, noop, once, thrice
from meter import descendants, processes
from services import die_with_us

QUEUE = "celery"
STEPS = {"noop": 1, "chain": 3, "fan": 10}
server = redis.Redis.from_url(URL)
workers = []


def tasks():
    """How many are waiting or given out and not begun."""
    with server.pipeline(transaction=False) as pipe:
        pipe.llen(QUEUE)
        pipe.hlen("unacked")
        return sum(pipe.execute())


def wait(condition, what, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        assert all(worker.poll() is None for worker in workers), "a worker has ended"
        time.sleep(0.01)


def wait_over(kind, n):
    """No-op tasks leave nothing behind, so the end is when none is left that has not begun; the others are counted by their last."""
    if kind == "noop":
        wait(lambda: not tasks(), f"{n} {kind}")
    else:
        wait(lambda: int(server.get(DONE) or 0) >= n, f"{n} {kind}")


def signature(kind):
    if kind == "noop":
        return noop.s()
    if kind == "chain":
        return chain(noop.si(), noop.si(), last.si())
    return chain(noop.si(), chord(group(answer.si() for _ in range(8)), last.si()))     # "fan": 1 -> 8 -> 1


def add(kind, n):
    with app.producer_or_acquire() as producer:
        for _ in range(n):
            signature(kind).apply_async(producer=producer)


def start(order):
    stop(order)
    env = {**os.environ, "PEERS_PREFETCH": str(order["prefetch"])}
    for i in range(order["processes"]):
        workers.append(subprocess.Popen(
            [sys.executable, "-B", "-m", "celery", "-A", "celery_tasks", "worker", "-P", order["pool"], "-c", str(order["concurrency"]),
             "-n", f"w{i}@peers", "-l", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"],
            env=env, cwd=HERE, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=die_with_us))
    wait(lambda: len(app.control.ping(timeout=0.5) or []) == len(workers), "the workers answer")
    return {}


def signal_all(number):
    """To the workers and the processes of their pools."""
    running = processes()
    for worker in workers:
        for pid in (worker.pid, *descendants(worker.pid, running)):
            os.kill(pid, number)


def fill(order):
    """The workers are halted meanwhile: with Redis, Celery's own way to pause them (cancel_consumer) does not always find back."""
    server.delete(DONE)
    signal_all(signal.SIGSTOP)
    begin = time.monotonic()
    add(order["kind"], order["n"])
    return {"s": time.monotonic() - begin}


def release(order):
    begin = time.monotonic()
    signal_all(signal.SIGCONT)
    wait_over(order["kind"], order["n"])
    return {"s": time.monotonic() - begin, "steps": order["n"] * STEPS[order["kind"]]}


def through(order):
    server.delete(DONE)
    begin = time.monotonic()
    add(order["kind"], order["n"])
    wait_over(order["kind"], order["n"])
    return {"s": time.monotonic() - begin, "steps": order["n"] * STEPS[order["kind"]]}


def latency(order):
    times = []
    for _ in range(order["n"]):
        time.sleep(0.005 + 0.02 * random.random())
        begin = time.monotonic()
        answer.delay().get(timeout=30)
        times.append((time.monotonic() - begin) * 1000)
    return {"ms": times}


def photos(order):
    server.delete(DONE)
    task = {"once": once, "thrice": thrice}[order["kind"]]
    begin = time.monotonic()
    for photo in order["photos"]:
        task.delay(photo["path"], photo["out"])
    wait(lambda: int(server.get(DONE) or 0) >= len(order["photos"]), "photos")
    return {"s": time.monotonic() - begin}


def stop(_):
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        worker.wait(30)
    workers.clear()
    return {}


def versions(_):
    return {"python": platform.python_version(), "celery": celery.__version__, "kombu": kombu.__version__, "pillow": PIL.__version__}


ORDERS = {f.__name__: f for f in (start, fill, release, through, latency, photos, stop, versions)}


def main():
    for line in sys.stdin:
        order = json.loads(line)
        try:
            said = ORDERS[order["do"]](order)
        except Exception as error:      # pylint: disable=broad-except
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)
    stop(None)


if __name__ == "__main__":
    main()
