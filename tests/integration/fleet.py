"""The real programs on a Redis and a PostgreSQL of their own, and what tests ask of them.

Nothing here sleeps for a fixed time: tests wait for a condition. Every fleet is checked when
its test ends: SIGTERM ends each program with 0, no log has a sanitizer's words or a line of
level `bug`, no process is left, and every job that was accepted is accounted for.
"""
import collections
import json
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request

from services import ROOT, built, die_with_us, process_stats

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|UndefinedBehaviorSanitizer")
SLOWNESS = 3 if re.search(r"/(san|tsan|cov)$", os.environ.get("PIXELFLEET_BUILD", "")) else 1
GRACE_S = 40

Answer = collections.namedtuple("Answer", "status body headers")


def wait_for(condition, timeout=20, what=None, every=0.02):
    """The first true value of condition(), asked until `timeout` seconds have gone."""
    until = time.monotonic() + timeout * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout * SLOWNESS} s: {what() if callable(what) else what or condition}")
        time.sleep(every)


class Program:
    """One of our processes and its log."""

    def __init__(self, name, arguments, environment, log, faults=False):
        self.name, self.log = name, log
        self.expected = 0
        self.ended = False
        with open(log, "wb") as out:
            self.process = subprocess.Popen([built(name, faults), *arguments], env=environment, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, start_new_session=True, cwd=str(ROOT),
                                            preexec_fn=die_with_us)
        self.pid = self.process.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def logged(self, pattern):
        """The match in the log, or None; fails when the program has ended without it."""
        found = re.search(pattern, self.text())
        if not found and self.process.poll() is not None:
            found = re.search(pattern, self.text())
            assert found, f"{self.name} ended with {self.process.returncode} before it said {pattern!r}:\n{self.text()[-3000:]}"
        return found

    def wait_logged(self, pattern, timeout=20):
        return wait_for(lambda: self.logged(pattern), timeout, f"{self.name} logs {pattern!r}; see {self.log}")

    def kill9(self):
        """As a crash of the process does; whatever it started is left to itself."""
        self.process.kill()
        self.process.wait()
        self.ended = True

    def terminate(self):
        if not self.ended:
            self.process.send_signal(signal.SIGTERM)

    def wait_end(self):
        if not self.ended:
            try:
                self.process.wait(GRACE_S * SLOWNESS)
            except subprocess.TimeoutExpired:
                self.kill9()
                raise AssertionError(f"{self.name} did not end within {GRACE_S} s of SIGTERM; see {self.log}") from None
            self.ended = True
            assert self.process.returncode == self.expected, \
                f"{self.name} ended with {self.process.returncode}, not {self.expected}:\n{self.text()[-3000:]}"

    def stop(self):
        self.terminate()
        self.wait_end()

    def children(self):
        """Process ids in the program's session, itself included."""
        return [pid for pid, fields in process_stats() if int(fields[3]) == self.pid and fields[0] != "Z"]


class Dispatcher(Program):
    @property
    def url(self):
        match = self.wait_logged(r"ev=http\.listening .*?port=(\d+)")
        return f"http://127.0.0.1:{match[1]}"


