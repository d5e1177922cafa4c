"""The jobs of a round, and the client that submits them as people do.

What was LPUSHed is as safe as Redis until a dispatcher took it, and a POST without an answer says
nothing: such a job is submitted again under the same id. A job whose POST was answered, or which
was seen in PostgreSQL, must never be missing again.
"""
import json
import re
import threading
import time
import urllib.error
import urllib.request

import redis

from pictures import names

CLIENT_ERRORS = (redis.RedisError, OSError, ValueError)
GOOD, PARTIAL, BAD = {"succeeded"}, {"partial"}, {"failed"}
PATIENT = {"max_attempts": 40, "backoff_s": 0.2, "max_backoff_s": 1}
QUICK = {"max_attempts": 3, "backoff_s": 0.1, "max_backoff_s": 0.4}
QUEUES = ("io", "image", "odd")


class Job:
    def __init__(self, key, kind, body, expected):
        self.key, self.kind, self.expected = key, kind, expected
        self.body = {"id": key, **body}
        self.raw = json.dumps(self.body)
        self.by_post = False
        self.at = 0.0
        self.cancel_at = None
        self.accepted = False           # a dispatcher said so, or it was seen in PostgreSQL
        self.cancel_accepted = False
        self.was_touched = False        # by a person: cancelled or requeued with other parameters
        self.sent_at = None


def noop(rng, step, *needs, **more):
    return {"id": step, "tool": "noop", "queue": rng.choice(QUEUES), **({"needs": list(needs)} if needs else {}), **more}


def aggregate(step, *needs, **more):
    return {"id": step, "tool": "aggregate", "needs": list(needs), "retry": PATIENT, **more}


def chain(rng, _lane):
    steps = [noop(rng, "s0", needs=[])]
    for k in range(1, rng.randint(2, 5)):
        steps.append(noop(rng, f"s{k}", f"s{k - 1}"))
    return {"pipeline": {"steps": steps}, "images": names(rng.choice([1, 2, 5, 20]))}, GOOD


def diamond(rng, _lane):
    steps = [noop(rng, "top", needs=[]), noop(rng, "left", "top"), noop(rng, "right", "top"), noop(rng, "bottom", "left", "right"),
             aggregate("all", "bottom")]
    return {"pipeline": {"steps": steps}, "images": names(rng.choice([1, 4, 10]))}, GOOD


def fan(rng, _lane):
    steps = [aggregate("one", "seed"), noop(rng, "seed", needs=[]), noop(rng, "many", "one"),
             aggregate("sum", "many")]
    return {"pipeline": {"steps": steps}, "images": names(50)}, GOOD


def any_join(rng, _lane):
    n = rng.randint(3, 12)
    bad = rng.sample(range(n), rng.randint(1, n - 1))
    steps = [{"id": "shaky", "tool": "fail", "params": {"items": bad, "kind": "reject"}},
             aggregate("sum", "shaky", join=rng.choice(["any", n - len(bad)]))]
    return {"pipeline": {"on_failure": "continue", "steps": steps}, "images": names(n)}, PARTIAL


def too_few(_rng, _lane):
    steps = [{"id": "shaky", "tool": "fail", "params": {"items": [0, 1], "kind": "reject"}},
             aggregate("sum", "shaky", join=4)]
    return {"pipeline": {"on_failure": "continue", "steps": steps}, "images": names(5)}, PARTIAL


def fast(rng, _lane):
    steps = [noop(rng, "a", needs=[]), {"id": "b", "tool": "fail", "needs": ["a"], "params": {"items": [0], "kind": "reject"}},
             noop(rng, "c", "b")]
    return {"pipeline": {"steps": steps}, "images": names(rng.choice([1, 6]))}, BAD


def retried(rng, _lane):
    steps = [{"id": "later", "tool": "fail", "params": {"until_attempt": rng.choice([2, 3]), "kind": "retry"}, "retry": QUICK},
             noop(rng, "then", "later")]
    return {"pipeline": {"steps": steps}, "images": names(rng.choice([1, 5, 15]))}, GOOD


def exhausted(rng, _lane):
    steps = [{"id": "never", "tool": "fail", "params": {"kind": "retry"}, "retry": QUICK}, noop(rng, "other", needs=[])]
    return {"pipeline": {"on_failure": "continue", "steps": steps}, "images": names(rng.choice([1, 4]))}, PARTIAL


def sleepy(rng, _lane):
    nap = {"id": "nap", "tool": "sleep", "params": {"seconds": round(rng.uniform(0.1, 2.5), 2)}, "queue": rng.choice(["io", "io", "odd"])}
    steps = [nap, noop(rng, "up", "nap")]
    return {"pipeline": {"steps": steps}, "images": names(rng.choice([1, 2, 3]))}, GOOD


def pictures(rng, lane):
    files = rng.sample(sorted(str(path) for path in lane.pictures.iterdir()), rng.choice([1, 4, 10]))
    steps = [{"id": "src", "tool": "fetch", "retry": PATIENT},
             {"id": "thumb", "tool": "thumbnail", "needs": ["src"], "retry": PATIENT,
              "params": {"sizes": [{"width": 8 + rng.randrange(64)}, {"width": 80 + rng.randrange(64)}]}},
             {"id": "half", "tool": "resize", "needs": ["src"], "params": {"width": 8 + rng.randrange(99), "height": 8}, "retry": PATIENT},
             {"id": "size", "tool": "metadata", "needs": ["half"], "retry": PATIENT},
             aggregate("all", "size", "thumb")]
    return {"pipeline": {"steps": steps}, "images": files}, GOOD


