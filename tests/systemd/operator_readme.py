"""The operator: does what README.md says under "Install", word for word, and then what it says under "Scale".

`make install` is for the machine that it is typed on; here it is aimed at the tree with DESTDIR. Everything else is
typed inside, as root. $EDITOR is a script that sets what the README leaves to taste.
"""
import pathlib
import re
import subprocess

from machine import Trouble

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN_FILE = "/etc/credstore/pixelfleet.internal-token"

EDITOR = r"""#!/bin/sh
# What a person would do in an editor: remove the # of a line, and write another value.
sed -i -e 's|^#PIXELFLEET_ALLOWED_ROOTS=.*|PIXELFLEET_ALLOWED_ROOTS=/srv/pictures|' "$1"
"""


def install_commands():
    """The lines of the first block under ## Install, without their comments."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^## Install\n+```\w*\n(.*?)^```", text, re.M | re.S)
    if not found:
        raise Trouble("README.md has no block of commands under '## Install'")
    lines = [re.sub(r"\s+#.*", "", line) for line in found[1].splitlines()]
    return [line for line in lines if line]


class Operator:
    def __init__(self, machine, transcript, build):
        self.machine, self.transcript, self.build = machine, transcript, build

    def type(self, line, code=0, timeout=120, quiet=False):
        """A line in a root shell inside. What it printed; must end with `code`, unless that is None."""
        ended, output = self.machine.run("bash", "-c", line, timeout=timeout)
        self.transcript.command(line, output, ended, quiet)
        if code is not None and ended != code:
            raise Trouble(f"'{line}' ended with {ended}, not {code}: {output.strip()}")
        return output

    def install(self):
        self.machine.must("install", "-m", "755", "/dev/stdin", "/usr/local/bin/edit", stdin=EDITOR)
        commands = install_commands()
        if not any(line.startswith("make install") for line in commands):
            raise Trouble("README.md, Install: no 'make install'")
        for line in commands:
            if line.startswith("make install"):
                self.make_install()
            else:
                self.type(f"export EDITOR=edit; {line}" if "$EDITOR" in line else line)

    def make_install(self):
        done = subprocess.run(["make", "-s", "--no-print-directory", "install", f"B={self.build}", f"DESTDIR={self.machine.tree}",
                               "prefix=/usr/local"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        self.transcript.command("make install DESTDIR=tree prefix=/usr/local", done.stdout, done.returncode)
        if done.returncode:
            raise Trouble(f"make install: {done.stdout[-500:]}")

    def token(self):
        return self.machine.must("cat", TOKEN_FILE).strip()
