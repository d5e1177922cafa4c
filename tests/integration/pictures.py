"""Pictures for tests: real photographs of Debian's mate-backgrounds, and small ones made here."""
import pathlib
import shutil
import struct
import subprocess
import zlib

NATURE = pathlib.Path("/usr/share/backgrounds/mate/nature")


def nature(folder, n=None):
    """Copies of the photographs; their paths."""
    files = sorted(NATURE.glob("*.jpg"))[:n]
    assert files, f"no photographs in {NATURE}: tests/setup.sh test installs them"
    return [shutil.copy(file, folder) for file in files]


def png(path, width=16, height=16, color=(200, 30, 30)):
    """A picture of one colour, with nothing but the standard library."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(color) * width) * height
    path = pathlib.Path(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return str(path)


def small(folder, n):
    """n different small pictures."""
    return [png(folder / f"{i:05d}.png", 16 + i % 32, 16, (i % 256, i // 256 % 256, 99)) for i in range(n)]


def names(n):
    """n picture names that nobody fetches, for pipelines without a picture tool."""
    return [f"http://pictures.invalid/{i}" for i in range(n)]


def vips(*words):
    return subprocess.run(["vips", *map(str, words)], check=True, capture_output=True, text=True).stdout.strip()


def header(path, field):
    return subprocess.run(["vipsheader", "-f", field, str(path)], check=True, capture_output=True,
                          text=True).stdout.strip()
