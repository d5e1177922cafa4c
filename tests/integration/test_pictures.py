"""Thirty real photographs through every kind of picture tool; each output is compared with what the
vips command line makes of the same file: the same pixels when nothing is lost, else over 40 dB."""
import math
import statistics
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from pictures import header, nature, vips

SIZES = (400, 200, 100)
JPEG = "[Q=85,optimize_coding,strip,background=255]"
STEPS = [
    {"id": "src", "tool": "fetch"},
    {"id": "big", "tool": "resize", "needs": ["src"], "params": {"width": 320, "height": 240, "format": "png"}},
    {"id": "thumbs", "tool": "thumbnail", "needs": ["src"],
     "params": {"sizes": [{"width": w} for w in SIZES], "format": "jpeg", "quality": 85}},
    {"id": "crop", "tool": "smartcrop", "needs": ["src"], "params": {"width": 160, "height": 120, "format": "png"}},
    {"id": "stats", "tool": "stats", "needs": ["src"]},
    {"id": "hash", "tool": "phash", "needs": ["src"]},
    {"id": "all", "tool": "aggregate", "needs": ["big", "thumbs", "crop", "stats", "hash"], "params": {"include_results": True}}]


def with_orientation(path, orientation):
    """An EXIF block that says how the camera was held, put behind the file's first marker."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    raw = path.read_bytes()
    path.write_bytes(raw[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + raw[2:])


def thirty(folder, scratch):
    """Every kind of file that people have."""
    files = [folder / name.rsplit("/", 1)[1] for name in nature(folder)][:12]
    plain = []
    for n, file in enumerate(files[:6]):
        plain.append(scratch / f"plain{n}.v")
        vips("thumbnail", file, plain[-1], 900)

    def made(name, *words):
        vips(*(str(folder / name) + word if word.startswith("[") or word == "" else word for word in map(str, words)))
        files.append(folder / name)

    for n in range(3):
        vips("extract_band", plain[n], scratch / f"alpha{n}.v", 1)
        made(f"alpha{n}.png", "bandjoin", f"{plain[n]} {scratch}/alpha{n}.v", "")
        made(f"web{n}.webp", "copy", plain[n + 3], "[Q=90]")
    for n, orientation in enumerate((3, 6, 8)):
        made(f"turned{n}.jpg", "copy", plain[n], "[strip,Q=92]")
        with_orientation(files[-1], orientation)
    for n, profile in enumerate(("cmyk", "p3")):
        made(f"{profile}.jpg", "icc_export", plain[n], "[Q=92]", "--output-profile", profile, "--depth", "8")
        made(f"deep{n}.png", "colourspace", plain[n + 2], "[strip]", "rgb16")
        made(f"grey{n}.jpg", "colourspace", plain[n + 4], "[strip]", "b-w")
    vips("replicate", plain[0], scratch / "frames.v", 1, 3)
    height = header(plain[0], "height")
    made("moving.gif", "gifsave", scratch / "frames.v", "", "--page-height", height)
    made("moving.webp", "webpsave", scratch / "frames.v", "", "--page-height", height)
    made("scan.tif", "copy", plain[1], "[compression=lzw]")
    assert len(files) == 30
    return files


def about(path):
    """What the expected commands depend on."""
    words = subprocess.run(["vipsheader", "-a", str(path)], check=True, capture_output=True, text=True).stdout
    fields = dict(line.split(": ", 1) for line in words.splitlines()[1:] if ": " in line)
    width, height = int(fields["width"]), int(fields["height"])
    turned = int(fields.get("orientation", 1)) >= 5
    return {"profile": ["--export-profile", "srgb"] if "icc-profile-data" in fields else [],
            "wide": fields["format"] == "ushort", "size": (height, width) if turned else (width, height)}


def halved(path):
    """Each pixel the mean of four, rounded to the nearest, half up; a last column or line without a neighbour is left out."""
    mask, out = path.with_suffix(".mat"), path.with_name(f"{path.stem}-half.v")
    if out.exists():
        return out
    mask.write_text("2 2 4 0\n1 1\n1 1\n", encoding="ascii")
    vips("conv", path, f"{path}1.v", mask, "--precision", "float")
    vips("linear", f"{path}1.v", f"{path}2.v", "1", "0.5")
    vips("cast", f"{path}2.v", f"{path}1.v", "uchar")
    vips("wrap", f"{path}1.v", f"{path}2.v", "--x=-1", "--y=-1")        # a mask of 2 x 2 lies to the left and above
    vips("subsample", f"{path}2.v", out, 2, 2)
    return out


def of_jpeg(shrink):
    return 8 if shrink >= 16 else 4 if shrink >= 8 else 2 if shrink >= 4 else 1


def decoded(path, facts, scratch, box):
    """One decode for all steps: shrunk by the decoder as far as the largest box allows. For a smaller box the pixels of a JPEG
    are halved as often as its decoder would have done it for that one alone."""
    def shrink(width, height, cover):
        by = facts["size"][0] / width, facts["size"][1] / height
        return max(1.0, min(by) if cover else max(by))

    boxes = [(320, 240, False), (160, 120, True), (32, 32, True), *((width, width, False) for width in SIZES)]
    if facts["wide"]:
        boxes = boxes[1:]
    least = min(shrink(*other) for other in boxes)
    out = scratch / f"{path.name.replace('.', '-')}.v"
    if out.exists():
        pass
    elif path.suffix == ".jpg":
        vips("jpegload", path, out, "--shrink", of_jpeg(least))
    elif path.suffix == ".webp":
        vips("webpload", path, out, "--scale", f"{1 / least:.17g}")
    else:
        vips("copy", path, out)
    if path.suffix == ".jpg":
        for _ in range((of_jpeg(shrink(*box)) // of_jpeg(least)).bit_length() - 1):
            out = halved(out)
    return out


def expected_thumbs(path, facts, scratch):
    for width in SIZES:
        out = scratch / f"{path.name}-{width}.jpg"
        vips("thumbnail_image", decoded(path, facts, scratch, (width, width, False)), f"{out}{JPEG}", width, "--height", width,
             *facts["profile"])
        yield f"{width}x{width}", out


def expected_big(path, facts, scratch):
    out = scratch / f"{path.name}-big.png"
    if facts["wide"]:
        width, height = facts["size"]
        vips("resize", path, out, f"{min(320 / width, 240 / height):.17g}")
    else:
        vips("thumbnail_image", decoded(path, facts, scratch, (320, 240, False)), out, 320, "--height", 240, *facts["profile"])
    return out


def expected_crop(path, facts, scratch):
    out = scratch / f"{path.name}-crop.png"
    vips("thumbnail_image", decoded(path, facts, scratch, (160, 120, True)), out, 160, "--height", 120, "--crop", "attention",
         *facts["profile"])
    return out


def pixels(path, scratch, name):
    raw = scratch / f"{name}.raw"
    vips("rawsave", path, raw)
    return raw.read_bytes()


def psnr(a, b):
    error = sum((x - y) ** 2 for x, y in zip(a, b)) / len(a)
    return math.inf if error == 0 else 10 * math.log10(255 * 255 / error)


def expected_hash(path, facts, scratch):
    """imagehash's phash of the 32 x 32 grey picture."""
    small, grey = scratch / f"{path.name}-32.v", scratch / f"{path.name}-grey.v"
    vips("thumbnail_image", decoded(path, facts, scratch, (32, 32, True)), small, 32, "--height", 32, "--size", "force", *facts["profile"])
    if header(small, "bands") in ("2", "4"):
        vips("flatten", small, f"{small}2.v", "--background", "255")
        small = f"{small}2.v"
    vips("colourspace", small, grey, "b-w")
    values = pixels(grey, scratch, f"{path.name}-grey")

    def dct(line):
        return [2 * sum(v * math.cos(math.pi * k * (2 * n + 1) / 64) for n, v in enumerate(line)) for k in range(8)]

    rows = [dct(values[y * 32:y * 32 + 32]) for y in range(32)]
    columns = [dct([row[x] for row in rows]) for x in range(8)]
    low = [columns[x][y] for y in range(8) for x in range(8)]
    median = statistics.median(low)
    return int("".join("1" if value > median else "0" for value in low), 2)