class Fleet:
    def __init__(self, services, database, folder, logs):
        self.services, self.database = services, database
        self.folder, self.logs = folder, logs
        self.logs.mkdir(parents=True, exist_ok=True)
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        self.token = secrets.token_hex(24)
        self.redis = services.redis.client()
        self.connection = None
        self.programs = []
        self.settings = {}      # for the programs that are started from now on
        self.checks_accounts = True

    # -- programs

    def environment(self, extra=None):
        """Only what a program needs; nothing of the caller's PIXELFLEET_ settings gets in."""
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        urls = [d.url for d in self.dispatchers]
        env.update({
            "REDIS_URL": self.services.redis.url,
            "DATABASE_URL": self.services.postgres.url(self.database),
            "PROCESSING_INTERNAL_TOKEN": self.token,
            "PIXELFLEET_LISTEN": "127.0.0.1:0",
            "PIXELFLEET_DATA_DIR": str(self.folder / "data"),
            "PIXELFLEET_ALLOWED_ROOTS": str(self.pictures),
            "PIXELFLEET_LOG_LEVEL": "debug" if os.environ.get("PIXELFLEET_TEST_DEBUG") else "info",
        })
        if urls:
            env["PIXELFLEET_DISPATCHER_URL"] = ",".join(urls)
        env.update(self.settings)
        env.update(extra or {})
        return {name: str(value) for name, value in env.items() if value is not None}

    def start(self, kind, name, arguments=(), env=None, faults=False):
        log = self.logs / f"{len(self.programs):02d}-{name}.log"
        program = kind(name, list(arguments), self.environment(env), log, faults)
        self.programs.append(program)
        return program

    def start_dispatcher(self, env=None, faults=False, wait=True):
        dispatcher = self.start(Dispatcher, "pixelfleet-dispatcher", env=env, faults=faults)
        if wait:
            dispatcher.wait_logged(r"ev=dispatcher\.ready", 30)
        return dispatcher

    def start_worker(self, slots="image=2,infer=1,io=4", env=None, wait=True, dispatchers=None, faults=False):
        """`dispatchers`: the ones it reports to; all of the living ones when not given."""
        extra = dict(env or {})
        if dispatchers:
            extra["PIXELFLEET_DISPATCHER_URL"] = ",".join(d.url for d in dispatchers)
        worker = self.start(Program, "pixelfleet-worker", ["--slots", slots], env=extra, faults=faults)
        if wait:
            worker.worker = worker.wait_logged(r"ev=worker\.ready .*?worker=(\S+)", 30)[1]
        return worker

    @property
    def dispatchers(self):
        return [p for p in self.programs if isinstance(p, Dispatcher) and not p.ended]

    def cli(self, *arguments, stdin=None, code=0, env=None):
        """Runs `pixelfleet ARGUMENTS`; its standard output, after the exit code was checked. With a
        code of None any failure will do; when a failure is wanted, standard error comes along."""
        done = subprocess.run([built("pixelfleet"), *arguments], env=self.environment(env), input=stdin,
                              capture_output=True, text=True, timeout=60 * SLOWNESS, cwd=str(ROOT), check=False)
        assert done.returncode == code if code is not None else 0 < done.returncode < 128, \
            f"pixelfleet {' '.join(arguments)}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
        assert not SANITIZER.search(done.stderr), done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    # -- submitting

    def push(self, submission, queue="pixelfleet:jobs"):
        """LPUSH, as people do it. A text or bytes goes as it is."""
        raw = submission if isinstance(submission, (str, bytes)) else json.dumps(submission)
        self.redis.lpush(queue, raw)

    def submit(self, steps, images=(), timeout=20, **more):
        """LPUSH under an id of ours; the job's uuid once it is accepted."""
        pipeline = steps if isinstance(steps, (dict, str)) else {"steps": steps}
        client_id = more.pop("id", None) or "t-" + secrets.token_hex(6)
        self.push({"id": client_id, "pipeline": pipeline, "images": list(images), **more})
        return wait_for(lambda: self.job_of(client_id), timeout,
                        lambda: f"job {client_id} accepted; refused: {self.refused()[:1]}")

    def job_of(self, client_id):
        rows = self.sql("SELECT job::text FROM pixelfleet.job_key WHERE key = %s", client_id)
        return rows[0] if rows else None

    def refused(self):
        return [json.loads(letter) for letter in self.redis.lrange("pixelfleet:dlq:jobs", 0, -1)]

    def dead(self, queue):
        return [json.loads(letter) for letter in self.redis.lrange(f"pixelfleet:dlq:{queue}", 0, -1)]

    def letters(self, queue, n=1, timeout=20):
        """At least n dead letters: they are listed a moment after the commit that ended their job."""
        wait_for(lambda: len(self.dead(queue)) >= n, timeout, lambda: f"{n} dead letters of {queue}, there are {len(self.dead(queue))}")
        return self.dead(queue)

    # -- HTTP

    def http(self, method, path, body=None, headers=None, check=True, dispatcher=None, timeout=30):
        """check: the status must be 2xx. The body is parsed when it is JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request((dispatcher or self.dispatchers[0]).url + path, data=data, method=method,
                                         headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout * SLOWNESS) as response:
                answer = self.answer(response, response.status)
        except urllib.error.HTTPError as error:
            answer = self.answer(error, error.code)
        assert not check or 200 <= answer.status < 300, f"{method} {path}: {answer.status} {answer.body}"
        return answer

    @staticmethod
    def answer(response, status):
        raw = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return Answer(status, json.loads(raw) if is_json and raw else raw, response.headers)

    def job(self, job):
        return self.http("GET", f"/api/v1/jobs/{job}").body

    # -- PostgreSQL

    def sql(self, query, *values):
        """Rows as tuples; a single column comes as plain values."""
        if self.connection is None or self.connection.closed:
            self.connection = self.services.postgres.connect(self.database)
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            if cursor.description is None:
                return []
            rows = cursor.fetchall()
            return [row[0] for row in rows] if len(cursor.description) == 1 else rows

    def one(self, query, *values):
        rows = self.sql(query, *values)
        assert len(rows) == 1, f"{query}: {len(rows)} rows"
        return rows[0]

    def state(self, job):
        rows = self.sql("SELECT state::text FROM pixelfleet.job WHERE id = %s", job)
        return rows[0] if rows else None

    def steps(self, job):
        """{(step, item): state} of a job."""
        rows = self.sql("SELECT step, item, state::text FROM pixelfleet.step_view WHERE job = %s", job)
        return {(step, item): state for step, item, state in rows}

    def counts(self, job):
        names = ("total", "succeeded", "failed", "skipped", "cancelled")
        return dict(zip(names, self.one(f"SELECT {', '.join(names)} FROM pixelfleet.job WHERE id = %s", job)))

    def wait_state(self, job, *states, timeout=30):
        return wait_for(lambda: self.state(job) in states and self.state(job), timeout,
                        lambda: f"job {job} is {' or '.join(states)}; it is {self.state(job)}: {self.explain(job)}")

    def wait_end(self, job, timeout=30):
        return self.wait_state(job, "succeeded", "partial", "failed", "cancelled", timeout=timeout)

    def explain(self, job):
        try:
            rows = collections.Counter(self.sql(
                "SELECT step || ' ' || state::text FROM pixelfleet.step_view WHERE job = %s", job))
            queues = {key: self.redis.llen(key) for key in self.redis.keys("pixelfleet:queue:*")}
            errors = self.sql("SELECT message FROM pixelfleet.attempt WHERE job = %s LIMIT 3", job)
            return f"{dict(rows)}, queues {queues}, errors {errors}"
        except Exception as error:      # pylint: disable=broad-except
            return f"(no explanation: {error})"

    def held(self):
        """How many tasks are in Redis: waiting, or with a worker."""
        names = self.redis.keys("pixelfleet:queue:*") + self.redis.keys("pixelfleet:running:*")
        return sum(self.redis.llen(name) for name in names)

    def backlog(self, queue=None):
        """How many steps wait in PostgreSQL until there is room for them in their queue, or in all queues."""
        return self.one("SELECT coalesce(sum(steps), 0) FROM pixelfleet.backlog WHERE queue = coalesce(%s, queue)", queue)

    # -- the end

    def kill(self):
        """Whatever is left, when a test broke off."""
        for program in self.programs:
            for pid in program.children():
                os.kill(pid, signal.SIGKILL)

    def close(self):
        """SIGTERM to all, and the checks that every test ends with."""
        problems = []
        for kind in (Program, Dispatcher):      # workers first: they report to dispatchers
            ending = [p for p in self.programs if type(p) is kind]
            for program in ending:
                program.terminate()
            for program in ending:
                try:
                    program.wait_end()
                except AssertionError as error:
                    problems.append(str(error))
        for program in self.programs:
            problems += self.problems_of(program)
        try:
            problems += self.unaccounted()
        finally:
            if self.connection:
                self.connection.close()
            self.redis.close()
        assert not problems, "\n".join(problems)

    @staticmethod
    def problems_of(program):
        problems = []
        text = program.text()
        if SANITIZER.search(text):
            problems.append(f"a sanitizer spoke in {program.log}:\n{text[SANITIZER.search(text).start():][:2000]}")
        bugs = re.findall(r"^.*level=bug.*$", text, re.M)
        if bugs:
            problems.append(f"{program.log} has a bug: {bugs[0]}")
        try:    # a runner whose worker was killed sees its socket close and goes
            wait_for(lambda: not program.children(), 10, f"{program.name} {program.pid} left no process")
        except AssertionError as error:
            problems.append(f"{error}: {program.children()}")
            for pid in program.children():
                os.kill(pid, signal.SIGKILL)
        return problems

    def unaccounted(self):
        """What was accepted is what ended and what still runs, in jobs and in the steps of each."""
        if not self.checks_accounts or not self.sql("SELECT to_regclass('pixelfleet.job')")[0]:
            return []
        rows = self.sql("""
            SELECT j.id, j.state::text, j.total, j.succeeded, j.failed, j.skipped, j.cancelled,
                   count(s.*), count(*) FILTER (WHERE s.state = 'succeeded'), count(*) FILTER (WHERE s.state = 'failed'),
                   count(*) FILTER (WHERE s.state = 'skipped'), count(*) FILTER (WHERE s.state = 'cancelled')
            FROM pixelfleet.job j LEFT JOIN pixelfleet.step s ON s.job = j.id GROUP BY j.id""")
        problems = []
        for job, state, *numbers in rows:
            counted, real = numbers[:5], numbers[5:]
            if state == "running":
                continue
            if counted != real:
                problems.append(f"job {job} ({state}) counts total, succeeded, failed, skipped, cancelled as {counted}, "
                                f"its steps are {real}")
            elif sum(counted[1:]) != counted[0]:
                problems.append(f"job {job} is {state}, but its steps are not all ended: {counted}")
        return problems
