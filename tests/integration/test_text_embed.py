"""text_embed on the small CLIP, through the whole fleet: the embedding is what NumPy makes of the same text."""
import json
import shutil
import sys

import numpy as np
import pytest

from fake_triton import FakeTriton, Model
from pictures import png
from services import ROOT

sys.path[:0] = [str(ROOT / "tests" / "data"), str(ROOT / "tests" / "tokens")]

# pylint: disable=wrong-import-position
import models_clip  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from onnx_graph import FLOAT, Graph, floats, integers  # noqa: E402
from reference import Clip, WordPiece  # noqa: E402

TEXTS = ["red", "a photo of the blue picture", "Yellow & WHITE", "a red cat's photo, and the green dog's", "夕日と猫 🐱", "red " * 200]


@pytest.fixture(name="ready")
def make_ready(with_models):
    with_models.start_dispatcher()
    with_models.start_worker("image=1,infer=2,io=2")
    return with_models


def step(text=None, **more):
    params = {"model": "clip-tiny", **({"text": text} if text is not None else {}), **more}
    return {"id": "words", "tool": "text_embed", "params": params}


def data_of(fleet, job, name="words"):
    rows = fleet.http("GET", f"/api/v1/jobs/{job}").body["instances"]
    return next(row for row in rows if row["step"] == name)["data"]


def message_of(fleet, job):
    return fleet.one("SELECT message FROM pixelfleet.attempt WHERE job = %s ORDER BY attempt DESC LIMIT 1", job)


def expected(models_dir, text):
    """The embedding of the text model's arithmetic, and how many pieces the text has."""
    ids = Clip(models_dir / "clip-tiny").encode(text)
    if len(ids) > models_clip.LENGTH:
        ids = ids[:models_clip.LENGTH - 1] + [models_clip.END]
    padded = ids + [models_clip.END] * (models_clip.LENGTH - len(ids))
    color = models_clip.token_colors()[padded].astype(np.float32).sum(axis=0) * np.float32(0.01)
    vector = (color @ models_clip.TO_EMBEDDING).astype(np.float64)
    return vector / np.linalg.norm(vector), len(ids)


def test_texts_have_the_embeddings_that_numpy_computes_without_any_picture(ready, models_dir):
    jobs = [ready.submit([step(text)]) for text in TEXTS]
    cosines = []
    for text, job in zip(TEXTS, jobs):
        assert ready.wait_end(job) == "succeeded", ready.explain(job)
        assert ready.counts(job)["total"] == 1, "no picture is fetched for it"
        data, (vector, tokens) = data_of(ready, job), expected(models_dir, text)
        ours = np.array(data["embedding"])
        cosines.append(float(ours @ vector))
        assert abs(np.linalg.norm(ours) - 1) < 1e-6
        assert (data["dim"], data["tokens"], data["model"], data["backend"]) == (models_clip.DIM, tokens, "clip-tiny", "onnx")
        assert data.get("cut", False) == (text == TEXTS[-1])
    print(f"least cosine with NumPy of {len(TEXTS)} texts: {min(cosines):.9f}")
    assert min(cosines) > 0.999


def test_what_a_need_gave_as_text_is_embedded(ready, models_dir):
    words = {"id": "said", "tool": "text_embed", "params": {"model": "clip-tiny", "text": "red"}}
    job = ready.submit([words, {**step(), "needs": ["said"]}])
    assert ready.wait_end(job) == "failed"
    assert "neither the parameter \"text\", nor a need that gave" in message_of(ready, job)
    green = ready.pictures / "green.png"
    png(green, 32, 32, (0, 255, 0))
    caption = {"id": "said", "tool": "caption", "needs": ["src"], "params": {"model": "blip"}}
    job = ready.submit([{"id": "src", "tool": "fetch"}, caption, {**step(), "needs": ["said"]}], [str(green)])
    assert ready.wait_end(job) == "succeeded", ready.explain(job)
    assert data_of(ready, job, "said")["caption"] == "a picture of green"
    vector, _ = expected(models_dir, "a picture of green")
    assert float(np.array(data_of(ready, job)["embedding"]) @ vector) > 0.999


