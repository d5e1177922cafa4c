"""`pixelfleet models`: what is in the models' directory, whether it loads, and how fast it is. Needs no fleet: the small models of
tests/data/make_models.py and ONNX Runtime itself, in pixelfleet-infer's sandbox."""
import json
import os
import shutil
import subprocess

import onnx
import pytest
from onnx import TensorProto, helper

import broken_models
from services import built


@pytest.fixture(name="models")
def make_models(models_dir):
    return Models(models_dir)


@pytest.fixture(name="mine")
def make_mine(tmp_path):
    """A directory for models that somebody else made."""
    (tmp_path / "models").mkdir()
    return Models(tmp_path / "models")


class Models:
    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *words, code=0, program=None, **settings):
        """Standard output of `pixelfleet models WORDS`; with standard error, when a failure is wanted."""
        environment = {"PATH": os.environ["PATH"], "PIXELFLEET_MODELS_DIR": str(self.folder), "LC_ALL": "C.UTF-8", **settings}
        done = subprocess.run([program or built("pixelfleet"), "models", *map(str, words)], env=environment, capture_output=True,
                              text=True, timeout=120, check=False)
        assert done.returncode == code, f"models {words}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
        assert "Sanitizer" not in done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *words, code=0):
        return json.loads(self(*words, "--json", code=code))

    def card(self, name, **card):
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / name / "model.json").write_text(json.dumps(card))

    def copy(self, source, name, **card):
        self.card(name, **card)
        shutil.copy(source, self.folder / name / "model.onnx")


def test_the_small_models_are_all_listed_as_complete(models):
    told = {one["model"]: one for one in models.json("list")["models"]}
    assert {"clip-tiny", "yolov5", "yolov8", "buffalo_l", "lama", "blip", "seg-binary", "seg-semantic"} <= set(told)
    assert {one["state"] for one in told.values()} == {"ok"}
    assert told["yolov8"]["labels"] == 80
    size = (models.folder / "clip-tiny" / "text_model.onnx").stat().st_size
    assert told["clip-tiny"]["parts"][1] == {"part": "text", "file": "text_model.onnx", "bytes": size, "triton": "clip_text",
                                             "path": str(models.folder / "clip-tiny" / "text_model.onnx")}
    text = models("list")
    assert "faces" in text and "detect 10.2 KiB, embed 96.2 KiB" in text


@pytest.mark.parametrize("name, tools", [
    ("clip-tiny", ["clip_embed", "text_embed"]), ("yolov5", ["detect"]), ("buffalo_l", ["faces", "faces"]), ("lama", ["inpaint"]),
    ("blip", ["caption", "caption"]), ("seg-semantic", ["segment"])])
def test_a_model_that_a_tool_can_run_passes_the_check(models, name, tools):
    told = models.json("check", name)
    assert told["state"] == "ok" and [part["tool"] for part in told["parts"]] == tools
    for part in told["parts"]:
        assert part["inputs"] and part["outputs"] and part["device"] == "cpu" and part["load_ms"] >= 0 and part["memory_mb"] > 0


def test_the_check_is_for_people_to_read(models):
    text = models("check", "clip-tiny")
    assert "text: ok, for the tool text_embed" in text
    assert ["text", "in", "input_ids", "INT64", "[-1,77]"] in [line.split() for line in text.splitlines()]
    assert "no: its sizes are fixed" in models("check", "yolov8")
    assert "kind other (tool classify)" in models("check", "colours")


def test_a_file_alone_can_be_checked(models):
    told = models.json("check", models.folder / "yolov8" / "model.onnx")
    assert told["state"] == "ok" and told["parts"][0]["outputs"] == [{"name": "output0", "datatype": "FP32", "shape": [1, 84, 8400]}]
    assert "kind yolo (tool detect)" in told["parts"][0]["might_be"]


def test_what_a_tool_or_the_card_does_not_agree_with_is_said(models, mine):
    lama, yolo = models.folder / "lama" / "model.onnx", models.folder / "yolov8" / "model.onnx"
    mine.copy(lama, "two-inputs", kind="yolo")
    mine.copy(yolo, "few-labels", kind="yolo", labels=["one"])
    mine.copy(yolo, "declared", kind="yolo", inputs={"images": {"datatype": "FP32", "shape": [1, 3, 320, 320]}})
    mine.copy(yolo, "clip-of-one", kind="clip", file="model.onnx", tokenizer={"vocab": "model.onnx"})
    for name, says in (("two-inputs", "the tool detect would refuse it: it takes 2 inputs"), ("few-labels", "gives 80 classes, its model.json has 1"),
                       ("declared", "model.json declares the input 'images' FP32 [1,3,320,320], in the file it is 'images' FP32 [1,3,640,640]"),
                       ("clip-of-one", "has parts, and this is one file")):
        told = mine.json("check", name, code=4)
        assert told["state"] == "broken" and says in told["problem"], told["problem"]
    assert "would refuse it" in mine("check", "two-inputs", code=4)
    assert {one["state"] for one in mine.json("list")["models"]} == {"ok"}          # files are there, cards are right


