"""What the units' settings come to: seen from inside by the probe in a worker's unit, and from outside on a living
worker and a living runner."""
import os
import pathlib

from machine import Trouble, children, status, wait_for

WRITE = ("/ /etc /etc/pixelfleet /etc/credstore /usr /usr/local/bin /home /home/anna /root /boot /var /var/log /var/lib "
         "/var/lib/redis /var/lib/pixelfleet /var/lib/pixelfleet/artifacts /srv/pictures /run /run/pixelfleet "
         "/run/pixelfleet/worker-probe /tmp /var/tmp /dev /dev/shm /proc/sys/kernel /sys/kernel /sys/fs/cgroup").split()
READ = ("/etc/shadow /etc/credstore/pixelfleet.internal-token /run/credentials/pixelfleet-worker@probe.service/internal-token "
        "/run/credentials/pixelfleet-dispatcher.service/internal-token /etc/pixelfleet/pixelfleet.env /root "
        "/home/anna/private.txt /home/anna/shared.txt /srv/pictures /var/lib/redis "
        "/proc/1/environ /proc/kallsyms /proc/sys/kernel/core_pattern /dev/kmsg /dev/mem /dev/console").split()

WRITABLE = {"/var/lib/pixelfleet", "/var/lib/pixelfleet/artifacts", "/run/pixelfleet/worker-probe", "/tmp", "/var/tmp", "/dev/shm"}
READABLE = {"/run/credentials/pixelfleet-worker@probe.service/internal-token", "/etc/pixelfleet/pixelfleet.env",
            "/home/anna/shared.txt", "/srv/pictures"}
SOCKETS = {"AF_INET", "AF_INET6", "AF_UNIX"}
# RestrictSUIDSGID= would refuse openat2 as well; see the unit.
CALLS = {"set-uid file"}

PROBE = "pixelfleet-worker@probe.service"
INSTEAD = """# The same unit, with another program in it.
[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart=/usr/local/libexec/pixelfleet/probe write {write} read {read}
StandardOutput=truncate:/run/probe.txt
"""


def probe(machine):
    """{"write /etc": "EROFS", ...}"""
    folder = f"/run/systemd/system/{PROBE}.d"
    machine.must("mkdir", "-p", folder)
    machine.must("tee", f"{folder}/probe.conf", stdin=INSTEAD.format(write=" ".join(WRITE), read=" ".join(READ)))
    machine.must("systemctl", "daemon-reload")
    machine.must("systemctl", "start", PROBE)
    lines = machine.must("cat", "/run/probe.txt").splitlines()
    machine.must("rm", "-r", folder, "/run/probe.txt")
    machine.must("systemctl", "daemon-reload")
    return dict(line.split("\t") for line in lines)


def probe_rows(answers):
    """The table: what was tried, and how each answered, those with the same answer in one line."""
    rows = []
    for kind in ("write", "read", "socket", "call", "see", "status", "limit"):
        by_answer = {}
        for what, answer in answers.items():
            if what.split(" ")[0] == kind:
                by_answer.setdefault(answer, []).append(what.split(" ", 1)[1])
        rows += [(kind, answer, ", ".join(names)) for answer, names in by_answer.items()]
    return rows


def probe_problems(answers):
    """What is more open, or less, than the unit says."""
    def positive(kind):
        return {what.split(" ", 1)[1] for what, answer in answers.items()
                if what.startswith(kind + " ") and answer in ("yes", "listed")}

    problems = []
    for kind, wanted in (("write", WRITABLE), ("read", READABLE), ("socket", SOCKETS), ("call", CALLS)):
        if positive(kind) != wanted:
            problems.append(f"{kind}: {sorted(positive(kind))}, not {sorted(wanted)}")
    for name, wanted in (("status CapEff", "0" * 16), ("status CapBnd", "0" * 16), ("status CapAmb", "0" * 16),
                         ("status NoNewPrivs", "1"), ("status Seccomp", "2"), ("limit CORE", "0")):
        if answers.get(name) != wanted:
            problems.append(f"{name} is {answers.get(name)}, not {wanted}")
    return problems


# -- the living

def descriptors(pid):
    """{what: how many} of the open files."""
    found = {}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        name = target.split(":")[0] if ":" in target else target
        found[name] = found.get(name, 0) + 1
    return found


def limits(pid):
    """{name: hard limit}"""
    lines = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[47:68].strip() for line in lines}


def describe(pid):
    now, files, most = status(pid), descriptors(pid), limits(pid)
    return {
        "user": now["Uid"].split()[0],
        "capabilities": now["CapEff"], "bounding set": now["CapBnd"],
        "no_new_privs": now["NoNewPrivs"], "seccomp": now["Seccomp"], "seccomp filters": now.get("Seccomp_filters", "?"),
        "address space": most["Max address space"], "open files, most": most["Max open files"],
        "core file": most["Max core file size"], "cpu time": most["Max cpu time"],
        "open files": ", ".join(f"{n} {name}" for name, n in sorted(files.items())),
    }


def living(machine, units):
    """(worker, runner), as describe() has them; a runner is there once a picture was worked on."""
    workers = [machine.pid_outside(machine.show(unit, "MainPID")["MainPID"]) for unit in units]

    def pair():
        return next(((parent, child) for parent in workers for child in children(parent)
                     if status(child).get("Name", "").startswith("pixelfleet-run")), None)

    parent, child = wait_for(pair, 20, f"one of {', '.join(units)} has a runner")
    return describe(parent), describe(child)


def living_problems(worker, runner):
    problems = []
    for who, what in (("worker", worker), ("runner", runner)):
        for name, wanted in (("capabilities", "0" * 16), ("bounding set", "0" * 16), ("no_new_privs", "1"), ("seccomp", "2"),
                             ("core file", "0")):
            if what[name] != wanted:
                problems.append(f"{who}: {name} is {what[name]}, not {wanted}")
        if what["user"] == "0":
            problems.append(f"{who}: runs as root")
    if int(runner["seccomp filters"]) <= int(worker["seccomp filters"]):
        problems.append("runner: has no filter of its own, only the unit's")
    if not runner["address space"].isdigit():
        problems.append(f"runner: address space is {runner['address space']}")
    return problems


def check(problems):
    if problems:
        raise Trouble("; ".join(problems))
