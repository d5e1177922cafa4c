"""Reading and taking out of text, measured: twenty pages, and lines over every photograph (make test-ocr).

  pages         rendered in English, Japanese and Chinese, some with noise, some turned by their EXIF tag: the share of
                characters that were read right; of each page without noise it has to be over 95 %
  photographs   lines are written over each, read, taken out and looked for again: after that under 5 % of the characters
                may be found in all, and what was filled has to be nearer to the clean photograph than what OpenCV's Telea makes
                of the same hole, in the mean and for all but one

Runs pixelfleet-runner by hand, one tool at a time. Usage: ocr.py RUNNER [FOLDER]: the pictures stay in FOLDER.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

import cv2  # noqa: E402
import numpy  # noqa: E402

import written  # noqa: E402 pylint: disable=wrong-import-position
from pictures import NATURE  # noqa: E402 pylint: disable=wrong-import-position

PHOTOGRAPHS = 12


def run(runner, tool, params, *paths):
    done = subprocess.run([runner, "--tool", tool, "--params", json.dumps(params), *map(str, paths)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f"{tool} {params} {paths}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def read_pages(runner, folder):
    """Failures."""
    failed, all_clean = [], []
    for n, (lines, lang, font, size, noise, orientation) in enumerate(written.PAGES):
        path = written.page(folder / f"page{n:02d}", lines, lang, font, size, noise, orientation)
        begin = time.monotonic()
        text = run(runner, "ocr", {"langs": [lang]}, path)["text"]
        accuracy = written.accuracy(text, lines, lang)
        print(f"page {n:2d}  {lang:8s} {font:10s} {size} px  noise {noise:2d}  orientation {orientation}  {accuracy:6.1%}"
              f"  {time.monotonic() - begin:.1f} s", flush=True)
        if not noise:
            all_clean.append(accuracy)
            if accuracy <= 0.95:
                failed.append(f"page {n}: {accuracy:.1%}: {text}")
    print(f"pages without noise: {len(all_clean)}, {numpy.mean(all_clean):.1%} in the mean, {min(all_clean):.1%} at least")
    return failed


def clean_photograph(runner, folder, photograph):
    """(read before, read after, characters after, ours in dB, Telea in dB)"""
    clean, path, out = folder / f"{photograph.stem}.clean.png", folder / f"{photograph.stem}.png", folder / photograph.stem
    out.mkdir(exist_ok=True)
    want = written.over_photograph(photograph, clean, path)
    before = run(runner, "ocr", {}, path)
    lines = [{"points": [v for corner in item["points"] for v in corner]} for item in before["items"]]
    run(runner, "inpaint", {"regions": lines, "mask_from": "text", "save_mask": True, "format": "png"}, path, out)
    after = run(runner, "ocr", {"psm": "photo"}, out / "image.png")
    was, now, mask = written.pixels(path), written.pixels(out / "image.png"), written.pixels(out / "mask.png") > 0
    if (now[~mask] != was[~mask]).any():
        sys.exit(f"{photograph.name}: a pixel outside of the hole has changed")
    telea = cv2.inpaint(was, mask.astype(numpy.uint8), 5, cv2.INPAINT_TELEA)
    first = written.pixels(clean)
    return (written.found(before["text"], want), written.found(after["text"], want), len(after["text"].replace("\n", "")) / len(want),
            written.psnr(now, first, mask), written.psnr(telea, first, mask))


def clean_photographs(runner, folder):
    rows = []
    for photograph in sorted(NATURE.glob("*.jpg"))[:PHOTOGRAPHS]:
        row = clean_photograph(runner, folder, photograph)
        rows.append(row)
        print(f"{photograph.name:16s} read {row[0]:6.1%} before, {row[1]:6.1%} after ({row[2]:6.1%} of anything);  {row[3]:.2f} dB, "
              f"OpenCV's Telea {row[4]:.2f} dB", flush=True)
    mean = numpy.mean(rows, axis=0)
    print(f"{'in the mean':16s} read {mean[0]:6.1%} before, {mean[1]:6.1%} after ({mean[2]:6.1%} of anything);  {mean[3]:.2f} dB, "
          f"OpenCV's Telea {mean[4]:.2f} dB")
    failed = []
    if mean[0] < 0.7:
        failed.append(f"only {mean[0]:.1%} of the characters over photographs were read")
    if mean[1] >= 0.05:
        failed.append(f"{mean[1]:.1%} of the characters are still read")
    if mean[3] < mean[4] or sum(row[3] < row[4] for row in rows) > 1:
        failed.append("the fill is worse than Telea's")
    return failed


def main():
    runner = sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else scratch)
        folder.mkdir(exist_ok=True)
        failed = read_pages(runner, folder) + clean_photographs(runner, folder)
    for why in failed:
        print("FAILED", why)
    sys.exit(1 if failed else 0)


main()
