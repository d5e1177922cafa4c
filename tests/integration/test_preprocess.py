"""The tensors that models are given, against what NumPy and Pillow make of the same pictures (preprocessing.py). A FAKE
Triton keeps what it is sent: the pictures go through the whole fleet. And clip_embed and caption on the small models, by ONNX
Runtime: embeddings against the model's arithmetic done with NumPy, captions against the colour of the picture.
"""
import array
import json
import shutil
import sys

import numpy
import pytest
from PIL import Image, ImageOps

import preprocessing
from fake_triton import FakeTriton, Model
from pictures import NATURE, nature, vips
from services import ROOT

sys.path.insert(0, str(ROOT / "tests" / "data"))
import models_clip  # noqa: E402 pylint: disable=wrong-import-position

BYTE = {"clip": [255 * s for s in preprocessing.CLIP_STD], "blip": [255 * s for s in preprocessing.CLIP_STD], "yolo": [255] * 3,
        "sparse": [255] * 3, "scrfd": [128] * 3, "segment": [255 * s for s in preprocessing.IMAGENET_STD]}
REFERENCE = {"clip": preprocessing.clip, "blip": preprocessing.blip, "yolo": preprocessing.yolo, "scrfd": preprocessing.scrfd,
             "segment": preprocessing.segment, "sparse": preprocessing.letterbox_sparse}
SIDE = {"clip": 224, "blip": 384, "yolo": 640, "scrfd": 640, "segment": 256, "sparse": 640}
INPUT = {"clip": "pixel_values", "blip": "pixel_values", "yolo": "images", "scrfd": "input.1", "segment": "input", "sparse": "images"}
STEPS = [{"id": "clip", "tool": "clip_embed", "params": {"model": "clip-tiny"}},
         {"id": "blip", "tool": "caption", "params": {"model": "blip"}},
         {"id": "yolo", "tool": "detect", "params": {"model": "yolov8"}},
         {"id": "sparse", "tool": "detect", "params": {"model": "sparse"}},
         {"id": "segment", "tool": "segment", "params": {"model": "seg-binary"}},
         {"id": "scrfd", "tool": "faces", "params": {"model": "buffalo_l"}}]


# ---- ten pictures, and two that are hard for other reasons ----

def photograph(n):
    return Image.open(sorted(NATURE.glob("*.jpg"))[n])


def turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(4).crop((100, 50, 2301, 1504)).save(path, quality=90, exif=exif)


def transparent(path):
    image = photograph(6).resize((1003, 627))
    image.putalpha(ImageOps.mirror(Image.linear_gradient("L").rotate(90)).resize(image.size))
    image.save(path)


