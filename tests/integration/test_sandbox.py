"""A runner that does what a taken-over decoder would: each try is one error of its own step, and names what happened.

The programs are those built with fault points: a step "misbehave-WHAT" does it (worker/runner/misbehave.h).
"""
import ctypes
import errno
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile

import pytest

from fleet import SLOWNESS, wait_for
from pictures import nature, png, small, vips
from services import ROOT, built, process_stats

SANITIZED = re.search(r"/(san|tsan|cov)$", os.environ.get("PIXELFLEET_BUILD", "")) is not None

# what, what the error says, the signal
TRIES = [
    ("socket", r"it called socket\(AF_INET\), which the sandbox refuses", 31),
    ("execve", r'it called execve\("/bin/sh"\), which the sandbox refuses', 31),
    ("open", r'it called openat\("/etc/shadow"\), which the sandbox refuses', 31),
    ("write", r'it called openat\("/tmp/runner-was-here", for writing\), which the sandbox refuses', 31),
    ("fork", r"it called clone\(a new process\), which the sandbox refuses|"     # glibc 2.36; 2.41 blocks signals before
             r"killed by SIGSYS \(a call that the sandbox refuses, signals blocked, as in fork\)", 31),
    ("ptrace", r"it called ptrace\(\), which the sandbox refuses", 31),
    ("kill", r"it called kill\(\d+, 9\), which the sandbox refuses", 31),
    ("memory", r"it needs more memory than a runner may have \(4096 MiB\).*8589934592 bytes", 5),
    ("segv", r"killed by SIGSEGV", 11),
    ("abort", r"killed by SIGABRT", 6),
    ("loop", r"timed out after 2 s, runner killed", None),
]
if SANITIZED:       # there a runner may read, be traced and have what memory it likes, for the sanitizers' sake
    TRIES = [t for t in TRIES if t[0] not in ("open", "ptrace", "memory", "segv", "abort")]

# Refused by the sandbox itself, not because an argument made no sense.
REFUSALS = {"EPERM", "EACCES", "ENOSYS", "ENOTTY"}


def start(fleet, slots):
    fleet.start_dispatcher()
    worker = fleet.start_worker(slots, faults=True)
    warm = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]}],
                        small(fleet.pictures, 4))
    assert fleet.wait_end(warm, 60) == "succeeded", fleet.explain(warm)
    return worker


def misbehave(fleet, what, attempts=1):
    picture = png(fleet.pictures / f"for-{what}.png")
    return fleet.submit({"steps": [
        {"id": "src", "tool": "fetch"},
        {"id": f"misbehave-{what}", "tool": "metadata", "needs": ["src"], "timeout_s": 2, "on_failure": "continue",
         "retry": {"max_attempts": attempts, "backoff_s": 0.1, "max_backoff_s": 0.1}}]}, [picture])


def descriptors(worker):
    return len(list(pathlib.Path(f"/proc/{worker.pid}/fd").iterdir()))


def runners(worker):
    """State letters of the worker's children, zombies included."""
    return [fields[0] for _, fields in process_stats() if int(fields[1]) == worker.pid]


def test_each_misbehaviour_is_one_error_that_names_it_and_the_next_task_is_done_within_a_second(fleet):
    worker = start(fleet, "image=1,io=2")
    before = descriptors(worker)
    pictures = small(fleet.pictures, 2)
    gaps = {}
    for what, message, signal in TRIES:
        job = misbehave(fleet, what)
        wait_for(lambda job=job: fleet.sql("SELECT FROM pixelfleet.step_view WHERE job = %s AND step = 'src' AND state = 'succeeded'", job),
                 30, "it is before the good one in the queue")
        good = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "resize", "needs": ["src"],
                                                                  "params": {"width": 8}}], pictures)
        fleet.wait_end(job, 30)
        rows = fleet.sql("SELECT kind, message, signal, at + ms * interval '1 ms', peak_rss_kb FROM pixelfleet.attempt WHERE job = %s", job)
        assert len(rows) == 1, f"{what}: {rows}, {fleet.steps(job)}"
        kind, said, got, failed_at, peak_kb = rows[0]
        assert kind == "retry" and re.search(message, said), f"{what}: {kind}: {said}"
        assert re.search(r"peak memory \d+ MiB", said) and peak_kb > 1000, f"{what}: {said}, {peak_kb}"
        assert got == signal, f"{what}: signal {got}"
        assert fleet.wait_end(good, 30) == "succeeded", f"after {what}: {fleet.explain(good)}"
        # one slot, first in first out: the good job's first picture step is what comes after the death
        gaps[what] = fleet.one("SELECT extract(epoch FROM min(changed_at) - %s)::float FROM pixelfleet.step_view WHERE job = %s "
                               "AND step = 'size' AND changed_at > %s", failed_at, good, failed_at)
        print(f"{what}: {said}; the next task was done after {gaps[what] * 1000:.0f} ms")
    assert all(gap is not None and gap < 1 * SLOWNESS for gap in gaps.values()), gaps
    states = wait_for(lambda: "Z" not in runners(worker) and runners(worker), 10, "no zombie")
    assert len(states) == 1, states
    assert descriptors(worker) <= before + 2, f"{before} descriptors before, {descriptors(worker)} after"
    assert not pathlib.Path("/tmp/runner-was-here").exists()
    assert worker.process.poll() is None


