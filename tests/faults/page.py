"""The page that a program of a fault build shares with us: its clock's error, and how often each
of its fault points was reached (see shared/fault.h)."""
import mmap
import struct
import subprocess

from services import built

BYTES = 4096


def points():
    """Names of the fault points, in the order of shared/fault.def."""
    listed = subprocess.run([built("pixelfleet-worker"), "--faults"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line]


class Page:
    def __init__(self, path, names):
        self.path, self.names = path, names
        path.write_bytes(b"\0" * BYTES)
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), BYTES)

    def get(self, at):
        return struct.unpack_from("=q", self.memory, 8 * at)[0]

    def put(self, at, value):
        struct.pack_into("=q", self.memory, 8 * at, value)

    def set_clock(self, seconds):
        self.put(0, seconds)

    def hits(self, point):
        return self.get(1 + 2 * self.names.index(point))

    def set_due(self, point, count):
        """It strikes when it is reached for the count-th time; 0: never."""
        self.put(2 + 2 * self.names.index(point), count)

    def due(self, point):
        return self.get(2 + 2 * self.names.index(point))

    def clear(self):
        self.memory[:] = b"\0" * BYTES
