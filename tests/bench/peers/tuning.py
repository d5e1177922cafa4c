"""tuning.py - which settings a peer is fastest with on this machine: each is tried, the best is taken, and all are told.

The first of each list is what was best on a quiet machine of two cores: TUNE=0 takes it without trials. One worker process
is among them because Redis needs a core too: of two cores, two processes of Node.js leave it less than one.
"""
import json

from table import number

ROUNDS = 2          # the better of so many counts: what the machine does besides shall not choose

BULLMQ_JOBS = [{"processes": processes, "concurrency": concurrency, "pipelining": pipelining} for processes, concurrency, pipelining in (
    (1, 100, False), (1, 50, False), (1, 200, False), (2, 50, False), (2, 100, False), (2, 200, False), (1, 100, True), (2, 100, True))]
BULLMQ_FLOWS = [{"processes": processes, "concurrency": concurrency, "pipelining": False} for processes, concurrency in (
    (1, 100), (2, 100), (1, 200))]
BULLMQ_PHOTOS = [{"processes": processes, "concurrency": concurrency} for processes, concurrency in ((1, 2), (1, 4), (2, 1), (2, 2))]
# The pool `threads` is far behind these.
CELERY_JOBS = [{"pool": pool, "processes": processes, "concurrency": concurrency, "prefetch": prefetch}
               for pool, processes, concurrency, prefetch in (
    ("solo", 2, 1, 128), ("solo", 2, 1, 4), ("prefork", 1, 2, 128), ("prefork", 1, 2, 4))]
CELERY_PHOTOS = [{"pool": "prefork", "processes": 1, "concurrency": 2, "prefetch": 1},
                 {"pool": "solo", "processes": 2, "concurrency": 1, "prefetch": 1}]


def plain(settings):
    return json.dumps(settings).strip("{}").replace('"', "")


def speed(driver, kind, n):
    """Of jobs that are drained; a few warm up."""
    for part in (max(n // 5, 1), n):
        driver.ask("fill", kind=kind, n=part)
        answer = driver.ask("release", kind=kind, n=part)
    return answer["steps"] / answer["s"]


def photo_speed(driver, kind, photos):
    driver.ask("photos", kind=kind, photos=photos[:4])
    return len(photos) / driver.ask("photos", kind=kind, photos=photos)["s"]


def best(rig, peer, candidates, measure):
    """The candidate with which `measure` of a driver finds most, and what was found, as a sentence."""
    found = [0.0] * len(candidates)
    for _ in range(ROUNDS):
        for i, settings in enumerate(candidates):
            driver = getattr(rig, peer)()
            driver.ask("start", **settings)
            found[i] = max(found[i], measure(driver))
            rig.close(driver)
    taken = candidates[found.index(max(found))]
    tried = "; ".join(f"{plain(settings)}: {number(rate)}/s" for settings, rate in zip(candidates, found))
    return taken, f"tried {tried}. Taken: {plain(taken)}."
