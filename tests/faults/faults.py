"""faults.py - real jobs on the real programs, while everything around them breaks; then it counts.

    ROUNDS=200 SEED=any LANES=3     how many rounds, of which random numbers, how many at a time
    ROUND=17 or ROUND=3,8,17        only these rounds of the seed, one after the other on one fleet
    LIST=1                          prints the table of injuries

Round i of a seed is always the same plan: jobs, injuries, targets and times; what comes of it is up
to the machine. The rows of the table have their turn as the main injury of a round; in half of the
rounds there are one or two more. A round that fails says how to repeat it and keeps its logs.
"""
import collections
import ctypes
import multiprocessing
import os
import pathlib
import queue
import secrets
import shutil
import signal
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from services import ROOT, PR_SET_PDEATHSIG, use_ports_of  # noqa: E402 pylint: disable=wrong-import-position

import of_links     # noqa: E402,F401 pylint: disable=wrong-import-position,unused-import
import of_programs  # noqa: E402 pylint: disable=wrong-import-position
import of_servers   # noqa: E402,F401 pylint: disable=wrong-import-position,unused-import
from injury import TABLE  # noqa: E402 pylint: disable=wrong-import-position
from lane import Lane, LaneServices  # noqa: E402 pylint: disable=wrong-import-position
from page import points  # noqa: E402 pylint: disable=wrong-import-position
from round import Round  # noqa: E402 pylint: disable=wrong-import-position

LOGS = ROOT / os.environ.get("TEST_LOGS", "build/test-logs") / "faults"


class Outcome:
    """What a lane tells of a round."""

    def __init__(self, number):
        self.number, self.problems, self.counts = number, [], collections.Counter()
        self.text, self.seconds, self.settled_s, self.canary_s = "", 0.0, 0.0, 0.0


