"""A machine to try things on: systemd-nspawn boots a tree, and commands run inside by entering its namespaces.

It is not registered anywhere (there may be no machined, not even a systemd, around us), so it is addressed by the
process id of its init, which changes with each boot.
"""
import os
import pathlib
import signal
import subprocess
import time

CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb",
         "HOME": "/root", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}


class Trouble(Exception):
    """What was expected did not come; says what came instead."""


def wait_for(condition, timeout, what):
    """The first true value of condition(); `what` may be a function, called when there is none in time."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Trouble(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def status(pid, root="/proc"):
    """/proc/PID/status as a dictionary; empty when there is no such process."""
    try:
        text = pathlib.Path(root, str(pid), "status").read_text()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def children(pid):
    """Each thread has its own."""
    found = []
    for file in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in file.read_text().split()]
        except OSError:
            pass
    return found


class Machine:
    def __init__(self, tree, console):
        self.tree, self.console = pathlib.Path(tree), pathlib.Path(console)
        self.process = None
        self.init = None

    # -- on and off

    def boot(self, timeout=90):
        with open(self.console, "ab") as out:
            self.process = subprocess.Popen(        # pylint: disable=consider-using-with
                ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
                 "--machine=fleet", f"--directory={self.tree}"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env={**CLEAN, "SYSTEMD_LOG_LEVEL": "notice"})
        self.init = wait_for(self.find_init, timeout, "systemd-nspawn started an init")
        self.wait_up(timeout)

    def find_init(self):
        """The child that is process 1 of its namespace."""
        if self.process.poll() is not None:
            raise Trouble(f"systemd-nspawn ended with {self.process.returncode}: {self.last_lines(3)}")
        for pid in children(self.process.pid):
            if status(pid).get("NSpid", "").split()[-1:] == ["1"]:
                return pid
        return None

    def wait_up(self, timeout):
        """Everything that is to start at boot has been started."""
        state = ""

        def is_up():
            nonlocal state
            self.find_init()
            state = self.ask("systemctl", "is-system-running")
            return state in ("running", "degraded")

        wait_for(is_up, timeout, lambda: f"the machine is up; it is {state!r}: {self.last_lines(8)}")

    def reboot(self, timeout=120):
        """systemd-nspawn with --keep-unit ends with 133 when its machine wants to boot again, and leaves that to the unit
        that it is; here to us."""
        self.run("systemctl", "reboot")
        ended = self.wait_off(timeout)
        if ended != 133:
            raise Trouble(f"systemd-nspawn ended with {ended}, not with 133, which means to boot again: {self.last_lines(8)}")
        self.boot(timeout)

    def wait_off(self, timeout):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Trouble(f"not off within {timeout} s: {self.last_lines(8)}") from None

    def power_off(self, timeout=60):
        self.run("systemctl", "poweroff")
        ended = self.wait_off(timeout)
        if ended:
            raise Trouble(f"systemd-nspawn ended with {ended}: {self.last_lines(8)}")

    def kill(self):
        """Whatever happened: nothing stays."""
        if self.process and self.process.poll() is None:
            for pid in children(self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def last_lines(self, n):
        lines = self.console.read_text(errors="replace").replace("\r", "").splitlines()
        return "\n".join(lines[-n:])

    # -- inside

    def run(self, *words, stdin="", timeout=60):
        """A command inside, as root: (exit status, what it printed on both)."""
        try:
            done = subprocess.run(["nsenter", "--target", str(self.init), "--all", "--", *words], input=stdin, timeout=timeout,
                                  env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                  check=False)
        except subprocess.TimeoutExpired:
            raise Trouble(f"'{' '.join(words)}' did not end within {timeout} s") from None
        return done.returncode, done.stdout

    def ask(self, *words, **more):
        """What it printed, whatever its exit status."""
        return self.run(*words, **more)[1].strip()

    def must(self, *words, **more):
        code, output = self.run(*words, **more)
        if code:
            raise Trouble(f"'{' '.join(words)}' ended with {code}: {output.strip()}")
        return output

    def show(self, unit, *properties):
        """systemctl show, as a dictionary."""
        text = self.must("systemctl", "show", unit, *(f"--property={name}" for name in properties))
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def pid_outside(self, inner):
        """The process id, as we see it, of the one that the machine calls `inner`."""
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            numbers = status(folder.name).get("NSpid", "").split()
            if len(numbers) > 1 and numbers[-1] == str(inner) and self.is_ours(folder):
                return int(folder.name)
        raise Trouble(f"the machine has no process {inner}")

    def is_ours(self, folder):
        try:
            return os.readlink(folder / "ns/pid") == os.readlink(f"/proc/{self.init}/ns/pid")
        except OSError:
            return False
