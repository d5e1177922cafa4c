"""What the runner asks for before it decodes, against what it then takes: never less, and not much more.

What a process took is its peak over that of one which only reads the header; 12 megapixels each.
The bound is of the whole process: idle + asked is no less than its peak and at most three times it.
"""
import os
import re
import struct
import subprocess

import pytest

from fleet import SLOWNESS
from pictures import vips
from services import built

MIB = 1 << 20

pytestmark = pytest.mark.skipif(SLOWNESS > 1, reason="a sanitizer's memory is not the decoder's")


def turned(path, to):
    """A JPEG with the EXIF orientation 6."""
    data = path.read_bytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, 6, 0, 0)
    app = b"Exif\0\0" + tiff
    to.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(app) + 2) + app + data[2:])


@pytest.fixture(scope="module", name="gallery")
def make_gallery(tmp_path_factory):
    """One picture in many formats; the noise keeps encoders honest."""
    folder = tmp_path_factory.mktemp("gallery")
    noise, wide, alpha = folder / "noise.v", folder / "wide.v", folder / "alpha.v"
    vips("perlin", folder / "p.v", 4000, 3000, "--uchar", "--cell-size", 64)
    vips("bandjoin", f"{folder / 'p.v'} {folder / 'p.v'} {folder / 'p.v'}", folder / "b.v")
    vips("copy", folder / "b.v", noise, "--interpretation", "srgb")
    vips("colourspace", noise, wide, "rgb16")
    vips("bandjoin_const", noise, alpha, 200)
    for name, source in (("base.jpg[Q=85,strip]", noise), ("progressive.jpg[Q=90,interlace,strip]", noise),
                         ("plain.png[compression=1]", noise), ("passes.png[compression=1,interlace]", noise),
                         ("alpha.png[compression=1]", alpha), ("wide.tif", wide), ("lossy.webp[effort=0]", noise),
                         ("exact.webp[lossless,effort=0]", noise)):
        vips("copy", source, folder / name)
    vips("gifsave", noise, folder / "one.gif", "--effort", 1)
    turned(folder / "base.jpg", folder / "turned.jpg")
    return folder


def run(folder, tool, params, picture):
    """(bytes it asked for or None, its peak in bytes)."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    env = {**os.environ, "PIXELFLEET_LOG_LEVEL": "debug", "MALLOC_ARENA_MAX": "1", "OMP_THREAD_LIMIT": "1"}
    with subprocess.Popen([built("pixelfleet-runner"), "--tool", tool, "--params", params, str(folder / picture), str(out)],
                          env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as runner:
        said = runner.stderr.read()
        _, status, usage = os.wait4(runner.pid, 0)
        runner.returncode = status
    assert status == 0, said
    found = re.search(r"ev=runner\.memory bytes=(\d+)", said)
    return int(found[1]) if found else None, usage.ru_maxrss * 1024


SMALL = '{"width":250}'
FILES = ["base.jpg", "progressive.jpg", "turned.jpg", "plain.png", "passes.png", "alpha.png", "wide.tif", "lossy.webp",
         "exact.webp", "one.gif"]
CASES = [(tool, params, name) for name in FILES for tool, params in (
    ("rotate", '{"angle":90,"format":"jpeg"}'), ("convert", '{"format":"jpeg"}'), ("phash", "{}"))] + [
    ("thumbnail", SMALL, "progressive.jpg"), ("thumbnail", SMALL, "alpha.png"), ("stats", "{}", "lossy.webp"),
    ("stats", "{}", "wide.tif"), ("resize", '{"width":2000}', "base.jpg"), ("resize", '{"width":2000,"format":"jpeg"}', "one.gif"),
    ("thumbnail", '{"sizes":[{"width":250},{"width":1600}]}', "base.jpg"), ("rotate", '{"angle":45,"format":"jpeg"}', "base.jpg"),
    ("resize", '{"width":2000,"kernel":"nearest","format":"jpeg"}', "plain.png"), ("resize", '{"width":6000,"enlarge":true,"format":"jpeg"}', "turned.jpg"),
    ("enhance", '{"effect":"blur","format":"jpeg"}', "alpha.png"), ("enhance", '{"effect":"edge","format":"jpeg"}', "wide.tif"),
    ("draw", '{"boxes":[],"format":"jpeg"}', "base.jpg"), ("convert", '{"format":"jpeg"}', "plain.png"),
    ("convert", '{"format":"jpeg","quality":95}', "plain.png"), ("convert", '{"format":"webp"}', "plain.png"),
    ("convert", '{"format":"webp"}', "alpha.png"), ("smartcrop", '{"width":500,"height":300}', "plain.png")]


def test_the_estimate_covers_what_is_taken_and_is_not_far_from_it(gallery):
    rows, wrong = [], []
    idle = {name: run(gallery, "metadata", "{}", name) for name in FILES}
    assert all(asked is None for asked, _ in idle.values()), "a header takes no memory worth asking for"
    for tool, params, name in CASES:
        asked, peak = run(gallery, tool, params, name)
        grown = peak - idle[name][1]
        rows.append(f"{tool:10} {params:44.44} {name:16} asked {asked / MIB:6.1f} MiB, took {grown / MIB:6.1f}")
        if not grown <= asked or not idle[name][1] + asked <= 3 * peak:
            wrong.append(rows[-1])
    print("\n".join(rows))
    assert not wrong, "\n".join(wrong)
