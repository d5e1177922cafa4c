"""`classify` with models of several types of number, through the whole fleet: ONNX Runtime in its own process."""
import sys

import numpy
import pytest

from pictures import png
from services import ROOT

sys.path.insert(0, str(ROOT / "tests" / "data"))

import models_classes  # noqa: E402 pylint: disable=wrong-import-position,import-error

COLOURS = {"red": (230, 40, 30), "green": (20, 200, 40), "blue": (10, 20, 250), "grey": (150, 150, 150)}
MODELS = ("colours", "colours-fp16", "colours-uint8")


def classify(model):
    return {"id": model, "tool": "classify", "needs": ["src"], "params": {"model": model, "top_k": 4}}


def shares_of(colour):
    e = numpy.exp(models_classes.logits([c / 255 for c in colour]))
    return e / e.sum()


def test_classify_is_the_same_in_floats_in_halves_and_from_bytes(with_models):
    with_models.start_dispatcher()
    with_models.start_worker()
    pictures = [png(with_models.pictures / f"{name}.png", 300, 200, colour) for name, colour in COLOURS.items()]
    job = with_models.submit([{"id": "src", "tool": "fetch"}, *map(classify, MODELS)], pictures)
    assert with_models.wait_end(job, 60) == "succeeded", with_models.explain(job)
    for item, (name, colour) in enumerate(COLOURS.items()):
        want = dict(zip(models_classes.LABELS, shares_of(colour)))
        for model in MODELS:
            found = with_models.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = %s AND item = %s", job, model, item)
            assert found["items"][0]["label"] == name
            assert [i["score"] for i in found["items"]] == sorted((i["score"] for i in found["items"]), reverse=True)
            near = 0.01 if model == "colours-fp16" else 1e-4
            assert {i["label"]: i["score"] for i in found["items"]} == pytest.approx(want, abs=near)
            assert (found["backend"], found["model"], found["width"], found["height"]) == ("onnx", model, 300, 200)
