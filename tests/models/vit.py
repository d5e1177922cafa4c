"""vit.py - a network of CLIP ViT-B/32's size (random weights, exported by PyTorch): equal to onnxruntime-node, and as fast as
ONNX Runtime alone.

Equal: photographs are embedded by the whole fleet; the same tensors, as NumPy and Pillow make them, by onnxruntime-node.
Those of 224 x 224 pixels need no resampling, so there the tensors are the same and only the networks are compared.
Fast: the same small photographs through the fleet, and a bare loop of ONNX Runtime with as many callers, taking turns.

    ROUNDS=3 RUNS=120    how often, and how many pictures a round
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import numpy
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import preprocessing  # noqa: E402 pylint: disable=wrong-import-position
from fleet import Fleet  # noqa: E402 pylint: disable=wrong-import-position
from pictures import nature  # noqa: E402 pylint: disable=wrong-import-position
from services import Services, built  # noqa: E402 pylint: disable=wrong-import-position

WORK = ROOT / "build" / "models"
MODEL = WORK / "vit-b32"
LIBRARY = ROOT / "build" / "onnxruntime" / "lib" / "libonnxruntime.so.1"
ROUNDS, RUNS = int(os.environ.get("ROUNDS", 3)), int(os.environ.get("RUNS", 200))
CORES = len(os.sched_getaffinity(0))
SAME_TENSOR, SAME_PICTURE, SPEED = 0.9999, 0.999, 0.95
missed = []


def line(what, value, wanted=None):
    print(f"{what:<66} {value}{'' if wanted is None else f'   (wanted: {wanted})'}", flush=True)


def judge(what, value, least):
    line(what, f"{value:.6f}" if value <= 1 else f"{value:.2f}", f"at least {least}")
    if value < least:
        missed.append(what)


def export():
    if not (MODEL / "vision_model.onnx").exists():
        subprocess.run(["/usr/bin/python3", "-B", str(HERE / "export_vit.py"), str(MODEL)], check=True)


def by_node(tensor, folder):
    tensor.astype("<f4").tofile(folder / "in.f32")
    subprocess.run(["node", str(HERE / "reference.mjs"), str(MODEL / "vision_model.onnx"), "pixel_values", "image_embeds",
                    str(folder / "in.f32"), str(folder / "out.f32"), *map(str, tensor.shape)], check=True, cwd=WORK / "node")
    return numpy.fromfile(folder / "out.f32", "<f4").reshape(len(tensor), -1)


def pipeline():
    return {"steps": [{"id": "src", "tool": "fetch"}, {"id": "embed", "tool": "clip_embed", "needs": ["src"], "params": {"model": "vit-b32"}}]}


def embed(fleet, files):
    job = fleet.submit(pipeline(), files)
    assert fleet.wait_end(job, 300) == "succeeded", fleet.explain(job)
    return numpy.array(fleet.sql("SELECT data->'embedding' FROM pixelfleet.step_view WHERE job = %s AND step = 'embed' ORDER BY item", job))


def cosines(a, b):
    return (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)


def compare(fleet, files, what, least):
    tensor = numpy.stack([preprocessing.clip(preprocessing.upright(file)) for file in files])
    judge(f"least cosine with onnxruntime-node, {what}", min(cosines(embed(fleet, files), by_node(tensor, fleet.folder))), least)


def squares(fleet, files):
    """Of the size that the network takes: nothing is resampled."""
    out = []
    for k, file in enumerate(files):
        path = fleet.pictures / f"square{k}.png"
        Image.open(file).convert("RGB").resize((224, 224)).save(path)
        out.append(str(path))
    return out


def plain(runs):
    done = subprocess.run([built("plain_infer"), str(LIBRARY), str(MODEL / "vision_model.onnx"), str(CORES), str(runs), "1", "3", "224", "224"],
                          check=True, capture_output=True, text=True)
    return runs / float(done.stdout)


def ours(fleet, files):
    """Embeddings a second once all files are fetched, which takes the first seconds of a job and is not of the model."""
    job = fleet.submit(pipeline(), files)
    while fleet.state(job) == "running":
        time.sleep(1)                   # asking costs what is measured
    assert fleet.state(job) == "succeeded", fleet.explain(job)
    times = fleet.sql("SELECT extract(epoch FROM e.changed_at)::float8 FROM pixelfleet.step_view e WHERE job = %s AND step = 'embed' AND "
                      "e.changed_at > (SELECT max(changed_at) FROM pixelfleet.step_view WHERE job = %s AND step = 'src') ORDER BY 1", job, job)
    assert len(times) > len(files) / 2, f"{len(files) - len(times)} of {len(files)} were done while files were fetched"
    return (len(times) - 1) / (times[-1] - times[0])


def race(fleet, file, what):
    ratios, speeds = [], []
    for k in range(ROUNDS):
        files = []
        for i in range(RUNS):           # each is another file: nothing is taken from anywhere but the model
            path = fleet.pictures / f"{what}{k}-{i}.jpg"
            Image.open(file).save(path, quality=85, comment=f"{k}.{i}".encode())
            files.append(str(path))
        alone = plain(RUNS)
        fleets = ours(fleet, files)
        again = plain(RUNS)
        speeds.append(fleets)
        ratios.append(fleets / ((alone + again) / 2))
        line(f"pictures/s {what}, round {k + 1}: fleet, and bare before and after", f"{fleets:.2f}  {alone:.2f} {again:.2f}")
    line(f"pictures/s {what}, median", f"{statistics.median(speeds):.2f}")
    judge(f"share of the bare loop's speed {what}, median of {ROUNDS}", statistics.median(ratios), SPEED)


def memory_and_load():
    done = subprocess.run([built("pixelfleet-infer"), "--check", str(MODEL / "vision_model.onnx")], check=True, capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"]})
    told = json.loads(done.stdout)
    line("ViT-B/32: load ms, memory MiB, peak MiB", f"{told['load_ms']} {told['memory_mb']} {told['peak_mb']}")


def measure(fleet):
    fleet.settings["PIXELFLEET_MODELS_DIR"] = WORK
    fleet.start_dispatcher()
    fleet.start_worker(f"image=1,infer={3 * CORES},io=4", env={"PIXELFLEET_INFER_CALLERS": CORES, **json.loads(os.environ.get("WORKER", "{}"))})
    photographs = nature(fleet.pictures)[:10]
    compare(fleet, squares(fleet, photographs), "the same tensors", SAME_TENSOR)
    compare(fleet, photographs, "photographs", SAME_PICTURE)
    small = fleet.pictures / "small.jpg"
    Image.open(photographs[0]).convert("RGB").resize((320, 240)).save(small, quality=85)
    time.sleep(1)
    race(fleet, small, "of 320x240")


def main():
    export()
    memory_and_load()
    folder = ROOT / "build" / "bench-vit"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Services() as services:
        fleet = Fleet(services, "pixelfleet", folder, folder / "logs")
        try:
            measure(fleet)
            fleet.close()
        finally:
            fleet.kill()
    if missed:
        sys.exit(f"not met: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
