"""fixtures.py - the photographs that the benchmarks work on.

Of 12 megapixels: the real photographs of Debian's mate-backgrounds (1.3 to 4.9 megapixels), enlarged to 4000 x 3000 with
noise of a sensor's kind laid over, and saved at quality 90: files of 3 to 5 MB, as a camera's are. They are kept in
build/bench/fixtures. refresh() makes each copy another picture than it was, and than the other copies of its original: a few
coefficients of low frequency weigh more or less (the quantization table in its head). So nothing of it, and nothing that is
made of it, is found in a store or a cache.
"""
import hashlib
import pathlib
import struct

import numpy
from PIL import Image

from pictures import NATURE, nature
from stand import FOLDER

SIDES = (4000, 3000)
NOISE = 6.0             # standard deviation, of 255
FIRST, WEIGHTS = 1, 8   # coefficients, in the table's order, without that of the mean
LEAST = 2


def enlarged(source, generator):
    """The middle of the photograph, of the wanted shape, with noise that is the same in all bands."""
    with Image.open(source) as picture:
        picture = picture.convert("RGB")
        width, height = picture.size
        wide, high = min(width, height * SIDES[0] // SIDES[1]), min(height, width * SIDES[1] // SIDES[0])
        box = ((width - wide) // 2, (height - high) // 2, (width + wide) // 2, (height + high) // 2)
        large = picture.resize(SIDES, Image.Resampling.LANCZOS, box=box)
    pixels = numpy.asarray(large, numpy.float32) + generator.normal(0, NOISE, (SIDES[1], SIDES[0], 1)).astype(numpy.float32)
    return Image.fromarray(numpy.clip(pixels, 0, 255).astype(numpy.uint8))


def twelve_megapixels(seed):
    """Paths of the large photographs, made when they are not there."""
    folder = FOLDER / "fixtures"
    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(seed)
    paths = []
    for source in sorted(NATURE.glob("*.jpg")):
        path = folder / f"{source.stem}.{seed}.jpg"
        if not path.exists():
            aside = path.with_suffix(".tmp")
            enlarged(source, generator).save(aside, "JPEG", quality=90)
            aside.rename(path)
        paths.append(path)
    assert paths, f"no photographs in {NATURE}: tests/setup.sh test installs them"
    return paths


def ordinary(folder):
    """The photographs as they are."""
    return [pathlib.Path(path) for path in nature(folder)]


def copies(originals, n, folder):
    """n files, the originals again and again."""
    files = []
    for i in range(n):
        path = folder / f"{i:05d}.jpg"
        path.write_bytes(originals[i % len(originals)].read_bytes())
        files.append(path)
    return files


def weights_at(file):
    """Where a JPEG has the weights of its brightness, a byte each."""
    at = 2
    while True:
        file.seek(at)
        marker, length = struct.unpack(">HH", file.read(4))
        if marker == 0xFFDB:
            assert file.read(1) == b"\0", "weights of a byte, of the first table"
            return at + 5
        assert marker & 0xFFF0 == 0xFFE0 or marker == 0xFFFE, f"a marker {marker:x} before the weights"
        at += 2 + length


def refresh(files, word):
    """Makes every file another picture; `word` has to be new."""
    for i, path in enumerate(files):
        number = int.from_bytes(hashlib.blake2s(f"{word} {i}".encode()).digest()[:2], "big")
        weights = bytes(LEAST + (number >> 2 * k & 3) for k in range(WEIGHTS))
        with open(path, "r+b") as file:
            file.seek(weights_at(file) + FIRST)
            file.write(weights)
