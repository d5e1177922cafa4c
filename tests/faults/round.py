"""One round: jobs, injuries while they run, then the accounts."""
import json
import random
import re
import time
import urllib.error
import urllib.request

import psycopg2
import redis

import pictures
from accounts import Accounts, Health
from fleet import SANITIZER
from injury import TABLE, Cannot, make
from lane import PERSISTENCE, wait_until
from load import CLIENT_ERRORS, Client, Job, plan

BOUND_S = 60            # from the last injury's healing until every job has ended
CANARY_S = 5
REACH_S = 40            # for a fault point that the jobs did not reach
ANSWERS = {"pixelfleet_reports_total": "reports", "pixelfleet_reports_duplicate_total": "reports answered as duplicates",
           "pixelfleet_reports_stale_total": "reports answered as stale"}
TROUBLE = (redis.RedisError, psycopg2.Error, OSError, AssertionError)


def main_injury(seed, number):
    """All rows of the table have their turn, in an order that the seed shuffles."""
    names = sorted(TABLE)
    random.Random(f"{seed}/turn {(number - 1) // len(names)}").shuffle(names)
    return names[(number - 1) % len(names)]


class Round:
    def __init__(self, lane, seed, number):
        self.lane, self.seed, self.number = lane, seed, number
        rng = self.rng = random.Random(f"{seed}/{number}")
        self.n_dispatchers, self.n_workers = (1, 1) if rng.random() < 0.15 else (2, 3)
        self.persistence = rng.choice(sorted(PERSISTENCE))
        names = [main_injury(seed, number)]
        names += rng.sample(sorted(name for name in TABLE if not name.startswith("point-") and name not in names),
                            rng.choices([0, 1, 2], [45, 40, 15])[0])
        self.injuries = [make(name, rng, self.n_dispatchers, self.n_workers) for name in names]
        if len(names) > 1 and rng.random() < 0.5:       # at once
            for injury in self.injuries[1:]:
                injury.at = max(self.injuries[0].at, 0.3) + round(rng.uniform(0, 0.5), 2)
        self.jobs_seed = rng.random()
        self.jobs = plan(random.Random(self.jobs_seed), lane, f"s{seed}r{number}")
        self.client_seed = rng.random()
        self.canaries = 0
        self.accounts = Accounts(lane, self.jobs, names)
        self.settled_s = 0.0

    # -- the course of a round

    def run(self):
        """The problems that it found."""
        lane = self.lane
        lane.notes, lane.excused = [], set()
        lane.receiver.keys.clear()
        try:
            self.begin()
            self.havoc()
            self.heal()
            self.settle()
            problems = self.accounts.all()
            problems += self.canary()
            self.count_answers()
            problems += self.words()
            problems += Health(lane).all()
        except TROUBLE as error:
            problems = [f"{type(error).__name__}: {error}", *self.accounts.problems, *self.words()]
        return problems + [note for note in lane.notes if note.startswith("PROBLEM")][:5]

    def begin(self):
        lane = self.lane
        for program in lane.programs:
            program.mark = program.log.stat().st_size
        self.before = self.metrics()
        lane.set_persistence(self.persistence)
        lane.arrange(self.n_dispatchers, self.n_workers)
        for queue in ("io", "image", "odd", "infer"):
            lane.post_any(f"/api/v1/dlq/{queue}/discard", {"all": True})
        points = [injury for injury in self.injuries if injury.name.startswith("point-")]
        if any(injury.which == "last" for injury in points):
            self.rehearse(points)
        for injury in self.injuries:
            injury.prepare(lane)

    def rehearse(self, points):
        """The same jobs without a fault: counts how often the points are reached."""
        for point in points:
            slot = self.lane.slot(point.slot_name)
            self.lane.stop_slot(slot)
            slot.page.clear()
            self.lane.start_slot(slot)
        self.lane.wait_ready()
        jobs = plan(random.Random(self.jobs_seed), self.lane, f"s{self.seed}r{self.number}-rehearsal")
        client = Client(self.lane, jobs, random.Random(self.client_seed))
        for job in jobs:
            client.submit(job)
        accounts = Accounts(self.lane, jobs, [])
        if not wait_until(accounts.all_ended, BOUND_S):
            self.accounts.problems += ["(rehearsal) " + problem for problem in accounts.all()]

    def havoc(self):
        client = Client(self.lane, self.jobs, random.Random(self.client_seed))
        events = sorted([(injury.at, 0, k, injury) for k, injury in enumerate(self.injuries)] +
                        [(injury.at + injury.lasts, 1, k, injury) for k, injury in enumerate(self.injuries)], key=lambda e: e[:3])
        begin = time.monotonic()
        client.start()
        while events or client.is_alive():
            while events and time.monotonic() - begin >= events[0][0]:
                _, is_end, _, injury = events.pop(0)
                self.strike(injury, is_end)
            self.lane.supervise()
            time.sleep(0.03)
            if time.monotonic() - begin > 60:
                client.stop = True
        client.join(10)
        self.meddled = client.meddled

    def strike(self, injury, is_end):
        try:
            if is_end:
                if not injury.is_healed:
                    injury.heal(self.lane)
                    injury.is_healed = True
            else:
                injury.is_healed = False
                injury.inject(self.lane)
        except Cannot as reason:
            self.lane.counts["not possible"] += not is_end
            self.lane.notes.append(f"{injury.name}: {reason}")
        except TROUBLE as error:
            self.lane.notes.append(f"{injury.name} {'heal' if is_end else 'inject'}: {type(error).__name__}: {error}")

    def heal(self):
        """Everything; twice, because one fault can be in the way of another's healing."""
        self.lane.heal()
        for _ in range(2):
            for injury in self.injuries:
                self.strike(injury, True)
        self.lane.heal()
        unhealed = [injury.name for injury in self.injuries if not injury.is_healed]
        assert not unhealed, f"cannot heal {unhealed}: {self.lane.notes}"

    def settle(self):
        self.reach_points()
        begin = time.monotonic()
        client = Client(self.lane, self.jobs, self.rng)
        while not self.accounts.all_ended() and time.monotonic() - begin < BOUND_S:
            self.lane.supervise()
            self.submit_again(client)
            time.sleep(0.1)
        self.settled_s = time.monotonic() - begin
        self.lane.wait_restarted()
        for injury in self.injuries:
            injury.settle(self.lane)

    def submit_again(self, client):
        for job in self.jobs:
            if not job.accepted and (job.sent_at is None or time.monotonic() - job.sent_at > 2):
                try:
                    client.submit(job)
                except CLIENT_ERRORS:
                    pass

    def reach_points(self):
        """More jobs, until every fault point of the round was reached."""
        client = Client(self.lane, [], self.rng)
        until = time.monotonic() + REACH_S
        for point in self.injuries:
            while point.name.startswith("point-") and not point.is_reached(self.lane) and time.monotonic() < until:
                self.lane.supervise()
                self.push_more(client, point)
                time.sleep(0.5)

    def push_more(self, client, point):
        steps = [{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]},
                 {"id": "nap", "tool": "sleep", "needs": [], "params": {"seconds": 1}, "queue": "odd"}]
        self.canaries += 1
        body = {"pipeline": {"steps": steps}, "images": self.lane.some_pictures(4)}
        if point.point.startswith("feed."):     # more than the window
            body = {"pipeline": {"steps": [{"id": "a", "tool": "noop"}]}, "images": pictures.names(1000)}
        job = Job(f"s{self.seed}r{self.number}-more-{self.canaries}", "more", body, {"succeeded", "failed", "partial"})
        point.provoke(self.lane)
        self.jobs.append(job)
        self.accounts.keys[job.key] = job
        try:
            client.submit(job)
        except CLIENT_ERRORS:
            pass

    # -- what survived still works

    def canary(self):
        """Every worker takes a job from its own queue, every dispatcher is ready and takes a POST."""
        problems, jobs = [], []
        for slot in self.lane.dispatcher_slots:
            if slot.wanted and not wait_until(lambda s=slot: self.is_ready(s), 2 * CANARY_S):
                problems.append(f"{slot.name} is not ready: {self.last_ready}")
        begin = time.monotonic()
        workers = [slot for slot in self.lane.worker_slots if slot.wanted]
        dispatchers = [slot for slot in self.lane.dispatcher_slots if slot.wanted]
        for k, worker in enumerate(workers + workers[:1] * (len(dispatchers) - len(workers))):
            job = Job(f"s{self.seed}r{self.number}-canary-{k}", "canary", {"pipeline": {"steps": [
                {"id": "a", "tool": "noop", "queue": f"own-{worker.k}"}]}, "images": ["http://pictures.invalid/1"]}, {"succeeded"})
            jobs.append(job)
            try:
                status, said = Client(self.lane, [], self.rng).post(dispatchers[k % len(dispatchers)].port, "/api/v1/jobs", job.raw)
                if status != 202:
                    problems.append(f"{dispatchers[k % len(dispatchers)].name} refused a canary with {status}: {said}")
            except CLIENT_ERRORS as error:
                problems.append(f"{dispatchers[k % len(dispatchers)].name} took no canary: {error}")
        accounts = Accounts(self.lane, jobs, [])
        if not problems and not wait_until(accounts.all_ended, CANARY_S):
            states = accounts.look()
            late = {job.key: states.get(job.key) for job in jobs if states.get(job.key) != "succeeded"}
            problems.append(f"workers that consume no more: {late}")
        self.canary_s = time.monotonic() - begin
        return problems

    def is_ready(self, slot):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{slot.port}/ready", timeout=3) as answer:
                return json.loads(answer.read()).get("ready")
        except urllib.error.HTTPError as error:
            with error:
                self.last_ready = error.read().decode(errors="replace")
        except OSError as error:
            self.last_ready = str(error)
        return False

    def metrics(self):
        """{(process id, name): value} of the counters of all dispatchers."""
        values = {}
        for slot in self.lane.dispatcher_slots:
            if slot.is_up:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{slot.port}/metrics", timeout=3) as answer:
                        text = answer.read().decode()
                except OSError:
                    continue
                values.update({(slot.program.pid, name): int(n) for name, n in re.findall(r"^(pixelfleet_\w+_total) (\d+)$", text, re.M)})
        return values

    def count_answers(self):
        """As far as the dispatchers have lived through the round."""
        for (pid, name), value in self.metrics().items():
            if name in ANSWERS:
                self.lane.counts[ANSWERS[name]] += value - self.before.get((pid, name), 0)

    def words(self):
        """Lines of the round's logs that must not be there."""
        problems = []
        for program in self.lane.programs + self.lane.ended:
            text = program.text()[program.mark:]
            problems += [f"{program.log.name}: {line[:600]}" for line in re.findall(r"^.*level=bug.*$", text, re.M)[:2]]
            if SANITIZER.search(text):
                problems.append(f"{program.log.name}: {text[SANITIZER.search(text).start():][:2000]}")
        return problems

    # -- telling

    def describe(self):
        lines = [f"round {self.number} of seed {self.seed}: {self.n_dispatchers} dispatchers, {self.n_workers} workers, "
                 f"Redis persistence: {self.persistence}, {len(self.jobs)} jobs"]
        lines += [f"    {injury}" for injury in self.injuries]
        lines += [f"    note: {note}" for note in self.lane.notes if not note.startswith("PROBLEM")][:8]
        return "\n".join(lines)

    def describe_jobs(self):
        return "\n".join(f"{job.at:5.2f} {'POST ' if job.by_post else 'LPUSH'} "
                         f"{f'cancel at {job.cancel_at:.2f} ' if job.cancel_at is not None else ''}{job.raw}" for job in self.jobs)
