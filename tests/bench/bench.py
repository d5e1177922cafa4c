"""bench.py - what this machine can do: durable no-op steps a second, pictures a second beside
libvips alone, and the time from submit to done.

PostgreSQL commits to disk (fsync on) and Redis keeps its append-only file (everysec). The
clock runs from the first LPUSH until the last job is succeeded in PostgreSQL.

    STEPS=100000 PICTURES=480 JOBS=500    how much of each
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from fleet import Fleet  # noqa: E402 pylint: disable=wrong-import-position
from pictures import names, nature  # noqa: E402 pylint: disable=wrong-import-position
from services import Services, built  # noqa: E402 pylint: disable=wrong-import-position

STEPS = int(os.environ.get("STEPS", 100000))
PICTURES = int(os.environ.get("PICTURES", 480))
JOBS = int(os.environ.get("JOBS", 500))
CORES = len(os.sched_getaffinity(0))
NOOP = {"steps": [{"id": "a", "tool": "noop"}]}


def line(what, value):
    print(f"{what:<58} {value}", flush=True)


def wait_all(fleet, n):
    """Until n jobs are succeeded."""
    while True:
        states = dict(fleet.sql("SELECT state::text, count(*) FROM pixelfleet.job GROUP BY 1"))
        if states.get("succeeded", 0) >= n:
            return
        assert not set(states) - {"running", "succeeded"} and not fleet.refused(), (states, fleet.refused())
        time.sleep(0.02)


def succeeded(fleet):
    return fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'")


def steps_per_second(fleet, steps, images=1000):
    before, jobs = succeeded(fleet), steps // images
    submissions = [{"pipeline": NOOP, "images": names(images)} for _ in range(jobs)]
    begin = time.monotonic()
    for submission in submissions:
        fleet.push(submission)
    wait_all(fleet, before + jobs)
    return jobs * images / (time.monotonic() - begin)


def latencies(fleet, n):
    times = []
    for i in range(n):
        begin = time.monotonic()
        fleet.push({"id": f"latency-{i}", "pipeline": NOOP, "images": names(1)})
        while not fleet.sql("SELECT 1 FROM pixelfleet.job WHERE client_id = %s AND state = 'succeeded'", f"latency-{i}"):
            time.sleep(0.0005)
        times.append(time.monotonic() - begin)
    return sorted(times)


def many_pictures(fleet, n):
    """The photographs again and again, each copy different from the others."""
    originals = [pathlib.Path(path) for path in nature(fleet.pictures)]
    files = []
    for i in range(n):
        original = originals[i % len(originals)]
        copy = fleet.pictures / f"{i:05d}.jpg"
        copy.write_bytes(original.read_bytes() + b"copy %d" % i)     # after the end of the picture
        files.append(str(copy))
    return files


def pictures_per_second(fleet, files):
    before = succeeded(fleet)
    begin = time.monotonic()
    fleet.push({"pipeline": {"steps": [{"id": "src", "tool": "fetch"}, {"id": "thumb", "tool": "thumbnail", "needs": ["src"],
                                        "params": {"width": 250, "format": "jpeg"}}]}, "images": files})
    wait_all(fleet, before + 1)
    return len(files) / (time.monotonic() - begin)


def plain_pictures_per_second(fleet, files):
    out = fleet.folder / "plain"
    out.mkdir()
    done = subprocess.run([built("plain_loop"), str(CORES), "250", str(out), *files], check=True, capture_output=True, text=True)
    return len(files) / float(done.stdout)


def measure(fleet):
    line("cores", CORES)
    first = fleet.start_dispatcher()
    fleet.start_worker(f"image={CORES},io=64", dispatchers=[first])
    steps_per_second(fleet, 5000)           # the first ones find cold caches
    line(f"no-op steps/s, LPUSH to succeeded ({STEPS} steps)", f"{steps_per_second(fleet, STEPS):.0f}")
    times = latencies(fleet, JOBS)
    line(f"submit to done, p50 of {JOBS} jobs", f"{times[len(times) // 2] * 1000:.1f} ms")
    line(f"submit to done, p99 of {JOBS} jobs", f"{times[len(times) * 99 // 100] * 1000:.1f} ms")
    files = many_pictures(fleet, PICTURES + 24)
    pictures_per_second(fleet, files[:24])
    ours, plain = pictures_per_second(fleet, files[24:]), plain_pictures_per_second(fleet, files[24:])
    line("pictures/s, fetch and thumbnail of 250 pixels", f"{ours:.1f}")
    line(f"pictures/s, plain libvips loop in {CORES} processes", f"{plain:.1f}")
    line("of the plain loop's speed", f"{100 * ours / plain:.0f} %")
    others = [fleet.start_worker("io=64", dispatchers=[first]) for _ in range(2)]
    line("no-op steps/s, one dispatcher and three workers", f"{steps_per_second(fleet, STEPS):.0f}")
    for worker in others:
        worker.stop()
    second = fleet.start_dispatcher()
    for dispatchers in ([second, first], [first, second]):
        fleet.start_worker("io=64", dispatchers=dispatchers)
    line("no-op steps/s, two dispatchers and three workers", f"{steps_per_second(fleet, STEPS):.0f}")


def main():
    folder = pathlib.Path("build/bench").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Services(["--appendonly", "yes", "--appendfsync", "everysec"], ["-c", "fsync=on"]) as services:
        fleet = Fleet(services, "pixelfleet", folder, folder / "logs")
        try:
            measure(fleet)
            fleet.close()
        finally:
            fleet.kill()


if __name__ == "__main__":
    main()
