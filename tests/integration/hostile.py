"""What the tests with hostile input share: the corpus on disk, its documents, and how a program's resources are counted."""
import json
import os
import pathlib
import subprocess
import sys

from services import ROOT

sys.path.insert(0, str(ROOT / "tests" / "data"))
import hostile_documents as documents  # noqa: E402,F401 pylint: disable=wrong-import-position,unused-import

MAKE = ROOT / "tests" / "data" / "make_hostile.py"
SEED = os.environ.get("HOSTILE_SEED", "1")


def corpus(folder):
    """Writes the files into `folder`; the table of what becomes of each."""
    subprocess.run([sys.executable, "-B", MAKE, folder, SEED], check=True, capture_output=True, text=True)
    return json.loads((pathlib.Path(folder) / "table.json").read_text())


def rss_kb(program):
    """Memory of the process alone, without the runners it started."""
    status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def descriptors(program):
    return len(os.listdir(f"/proc/{program.pid}/fd"))


def is_flat(before, after):
    return all(new <= old * 1.05 for old, new in zip(before, after))


def settles(measure, load, times):
    """Runs load() until it no longer makes what measure() gives grow by over 5 %: a heap that warms up stops growing,
    one that leaks does not. All the measurements."""
    seen = [measure()]
    for _ in range(times):
        load()
        seen.append(measure())
        if is_flat(*seen[-2:]):
            return seen
    raise AssertionError(f"it grows and grows, each time by over 5 %: {seen}")
