"""settings.py - how much of everything a benchmark run does, from the environment.

    BENCH_DIR=build/bench    where the results go
    REPEAT=5     turns of each scenario (3 of each point of a curve); median, least and most are told
    SEED=1       of everything that is random
    SCALE=1      share of the usual size of every load
    WORKERS=2    worker processes of the scenarios with no-op steps
    SLOTS=64     slots of each of them
    FULL=1       full sizes: a million queued steps, 20 million finished rows, 20,000 photographs
"""
import os


def number(name, default, least):
    text = os.environ.get(name, "") or str(default)
    try:
        value = type(default)(text)
    except ValueError:
        value = None
    if value is None or value < least:
        raise SystemExit(f"bench: {name}={text}: a {type(default).__name__} of at least {least} is allowed")
    return value


REPEAT = number("REPEAT", 5, 1)
SEED = number("SEED", 1, 0)
CURVE_REPEAT = number("REPEAT", 3, 1)
SCALE = number("SCALE", 1.0, 0.0001)
WORKERS = number("WORKERS", 2, 1)
SLOTS = number("SLOTS", 64, 1)
FULL = os.environ.get("FULL", "") not in ("", "0")


def scaled(n, least=1):
    return max(int(n * SCALE), least)


def as_dict():
    return {"repeat": REPEAT, "seed": SEED, "scale": SCALE, "workers": WORKERS, "slots": SLOTS, "full": FULL}
