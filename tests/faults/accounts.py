"""What must be true after a round, when every fault is healed. Each check gives the problems it found."""
import collections
import json
import os
import pathlib
import time

from lane import wait_until

QUIET_S = 20
ENDS = ("succeeded", "partial", "failed", "cancelled")
OPEN = ("blocked", "queued", "retrying")


class Accounts:
    def __init__(self, lane, jobs, names):
        self.lane, self.jobs = lane, jobs
        self.names = names                  # of the injuries of the round
        self.keys = {job.key: job for job in jobs}
        self.ids = {}                       # key: uuid
        self.problems = []

    def sql(self, query, *values):
        return self.lane.sql(query, *values)

    def say(self, text):
        self.problems.append(text)

    # -- waiting for the end

    def look(self):
        """{key: state} of the jobs that are there."""
        rows = self.sql("SELECT k.key, k.job::text, j.state::text FROM pixelfleet.job_key k JOIN pixelfleet.job j ON j.id = k.job "
                        "WHERE k.key = ANY(%s)", list(self.keys))
        for key, uuid, _ in rows:
            if self.ids.setdefault(key, uuid) != uuid:
                self.say(f"{key} was job {self.ids[key]}, and is job {uuid} now")
            self.keys[key].accepted = True
        return {key: state for key, _, state in rows}

    def all_ended(self):
        states = self.look()
        return len(states) == len(self.jobs) and all(state in ENDS for state in states.values())

    def all(self):
        states = self.look()
        self.check_ends(states)
        self.check_quiet()
        if not self.problems:               # else what follows would only repeat it
            self.check_counts()
            self.check_attempts()
            self.check_letters()
            self.check_callbacks()
            self.check_artifacts()
        return self.problems

    # -- jobs

    def check_ends(self, states):
        for job in self.jobs:
            if job.key not in states:
                self.say(f"LOST {job.key}: " + ("was accepted, and is not there" if job.accepted else "is never accepted"))
            elif states[job.key] not in ENDS:
                self.say(f"STUCK {job.key} {self.ids[job.key]}: {self.explain(self.ids[job.key])}")
        refused = [letter for letter in self.lane.refused() if any(job.key in json.dumps(letter) for job in self.jobs)]
        for letter in refused[:3]:
            if "cancelled" not in json.dumps(letter):
                self.say(f"refused: {json.dumps(letter)[:600]}")
        for job in self.jobs:
            state = states.get(job.key)
            if state in ENDS and state not in self.allowed(job):
                self.say(f"{job.key} {self.ids[job.key]} ended {state}, not {self.allowed(job)}: {self.explain(self.ids[job.key])}")

    def allowed(self, job):
        if job.cancel_accepted:
            return {"cancelled"}
        allowed = set(job.expected)
        if job.was_touched:
            allowed |= {"cancelled", "succeeded", "partial"}
        if self.sql("SELECT 1 FROM pixelfleet.step WHERE job = %s AND deaths >= 3 LIMIT 1", self.ids[job.key]):
            allowed |= {"failed", "partial"}        # poison, rightly: check_attempts() counts the deaths
        return allowed

    def explain(self, uuid):
        rows = self.sql("SELECT ordinal, step, state::text, attempt, deaths, waiting_on, reason::text, queue, changed_at::text "
                        "FROM pixelfleet.step_view WHERE job = %s AND state <> 'succeeded' LIMIT 4", uuid)
        failures = self.sql("SELECT ordinal, kind, message, worker, at::text FROM pixelfleet.attempt "
                            "WHERE job = %s ORDER BY at LIMIT 6", uuid)
        return f"{self.lane.explain(uuid)}, steps {rows}, attempts {failures}"

    # -- nothing is under way any more

    def under_way(self):
        redis = self.lane.redis
        names = [name for pattern in ("queue", "running", "taken") for name in redis.keys(f"pixelfleet:{pattern}:*")]
        held = {name: redis.hlen(name) if ":taken:" in name else redis.llen(name) for name in names}
        held["jobs"] = redis.llen("pixelfleet:jobs")
        for table in ("retry", "backlog"):
            held[table] = self.sql(f"SELECT count(*) FROM pixelfleet.{table}")[0]
        return {name: n for name, n in held.items() if n}

    def check_quiet(self):
        if wait_until(lambda: not self.under_way(), QUIET_S):
            return
        held = self.under_way()
        entries = [self.lane.redis.lindex(name, 0) for name in held if name.startswith("pixelfleet:") and ":taken:" not in name]
        self.say(f"under way though all jobs have ended: {held} {[str(entry)[:400] for entry in entries]}")

    # -- counted once

    def check_counts(self):
        rows = self.sql("""
            SELECT j.client_id, j.total, j.made, j.succeeded, j.failed, j.skipped, j.cancelled, count(s.*),
                   count(*) FILTER (WHERE s.state = 'succeeded'), count(*) FILTER (WHERE s.state = 'failed'),
                   count(*) FILTER (WHERE s.state = 'skipped'), count(*) FILTER (WHERE s.state = 'cancelled')
            FROM pixelfleet.job j LEFT JOIN pixelfleet.step s ON s.job = j.id WHERE j.id = ANY(%s::uuid[]) GROUP BY j.id""",
                        list(self.ids.values()))
        for key, total, made, *numbers in rows:
            counted, real = numbers[:4], numbers[5:]
            if counted != real or total != made or total != numbers[4] or sum(counted) != total:
                self.say(f"COUNTED {key}: total {total}, made {made}, succeeded, failed, skipped, cancelled {counted}; "
                         f"steps {numbers[4]}: {real}")
        self.steps = sum(row[1] for row in rows)
        twice = self.sql("SELECT client_id, count(*) FROM pixelfleet.job WHERE client_id = ANY(%s) "
                         "GROUP BY 1 HAVING count(*) > 1", list(self.keys))
        if twice:
            self.say(f"accepted twice: {twice}")

    def check_attempts(self):
        ids = list(self.ids.values())
        for row in self.sql("""
                SELECT j.client_id, s.ordinal, s.deaths, count(a.*) FROM pixelfleet.step s JOIN pixelfleet.job j ON j.id = s.job
                LEFT JOIN pixelfleet.attempt a ON a.job = s.job AND a.ordinal = s.ordinal AND (a.kind = 'death' OR a.signal IS NOT NULL)
                WHERE s.job = ANY(%s::uuid[]) GROUP BY 1, 2, 3 HAVING s.deaths <> count(a.*)""", ids)[:3]:
            self.say("deaths were charged twice: job, ordinal, charged, real: " + str(row))
        excused = {name for name in map(self.name_of, self.lane.excused) if name}
        deaths = self.sql("SELECT j.client_id, a.ordinal, a.worker FROM pixelfleet.attempt a JOIN pixelfleet.job j ON j.id = a.job "
                          "WHERE a.kind = 'death' AND a.job = ANY(%s::uuid[])", ids)
        for key, ordinal, worker in deaths:
            if worker not in excused:
                self.say(f"{key} ordinal {ordinal} was charged with the death of {worker}, which nothing happened to")
        self.deaths = len(deaths)
        disks = any("artifacts" in name for name in self.names)
        plain = [self.ids[job.key] for job in self.jobs if job.kind in ("chain", "diamond", "fan", "sleepy")]
        for row in self.sql("SELECT j.client_id, a.ordinal, a.kind, a.message, a.worker FROM pixelfleet.attempt a "
                            "JOIN pixelfleet.job j ON j.id = a.job WHERE a.job = ANY(%s::uuid[]) AND a.kind <> 'death'", plain)[:3]:
            if not disks:
                self.say(f"an attempt was charged for nothing: {row}")

    @staticmethod
    def name_of(program):
        text = program.text()
        at = text.find("ev=worker.ready")
        return text[at:].split("worker=", 1)[1].split()[0] if at >= 0 else None

    # -- dead letters

    def letters(self):
        """{queue: [(job, ordinal)]} as Redis lists them, and as the table has them."""
        listed, stored = collections.defaultdict(list), collections.defaultdict(list)
        cancelled = set(self.sql("SELECT DISTINCT l.job::text FROM pixelfleet.dead_letter l JOIN pixelfleet.job j ON j.id = l.job "
                                 "WHERE j.state = 'cancelled'"))       # one that was put back is with the refused now
        for queue, uuid, ordinal in self.sql("SELECT queue, job::text, ordinal FROM pixelfleet.dead_letter WHERE discarded_at IS NULL "
                                             "AND job <> ALL(%s::uuid[])", list(cancelled)):
            stored[queue].append((uuid, ordinal))
        for name in self.lane.redis.keys("pixelfleet:dlq:*"):
            queue = name.split(":", 2)[2]
            if queue != "jobs":
                for text in self.lane.redis.lrange(name, 0, -1):
                    letter = json.loads(text)
                    if letter.get("job") in cancelled:
                        continue
                    listed[queue].append((letter.get("job"), letter.get("task", {}).get("ordinal")))
        return {q: sorted(v) for q, v in listed.items()}, {q: sorted(v) for q, v in stored.items()}

    def check_letters(self):
        if not wait_until(lambda: len({json.dumps(side, sort_keys=True) for side in self.letters()}) == 1, QUIET_S):
            listed, stored = self.letters()
            for queue in sorted(set(listed) | set(stored)):
                ours, theirs = collections.Counter(listed.get(queue, [])), collections.Counter(stored.get(queue, []))
                if ours != theirs:
                    listed_only, stored_only = list((ours - theirs).elements()), list((theirs - ours).elements())
                    self.say(f"dead letters of {queue}: only listed {listed_only[:3]} ({len(listed_only)}), "
                             f"only stored {stored_only[:3]} ({len(stored_only)})")
        ids = list(self.ids.values())
        for row in self.sql("SELECT j.client_id, s.ordinal FROM pixelfleet.step s JOIN pixelfleet.job j ON j.id = s.job "
                            "WHERE s.job = ANY(%s::uuid[]) AND s.state = 'failed' AND NOT EXISTS "
                            "(SELECT FROM pixelfleet.dead_letter l WHERE l.job = s.job AND l.ordinal = s.ordinal)", ids)[:3]:
            self.say(f"failed without a dead letter: {row}")
        for row in self.sql("SELECT s.job::text, s.ordinal, s.state::text FROM pixelfleet.dead_letter l "
                            "JOIN pixelfleet.step s USING (job, ordinal) WHERE s.state <> 'failed' AND l.job = ANY(%s::uuid[])", ids)[:3]:
            self.say(f"a dead letter of what has not failed: {row}")

    # -- the world outside

    def check_callbacks(self):
        rows = self.sql("SELECT v.job::text, v.step, v.state::text FROM pixelfleet.step_view v "
                        "WHERE v.tool = 'callback' AND v.job = ANY(%s::uuid[])", list(self.ids.values()))
        keys = collections.Counter()
        for key, n in list(self.lane.receiver.keys.items()):
            keys[tuple((key or "?").split("/")[:2])] += n
        succeeded = {(uuid, step) for uuid, step, state in rows if state == "succeeded"}
        for key in succeeded - set(keys):
            self.say(f"the callback {key} succeeded, and the receiver knows nothing of it")
        for key in set(keys) - {row[:2] for row in rows}:
            if not self.sql("SELECT 1 FROM pixelfleet.step_view WHERE job::text = %s AND step = %s AND tool = 'callback'", *key[:2]):
                self.say(f"the receiver was told of {key}, which nobody asked for")
        self.repeated_callbacks = sum(keys.values()) - len(keys)

    def check_artifacts(self):
        store = self.lane.folder / "data" / "artifacts"
        for digest, size, original in self.sql("SELECT DISTINCT a ->> 'digest', (a ->> 'bytes')::bigint, a ->> 'path' FROM pixelfleet.step s, "
                                               "jsonb_array_elements(s.artifacts) a WHERE s.job = ANY(%s::uuid[])", list(self.ids.values())):
            path = pathlib.Path(original) if original else store / digest[:2] / digest[2:]
            if not path.is_file() or path.stat().st_size != size:
                self.say(f"artifact {path} should have {size} bytes: {path.stat().st_size if path.is_file() else 'missing'}")
        if (store / "tmp").is_dir() and list((store / "tmp").iterdir()):
            self.say(f"temporary files are left in {store / 'tmp'}")