def test_the_other_slots_of_a_worker_go_on_while_one_runner_loops_and_another_dies(fleet):
    worker = start(fleet, "image=3,io=4")
    bad = [misbehave(fleet, "loop"), misbehave(fleet, "socket")]
    good = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "resize", "needs": ["src"], "params": {"width": 8}}],
                        small(fleet.pictures, 60))
    assert fleet.wait_end(good, 60) == "succeeded", fleet.explain(good)
    assert fleet.sql("SELECT * FROM pixelfleet.attempt WHERE job = %s", good) == []
    for job in bad:
        fleet.wait_end(job, 30)
        assert len(fleet.sql("SELECT run FROM pixelfleet.attempt WHERE job = %s", job)) == 1
    assert worker.process.poll() is None


def test_a_step_that_kills_three_runners_is_poison_though_more_attempts_were_left(fleet):
    start(fleet, "image=1,io=1")
    job = misbehave(fleet, "segv" if not SANITIZED else "socket", attempts=10)
    fleet.wait_end(job, 40)
    assert fleet.sql("SELECT attempt FROM pixelfleet.attempt WHERE job = %s ORDER BY attempt", job) == [1, 2, 3]
    letter = wait_for(lambda: fleet.dead("image"), what="a dead letter")[0]
    assert letter["error"]["message"].startswith("poison: 3 workers or runners died while they ran this step, the last: "), letter["error"]
    assert letter["error"]["kind"] == "reject" and len(letter["attempts"]) == 3


def test_out_of_reach_from_inside_a_runner_is_everything(fleet):
    if SANITIZED:
        pytest.skip("the sandbox of a sanitized build lets the sanitizer look around")
    worker = start(fleet, "image=1,io=1")
    assert worker.logged(r"ev=runner\.sandbox .*landlock=\d+ seccomp=yes")
    job = misbehave(fleet, "probe")
    assert fleet.wait_end(job, 30) == "partial" or fleet.state(job) == "succeeded", fleet.explain(job)
    found = fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = 'misbehave-probe'", job)
    assert found["reached"] == []
    assert len(found["tried"]) > 80
    odd = {what: said for what, said in found["tried"].items() if said not in REFUSALS}
    assert not odd, odd
    assert found["fds"] == found["fds_after"] and len(found["fds"]) <= 5, found["fds"]


def test_all_tools_and_formats_work_inside_the_sandbox(fleet):
    start(fleet, "image=2,io=2")
    source = nature(fleet.pictures, 1)[0]
    pictures = [source]
    for suffix in ("png", "webp", "tif", "gif", "avif", "heic"):
        to = fleet.pictures / f"a.{suffix}"
        vips("thumbnail", source, f"{to}[compression=hevc]" if suffix == "heic" else to, 300)
        pictures.append(str(to))
    steps = [{"id": "src", "tool": "fetch"}]
    for tool, params in (("metadata", {}), ("resize", {"width": 100}), ("thumbnail", {"sizes": [{"width": 64}, {"width": 32}]}),
                         ("crop", {"left": 1, "top": 1, "width": 50, "height": 50}), ("smartcrop", {"width": 50, "height": 50}),
                         ("rotate", {"angle": 30}), ("enhance", {"effect": "blur"}), ("stats", {}), ("phash", {}),
                         ("draw", {"boxes": [{"box": [5, 5, 60, 60], "label": "label \u65e5\u672c", "score": 0.5}]})):
        steps.append({"id": tool, "tool": tool, "needs": ["src"], "params": params})
    for form in ("jpeg", "png", "webp", "tiff"):
        steps.append({"id": f"to-{form}", "tool": "convert", "needs": ["src"], "params": {"format": form}})
    job = fleet.submit({"on_failure": "continue", "steps": steps}, pictures)
    assert fleet.wait_end(job, 120) == "succeeded", fleet.explain(job)
    assert fleet.sql("SELECT message FROM pixelfleet.attempt WHERE job = %s", job) == []


# -- the runner alone, on kernels and under filters that know less

ERRNO, ALLOW = 0x00050000, 0x7fff0000


