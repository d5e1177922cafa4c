#!/usr/bin/python3
"""make_hostile.py FOLDER [SEED] - writes the hostile pictures, and a table of what becomes of each.

Seeded: the same seed gives the same files. FOLDER/table.json is a list of {"file", "class",
"expect", "words"}: `expect` is "ok" (every step succeeds), "fail" (at least the pixels cannot be
had) or "any" (either, but in the words of one of our errors).
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from hostile_jpeg import jpegs
from hostile_other import heifs, strangers, webps
from hostile_png_gif import gifs, pngs, zeros
from hostile_tiff import tiffs

SLOW_SCANS = 8000       # one JPEG of a few hundred KB that takes minutes
CUTS = (0.02, 0.1, 0.3, 0.5, 0.8, 0.97)
FLIPS = 6

# A name for each kind of good file, and how `vips copy` writes it.
GOOD = {
    "baseline.jpg": "[Q=80]", "progressive.jpg": "[interlace]", "plain.png": "", "interlaced.png": "[interlace]",
    "palette.png": "[palette]", "lossy.webp": "[Q=70]", "lossless.webp": "[lossless]", "plain.gif": "", "strips.tif": "[compression=none]",
    "deflate.tif": "[compression=deflate,predictor=horizontal]", "tiles.tif": "[tile,tile_width=32,tile_height=32,compression=lzw]",
    "jpeg.tif": "[compression=jpeg]", "pyramid.tif": "[tile,tile_width=32,tile_height=32,pyramid,compression=deflate]",
    "av1.avif": "[compression=av1,effort=0]", "hevc.heic": "[compression=hevc]",
}
MAY_BE_MISSING = ("avif", "heic")
CLEAR = r"cannot decode|cannot convert the colours|cannot write|not a picture|pixels, at most|memory|timed out|runner was lost"


def vips(*words):
    return subprocess.run(["vips", *map(str, words)], capture_output=True, text=True, check=False).returncode == 0


def good_files(folder):
    """{name: bytes} of one small photograph-like picture in every format."""
    source = folder / "source.v"
    assert vips("gaussnoise", folder / "noise.v", 96, 72, "--mean", 128, "--sigma", 40)
    assert vips("bandjoin", f"{folder}/noise.v {folder}/noise.v {folder}/noise.v", folder / "wide.v")
    assert vips("gaussblur", folder / "wide.v", folder / "soft.v", 2)
    assert vips("cast", folder / "soft.v", folder / "bytes.v", "uchar")
    assert vips("copy", folder / "bytes.v", source, "--interpretation", "srgb")
    files = {}
    for name, options in GOOD.items():
        made = vips("copy", source, f"{folder}/{name}{options}")
        assert made or name.endswith(MAY_BE_MISSING), f"vips cannot write {name}"
        if made:
            files[name] = (folder / name).read_bytes()
    assert vips("bandjoin", f"{folder}/bytes.v {folder}/noise.v", folder / "four.v")
    assert vips("cast", folder / "four.v", folder / "inks.v", "uchar")
    assert vips("copy", folder / "inks.v", f"{folder}/cmyk.jpg", "--interpretation", "cmyk")
    files["cmyk.jpg"] = (folder / "cmyk.jpg").read_bytes()
    return files


def truncated(good):
    for name, data in good.items():
        for cut in CUTS:
            yield f"cut-{int(cut * 100):02d}-{name}", data[:max(int(len(data) * cut), 1)], "any", CLEAR


def flipped(good, seed):
    """Some with a few wrong bits anywhere, some with many in the first bytes, where the headers are."""
    for name, data in good.items():
        luck = random.Random(f"{seed}/{name}")
        for i in range(FLIPS):
            copy = bytearray(data)
            reach = len(data) if i % 2 else min(len(data), 400)
            for _ in range(luck.choice((1, 3, 12))):
                copy[luck.randrange(reach)] ^= 1 << luck.randrange(8)
            yield f"flip-{i}-{name}", bytes(copy), "any", CLEAR


def renamed(good):
    names = list(good)
    for name, other in zip(names, names[3:] + names[:3]):
        yield f"is-{name.replace('.', '-')}.{other.rsplit('.', 1)[1]}", good[name], "ok", None


def whole(good):
    for name, data in good.items():
        yield f"good-{name}", data, "ok", None


def corpus(seed):
    """(class, name, bytes, expectation, words) of every file."""
    with tempfile.TemporaryDirectory() as scratch:
        good = good_files(pathlib.Path(scratch))
    classes = {
        "png": pngs(), "gif": gifs(), "jpeg": jpegs(good["baseline.jpg"], SLOW_SCANS), "tiff": tiffs(zeros(256 << 20)),
        "webp": webps(), "heif": heifs(good.get("av1.avif"), good.get("hevc.heic")),
        "stranger": strangers(good["plain.png"], good["baseline.jpg"]),
        "truncated": truncated(good), "flipped": flipped(good, seed), "extension": renamed(good), "good": whole(good),
    }
    for kind, files in classes.items():
        for name, data, expect, words in files:
            yield kind, name, data, expect, words


def make(folder, seed=1):
    """The table; each file is FOLDER/CLASS-NAME."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = []
    for kind, name, data, expect, words in corpus(seed):
        file = f"{kind}-{name}"
        assert not (folder / file).exists(), f"two files are called {file}"
        (folder / file).write_bytes(data)
        table.append({"file": file, "class": kind, "expect": expect, "words": words})
    (folder / "table.json").write_text(json.dumps(table, indent=1))
    return table


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    made = make(sys.argv[1], *sys.argv[2:])
    print(f"{len(made)} files in {sys.argv[1]}")
