"""meter.py - what a stretch of work costs: time, CPU and context switches of each class of processes, WAL, Redis commands.

    meter = Meter(stand.groups, stand.admin, stand.fleet.redis)
    span = Span(meter)
    span.begin()
    ...the work...
    span.end()
    span.figures(100000)        {"rate": ..., "cpu_us": {"dispatcher": ...}, "wal_bytes": ..., ...}, each of a unit of work

Everything is read before and after, from /proc, pg_current_wal_insert_lsn() and INFO. A process that a worker has started
(a runner) is a class of its own; those of PostgreSQL count together.
"""
import collections
import os
import pathlib
import time

TICK = os.sysconf("SC_CLK_TCK")
CORES = len(os.sched_getaffinity(0))
APART = {"worker": "runner"}        # the children of the first are the second

Process = collections.namedtuple("Process", "parent own_s children_s")
Use = collections.namedtuple("Use", "cpu_s switches")


def processes():
    """{pid: Process} of everything that runs."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found[int(entry)] = Process(int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK,
                                    (int(fields[13]) + int(fields[14])) / TICK)
    return found


def descendants(pid, everything):
    children = collections.defaultdict(list)
    for child, process in everything.items():
        children[process.parent].append(child)
    found, ahead = [], list(children[pid])
    while ahead:
        found.append(ahead.pop())
        ahead += children[found[-1]]
    return found


def switches_of(pid):
    """Voluntary and other context switches of the threads that live."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            text = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text()
            total += sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
    except OSError:
        pass
    return total


def memory_kb(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


class Usage:
    """What the classes have used since they began: groups() gives {class: [pids]}."""

    def __init__(self, groups):
        self.uses = collections.defaultdict(lambda: [0.0, 0])
        everything = processes()
        for name, pids in groups().items():
            for pid in pids:
                if pid in everything:
                    self.add_tree(name, pid, everything)
        mine = everything[os.getpid()]
        self.add("client", mine.own_s, switches_of(os.getpid()))
        self.reaped_s = mine.children_s

    def add(self, name, cpu_s, switches):
        self.uses[name][0] += cpu_s
        self.uses[name][1] += switches

    def add_tree(self, name, root, everything):
        below = APART.get(name, name)
        self.add(name, everything[root].own_s, switches_of(root))
        self.add(below, everything[root].children_s, 0)
        for pid in descendants(root, everything):
            self.add(below, everything[pid].own_s + everything[pid].children_s, switches_of(pid))

    def since(self, before):
        uses = {name: Use(use[0] - before.uses[name][0], max(use[1] - before.uses[name][1], 0)) for name, use in self.uses.items()}
        return {name: use for name, use in uses.items() if use.cpu_s > 0 or use.switches > 0}


class Meter:
    """Reads the counters. `admin`: a connection to PostgreSQL, `redis`: a client of the server; None where there is none."""

    def __init__(self, groups, admin=None, redis=None):
        self.groups, self.admin, self.redis = groups, admin, redis

    def usage(self):
        return Usage(self.groups)

    def wal(self):
        if not self.admin:
            return 0
        with self.admin.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            return int(cursor.fetchone()[0])

    def redis_counts(self):
        """Commands, those inside of scripts too, and how many times the server has read from a client."""
        if not self.redis:
            return 0, 0
        commands = sum(each["calls"] for each in self.redis.info("commandstats").values())
        return commands, self.redis.info("stats").get("total_reads_processed", 0)


class Span:
    """One stretch. begin() and end() may be called where the work begins and ends; seconds is between the two."""

    def __init__(self, meter, child=None):
        """`child`: the class that processes belong to which the benchmark itself starts and awaits meanwhile."""
        self.meter, self.child = meter, child
        self.seconds = 0.0

    def begin(self):
        """The clock starts when this returns; who knows better when sets `began`."""
        self.wal, self.redis = self.meter.wal(), self.meter.redis_counts()
        self.usage = self.meter.usage()
        self.began = time.monotonic()

    def end(self, at=None):
        self.seconds = (at or time.monotonic()) - self.began
        usage = self.meter.usage()
        self.uses = usage.since(self.usage)
        if self.child:
            self.uses[self.child] = Use(usage.reaped_s - self.usage.reaped_s, 0)
        after = self.meter.redis_counts()
        self.wal, self.redis = self.meter.wal() - self.wal, [b - a for a, b in zip(self.redis, after)]

    def figures(self, work):
        work = max(work, 1)
        figures = {
            "work": work, "seconds": self.seconds, "rate": work / self.seconds if self.seconds else 0,
            "cpu_share": {name: use.cpu_s / self.seconds / CORES for name, use in self.uses.items()} if self.seconds else {},
            "cpu_us": {name: use.cpu_s * 1e6 / work for name, use in self.uses.items()},
            "switches": {name: use.switches / work for name, use in self.uses.items()},
        }
        if self.meter.admin:
            figures["wal_bytes"] = self.wal / work
        if self.meter.redis:
            figures["redis_commands"], figures["redis_reads"] = (n / work for n in self.redis)
        return figures
