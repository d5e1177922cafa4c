"""What an injury is, and the table of all of them.

An injury is made for one round from that round's random numbers alone, so that a round can be
repeated: what it strikes, when, and for how long. inject() and heal() are called by the round.
"""
import random

TABLE = {}          # name: Row


class Cannot(Exception):
    """It is not possible here, now; the text says why. The round goes on without it."""


class Row:
    def __init__(self, name, what, kind, **settings):
        self.name, self.what, self.kind, self.settings = name, what, kind, settings


def row(name, what, kind, **settings):
    assert name not in TABLE, name
    TABLE[name] = Row(name, what, kind, **settings)


class Injury:
    LASTS = (0,)                # how many seconds; one is drawn

    def __init__(self, name, rng: random.Random, n_dispatchers, n_workers, **settings):
        self.name = name
        self.n = {"dispatcher": n_dispatchers, "worker": n_workers}
        self.settings = settings
        self.at = round(rng.uniform(0.3, 4.5), 2)
        self.lasts = rng.choice(settings.get("lasts", self.LASTS))
        self.seed = rng.random()
        self.is_healed = True
        self.draw(rng)

    def draw(self, rng):
        """Chooses what it strikes."""

    def prepare(self, lane):
        """Before the jobs of the round."""

    def inject(self, lane):
        raise NotImplementedError

    def heal(self, lane):
        """May be called when there is nothing to heal any more."""

    def settle(self, lane):
        """After the jobs have ended, before the accounts."""

    def target(self):
        return ""

    def __str__(self):
        return f"{self.at:5.2f} s  {self.name} {self.target()}" + (f" for {self.lasts} s" if self.lasts else "")


def make(name, rng, n_dispatchers, n_workers):
    chosen = TABLE[name]
    return chosen.kind(name, rng, n_dispatchers, n_workers, **chosen.settings)


def excuse(lane, slot):
    """A task that this worker held may be charged with its death."""
    if slot.kind == "worker" and slot.program:
        lane.excused.add(slot.program)
