"""bench.py - what this machine can do with pixelfleet: speed, cost and memory, on the real programs.

PostgreSQL commits to disk (fsync and synchronous_commit on), Redis keeps its append-only file (everysec). Writes
build/bench/results.json and prints the same as Markdown.

    SCENARIOS=noop,chain    only these; SCENARIOS=all: all of them, also those that take long
    CURVES=1                curves instead of scenarios, as build/bench/curves.svg
"""
import os
import shutil
import sys

from harness import Results        # first: it knows where the integration tests' modules are
import scenario_photos
import scenario_size
import scenario_steps
import settings
from stand import FOLDER, servers

# name: (what runs it, whether it runs unless others are asked for)
SCENARIOS = {
    "noop": (scenario_steps.noop, True),
    "noop-jobs": (scenario_steps.noop_jobs, True),
    "intake": (scenario_steps.intake, True),
    "chain": (scenario_steps.chain, True),
    "fan": (scenario_steps.fan, True),
    "idle": (scenario_steps.idle, True),
    "through": (scenario_steps.all_through, False),
    "large": (scenario_steps.large, True),
    "photo": (scenario_photos.photo, True),
    "tools": (scenario_photos.tools, True),
    "distance": (scenario_size.distance, True),
    "memory": (scenario_size.memory, True),
    "backlog": (scenario_size.backlog, True),
    "rows": (scenario_size.rows, False),
}


def chosen():
    names = [name.strip() for name in os.environ.get("SCENARIOS", "").replace(",", " ").split()]
    unknown = [name for name in names if name not in SCENARIOS and name != "all"]
    if unknown:
        raise SystemExit(f"bench: SCENARIOS: there is no {', '.join(unknown)}; allowed: {', '.join(SCENARIOS)}, all")
    if "all" in names:
        return list(SCENARIOS)
    return names or [name for name, (_, usual) in SCENARIOS.items() if usual]


def run(names, results):
    with servers() as services:
        for name in names:
            print(f"bench: {name} ...", file=sys.stderr, flush=True)
            SCENARIOS[name][0](results, services)
            results.write(FOLDER / "results.json")      # what there is, should the next one fail


def main():
    names = chosen()
    shutil.rmtree(FOLDER / "logs", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = Results(settings.REPEAT, settings.SEED, settings.as_dict())
    try:
        run(names, results)
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        sys.exit(130)
    finally:
        if results.scenarios:
            print(results.table(), flush=True)


if __name__ == "__main__":
    main()
