"""A runner that does what a taken-over decoder would: each try is one error of its own step, and names what happened.

The programs are those built with fault points: a step "misbehave-WHAT" does it (worker/runner/misbehave.h).
"""
import os
import pathlib
import re

import pytest

from fleet import SLOWNESS, wait_for
from pictures import small

SANITIZED = re.search(r"/(sbs|san|tsan|cov)$", os.environ.get("PIXELFLEET_BUILD", "")) is not None

# what, what the error says, the signal
TRIES = [
    ("socket", r"it called socket\(AF_INET\), which the sandbox refuses", 31),
    ("execve", r'it called execve\("/bin/sh"\), which the sandbox refuses', 31),
    ("open", r'it called openat\("/etc/shadow"\), which the sandbox refuses', 31),
    ("write", r'it called openat\("/tmp/runner-was-here", for writing\), which the sandbox refuses', 31),
    ("fork", r"it called clone\(a new process\), which the sandbox refuses", 31),
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


def misbehave(fleet, what, attempts=1, tool="metadata"):
    return fleet.submit({"steps": [
        {"id": "src", "tool": "fetch"},
        {"id": f"misbehave-{what}", "tool": tool, "needs": ["src"], "timeout_s": 2, "on_failure": "continue",
         "retry": {"max_attempts": attempts, "backoff_s": 0.1, "max_backoff_s": 0.1}}]}, small(fleet.pictures, 1))


def descriptors(worker):
    return len(list(pathlib.Path(f"/proc/{worker.pid}/fd").iterdir()))


def runners(worker):
    """State letters of the worker's children, zombies included."""
    states = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == worker.pid:
            states.append(fields[0])
    return states


def test_each_misbehaviour_is_one_error_that_names_it_and_the_next_task_is_done_within_a_second(fleet):
    worker = start(fleet, "image=1,io=2")
    before = descriptors(worker)
    gaps = {}
    for what, message, signal in TRIES:
        job = misbehave(fleet, what)
        good = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "resize", "needs": ["src"],
                                                                  "params": {"width": 8}}], small(fleet.pictures, 2))
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
    fleet.settings["FAULT"] = ""
    worker = start(fleet, "image=1,io=1")
    assert worker.logged(r"ev=runner\.sandbox .*landlock=\d+ seccomp=yes")
    job = misbehave(fleet, "probe")
    assert fleet.wait_end(job, 30) == "partial" or fleet.state(job) == "succeeded", fleet.explain(job)
    found = fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = 'misbehave-probe'", job)
    assert found["reached"] == []
    assert len(found["tried"]) > 80
    odd = {what: errno for what, errno in found["tried"].items() if errno not in REFUSALS}
    assert not odd, odd
    assert found["fds"] == found["fds_after"] and len(found["fds"]) <= 5, found["fds"]


def test_all_tools_and_formats_work_inside_the_sandbox(fleet):
    from pictures import nature, vips
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
