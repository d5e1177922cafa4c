"""5,000 jobs, LPUSHed inside the machine with redis-cli, and what PostgreSQL says became of them.

A mix: chains of no-ops, real photographs from an allowed root, and sleeps. The sleeps are what keeps a batch going
for a known time: with 4 slots of `io` a worker, no machine gets through them quicker.
"""
import json

from machine import Trouble, wait_for

TOTAL = 5000
PICTURES = "/srv/pictures"
SLEEP_S = 0.05
SLEEP_EVERY, PICTURE_EVERY = 10, 25

# Counts what the counters only claim: each change of a job to an end, each change of a step to success.
WITNESS = """
CREATE TABLE public.ends (job uuid, state text);
CREATE TABLE public.successes (job uuid, ordinal int);
CREATE FUNCTION public.note_end() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO public.ends VALUES (NEW.id, NEW.state); RETURN NULL; END $$;
CREATE FUNCTION public.note_success() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO public.successes VALUES (NEW.job, NEW.ordinal); RETURN NULL; END $$;
CREATE TRIGGER note_end AFTER UPDATE OF state ON pixelfleet.job FOR EACH ROW
	WHEN (OLD.state = 'running' AND NEW.state <> 'running') EXECUTE FUNCTION public.note_end();
CREATE TRIGGER note_success AFTER UPDATE OF state ON pixelfleet.step FOR EACH ROW
	WHEN (OLD.state <> 'succeeded' AND NEW.state = 'succeeded') EXECUTE FUNCTION public.note_success();
"""


class Jobs:
    def __init__(self, machine, photographs):
        self.machine = machine
        self.photographs = photographs
        self.sent = 0

    # -- in

    def submission(self, n, naps):
        """Job number n; `naps`: how many sleeps a job of that kind has."""
        job = {"id": f"job-{n:04d}", "labels": {"trial": "systemd"}}
        if n % SLEEP_EVERY == 0:
            steps = [{"name": "sleep", "params": {"seconds": SLEEP_S}}]
            return {**job, "images": [f"http://pictures.invalid/{i}" for i in range(naps)], "pipeline": {"steps": steps}}
        if n % PICTURE_EVERY == 1:
            steps = [{"name": "thumbnail", "params": {"width": 200}}, {"name": "stats"}]
            return {**job, "images": [self.photographs[n % len(self.photographs)]], "pipeline": {"steps": steps}}
        steps = [{"id": name, "tool": "noop", **({"needs": [need]} if need else {})}
                 for name, need in (("a", None), ("b", "a"), ("c", "b"))]
        return {**job, "images": [f"http://pictures.invalid/{n}"], "pipeline": {"steps": steps}}

    def push(self, count, work_s, workers):
        """LPUSHes `count` jobs whose sleeps keep so many workers, of 4 slots each, busy for at least work_s."""
        naps = max(1, round(work_s * workers * 4 / SLEEP_S / (count / SLEEP_EVERY)))
        texts = [json.dumps(self.submission(n, naps), separators=(",", ":")) for n in range(self.sent, self.sent + count)]
        lines = "".join(f"LPUSH pixelfleet:jobs '{text}'\n" for text in texts)
        answers = self.machine.must("redis-cli", stdin=lines).split("\n")
        bad = [answer for answer in answers if answer and not answer.lstrip("(integer) ").isdigit()]
        if bad:
            raise Trouble(f"redis-cli: {bad[0]}")
        self.sent += count
        return naps

    # -- out

    def sql(self, query):
        """Rows, each a list of texts."""
        text = self.machine.must("setpriv", "--reuid=pixelfleet", "--regid=pixelfleet", "--clear-groups", "psql",
                                 "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", "pixelfleet", "-f", "-", stdin=query)
        return [line.split("|") for line in text.splitlines()]

    def one(self, query):
        return self.sql(query)[0][0]

    def watch(self):
        self.sql(WITNESS)

    def ended(self):
        return int(self.one("SELECT count(*) FROM pixelfleet.job WHERE state <> 'running'"))

    def open(self):
        """LPUSHed and not ended: those that wait in Redis are among them."""
        return self.sent - self.ended()

    def attempts(self):
        """{kind: rows}; drains and reboots leave none."""
        return {kind: int(n) for kind, n in self.sql("SELECT kind, count(*) FROM pixelfleet.attempt GROUP BY kind")}

    def wait_all(self, timeout):
        wait_for(lambda: self.open() == 0, timeout, lambda: f"all {self.sent} jobs ended; open: {self.open()}: {self.explain()}")

    def explain(self):
        steps = self.sql("SELECT step, state, count(*) FROM pixelfleet.step_view GROUP BY 1, 2 ORDER BY 1, 2")
        return f"{steps}, {self.lists()}, attempts {self.attempts()}, workers {self.machine.ask('pixelfleet', 'workers')}"

    def lists(self):
        """{key: length} of what should be empty in the end."""
        keys = self.machine.must("redis-cli", "--raw", "KEYS", "pixelfleet:*").split()
        found = {}
        for key in keys:
            if key.startswith(("pixelfleet:queue:", "pixelfleet:running:", "pixelfleet:dlq:")) or key == "pixelfleet:jobs":
                found[key] = int(self.machine.must("redis-cli", "--raw", "LLEN", key))
            if key.startswith("pixelfleet:taken:"):
                found[key] = int(self.machine.must("redis-cli", "--raw", "HLEN", key))
        return found

    def accounts(self):
        """(what is counted, what was found, what it should be), one row each."""
        sent, job = self.sent, "FROM pixelfleet.job"
        checks = [
            ("jobs accepted", f"SELECT count(*) {job}", sent),
            ("jobs that succeeded", f"SELECT count(*) {job} WHERE state = 'succeeded'", sent),
            ("ends seen by the trigger", "SELECT count(*) FROM ends", sent),
            ("jobs that it saw end", "SELECT count(DISTINCT job) FROM ends", sent),
            ("jobs whose counters do not add up", f"SELECT count(*) {job} WHERE total <> succeeded OR made <> total OR "
             "failed + skipped + cancelled > 0 OR ended_at IS NULL", 0),
            ("steps without success", "SELECT count(*) FROM pixelfleet.step WHERE state <> 'succeeded'", 0),
            ("steps that succeeded twice", "SELECT count(*) - count(DISTINCT (job, ordinal)) FROM successes", 0),
            ("steps in the counters, not in the table",
             f"SELECT (SELECT sum(succeeded) {job}) - (SELECT count(*) FROM pixelfleet.step)", 0),
            ("dead letters", "SELECT count(*) FROM pixelfleet.dead_letter", 0),
            ("submissions refused", "SELECT count(*) FROM pixelfleet.refused", 0),
            ("retries that are due", "SELECT count(*) FROM pixelfleet.retry", 0),
            ("tasks in the backlog", "SELECT count(*) FROM pixelfleet.backlog", 0),
        ]
        rows = [(what, int(self.one(query)), wanted) for what, query, wanted in checks]
        lists = wait_for(lambda: [self.lists()] if not any(self.lists().values()) else None, 20,
                         lambda: f"nothing is left in Redis: {self.lists()}")
        return rows + [("entries in lists of Redis", sum(lists[0].values()), 0)]