def mosaic(path):
    """Six megapixels, progressive, of sides that no shrinking divides."""
    image = Image.new("RGB", (3003, 1999))
    for n in range(6):
        image.paste(photograph(n + 5).resize((1502, 939)), (n % 2 * 1501, n // 2 * 667))
    image.save(path, quality=90, progressive=True)


def make_pictures(folder):
    files = {f"photograph {n}": file for n, file in enumerate(nature(folder, 4))}
    for name, suffix, make in (
            ("turned", "jpg", turned), ("transparent", "png", transparent), ("mosaic", "jpg", mosaic),
            ("grey", "jpg", lambda path: photograph(5).convert("L").save(path, quality=90)),
            ("tiny", "png", lambda path: photograph(7).resize((37, 23)).save(path)),
            ("wide", "webp", lambda path: photograph(8).crop((0, 600, 1919, 689)).save(path, lossless=True)),
            ("palette", "png", lambda path: photograph(9).resize((801, 500)).quantize(200).save(path)),
            ("wide gamut", "jpg", lambda path: vips("icc_transform", NATURE / "Garden.jpg", path, "p3", "--input-profile", "srgb"))):
        files[name] = str(folder / f"{name.replace(' ', '-')}.{suffix}")
        make(folder / files[name])
    return files


# ---- the server that keeps what it is given ----

def keeper(kept, family, outputs):
    side = SIDE[family]

    def answer(given):
        kept[family] = numpy.array(given[INPUT[family]], numpy.float32).reshape(3, side, side)
        return [array.array("f", bytes(4 * int(numpy.prod(shape)))) if values is None else values for _, _, shape, values in outputs]

    return Model([(INPUT[family], "FP32", [1, 3, side, side])], [out[:3] for out in outputs], answer)


def keepers(kept):
    scores, boxes, points = (list(zip(names, (12800, 3200, 800))) for names in (("448", "471", "494"), ("451", "474", "497"),
                                                                               ("454", "477", "500")))
    faces = [(name, "FP32", [n, width], None) for width, of in ((1, scores), (4, boxes), (10, points)) for name, n in of]
    found = [("output0", "FP32", [1, 84, 8400], None)]
    end = array.array("f", bytes(4 * 30524))
    end[102] = 1
    return {
        "clip_image": keeper(kept, "clip", [("image_embeds", "FP32", [1, 512], array.array("f", [1] * 512))]),
        "blip_encoder": keeper(kept, "blip", [("last_hidden_state", "FP32", [1, 577, 768], None)]),
        "blip_decoder": Model([("input_ids", "INT64", [-1, -1]), ("encoder_hidden_states", "FP32", [-1, 577, 768])],
                              [("logits", "FP32", [1, 1, 30524])], lambda given: [end]),
        "yolov8": keeper(kept, "yolo", found), "sparse": keeper(kept, "sparse", found),
        "seg-binary": keeper(kept, "segment", [("output", "FP32", [1, 1, 256, 256], None)]),
        "det_10g": keeper(kept, "scrfd", faces),
        "w600k_r50": Model([("input.1", "FP32", [-1, 3, 112, 112])], [("683", "FP32", [-1, 512])], lambda given: [])}


@pytest.fixture(name="served")
def make_served(fleet, models_dir):
    """A fleet with the small models' cards, whose models a server has that keeps what it is given, and what it was."""
    kept = {}
    shutil.copytree(models_dir, fleet.folder / "models")
    (fleet.folder / "models" / "sparse").mkdir()
    (fleet.folder / "models" / "sparse" / "model.json").write_text(json.dumps({"kind": "yolo", "preprocess": {"antialias": False}}))
    with FakeTriton() as fake:
        fake.models.update(keepers(kept))
        fleet.settings["PIXELFLEET_TRITON_URL"] = fake.url
        fleet.settings["PIXELFLEET_MODELS_DIR"] = fleet.folder / "models"
        fleet.start_dispatcher()
        fleet.start_worker("image=1,infer=2,io=4")
        yield fleet, kept


def test_tensors_are_those_of_numpy_and_pillow(served):
    fleet, kept = served
    steps = [{"id": "src", "tool": "fetch"}]
    steps += [{**step, "needs": ["src"], "params": {**step["params"], "backend": "triton"}} for step in STEPS]
    means, greatest = {}, {}
    for name, file in make_pictures(fleet.pictures).items():
        kept.clear()
        job = fleet.submit(steps, [file])
        assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
        image = preprocessing.upright(file)
        for family, reference in REFERENCE.items():
            mean, most = preprocessing.difference(kept[family], reference(image), BYTE[family])
            means.setdefault(family, {})[name], greatest[family] = mean, max(most, greatest.get(family, 0))
    for family, of in means.items():
        worst = max(of, key=of.get)
        print(f"{family}: {len(of)} pictures, mean difference {sum(of.values()) / len(of):.3f} of 255, worst {of[worst]:.3f} ({worst}), "
              f"no value off by more than {greatest[family]:.0f}")
    for family, of in means.items():
        assert max(of.values()) < 0.75, (family, of)    # 1 is what is asked for


# ---- with ONNX Runtime ----

@pytest.fixture(name="ready")
def make_ready(with_models):
    with_models.start_dispatcher()
    with_models.start_worker("image=1,infer=2,io=4")
    return with_models


def run(fleet, step, files):
    job = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "out", "needs": ["src"], **step}], files)
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    rows = [row for row in fleet.job(job)["instances"] if row["step"] == "out"]
    return [row["data"] for row in sorted(rows, key=lambda row: row["item"])]


def clip_tiny(planes):
    """What the small model computes: its mean colour and a little of its 4 x 4 grid, projected."""
    mean, std = (numpy.array(v).reshape(3, 1, 1) for v in (preprocessing.CLIP_MEAN, preprocessing.CLIP_STD))
    rgb = planes.astype(numpy.float64) * std + mean
    grid = rgb.reshape(3, 4, 56, 4, 56).mean((2, 4))
    return rgb.mean((1, 2)) @ models_clip.TO_EMBEDDING + grid.reshape(48) @ models_clip.LAYOUT_TO_EMBEDDING


def test_embeddings_are_those_of_the_models_arithmetic(ready):
    files = list(make_pictures(ready.pictures).values())
    got = run(ready, {"tool": "clip_embed", "params": {"model": "clip-tiny"}}, files)
    least = 1
    for file, data in zip(files, got):
        assert (data["dim"], data["model"], data["backend"]) == (512, "clip-tiny", "onnx")
        assert len(data["embedding"]) == 512 and abs(numpy.linalg.norm(data["embedding"]) - 1) < 1e-6
        least = min(least, preprocessing.cosine(data["embedding"], clip_tiny(preprocessing.clip(preprocessing.upright(file)))))
    print(f"clip_embed: {len(files)} pictures, least cosine {least:.6f}")
    assert least > 0.9999       # 0.999 is what is asked for


def test_captions_say_what_the_picture_shows(ready):
    files = []
    for name, color in (("red", (220, 40, 30)), ("green", (20, 200, 60)), ("blue", (10, 80, 230))):
        files.append(str(ready.pictures / f"{name}.jpg"))
        Image.blend(photograph(2).resize((900, 600)), Image.new("RGB", (900, 600), color), 0.6).save(files[-1])
    for beams in (1, 4):
        got = run(ready, {"tool": "caption", "params": {"model": "blip", "beams": beams}}, files)
        assert [data["caption"] for data in got] == ["a picture of red", "a picture of green", "a picture of blue"]
        assert all((data["tokens"], data["model"], data["backend"]) == (4, "blip", "onnx") for data in got)
    short = run(ready, {"tool": "caption", "params": {"model": "blip", "max_length": 3}}, files[:1])
    assert short[0]["caption"] == "a picture"