def test_a_model_without_its_tokenizer_is_rejected_with_the_path(ready, models_dir, tmp_path):
    folder = models_dir / f"bare-{tmp_path.name}"
    shutil.copytree(models_dir / "clip-tiny", folder, ignore=shutil.ignore_patterns("merges.txt"))
    try:
        job = ready.submit([step("red", model=folder.name)])
        assert ready.wait_end(job) == "failed"
        assert f"{folder}/merges.txt" in message_of(ready, job)
        assert ready.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == 1, "it is not tried again"
    finally:
        shutil.rmtree(folder)


def chinese_clip(folder):
    """A text part as Chinese-CLIP's: 52 pieces of 32 bits, with a mask. The embedding is the sum of the table's rows that the
    mask leaves."""
    table = np.random.RandomState(3).randn(40, 16).astype(np.float32)
    g = Graph("chinese_clip_text")
    rows = g.op("Gather", g.const(table), "input_ids")
    mask = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=FLOAT), g.ints([2]))
    g.op("ReduceSum", g.op("Mul", rows, mask), g.ints([1]), keepdims=0, out="text_embeds")
    g.save(folder / "text_model.onnx", [helper.make_tensor_value_info("input_ids", TensorProto.INT32, ["N", 52]),
            integers("attention_mask", ["N", 52])],
           [floats("text_embeds", ["N", 16])])
    pieces = [*WordPiece.SPECIAL, *"一只红色的猫狗在海边", "a", "red", "##s", "cat", "!"]
    (folder / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
    (folder / "model.json").write_text(json.dumps({"kind": "clip", "dim": 16}))
    return table


def test_a_chinese_clip_is_a_name_with_a_vocabulary_of_word_pieces(fleet, tmp_path):
    name = "OFA-Sys/chinese-clip-tiny"
    folder = tmp_path / "models" / name
    table = chinese_clip(folder)
    fleet.settings["PIXELFLEET_MODELS_DIR"] = tmp_path / "models"
    fleet.start_dispatcher()
    fleet.start_worker("image=1,infer=2,io=2")
    texts = ["红色的猫", "一只猫在海边!", "a RED cat 狗？", "猫" * 60]
    jobs = [fleet.submit([step(text, model=name)]) for text in texts]
    for text, job in zip(texts, jobs):
        assert fleet.wait_end(job) == "succeeded", fleet.explain(job)
        ids = WordPiece(folder).encode(text)
        ids = ids if len(ids) <= 52 else [*ids[:51], 3]
        vector, data = table[ids].sum(axis=0).astype(np.float64), data_of(fleet, job)
        assert data["tokens"] == len(ids)
        assert float(np.array(data["embedding"]) @ vector / np.linalg.norm(vector)) > 0.999


def test_a_server_gives_the_same_embedding(ready):
    """The FAKE Triton computes the text model with NumPy; the tokenizer is the one in the model's directory here."""
    def text_model(given):
        colors = models_clip.token_colors()[np.array(given["input_ids"])].astype(np.float32).sum(axis=0)
        return [colors * np.float32(0.01) @ models_clip.TO_EMBEDDING]

    with FakeTriton() as fake:
        fake.models["clip_text"] = Model([("input_ids", "INT64", [-1, models_clip.LENGTH])],
                                         [("text_embeds", "FP32", [1, models_clip.DIM])], text_model)
        ready.settings["PIXELFLEET_TRITON_URL"] = fake.url
        ready.programs[-1].stop()
        ready.start_worker("image=1,infer=1,io=2")
        job = ready.submit([{**step("a red photo", backend=backend), "id": backend} for backend in ("onnx", "triton")])
        assert ready.wait_end(job) == "succeeded", ready.explain(job)
        onnx, triton = (np.array(data_of(ready, job, name)["embedding"]) for name in ("onnx", "triton"))
        assert float(onnx @ triton) > 0.999999
