"""bench.py - what this machine can do with pixelfleet: speed, cost and memory, on the real programs.

PostgreSQL commits to disk (fsync and synchronous_commit on), Redis keeps its append-only file (everysec). Writes
build/bench/results.json (and, of curves alone, curves.json), draws curves.svg, and prints the tables as Markdown.

    SCENARIOS=noop,chain    only these; SCENARIOS=all: also those that take long
    CURVES=rtt,workers      these curves instead of scenarios; CURVES=all: all of them. FULL=1 draws them without being asked
    others                  see settings.py
"""
import os
import shutil
import sys

from harness import Results        # first: it knows where the integration tests' modules are
import curves
import plot
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
    "through": (scenario_steps.all_through, False),
    "idle": (scenario_steps.idle, True),
    "large": (scenario_steps.large, True),
    "photo": (scenario_photos.photo, True),
    "photo-fast": (scenario_photos.photo_fast, True),
    "tools": (scenario_photos.tools, True),
    "distance": (scenario_size.distance, True),
    "memory": (scenario_size.memory, True),
    "backlog": (scenario_size.backlog, settings.FULL),
    "rows": (scenario_size.rows, settings.FULL),
}


def asked(variable, allowed):
    """The names in an environment variable; an unknown one is refused before anything is done."""
    names = os.environ.get(variable, "").replace(",", " ").split()
    unknown = [name for name in names if name not in allowed and name != "all"]
    if unknown:
        raise SystemExit(f"bench: {variable}: there is no '{', '.join(unknown)}'; allowed: {', '.join(allowed)}, all")
    return list(allowed) if "all" in names else list(dict.fromkeys(names))


def chosen():
    scenarios, wanted = asked("SCENARIOS", SCENARIOS), asked("CURVES", curves.CURVES)
    if not scenarios and not wanted:
        scenarios = [name for name, (_, usual) in SCENARIOS.items() if usual]
        wanted = list(curves.CURVES) if settings.FULL else []
    return scenarios, wanted


def say(what):
    print(f"bench: {what} ...", file=sys.stderr, flush=True)


def run_scenarios(names, results, services):
    for name in names:
        say(name)
        SCENARIOS[name][0](results, services)
        results.write(FOLDER / "results.json")      # what there is, should the next one fail


def run_curves(names, results, services, path):
    for name in names:
        say(f"curve {name}")
        results.curves[name] = curves.measure(name, services)
        results.write(path)
        (FOLDER / "curves.svg").write_text(plot.svg(results.as_json()))


def main():
    scenarios, wanted = chosen()
    shutil.rmtree(FOLDER / "logs", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = Results(settings.REPEAT if scenarios else settings.CURVE_REPEAT, settings.SEED, settings.as_dict())
    try:
        with servers() as services:
            run_scenarios(scenarios, results, services)
            run_curves(wanted, results, services, FOLDER / ("results.json" if scenarios else "curves.json"))
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        sys.exit(130)
    finally:
        if results.scenarios or results.curves:
            print(results.table(), flush=True)


if __name__ == "__main__":
    main()
