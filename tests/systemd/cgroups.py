"""A control group of our own in every hierarchy of this machine, for what systemd-nspawn starts.

    cgroups.py run NAME COMMAND...      runs it in there, and afterwards removes what is left of the groups

systemd-nspawn divides the group that it is started in; without this it would be the caller's, and two test runs
would meet. Works with version 1, version 2 and both.
"""
import ctypes
import os
import pathlib
import re
import signal
import sys
import time


def mounts():
    """(where it is mounted, which group is its top, hierarchy as /proc/self/cgroup names it)"""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        fields, (kind, _, options) = before.split(), after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            yield pathlib.Path(re.sub(r"\\040", " ", fields[4])), fields[3], "" if kind == "cgroup2" else options


def own():
    """{hierarchy: path} of this process."""
    lines = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
    return {hierarchy: path for _, hierarchy, path in (line.split(":", 2) for line in lines)}


def folders(name):
    """Our group in each hierarchy that is mounted, beneath the one that we are in."""
    found = {}
    for hierarchy, path in own().items():
        for where, top, options in mounts():
            is_it = not options if not hierarchy else options and set(hierarchy.split(",")) <= set(options.split(","))
            if is_it and hierarchy not in found:
                inside = path[len(top):] if top != "/" and path.startswith(top) else path
                found[hierarchy] = where / inside.lstrip("/") / name
    return list(found.values())


def enter(groups):
    for group in groups:
        group.mkdir()
        for needed in ("cpuset.cpus", "cpuset.mems"):   # empty in a new group of version 1, which then takes nobody
            if (group / needed).exists() and group.parts[-2] != "unified":
                (group / needed).write_text((group.parent / needed).read_text())
        (group / "cgroup.procs").write_text(str(os.getpid()))


def remove(groups):
    """Nothing runs in them any more, but the kernel may take a moment to see it."""
    for group in groups:
        for _ in range(100):
            for folder in sorted(group.glob("**/"), reverse=True):
                try:
                    folder.rmdir()
                except OSError:
                    pass
            if not group.exists():
                break
            time.sleep(0.05)
        else:
            print(f"cgroups.py: cannot remove {group}", file=sys.stderr)


def die_with_caller():
    """Not even kill -9 of the caller leaves anything behind: SIGTERM then comes to us."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)      # PR_SET_PDEATHSIG


def run(name, command):
    groups = folders(name)
    if not groups:
        print("skipped: no control groups are mounted", file=sys.stderr)
        return 77
    try:
        child = os.fork()
        if not child:
            become(groups, command)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))
        die_with_caller()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        remove(groups)


def become(groups, command):
    try:
        enter(groups)
    except OSError as error:
        print(f"skipped: no control group of our own: {error}", file=sys.stderr)
        os._exit(77)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cgroups.py: {command[0]}: {error}", file=sys.stderr)
        os._exit(127)


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] != "run":
        sys.exit(__doc__)
    code = run(sys.argv[2], sys.argv[3:])
    sys.exit(code if code >= 0 else 128 - code)