class Health:
    """Of the processes, after a round."""

    # A slot whose idle runner was killed waits for it when it gets its next task: image=2, infer=1.
    RUNNERS = 3
    # Idle connections are kept: of each thread of a worker to each dispatcher and receiver. Of each process that it starts with its
    # first task a worker has the last words, and of a runner what its memory is watched by.
    MORE = {"socket": 50, "anon_inode": 4, "others": RUNNERS + 1 + RUNNERS}

    def __init__(self, lane):
        self.lane = lane
        self.problems = []

    def all(self):
        self.check_remains()
        for slot in self.lane.wanted:
            self.check_survivor(slot)
        return self.problems

    def check_remains(self):
        """Nothing is left of the processes that ended."""
        for program in self.lane.ended:
            if not wait_until(lambda p=program: not p.children(), 10):
                self.problems.append(f"{program.log.name} ended and left processes: {program.children()}")
            self.lane.programs.remove(program)
        self.lane.ended.clear()

    def check_survivor(self, slot):
        pid = slot.program.pid
        if not wait_until(lambda: len(self.zombies(pid)) <= self.RUNNERS, 5):
            self.problems.append(f"{slot.name} has zombies: {self.zombies(pid)}")
        if not slot.program.fds:
            slot.program.fds = self.descriptors(pid)
        elif not wait_until(lambda: self.is_like_before(slot), 10):
            self.problems.append(f"{slot.name} has ever more descriptors: before {slot.program.fds}, now {self.descriptors(pid)}")

    def is_like_before(self, slot):
        now = self.descriptors(slot.program.pid)
        return all(now[kind] <= slot.program.fds[kind] + more for kind, more in self.MORE.items())

    @staticmethod
    def descriptors(pid):
        """How many there are of each kind."""
        kinds = collections.Counter()
        for fd in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
            try:
                # curl 8 has an eventfd where curl 7 has a pair of sockets
                name = os.readlink(fd)
                kind = "socket" if name == "anon_inode:[eventfd]" else name.split(":")[0]
                kinds[kind if kind in Health.MORE else "others"] += 1
            except OSError:
                pass
        return kinds

    @staticmethod
    def zombies(parent):
        pids = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == parent:
                pids.append(int(stat.parent.name))
        return pids


def seconds_since(begin):
    return round(time.monotonic() - begin, 1)