def test_broken_files_and_cards_are_told_of(mine):
    broken_models.garbage(mine.folder, "garbage")
    mine.card("no-kind", kind="magic")
    mine.card("served", kind="yolo")
    (mine.folder / "pipe").mkdir()
    os.mkfifo(mine.folder / "pipe" / "model.onnx")
    assert "Protobuf parsing failed" in mine("check", "garbage", code=4)
    assert "Protobuf parsing failed" in mine.json("check", mine.folder / "garbage" / "model.onnx", code=4)["problem"]
    assert "Protobuf parsing failed" in mine("bench", "garbage", code=4)
    assert "/kind: found \"magic\"; allowed: one of clip" in mine("check", "no-kind", code=4)
    assert "backend \"triton\" alone" in mine("check", "served", code=4)
    assert "there is no file" in mine("check", "pipe", code=4)
    assert str(mine.folder / "nothing") in mine("check", "nothing", code=6)
    assert "cannot read" in mine("check", mine.folder / "nothing.onnx", code=2)
    assert [one["state"] for one in mine.json("list")["models"]] == ["ok", "broken", "broken", "card only"]


def test_names_inside_a_strangers_model_do_not_reach_the_terminal(mine):
    evil = "\x1b]0;mine\x07\x1b[2J"
    graph = helper.make_graph([helper.make_node("Identity", [evil], ["y" + evil])], "g",
                              [helper.make_tensor_value_info(evil, TensorProto.FLOAT, [1, 2])],
                              [helper.make_tensor_value_info("y" + evil, TensorProto.FLOAT, [1, 2])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    (mine.folder / "evil").mkdir()
    onnx.save(model, str(mine.folder / "evil" / "model.onnx"))
    mine.card("evil", kind="yolo", title=evil, source=evil, inputs={evil: {"datatype": "INT64"}})
    text = mine("check", "evil", code=4) + mine("list")
    assert "\x1b" not in text and "\x07" not in text and "<U+001B>]0;mine" in text
    assert mine.json("check", "evil", code=4)["parts"][0]["inputs"][0]["name"] == evil


def test_what_is_not_installed_is_said_with_what_to_install(models, tmp_path):
    text = models("check", "yolov8", code=1, PIXELFLEET_ONNXRUNTIME="/nowhere/libonnxruntime.so.1")
    assert "/nowhere/libonnxruntime.so.1" in text and "ONNX Runtime has to be installed" in text
    text = models("bench", "yolov8", code=1, PIXELFLEET_DEVICE="cuda", CUDA_VISIBLE_DEVICES="")
    assert "PIXELFLEET_DEVICE=auto" in text
    alone = shutil.copy(built("pixelfleet"), tmp_path / "pixelfleet")
    assert "pixelfleet-infer is not in" in models("check", "yolov8", code=1, program=str(alone), PATH="/nowhere")
    assert "ok" in models("list", program=str(alone), PATH="/nowhere")


def test_a_model_that_can_be_batched_is_timed_alone_and_together(models):
    runs = models.json("bench", "clip-tiny", "--part", "image", "--seconds", 1)["runs"]
    assert [(run["part"], run["batch"]) for run in runs] == [("image", 1), ("image", 8)]
    alone, together = runs
    assert alone["runs"] > 0 and 0 < alone["p50_ms"] <= alone["p99_ms"] and alone["peak_mb"] > 0
    assert together["ratio"] == pytest.approx(together["rows_per_s"] / alone["rows_per_s"]) and "ratio" not in alone


def test_a_model_of_fixed_sizes_is_timed_alone(models):
    text = models("bench", "yolov8", "--seconds", 1, "--callers", 2)
    assert text.splitlines()[0].split() == ["PART", "BATCH", "CALLERS", "RUNS/S", "ROWS/S", "P50", "P99", "MEMORY", "DEVICE"]
    assert text.splitlines()[1].split()[:2] == ["1", "2"] and "no two requests share a run" in text
    assert "--batch 4" in models("bench", "yolov8", "--batch", 4, "--seconds", 1, code=4)