def classified(rng, lane):
    """By a model, in the process that all slots of a worker share. It is said of each picture, whatever died meanwhile."""
    files = rng.sample(sorted(str(path) for path in lane.pictures.iterdir()), rng.choice([1, 3, 6]))
    steps = [{"id": "src", "tool": "fetch", "retry": PATIENT},
             {"id": "what", "tool": "classify", "needs": ["src"], "retry": PATIENT, "params": {"model": "colours", "top_k": 1}},
             aggregate("all", "what")]
    return {"pipeline": {"steps": steps}, "images": files}, GOOD


def called_back(rng, lane):
    steps = [noop(rng, "a", needs=[]),
             {"id": "tell", "tool": "callback", "needs": ["a"], "retry": PATIENT, "params": {"url": lane.receiver.url}}]
    body = {"pipeline": {"steps": steps}, "images": names(rng.choice([1, 3]))}
    if rng.random() < 0.3:
        body["callback_url"] = lane.receiver.url
    return body, GOOD


def late(rng, _lane):
    steps = [{"id": "long", "tool": "sleep", "params": {"seconds": 120}, "queue": "odd"}, noop(rng, "b", "long")]
    return {"pipeline": {"steps": steps}, "images": names(1), "deadline_s": rng.choice([1, 2, 4])}, BAD


KINDS = {chain: 6, diamond: 3, fan: 3, any_join: 2, too_few: 1, fast: 2, retried: 3, exhausted: 2, sleepy: 10, pictures: 6, classified: 4,
         called_back: 3, late: 1}
LASTS_S = 5.0


def plan(rng, lane, prefix):
    """The jobs of a round, in the order in which they are submitted."""
    kinds = rng.choices(list(KINDS), list(KINDS.values()), k=rng.randint(20, 60))
    jobs = []
    for i, kind in enumerate(kinds):
        body, expected = kind(rng, lane)
        if rng.random() < 0.15:
            body["priority"] = "high"
        job = Job(f"{prefix}-{i}-{kind.__name__}", kind.__name__, body, set(expected))
        job.by_post = rng.random() < 0.5
        job.at = rng.uniform(0, LASTS_S)
        if rng.random() < 0.08:
            job.cancel_at = job.at + rng.uniform(0, 3)
        jobs.append(job)
    return sorted(jobs, key=lambda job: job.at)


class Client(threading.Thread):
    """Submits the jobs at their times, and meddles as people do."""

    def __init__(self, lane, jobs, rng):
        super().__init__(daemon=True)
        self.lane, self.jobs, self.rng = lane, jobs, rng
        self.redis = redis.Redis(port=int(lane.services.redis.port), decode_responses=True, socket_timeout=2, socket_connect_timeout=2)
        self.ports = [slot.port for slot in lane.dispatcher_slots if slot.wanted]
        self.meddled = 0
        self.stop = False

    def run(self):
        events = [(job.at, k, self.submit, job) for k, job in enumerate(self.jobs)]
        events += [(job.cancel_at, k, self.cancel, job) for k, job in enumerate(self.jobs) if job.cancel_at is not None]
        events += [(self.rng.uniform(0.5, LASTS_S + 1), k, meddle, None)
                   for k, meddle in enumerate([self.requeue, self.requeue, self.double, self.double, self.repair])]
        begin = time.monotonic()
        for at, _, act, job in sorted(events, key=lambda event: event[:2]):
            time.sleep(max(0.0, begin + at - time.monotonic()))
            if self.stop:
                return
            try:
                act(*([job] if job else []))
            except CLIENT_ERRORS:
                pass

    def post(self, port, path, body, timeout=3):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body.encode(), method="POST",
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def submit(self, job):
        job.sent_at = time.monotonic()
        if not job.by_post:
            self.redis.lpush("pixelfleet:jobs", job.raw)
            return
        status, said = self.post(self.rng.choice(self.ports), "/api/v1/jobs", job.raw)
        if status == 202:
            job.accepted = True
        elif status < 500 and status != 429:
            self.lane.notes.append(f"PROBLEM {job.key} was refused with {status}: {said}")

    def cancel(self, job):
        job.was_touched = True
        status, _ = self.post(self.rng.choice(self.ports), f"/api/v1/jobs/{job.key}/cancel", "{}")
        job.cancel_accepted = status == 202

    def requeue(self):
        """Dead letters put back by hand."""
        for _ in range(self.rng.randint(1, 4)):
            if self.redis.lmove("pixelfleet:dlq:io", "pixelfleet:queue:io", "RIGHT", "LEFT"):
                self.meddled += 1

    def double(self):
        """Tasks that are in Redis twice."""
        for name in sorted(self.redis.keys("pixelfleet:running:*")) + ["pixelfleet:queue:io"]:
            for entry in self.redis.lrange(name, 0, 3):
                queue = re.search(r'"queue":"([^"]*)"', entry)
                if queue:
                    self.redis.rpush(f"pixelfleet:queue:{queue[1]}", entry)
                    self.meddled += 1

    def repair(self):
        """Letters of one job retried with parameters under which they succeed."""
        job = next((job for job in self.jobs if job.kind in ("any_join", "fast") and job.sent_at), None)
        if job:
            job.was_touched = True
            self.post(self.rng.choice(self.ports), "/api/v1/dlq/io/retry", json.dumps({"job": job.key, "params": {"items": []}}))