def expected_stats(path, scratch):
    matrix = scratch / f"{path.name}-stats.mat"
    vips("stats", path, matrix)
    rows = [[float(word) for word in line.split()] for line in matrix.read_text().splitlines()[2:]]
    return {"min": [r[0] for r in rows], "max": [r[1] for r in rows], "mean": [r[4] for r in rows],
            "deviation": [r[5] for r in rows]}


def compare(path, got, scratch):
    """What is wrong with the outputs of one picture, as a list of sentences."""
    wrong, facts = [], about(path)
    for step, expected in (("big", expected_big), ("crop", expected_crop)):
        ours = pixels(got[step]["picture"], scratch, f"{path.name}-{step}-ours")
        theirs = pixels(expected(path, facts, scratch), scratch, f"{path.name}-{step}-theirs")
        if ours != theirs:
            wrong.append(f"{path.name}: {step} has other pixels" + (f", {psnr(ours, theirs):.1f} dB" if len(ours) == len(theirs)
                                                                     else f", {len(ours)} bytes for {len(theirs)}"))
    for name, theirs in expected_thumbs(path, facts, scratch):
        a, b = pixels(got["thumbs"][name], scratch, f"{path.name}-a"), pixels(theirs, scratch, f"{path.name}-b")
        if len(a) != len(b) or psnr(a, b) < 40:
            wrong.append(f"{path.name}: thumbnail {name}: " + (f"{psnr(a, b):.1f} dB" if len(a) == len(b)
                                                               else f"{len(a)} bytes for {len(b)}"))
    for field, values in expected_stats(path, scratch).items():
        if got["stats"][field] != pytest.approx(values, rel=1e-4, abs=1e-4):
            wrong.append(f"{path.name}: {field} is {got['stats'][field]}, vips says {values}")
    distance = bin(int(got["hash"]["phash"], 16) ^ expected_hash(path, facts, scratch)).count("1")
    if distance > 1:
        wrong.append(f"{path.name}: phash differs in {distance} bits")
    return wrong


