"""The trial: 1 worker, 8, 2, a reboot, the watchdog and kill -9, under 5,000 jobs, with real units on a real systemd.

    scenario.py BUILD TREE PROBE        TREE is a copy that may be spoilt

Exit status 0: all of it is true. 77: this machine cannot boot the tree at all, and the last line says why.
Every wait is for a condition and has a limit; what fails prints the last lines of the journal.
"""
import pathlib
import re
import shutil
import signal
import sys

import sandbox
from jobs import PICTURES, TOTAL, Jobs
from machine import Machine, Trouble, wait_for
from operator_readme import ROOT, Operator
from transcript import Transcript

NATURE = pathlib.Path("/usr/share/backgrounds/mate/nature")
BATCH = TOTAL // 4
DISPATCHER = "pixelfleet-dispatcher.service"
THUMBNAIL = '{"steps": [{"name": "thumbnail", "params": {"width": 250}}]}'


def worker(n):
    return f"pixelfleet-worker@{n}.service"


class Trial:
    def __init__(self, build, tree, probe):
        self.transcript = Transcript(ROOT / "build/systemd-transcript.txt")
        self.machine = Machine(tree, ROOT / "build/systemd-console.txt")
        self.operator = Operator(self.machine, self.transcript, build)
        self.tree, self.probe = pathlib.Path(tree), probe
        self.jobs = None

    # -- before

    def prepare(self):
        """A name of its own, and people's files, so that the sandbox has something to hide."""
        (self.tree / "etc/hostname").write_text("fleet\n")
        (self.tree / "etc/hosts").write_text("127.0.0.1 localhost fleet\n")
        pictures = self.tree / PICTURES.lstrip("/")
        pictures.mkdir(parents=True)
        for file in sorted(NATURE.glob("*.jpg")):
            shutil.copy(file, pictures)
        names = [f"{PICTURES}/{file.name}" for file in sorted(pictures.iterdir())]
        if not names:
            raise Trouble(f"no photographs in {NATURE}: tests/setup.sh test installs them")
        anna = self.tree / "home/anna"
        anna.mkdir()
        (anna / "private.txt").write_text("hers\n")
        (anna / "private.txt").chmod(0o600)
        (anna / "shared.txt").write_text("everybody's\n")
        self.jobs = Jobs(self.machine, names)

    def install(self):
        self.transcript.note("installing as README.md says")
        self.operator.install()
        shutil.copy(self.probe, self.tree / "usr/local/libexec/pixelfleet/probe")
        self.wait_workers(1)
        self.jobs.watch()
        self.operator.type("systemctl --no-pager status pixelfleet.target pixelfleet-dispatcher pixelfleet-worker@1")

    # -- waiting

    def wait_workers(self, n, timeout=60):
        """So many heartbeats, and the dispatcher is ready."""
        text = wait_for(lambda: self.alive() == n and self.machine.ask("pixelfleet", "workers"), timeout,
                        lambda: f"{n} workers; there are {self.alive()}: {self.machine.ask('pixelfleet', 'workers')}")
        self.transcript.note(f"{n} worker{'s' if n > 1 else ''} at work, {self.jobs.sent} jobs sent")
        return text

    def alive(self):
        code, text = self.machine.run("pixelfleet", "workers", "--json")
        return text.count('"slots"') if code == 0 else -1

    def under_load(self, what):
        left = self.jobs.open()
        if not left:
            raise Trouble(f"{what}: all jobs had ended before, so it proves nothing")
        self.transcript.note(f"{what}: {left} jobs open")

    def no_attempt(self, what):
        if self.jobs.attempts():
            raise Trouble(f"{what} burnt attempts: {self.jobs.attempts()}")

    # -- the acts

    def scale_up(self):
        self.jobs.push(BATCH, 3, 8)
        self.operator.type("systemctl start pixelfleet-worker@{2..8}")
        self.wait_workers(8)
        self.under_load("scaled 1 -> 8")
        self.operator.type("systemctl --no-pager list-units 'pixelfleet*'")
        self.operator.type("pixelfleet queues")
        self.operator.type("pixelfleet workers", quiet=True)

    def scale_down(self):
        self.jobs.push(BATCH, 4, 8)
        for n in range(8, 2, -1):
            self.operator.type(f"systemctl stop pixelfleet-worker@{n}")
            now = self.machine.show(worker(n), "ActiveState", "Result", "ExecMainStatus")
            if now != {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}:
                raise Trouble(f"pixelfleet-worker@{n} stopped, but is {now}")
        self.under_load("scaled 8 -> 2")
        self.wait_workers(2)
        self.no_attempt("stopping six workers")

    def reboot(self):
        self.jobs.push(BATCH, 5, 2)
        self.operator.type("systemctl enable pixelfleet-worker@2")
        self.under_load("before the reboot")
        self.transcript.command("systemctl reboot", "")
        self.machine.reboot()
        self.transcript.note("up again")
        self.wait_workers(2)
        self.under_load("after the reboot")
        before = self.jobs.ended()
        wait_for(lambda: self.jobs.ended() > before, 30, "jobs go on by themselves after the reboot")
        self.no_attempt("a reboot")
        self.operator.type("systemctl --no-pager list-units 'pixelfleet*'")

    def hurry_watchdogs(self):
        """The trial does not wait 30 s each time; a restart to take it over is one more drain."""
        text = "[Service]\nWatchdogSec=6\n"
        for unit in (DISPATCHER, "pixelfleet-worker@.service"):
            self.machine.must("install", "-D", "-m", "644", "/dev/stdin", f"/run/systemd/system/{unit}.d/watchdog.conf",
                              stdin=text)
        self.operator.type("systemctl daemon-reload")
        self.operator.type("systemctl restart pixelfleet.target")
        self.wait_workers(2)
        self.no_attempt("restarting pixelfleet.target")

    def restarted(self, unit, what, hurt, timeout=60):
        """After hurt(MainPID): another process, started by systemd, which counts it."""
        before = self.machine.show(unit, "MainPID", "NRestarts")
        hurt(before["MainPID"])

        def is_back():
            now = self.machine.show(unit, "MainPID", "NRestarts", "ActiveState")
            return now["ActiveState"] == "active" and now["MainPID"] not in ("0", before["MainPID"]) and \
                int(now["NRestarts"]) == int(before["NRestarts"]) + 1

        wait_for(is_back, timeout, lambda: f"{unit} restarted after {what}: {self.machine.ask('systemctl', 'status', unit)}")
        self.operator.type(f"systemctl --no-pager status {unit}", quiet=True)
        self.operator.type(f"systemctl show {unit} -p NRestarts -p MainPID -p ActiveState")

    def hurt(self):
        self.jobs.push(TOTAL - self.jobs.sent, 10, 2)
        self.hurry_watchdogs()
        self.under_load("before the watchdogs")
        self.restarted(worker(1), "SIGSTOP", lambda pid: self.operator.type(f"kill -STOP {pid}"))
        self.watchdog_spoke(worker(1))
        self.restarted(worker(2), "kill -9", lambda pid: self.operator.type(f"kill -KILL {pid}"))
        self.restarted(DISPATCHER, "SIGSTOP", lambda pid: self.operator.type(f"kill -STOP {pid}"))
        self.watchdog_spoke(DISPATCHER)
        self.restarted(worker(1), "systemctl kill",
                       lambda _: self.operator.type(f"systemctl kill --signal=KILL {worker(1)}"))
        self.wait_workers(2)

    def watchdog_spoke(self, unit):
        line = self.operator.type(f"journalctl --no-pager -o cat _PID=1 UNIT={unit} | grep 'Watchdog timeout' | tail -n 1")
        if "Watchdog timeout" not in line:
            raise Trouble(f"{unit} was restarted, but not by its watchdog: {line}")

    # -- after

    def account(self):
        self.jobs.wait_all(180)
        rows = self.jobs.accounts()
        self.transcript.table("accounts", [("what", "found", "wanted"), *rows])
        wrong = [f"{what}: {found}, not {wanted}" for what, found, wanted in rows if found != wanted]
        attempts = self.jobs.attempts()
        self.transcript.note(f"attempts that failed, by kind: {attempts or 'none'}")
        if set(attempts) - {"death"}:
            wrong.append(f"attempts of other kinds than death: {attempts}")
        sandbox.check(wrong)

    def measure(self):
        picture = f"{PICTURES}/Garden.jpg"
        self.operator.type(f"echo '{THUMBNAIL}' | pixelfleet submit --pipeline - --watch {picture}")
        answers = sandbox.probe(self.machine)
        self.transcript.table("from inside, a program in the place of pixelfleet-worker", sandbox.probe_rows(answers))
        parent, runner = sandbox.living(self.machine, [worker(1), worker(2)])
        self.transcript.table("the living", [("what", "worker", "runner")] +
                              [(name, parent[name], runner[name]) for name in parent])
        sandbox.check(sandbox.probe_problems(answers) + sandbox.living_problems(parent, runner))

    def units(self):
        names = f"{DISPATCHER} {worker(1)}"
        self.operator.type("systemctl --no-pager --failed")
        failed = self.machine.ask("systemctl", "--failed", "--plain", "--no-legend")
        verified = self.operator.type(f"systemd-analyze verify --man=no pixelfleet.target {names}")
        problems = [f"systemctl --failed: {failed}"] if failed else []
        problems += [f"systemd-analyze verify: {verified}"] if verified.strip() else []
        for unit in names.split():
            text = self.operator.type(f"systemd-analyze security --no-pager {unit} | tail -n 1")
            found = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
            if not found or float(found[1]) > 2.0:
                problems.append(f"exposure of {unit}: {text.strip()}")
        sandbox.check(problems)

    def journal(self):
        """No line of level bug, and the token nowhere: not in a line, not in a field of one."""
        ours = self.machine.must("journalctl", "--no-pager", "-o", "cat", "-u", "pixelfleet*")
        bugs = re.findall(r".*level=bug.*", ours)
        everything = self.machine.must("journalctl", "--no-pager", "-o", "export")
        shown = self.machine.must("systemctl", "show", DISPATCHER, worker(1))
        token = self.operator.token()
        self.transcript.note(f"journal: {len(ours.splitlines())} lines of ours, {len(bugs)} of level=bug, "
                             f"the token {everything.count(token)} times")
        sandbox.check([f"a bug: {line}" for line in bugs[:1]] + ["the token is in the journal"] * (token in everything) +
                      ["the token is in the unit's properties"] * (token in shown))

    def leave(self):
        self.operator.type("systemctl stop pixelfleet.target")
        units = (DISPATCHER, worker(1), worker(2))      # told to stop with it, not waited for
        wait_for(lambda: self.machine.ask("systemctl", "is-active", *units).split() == ["inactive"] * 3, 60,
                 lambda: f"all stopped with the target: {self.machine.ask('systemctl', 'is-active', *units)}")
        sandbox.check([f"{unit} did not end well: {self.machine.show(unit, 'Result')}" for unit in units
                       if self.machine.show(unit, "Result")["Result"] != "success"])
        self.machine.power_off()
        self.transcript.note("off")

    # -- all of it

    def start(self):
        try:
            self.prepare()
            self.machine.boot()
        except Trouble as trouble:
            print(f"skipped: the tree does not boot here: {str(trouble).splitlines()[0]}")
            return False
        self.transcript.note("booted")
        return True

    def run(self):
        for act in (self.install, self.scale_up, self.scale_down, self.reboot, self.hurt, self.account, self.measure, self.units,
                    self.journal, self.leave):
            act()

    def explain(self):
        """For whoever has to find out."""
        if self.machine.process and self.machine.process.poll() is None and self.machine.init:
            print(self.machine.ask("journalctl", "--no-pager", "-n", "60"))
        print(self.machine.last_lines(10))


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    trial = Trial(*sys.argv[1:])
    try:
        if not trial.start():
            return 77
        trial.run()
        print(f"systemd: {trial.jobs.sent} jobs, each ended once, {trial.transcript.stamp().strip()}")
        return 0
    except Trouble as trouble:
        trial.explain()
        print(f"FAILED: {trouble}")
        return 1
    finally:
        trial.machine.kill()
        trial.transcript.close()


if __name__ == "__main__":
    sys.exit(main())