def filtered(default, calls, action):
    """A preexec_fn: those calls get that action, all others the default."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    numbers = [library.seccomp_syscall_resolve_name(name.encode()) for name in calls]

    def load():
        context = library.seccomp_init(default)
        for number in numbers:
            if number != -1:    # else it is of a newer kernel than the library
                library.seccomp_rule_add(context, action, number, 0)
        assert library.seccomp_load(context) == 0
    return load


class Runner:
    """The program at the other end of shared/wire.h."""

    def __init__(self, before=None, user=None):
        self.socket, its = socket.socketpair()
        self.socket.settimeout(30 * SLOWNESS)
        keep = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        self.process = subprocess.Popen([built("pixelfleet-runner"), str(its.fileno())], pass_fds=[its.fileno()], user=user,
                                        env={**keep, "HOME": "/nonexistent"}, preexec_fn=before, stderr=subprocess.PIPE)
        its.close()
        assert self.hear()["ready"]

    def say(self, message, fds=()):
        text = json.dumps(message).encode()
        socket.send_fds(self.socket, [struct.pack("<I", len(text)) + text], fds)

    def hear(self):
        length = struct.unpack("<I", self.take(4))[0]
        return json.loads(self.take(length))

    def take(self, n):
        text = b""
        while len(text) < n:
            more = self.socket.recv(n - len(text))
            assert more, "the runner is gone"
            text += more
        return text

    def setup(self):
        self.say({"do": "setup", "memory_mb": 4096, "file_mb": 100})
        return self.hear()

    def run(self, tool, params, picture):
        """The last word of the task."""
        with open(picture, "rb") as source, tempfile.TemporaryFile() as to:
            self.say({"do": "run", "tool": tool, "job": "j", "step": "s", "item": 0, "attempt": 1, "final": True, "params": params,
                      "max_pixels": 1000000, "inputs": [{"step": "src", "item": 0, "fd": 0, "name": "picture",
                                                         "media_type": "image/png", "origin": "png"}]}, [source.fileno()])
            while True:
                said = self.hear()
                if "end" in said:
                    return said
                if said.get("ask") == "output":
                    self.say({"output": True}, [to.fileno()])
                elif "ask" in said:
                    self.say({said["ask"]: True})

    def end(self):
        self.socket.close()
        log = self.process.stderr.read().decode()
        return self.process.wait(30), log


DRAW = {"boxes": [{"box": [5, 40, 60, 60], "label": "label", "score": 0.5}]}


def draw_and_end(runner, picture):
    for tool, params in (("draw", DRAW), ("resize", {"width": 50}), ("metadata", {})):
        said = runner.run(tool, params, picture)
        assert said["ok"], said
    status, log = runner.end()
    assert status == 0, log
    assert "level=error" not in log and "Sanitizer" not in log, log


def test_without_landlock_the_runner_says_so_and_labels_are_still_written(tmp_path):
    runner = Runner(filtered(ALLOW, ["landlock_create_ruleset"], ERRNO | errno.EPERM))
    assert runner.setup() == {"setup": True, "landlock": 0, "seccomp": True}
    draw_and_end(runner, png(tmp_path / "a.png", 200, 100))


def test_without_seccomp_the_runner_does_not_start_and_says_why(tmp_path):
    runner = Runner(filtered(ALLOW, ["seccomp"], ERRNO | errno.EPERM))
    said = runner.setup()
    assert said["setup"] is False and said["error"]["kind"] == "retry", said
    assert "the kernel takes no filter of system calls (seccomp: " in said["error"]["message"]
    status, log = runner.end()
    assert status == 1 and "ev=runner.broken" in log


def test_a_user_who_is_nobody_gets_the_same_sandbox(tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else; the other tests ran without root")
    if not can_reach(built("pixelfleet-runner"), 65534):
        pytest.skip("nobody cannot reach the program where it was built")
    runner = Runner(user=65534)
    said = runner.setup()
    assert said["setup"] is True and said["seccomp"] is True
    draw_and_end(runner, png(tmp_path / "a.png", 200, 100))


def can_reach(path, user):
    return subprocess.run(["test", "-x", path], user=user, check=False).returncode == 0


def unit_calls():
    """What pixelfleet-worker@.service lets through, by this machine's systemd."""
    def expand(name):
        if not name.startswith("@"):
            return {name}
        shown = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True).stdout
        lines = [line.strip() for line in shown.splitlines()[1:]]
        return set().union(*(expand(line) for line in lines if line and not line.startswith("#")), set())

    allowed = set(expand("@default"))
    for line in (ROOT / "systemd" / "pixelfleet-worker@.service").read_text().splitlines():
        if line.startswith("SystemCallFilter="):
            value = line.split("=", 1)[1]
            names = set().union(*(expand(word) for word in value.lstrip("~").split()))
            allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_under_the_filter_of_its_unit_the_runner_has_its_whole_sandbox(tmp_path):
    if SANITIZED:
        pytest.skip("a sanitizer needs calls that the unit refuses")
    runner = Runner(filtered(ERRNO | errno.EPERM, sorted(unit_calls()), ALLOW))
    said = runner.setup()
    assert said["setup"] is True and said["seccomp"] is True
    assert said["landlock"] == Runner().setup()["landlock"]
    draw_and_end(runner, png(tmp_path / "a.png", 200, 100))
