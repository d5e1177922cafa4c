"""machine.py - what a figure belongs to: the machine, and the versions of what ran on it."""
import functools
import os
import pathlib
import platform
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from services import ROOT, built  # noqa: E402 pylint: disable=wrong-import-position


def said(*words):
    """The first line of what a program says of itself; "" when it is not there."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def version_of(*words):
    found = re.search(r"\d+(\.\d+)+", said(*words))
    return found[0] if found else ""


def from_file(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(), re.M)
    except OSError:
        return ""
    return found[1].strip().strip('"') if found else ""


@functools.cache
def machine():
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": from_file("/proc/cpuinfo", r"^model name\s*: (.*)$"),
        "memory_kb": int(from_file("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0),
        "virtual": " hypervisor " in from_file("/proc/cpuinfo", r"^flags\s*: (.*)$") + " ",
        "kernel": platform.release(),
        "system": from_file("/etc/os-release", r"^PRETTY_NAME=(.*)$"),
        "load_before": os.getloadavg()[0],
    }


@functools.cache
def versions():
    servers = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return {
        "pixelfleet": version_of(built("pixelfleet"), "--version"),
        "commit": said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "PostgreSQL": version_of(str(servers[-1]), "--version") if servers else "",
        "Redis": version_of("redis-server", "--version"),
        "libvips": version_of("vips", "--version"),
        "Python": platform.python_version(),
    }
