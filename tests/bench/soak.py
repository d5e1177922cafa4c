"""soak.py - a day's load in fast time: many no-op steps and many real pictures, and what each
process has grown by since it was warm.

    STEPS=1000000 PICTURES=20000    how much of each
    LIMITS=1                        exit status 1 when a process has grown by more than 10 % and 4 MiB, or holds
                                    more files than before

The dispatcher, the worker and its picture runners are looked at after every twentieth of the
load; the first quarter of each kind of load counts as warm-up.
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

STEPS = int(os.environ.get("STEPS", 1000000))
PICTURES = int(os.environ.get("PICTURES", 20000))
PARTS = 20
PER_JOB = 1000
GROWTH, GROWTH_KB = 1.10, 4096


def wait_all(fleet, n):
    """Until n jobs have succeeded."""
    while True:
        states = dict(fleet.sql("SELECT state::text, count(*) FROM pixelfleet.job GROUP BY 1"))
        if states.get("succeeded", 0) >= n:
            return
        assert not set(states) - {"running", "succeeded"} and not fleet.refused(), (states, fleet.refused())
        time.sleep(0.02)


class Looks:
    """Memory and open files of processes, by what they are, look after look."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.seen = {}          # (load, kind) -> [(kb, files)]

    @staticmethod
    def of(pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        return kb, len(os.listdir(f"/proc/{pid}/fd"))

    def take(self, load):
        for program in self.fleet.programs:
            self.seen.setdefault((load, program.name), []).append(self.of(program.pid))
            runners = [self.of(pid) for pid in program.children() if pid != program.pid]
            if runners:         # they are replaced after so many tasks: the largest of them is what counts
                self.seen.setdefault((load, "pixelfleet-runner"), []).append((max(kb for kb, _ in runners), max(n for _, n in runners)))

    def report(self):
        grown = []
        for (load, kind), looks in self.seen.items():
            warm, later = looks[:len(looks) // 4], looks[len(looks) // 4:]
            kb, files = (max(look[i] for look in warm) for i in (0, 1))
            most_kb, most_files = (max(look[i] for look in later) for i in (0, 1))
            print(f"{load:<10} {kind:<22} memory {kb / 1024:6.1f} MiB warm, {most_kb / 1024:6.1f} at most later, {later[-1][0] / 1024:6.1f} at the end; "
                  f"files {files} warm, {most_files} at most later", flush=True)
            print(" " * 11 + "MiB: " + " ".join(f"{look[0] / 1024:.0f}" for look in looks), flush=True)
            if (most_kb > kb * GROWTH and most_kb > kb + GROWTH_KB) or most_files > files + 2:
                grown.append(f"{kind} ({load})")
        return grown


def run_load(fleet, looks, load, count, submission_of):
    """`count` instances in jobs of PER_JOB pictures, PARTS times; at least one job in each part."""
    ended = fleet.one("SELECT count(*) FROM pixelfleet.job")
    begin = time.monotonic()
    jobs = max(count // PER_JOB, PARTS)
    per_job = count // jobs
    for part in range(PARTS):
        for k in range(jobs * part // PARTS, jobs * (part + 1) // PARTS):
            fleet.push(submission_of(k, per_job))
            ended += 1
        wait_all(fleet, ended)
        looks.take(load)
    print(f"{load:<10} {jobs * per_job} in {time.monotonic() - begin:.0f} s", flush=True)


def noops(_, n):
    return {"pipeline": {"steps": [{"id": "a", "tool": "noop"}]}, "images": names(n)}


def smaller(path):
    """A photograph at the size of a screen: 20,000 of them in full would fill a disk."""
    small = path + ".small.jpg"
    subprocess.run([built("pixelfleet-runner"), "--tool", "resize", "--params", '{"width": 1280, "height": 1280, "format": "jpeg"}',
                    path, small], check=True)
    return pathlib.Path(small).read_bytes()


def photographs(fleet):
    """Each picture is another file, so that nothing is found in the store."""
    originals = [smaller(path) for path in nature(fleet.pictures)]
    pipeline = {"steps": [{"id": "src", "tool": "fetch"}, {"id": "thumb", "tool": "thumbnail", "needs": ["src"], "params": {"width": 250}},
                          {"id": "stats", "tool": "stats", "needs": ["src"]}]}

    def submission(job, n):
        files = []
        for i in range(n):
            path = fleet.pictures / f"{i:05d}.jpg"
            path.write_bytes(originals[i % len(originals)] + b"copy %d of %d" % (i, job))      # after the end of the picture
            files.append(str(path))
        return {"pipeline": pipeline, "images": files}
    return submission


def main():
    folder = pathlib.Path("build/soak").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Services(["--appendonly", "yes", "--appendfsync", "everysec"], ["-c", "fsync=on"]) as services:
        fleet = Fleet(services, "pixelfleet", folder, folder / "logs")
        try:
            fleet.start_dispatcher()
            fleet.start_worker(f"image={len(os.sched_getaffinity(0))},io=64")
            looks = Looks(fleet)
            run_load(fleet, looks, "no-ops", STEPS, noops)
            run_load(fleet, looks, "pictures", PICTURES, photographs(fleet))
            grown = looks.report()
            fleet.close()
        finally:
            fleet.kill()
        shutil.rmtree(folder / "data", ignore_errors=True)
    print("grown: " + ", ".join(grown) if grown else "nothing has grown")
    sys.exit(1 if grown and os.environ.get("LIMITS") else 0)


if __name__ == "__main__":
    main()
