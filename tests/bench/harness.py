"""harness.py - contestants taking turns at one scenario, and what comes of it.

    results = Results(repeat=5, seed=1)
    compare(results, "noop", "steps/s", [Ours(...), Theirs(...)], title="No-op steps drained")
    results.write("build/bench/results.json")
    print(results.table())

A contestant has a name and does the scenario once each time it is asked; they take turns, so that what the machine does
besides hits them alike:

    class Ours:
        name = "pixelfleet"
        def start(self): ...                  servers and programs, once
        def meter(self): ...                  a Meter (see meter.py) of the processes that count
        def prepare(self, turn): ...          before the clock; turn -1 is a warm-up, which is not recorded
        def run(self, turn, span): ...        calls span.begin() and span.end() around the work; returns how many units that
                                              was, or (units, {"value": ..., ...}) where the rate is not what counts
        def check(self): ...                  optional, after all turns: whether it did what it was to do
        def stop(self): ...                   always called, also after start() has failed
        child = "plain"                       optional: the class of processes that run() itself starts and awaits
        limits = {"least": 20000}             optional: what is wanted of the median
        extra()                               optional, after stop(): {figure: value} of all turns together
"""
import contextlib
import datetime
import json
import os
import pathlib
import statistics

from machine import machine, versions
from meter import Span


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": values}


def merged(runs):
    """The median of each figure, and of each class's where there are classes."""
    figures = {}
    for name in {name for run in runs for name in run}:
        values = [run[name] for run in runs if name in run]
        if isinstance(values[0], dict):
            figures[name] = {each: statistics.median([value.get(each, 0) for value in values])
                             for each in sorted({each for value in values for each in value})}
        elif isinstance(values[0], (int, float)):
            figures[name] = statistics.median(values)
    return figures


class Results:
    def __init__(self, repeat, seed, settings=None):
        self.repeat, self.seed = repeat, seed
        self.settings = dict(settings or {})
        self.date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.scenarios, self.curves, self.notes = {}, {}, []

    def add(self, scenario, title, unit, contestant, runs, limits=None, extra=None):
        """runs: one dict of figures a turn, each with "value"."""
        entry = self.scenarios.setdefault(scenario, {"title": title, "unit": unit, "contestants": {}, "ratios": {}})
        entry["contestants"][contestant] = {
            "value": spread([run["value"] for run in runs]), "figures": {**merged(runs), **(extra or {})}, "limits": limits or {},
        }

    def ratio(self, scenario, ours, theirs):
        """How we compare, turn by turn."""
        contestants = self.scenarios[scenario]["contestants"]
        pairs = zip(contestants[ours]["value"]["runs"], contestants[theirs]["value"]["runs"])
        self.scenarios[scenario]["ratios"][f"{ours} / {theirs}"] = spread([a / b for a, b in pairs if b])

    def want_ratio(self, scenario, limits):
        """{pair: the least that its median ratio shall be}"""
        self.scenarios[scenario].setdefault("ratio_limits", {}).update(limits)

    def note(self, scenario, text):
        self.scenarios[scenario].setdefault("notes", []).append(text)

    def as_json(self):
        return {"date": self.date, "repeat": self.repeat, "seed": self.seed, "machine": machine(), "versions": versions(),
                "settings": self.settings, "notes": self.notes, "scenarios": self.scenarios, "curves": self.curves}

    def write(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps(self.as_json(), indent=1) + "\n")
        aside.rename(path)

    def table(self):
        from table import tables          # it formats what this file knows nothing of
        return tables(self.as_json())


def one_turn(contestant, turn):
    contestant.prepare(turn)
    os.sync()
    span = Span(contestant.meter(), getattr(contestant, "child", None))
    outcome = contestant.run(turn, span)
    work, more = outcome if isinstance(outcome, tuple) else (outcome, {})
    figures = span.figures(work)
    return {"value": figures["rate"], **figures, **more}


def take_turns(contestants, repeat):
    runs = {contestant.name: [] for contestant in contestants}
    for turn in range(-1, repeat):
        for contestant in contestants:
            figures = one_turn(contestant, turn)
            if turn >= 0:
                runs[contestant.name].append(figures)
    return runs


def compare(results, scenario, unit, contestants, title, ours=None):
    """Each contestant `results.repeat` times, in turns; the ratios are of `ours`, by default the first, to each other one."""
    with contextlib.ExitStack() as stops:
        for contestant in contestants:
            stops.callback(contestant.stop)
            contestant.start()
        runs = take_turns(contestants, results.repeat)
        for contestant in contestants:
            if hasattr(contestant, "check"):
                contestant.check()
    for contestant in contestants:
        extra = contestant.extra() if hasattr(contestant, "extra") else None
        results.add(scenario, title, unit, contestant.name, runs[contestant.name], getattr(contestant, "limits", None), extra)
    ours = ours or contestants[0].name
    for contestant in contestants:
        if contestant.name != ours:
            results.ratio(scenario, ours, contestant.name)
    return runs