def test_thirty_real_photographs_come_out_as_vips_makes_them(running):
    scratch = running.folder / "scratch"
    scratch.mkdir()
    files = thirty(running.pictures, scratch)
    job = running.submit(STEPS, map(str, files))
    assert running.wait_end(job, 120) == "succeeded", running.explain(job)
    got = [{} for _ in files]
    for item, step, artifacts, data in running.sql(
            "SELECT item, step, artifacts, data FROM pixelfleet.step_view WHERE job = %s AND step <> 'all'", job):
        if data is not None:
            got[item][step] = data
        else:
            got[item][step] = {a["name"]: running.folder / "data" / "artifacts" / a["digest"][:2] / a["digest"][2:]
                               for a in artifacts}
    with ThreadPoolExecutor() as pool:
        wrong = [text for texts in pool.map(lambda i: compare(files[i], got[i], scratch), range(len(files))) for text in texts]
    assert not wrong, "\n".join(wrong)


def test_what_is_stripped_is_stripped_and_kept_when_asked(running):
    path = running.pictures / "photo.jpg"
    vips("thumbnail", nature(running.folder, 1)[0], f"{path}[strip]", 300)
    with_orientation(path, 6)
    job = running.submit([
        {"id": "src", "tool": "fetch"},
        {"id": "bare", "tool": "convert", "needs": ["src"], "params": {"format": "jpeg"}},
        {"id": "kept", "tool": "convert", "needs": ["src"], "params": {"format": "jpeg", "keep_metadata": True}}], [str(path)])
    assert running.wait_end(job) == "succeeded", running.explain(job)
    for step, has in (("bare", False), ("kept", True)):
        a = running.one("SELECT artifacts -> 0 FROM pixelfleet.step_view WHERE job = %s AND step = %s", job, step)
        words = subprocess.run(["vipsheader", "-a", str(running.folder / "data" / "artifacts" / a["digest"][:2] / a["digest"][2:])],
                               check=True, capture_output=True, text=True).stdout
        assert ("exif-data" in words) is has, words
        assert (a["width"], a["height"]) == (int(header(path, "height")), int(header(path, "width"))), "upright"


def test_a_picture_over_the_pixel_budget_is_refused_before_it_is_decoded(fleet, photographs):
    fleet.settings["MAX_IMAGE_SIZE"] = 10000
    fleet.start_dispatcher()
    fleet.start_worker()
    job = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "thumb", "tool": "thumbnail", "needs": ["src"]}], photographs[:1])
    assert fleet.wait_end(job) == "failed"
    assert "10000" in fleet.one("SELECT message FROM pixelfleet.attempt WHERE job = %s", job)
