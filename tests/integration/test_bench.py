"""make bench in small: that it runs, says all that it is to say, and leaves nothing behind."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from fleet import wait_for
from services import ROOT, process_stats

BENCH = ROOT / "tests" / "bench"
FIGURES = {"rate", "seconds", "work", "cpu_share", "cpu_us", "switches", "wal_bytes", "redis_commands", "redis_reads", "row_writes", "rows"}


def environment(folder, **more):
    """Small, and in a folder of its own."""
    keep = {name: value for name, value in os.environ.items() if name not in ("SCENARIOS", "CURVES", "FULL", "REPEAT", "SCALE", "SEED")}
    return {**keep, "BENCH_DIR": str(folder), "SCALE": "0.01", "REPEAT": "1", **more}


def as_at_a_terminal():
    """For preexec_fn: what a shell starts in the background ignores Ctrl-C, and so does what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(folder, **more):
    return subprocess.Popen([sys.executable, "-B", str(BENCH / "bench.py")], env=environment(folder, **more), start_new_session=True,
                            preexec_fn=as_at_a_terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=str(ROOT))


def begun_by(pid):
    """{process: when it began} of what a process has started, and what these have."""
    found, parents = {}, {}
    for each, fields in process_stats():
        if fields[0] != "Z":
            parents[each] = (int(fields[1]), fields[19])
    ahead = {pid}
    while ahead:
        ahead = {each for each, (parent, _) in parents.items() if parent in ahead}
        found.update({each: parents[each][1] for each in ahead})
    return found


def names_of(pids):
    names = {}
    for pid in pids:
        try:
            names[pid] = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
    return names


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    folder = tmp_path / "bench"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_small_benchmark_tells_all_figures_and_a_table(folder):
    process = start(folder, SCENARIOS="noop,idle")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    results = json.loads((folder / "results.json").read_text())
    assert set(results) == {"date", "repeat", "seed", "machine", "versions", "settings", "notes", "scenarios", "curves"}
    assert results["machine"]["cores"] >= 1 and results["versions"]["PostgreSQL"] and results["versions"]["Redis"]
    noop = results["scenarios"]["noop"]["contestants"]["pixelfleet"]
    assert noop["value"]["min"] <= noop["value"]["median"] <= noop["value"]["max"] and len(noop["value"]["runs"]) == 1
    assert FIGURES <= set(noop["figures"]), FIGURES - set(noop["figures"])
    assert noop["figures"]["row_writes"] >= 2 and noop["figures"]["wal_bytes"] > 50 and noop["figures"]["redis_commands"] >= 1
    assert {"dispatcher", "worker", "postgres", "redis", "client"} <= set(noop["figures"]["cpu_share"])
    idle = results["scenarios"]["idle"]["contestants"]
    assert all(each["value"]["median"] <= each["figures"]["p99"] for each in idle.values())
    assert "| No-op steps drained, jobs of 1,000 pictures | pixelfleet | **" in out


def test_curves_are_drawn_with_their_points_bars_and_what_was_left_out(tmp_path):
    points = [{"x": x, "median": y, "min": y - 500, "max": y + 500, "cpu_us": 50} for x, y in ((0, 20000), (10, 18000), (1000, 9000))]
    results = {"date": "2024-01-01T00:00:00+00:00", "repeat": 3, "machine": {"cores": 2, "cpu": "a <cpu>"}, "versions": {"Redis": "7.0"},
               "settings": {"scale": 0.5}, "curves": {"rows": {"title": "Rows", "x": "finished", "y": "steps/s", "points": points,
                                                               "left_out": [20000000]}}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    subprocess.run([sys.executable, "-B", str(BENCH / "plot.py"), str(tmp_path / "results.json"), str(tmp_path / "curves.svg")], check=True)
    root = xml.etree.ElementTree.parse(tmp_path / "curves.svg").getroot()
    kinds = [element.tag.rsplit("}", 1)[1] for element in root]
    words = " ".join(element.text or "" for element in root)
    assert kinds.count("circle") == 3 and kinds.count("polyline") == 1
    assert "a <cpu>" in words and "Rows: 20M" in words and "SCALE=0.5" in words and "steps/s" in words


def test_an_unknown_scenario_is_refused_with_those_that_there_are(folder):
    process = start(folder, SCENARIOS="noop,warp")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "'warp'" in err and "allowed: noop, " in err
    assert not folder.exists()


def test_an_interrupted_benchmark_leaves_no_process(folder):
    process = start(folder, SCENARIOS="noop", SCALE="1", REPEAT="50")
    wait_for(lambda: {"pixelfleet-disp", "pixelfleet-work", "postgres", "redis-server"} <= set(names_of(begun_by(process.pid)).values()),
             60, lambda: names_of(begun_by(process.pid)))
    begun = begun_by(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    wait_for(lambda: not left(begun), 20, lambda: names_of(left(begun)))
    assert not list(folder.glob("noop.*"))


def left(begun):
    """Those of them that live."""
    return [pid for pid, began in begun.items() if began_at(pid) == began]


def began_at(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None