def keep(folder, lane, trial, problems):
    """The logs of a failed round, only what was written in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "round.txt").write_text(trial.describe() + "\n\n" + "\n".join(problems) + "\n\n" + trial.describe_jobs() + "\n")
    for log in sorted(lane.logs.glob("*.log")):
        mark = next((program.mark for program in lane.programs + lane.ended if program.log == log), 0)
        if log.stat().st_mtime > trial.began_at:
            (folder / log.name).write_bytes(log.read_bytes()[mark:])
    for log in (lane.services.redis.folder / "redis.log", lane.services.postgres.folder / "postgres.log"):
        if log.exists():
            (folder / log.name).write_bytes(log.read_bytes()[-2_000_000:])


def play(lane, seed, number):
    outcome, begin = Outcome(number), time.monotonic()
    lane.counts = outcome.counts
    trial = Round(lane, seed, number)
    trial.began_at = time.time()
    outcome.problems = trial.run()
    outcome.text = trial.describe()
    outcome.settled_s, outcome.canary_s = trial.settled_s, getattr(trial, "canary_s", 0.0)
    outcome.counts.update({"jobs": len(trial.jobs), "steps": getattr(trial.accounts, "steps", 0),
                           "worker deaths charged": getattr(trial.accounts, "deaths", 0),
                           "lost": sum(problem.startswith(("LOST", "STUCK")) for problem in outcome.problems),
                           "counted wrongly": sum(problem.startswith("COUNTED") for problem in outcome.problems),
                           "callbacks repeated": getattr(trial.accounts, "repeated_callbacks", 0)})
    outcome.seconds = time.monotonic() - begin
    if outcome.problems:
        folder = LOGS / f"seed-{seed}-round-{number}"
        keep(folder, lane, trial, outcome.problems)
        outcome.text += f"\n    kept in {folder}"
    return outcome


def run_fleet(seed, numbers, outcomes):
    """Rounds on one fleet, until there are none or one fails. False: there are none."""
    is_root = os.environ.get("FAULTS_CAN_MOUNT") == "1"
    with LaneServices(is_root) as services:
        lane = Lane(services)
        try:
            while True:
                try:
                    number = numbers.get(timeout=1)
                except queue.Empty:
                    return False
                try:
                    outcome = play(lane, seed, number)
                except Exception:       # pylint: disable=broad-except
                    outcome = Outcome(number)
                    outcome.problems = [traceback.format_exc()]
                outcomes.put(outcome)
                if outcome.problems:
                    return True
        finally:
            lane.close_lane()


def run_lane(lane, seed, numbers, outcomes):
    use_ports_of(lane)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C reaches the main process, which ends us
    try:
        while run_fleet(seed, numbers, outcomes):
            pass
    except KeyboardInterrupt:
        pass
    except Exception:       # pylint: disable=broad-except
        broken = Outcome(-1)
        broken.problems = [traceback.format_exc()]
        outcomes.put(broken)


def show(outcome, seed):
    if not outcome.problems:
        injuries = [line.strip() for line in outcome.text.splitlines()[1:] if "note:" not in line]
        print(f"round {outcome.number:3} ok   {outcome.seconds:5.1f} s, settled after {outcome.settled_s:4.1f} s, "
              f"canaries {outcome.canary_s:3.1f} s: {'; '.join(injuries)}", flush=True)
        return
    print(f"round {outcome.number:3} FAILED after {outcome.seconds:.1f} s", flush=True)
    print(outcome.text)
    for problem in outcome.problems:
        print("    - " + problem[:3000])
    print(f"    again: make test-faults SEED={seed} ROUND={outcome.number}", flush=True)


def summary(outcomes, seed, seconds):
    counts = collections.Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
    failed = [outcome for outcome in outcomes if outcome.problems]
    print(f"\n{'what':<40} how often")
    first = ("jobs", "steps", "lost", "counted wrongly", "reports", "reports answered as duplicates", "reports answered as stale",
             "worker deaths charged", "callbacks repeated")
    for name in [*first, *sorted(set(counts) - set(first))]:
        print(f"{name:<40} {counts[name]}")
    times = sorted(outcome.settled_s for outcome in outcomes) or [0]
    print(f"{'settled after, p50 / p99 / most':<40} {times[len(times) // 2]:.1f} / {times[len(times) * 99 // 100]:.1f} / {times[-1]:.1f} s")
    if failed:
        print("failed rounds: " + ", ".join(str(outcome.number) for outcome in failed))
    word = f"{len(outcomes) - len(failed)} rounds passed" + (f", {len(failed)} failed" if failed else "")
    print(f"faults: {word}, seed {seed}, {counts['jobs']} jobs, {counts['steps']} steps, {counts['lost']} lost, "
          f"{counts['counted wrongly']} counted wrongly, {seconds:.0f} s", flush=True)
    return 1 if failed or not outcomes else 0


def with_own_mounts():
    """As root: again, in a mount namespace of our own, where disks can be filled."""
    if os.geteuid() == 0 and "FAULTS_CAN_MOUNT" not in os.environ and shutil.which("unshare"):
        can = os.spawnlp(os.P_WAIT, "unshare", "unshare", "-m", "true") == 0
        os.environ["FAULTS_CAN_MOUNT"] = "1" if can else "0"
        if can:
            os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.orig_argv[1:]])
    if os.environ.get("FAULTS_CAN_MOUNT") != "1":
        print("without root: no full and no read-only disks")


def main():
    with_own_mounts()
    of_programs.add_points(points())
    if os.environ.get("LIST"):
        for name, row in TABLE.items():
            print(f"{name:<32} {row.what}")
        return 0
    seed = os.environ.get("SEED") or secrets.token_hex(3)
    only = [int(number) for number in os.environ.get("ROUND", "").split(",") if number]
    wanted = only or range(1, int(os.environ.get("ROUNDS") or 200) + 1)
    lanes = 1 if only else min(int(os.environ.get("LANES") or 3), len(wanted))
    print(f"seed {seed}, {len(wanted)} rounds on {lanes} fleets, {len(TABLE)} injuries", flush=True)
    numbers, results = multiprocessing.Queue(), multiprocessing.Queue()
    for number in wanted:
        numbers.put(number)
    workers = [multiprocessing.Process(target=run_lane, args=(lane, seed, numbers, results)) for lane in range(lanes)]
    outcomes, begin = [], time.monotonic()
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers) or not results.empty():
            try:
                outcomes.append(results.get(timeout=0.5))
                show(outcomes[-1], seed)
            except queue.Empty:
                pass
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
        for worker in workers:
            worker.join(30)
    return summary(outcomes, seed, time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main())
