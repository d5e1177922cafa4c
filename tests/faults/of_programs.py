"""Injuries of our own programs: killed, stopped, restarted, with a wrong clock, at a fault point."""
import os
import signal
import time

from injury import Cannot, Injury, excuse, row

DAY_S = 86400


class OfSlot(Injury):
    """Strikes one dispatcher or one worker."""

    def draw(self, rng):
        kind = self.settings["program"]
        self.slot_name = f"{kind}{rng.randrange(self.n[kind])}"

    def target(self):
        return self.slot_name

    def living(self, lane):
        slot = lane.slot(self.slot_name)
        if not slot.is_up:
            raise Cannot(f"{slot.name} is down already")
        return slot


class Kill(OfSlot):
    def inject(self, lane):
        slot = self.living(lane)
        excuse(lane, slot)
        slot.may_end = True
        slot.program.process.kill()
        lane.counts[f"kill -9 {slot.kind}"] += 1


class Restart(OfSlot):
    def inject(self, lane):
        slot = self.living(lane)
        if slot.stopped:
            raise Cannot(f"{slot.name} is stopped")
        slot.may_end = slot.leaving = True
        slot.program.terminate()
        lane.counts[f"SIGTERM {slot.kind}"] += 1


class Stop(OfSlot):
    LASTS = (1, 2, 4, 6, 9, 14)

    def inject(self, lane):
        slot = self.living(lane)
        excuse(lane, slot)
        os.kill(slot.program.pid, signal.SIGSTOP)
        slot.stopped = True
        self.pid = slot.program.pid
        lane.counts[f"SIGSTOP {slot.kind}"] += 1

    def heal(self, lane):
        slot = lane.slot(self.slot_name)
        if slot.stopped and slot.is_up and slot.program.pid == self.pid:
            os.kill(self.pid, signal.SIGCONT)
            slot.stopped = False


class OfRunners(OfSlot):
    """Strikes the runners of a worker."""

    LASTS = (1, 3, 8)

    def runners(self, lane):
        slot = self.living(lane)
        pids = [pid for pid in slot.program.children() if pid != slot.program.pid]
        if not pids:
            raise Cannot(f"{slot.name} has no runner")
        return pids

    def signal(self, pids, how):
        for pid in pids:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass


class KillRunners(OfRunners):
    LASTS = (0,)

    def inject(self, lane):
        self.signal(self.runners(lane), signal.SIGKILL)
        lane.counts["kill -9 runner"] += 1


class StopRunners(OfRunners):
    pids = ()

    def inject(self, lane):
        self.pids = self.runners(lane)
        self.signal(self.pids, signal.SIGSTOP)
        lane.counts["SIGSTOP runner"] += 1

    def heal(self, lane):
        self.signal(self.pids, signal.SIGCONT)


class WrongClock(Injury):
    """The wall clock of one program, or of all, jumps and jumps back."""

    LASTS = (2, 5, 8)

    def draw(self, rng):
        self.slot_name = rng.choice([f"{kind}{k}" for kind in self.n for k in range(self.n[kind])] + ["all"] * 3)

    def target(self):
        return f"{self.slot_name} by {self.settings['seconds']} s"

    def set(self, lane, seconds):
        for slot in lane.slots:
            if self.slot_name in (slot.name, "all"):
                slot.page.set_clock(seconds)

    def inject(self, lane):
        self.set(lane, self.settings["seconds"])
        lane.counts["clock jump"] += 1

    def heal(self, lane):
        self.set(lane, 0)


class Point(OfSlot):
    """A fault point of the code, when it is reached for the first, the second or the last time.

    First and second: of a process that was just started. Last: as often as it was reached while the
    same jobs ran without a fault, see Round.rehearse(). When the jobs of the round do not reach it,
    more are submitted until it is reached."""

    def draw(self, rng):
        super().draw(rng)
        self.point, self.which = self.settings["point"], self.settings["which"]
        self.at = 2.5 if self.point.startswith("watch.") else 0.0
        self.provoked_at = float("-inf")

    def target(self):
        return f"of {self.slot_name}"

    def prepare(self, lane):
        slot = lane.slot(self.slot_name)
        self.rehearsed = slot.page.hits(self.point)     # 0 when there was no rehearsal
        lane.stop_slot(slot)
        slot.page.clear()
        slot.page.set_due(self.point, self.count)
        slot.is_armed = True
        lane.start_slot(slot)
        slot.may_end = True
        lane.wait_ready_or_ended(slot)
        excuse(lane, slot)

    @property
    def count(self):
        return {"first": 1, "second": 2}.get(self.which) or max(1, self.rehearsed)

    def inject(self, lane):
        lane.counts["fault point"] += 1
        self.provoke(lane)

    def provoke(self, lane):
        """Some points are reached only when something else breaks."""
        if time.monotonic() - self.provoked_at < 6:
            return
        self.provoked_at = time.monotonic()
        slots = [slot for slot in lane.worker_slots if slot.wanted and slot.is_up and not slot.leaving and not slot.stopped]
        if self.point == "worker.spawn":
            for pid in lane.slot(self.slot_name).program.children()[1:]:
                lane.kill_quietly(pid)
        elif self.point.startswith("watch.") and slots:
            slot = slots[int(self.seed * len(slots))]
            excuse(lane, slot)
            slot.may_end = True
            slot.program.process.kill()
            lane.counts["kill -9 worker"] += 1

    def is_reached(self, lane):
        return lane.slot(self.slot_name).page.hits(self.point) >= self.count

    def settle(self, lane):
        if not self.is_reached(lane):
            lane.counts["fault point not reached"] += 1
            lane.notes.append(f"the point {self.point} was reached {lane.slot(self.slot_name).page.hits(self.point)} times, "
                              f"not {self.count}")
        lane.slot(self.slot_name).page.set_due(self.point, 0)
        lane.slot(self.slot_name).is_armed = False


# Only messages of a gallery get there; tests/integration/test_photo_queue.py has them.
OUT_OF_REACH = {"letters.pushed"}


def add_points(names):
    for name in sorted(set(names) - OUT_OF_REACH, key=names.index):
        program = "worker" if name.split(".")[0] in ("worker", "runner", "child", "store", "breaker") else "dispatcher"
        for which in ("first", "second", "last"):
            row(f"point-{name}-{which}", f"fault point {name}, at its {which} call", Point, program=program, point=name, which=which)


for _program in ("worker", "dispatcher"):
    row(f"kill-{_program}", f"kill -9 of a {_program}", Kill, program=_program)
    row(f"stop-{_program}", f"SIGSTOP of a {_program}, SIGCONT later", Stop, program=_program)
    row(f"restart-{_program}", f"SIGTERM to a {_program}, and a new one", Restart, program=_program)
row("kill-runner", "kill -9 of a worker's runners", KillRunners, program="worker")
row("stop-runner", "SIGSTOP of a worker's runners, SIGCONT later", StopRunners, program="worker")
row("clock-forward", "the wall clock jumps 26 hours ahead, and back", WrongClock, seconds=26 * 3600)
row("clock-back", "the wall clock jumps 26 hours back, and ahead", WrongClock, seconds=-26 * 3600)
row("clock-far-forward", "the wall clock jumps 16 days ahead, and back", WrongClock, seconds=16 * DAY_S)
row("clock-far-back", "the wall clock jumps 16 days back, and ahead", WrongClock, seconds=-16 * DAY_S)
