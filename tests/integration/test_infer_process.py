"""pixelfleet-infer by itself: what it answers, how it batches, what it puts away, and what broken models and peers do to it."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fleet import wait_for
from infer_process import InferProcess, Refused
from services import ROOT, built

SANITIZED = re.search(r"/(san|tsan)$", os.environ.get("PIXELFLEET_BUILD", "")) is not None
FOREVER = np.array([1 << 60], np.int64)         # turns of count.onnx
MUCH = np.array([400000], np.int64)             # boxes of boxes.onnx: minutes


@pytest.fixture(name="models", scope="module")
def make_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-B", str(ROOT / "tests/data/make_broken_models.py"), str(folder)], check=True)
    return folder


def rows(n, seed=0):
    return np.random.RandomState(seed).rand(n, 4).astype(np.float32)


def check_double(path, slot, seed=0, n=1, **more):
    x = rows(n, seed)
    out, answer = slot.infer(path, {"x": x}, ["y"], **more)
    np.testing.assert_allclose(out["y"], 2 * x + 1, rtol=1e-6)
    return answer


def occupy(process, models):
    """One caller counts until its slot is closed."""
    slot = process.slot()
    slot.describe(models / "count.onnx")
    before = process.runs("count")
    slot.ask(models / "count.onnx", {"n": FOREVER}, ["counted"])
    wait_for(lambda: process.runs("count") > before, 10)
    return slot


def refused(slot, path, *inputs_outputs, kind="reject", **more):
    with pytest.raises(Refused) as caught:
        if inputs_outputs:
            slot.infer(path, *inputs_outputs, **more)
        else:
            slot.describe(path, **more)
    assert caught.value.kind == kind, caught.value
    return caught.value.message


def test_it_says_what_it_is_and_what_a_model_takes(models):
    with InferProcess(models) as process:
        assert process.hello["ready"] is True and process.hello["version"]
        assert process.setup["setup"] is True and process.setup["seccomp"] is True, process.setup
        assert process.setup["device"] in ("cpu", "cuda") and process.setup["onnxruntime"][:2] == "1."
        slot = process.slot()
        answer = slot.describe(models / "double.onnx")
        assert answer["model"] == {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
                                   "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}]}
        assert slot.loading == [{"loading": True, "name": "double", "bytes": (models / "double.onnx").stat().st_size}]
        assert slot.describe(models / "double.onnx")["load_ms"] == 0 and len(slot.loading) == 1
        stats = process.stats()
        assert stats["rss_mb"] > 10 and [(m["name"], m["runs"]) for m in stats["models"]] == [("double", 0)]


def test_what_it_answers_is_what_numpy_says(models):
    with InferProcess(models) as process:
        slot = process.slot()
        for seed, n in enumerate((1, 3, 1000)):
            assert check_double(models / "double.onnx", slot, seed, n)["batch"] == 1
        out, _ = slot.infer(models / "table_a.onnx", {"i": np.array([5, 98303, 0], np.int64)}, ["row"])
        table = np.random.RandomState(0).rand(98304, 64).astype(np.float32)
        np.testing.assert_array_equal(out["row"], table[[5, 98303, 0]])
        out, _ = slot.infer(models / "double.onnx", {"x": rows(0)}, ["y"])
        assert out["y"].shape == (0, 4)


def test_each_type_comes_back_as_it_was(models):
    kinds = {"fp32": np.float32, "fp64": np.float64, "fp16": np.float16, "bool": np.bool_, "uint8": np.uint8, "uint16": np.uint16,
             "uint32": np.uint32, "uint64": np.uint64, "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64}
    inputs = {name: (np.arange(10).reshape(2, 5) * 5 - 20).astype(kind) for name, kind in kinds.items()}
    inputs["bf16"] = ("BF16", np.arange(10, dtype=np.uint16).reshape(2, 5) + 0x3f80)
    with InferProcess(models) as process:
        out, answer = process.slot().infer(models / "types.onnx", inputs, [f"{name}_again" for name in inputs])
    for name, value in inputs.items():
        np.testing.assert_array_equal(out[f"{name}_again"], value[1] if isinstance(value, tuple) else value)
    assert {o["name"]: o["datatype"] for o in answer["outputs"]} == {f"{name}_again": name.upper() for name in inputs}


def test_what_waits_together_runs_together_and_the_answers_are_the_same(models):
    with InferProcess(models, callers=1) as process:
        slots = [process.slot() for _ in range(10)]
        slots[0].describe(models / "double.onnx")
        busy = occupy(process, models)
        for i, slot in enumerate(slots):
            slot.ask(models / "double.onnx", {"x": rows(1 + i % 3, i)}, ["y"])
        wait_until_heard(process)
        busy.close()
        batches = []
        for i, slot in enumerate(slots):
            out, answer = slot.hear()
            np.testing.assert_allclose(out["y"], 2 * rows(1 + i % 3, i) + 1, rtol=1e-6)
            batches.append(answer["batch"])
        # 19 rows in batches of 16 at most
        assert process.runs("double") == 2 and sorted(set(batches)) in ([2, 8], [1, 9]), batches


def wait_until_heard(process):
    """What slots have said before is read before the control socket is answered the second time."""
    process.stats()
    process.stats()


@pytest.mark.parametrize("why, more", [("of the model's own limit", {"max_batch": 1}), ("they shall be alone", {"alone": True})])
def test_nothing_runs_together_when(models, why, more):
    with InferProcess(models, callers=1) as process:
        slots = [process.slot() for _ in range(4)]
        slots[0].describe(models / "double.onnx")
        busy = occupy(process, models)
        for i, slot in enumerate(slots):
            slot.ask(models / "double.onnx", {"x": rows(1, i)}, ["y"], **more)
        wait_until_heard(process)
        busy.close()
        assert [slot.hear()[1]["batch"] for slot in slots] == [1, 1, 1, 1], why
        assert process.runs("double") == 4


def test_one_bad_request_of_a_batch_is_the_only_one_that_fails(models):
    with InferProcess(models, callers=1) as process:
        slots = [process.slot() for _ in range(4)]
        slots[0].describe(models / "table_a.onnx")
        busy = occupy(process, models)
        for i, slot in enumerate(slots):
            slot.ask(models / "table_a.onnx", {"i": np.array([98304 if i == 2 else i], np.int64)}, ["row"])
        wait_until_heard(process)
        busy.close()
        for i, slot in enumerate(slots):
            if i == 2:
                with pytest.raises(Refused, match="table_a.*out of data bounds"):
                    slot.hear()
            else:
                assert slot.hear()[1]["batch"] == 1


def test_a_model_that_mixes_its_rows_up_is_run_for_one_after_the_other(models):
    with InferProcess(models, callers=1) as process:
        slots = [process.slot() for _ in range(3)]
        slots[0].describe(models / "nearly.onnx")
        for _ in range(2):
            busy = occupy(process, models)
            for i, slot in enumerate(slots):
                slot.ask(models / "nearly.onnx", {"x": rows(1, i)}, ["y"])
            wait_until_heard(process)
            busy.close()
            for i, slot in enumerate(slots):
                np.testing.assert_array_equal(slot.hear()[0]["y"], np.repeat(rows(1, i), 2, axis=0))
        # once together in vain, then three and three
        assert process.runs("nearly") == 7


@pytest.mark.skipif(SANITIZED, reason="what a model takes is measured, and sanitizers take more")
def test_models_that_are_unused_for_longest_make_room(models):
    with InferProcess(models, models_mb=60, callers=1) as process:
        slot = process.slot()
        one = {"i": np.array([1], np.int64)}
        for name in ("a", "b"):
            slot.infer(models / f"table_{name}.onnx", one, ["row"])
        assert process.loaded() in ({"table_a", "table_b"}, {"table_b"})      # the first one's growth counts ONNX Runtime's own
        slot.infer(models / "table_c.onnx", one, ["row"])
        assert process.loaded() == {"table_b", "table_c"}
        slot.infer(models / "table_b.onnx", one, ["row"])
        slot.infer(models / "table_a.onnx", one, ["row"])
        assert process.loaded() == {"table_a", "table_b"}
        rss = process.stats()["rss_mb"]
        for _ in range(5):
            for name in "cab":
                slot.infer(models / f"table_{name}.onnx", one, ["row"])
        assert process.stats()["rss_mb"] < rss + 30


def test_a_model_over_the_budget_is_refused_with_both_numbers(models):
    with InferProcess(models, models_mb=20) as process:
        slot = process.slot()
        message = refused(slot, models / "table_a.onnx")
        assert re.search(r"table_a.* has 25 MiB .*models may take 20 MiB \(PIXELFLEET_MODELS_MEMORY_MB\)", message), message
        check_double(models / "double.onnx", slot)


@pytest.mark.skipif(SANITIZED, reason="what a model takes is measured, and sanitizers take more")
def test_a_model_in_use_is_not_put_away(models):
    with InferProcess(models, models_mb=50, callers=2) as process:
        busy = occupy(process, models)
        slot = process.slot()
        for name in "abc":
            slot.infer(models / f"table_{name}.onnx", {"i": np.array([1], np.int64)}, ["row"])
            assert "count" in process.loaded()
        busy.close()


def test_two_who_ask_for_one_model_at_once_load_it_once(models):
    with InferProcess(models) as process:
        slots = [process.slot() for _ in range(6)]
        for slot in slots:
            slot.ask(models / "table_b.onnx", {"i": np.array([7], np.int64)}, ["row"])
        first = slots[0].hear()[0]["row"]
        for slot in slots[1:]:
            np.testing.assert_array_equal(slot.hear()[0]["row"], first)
        assert sum(len(slot.loading) for slot in slots) >= 1
        assert [m["name"] for m in process.stats()["models"]] == ["table_b"]


def test_a_file_that_changed_is_loaded_again(models, tmp_path):
    path = tmp_path / "model.onnx"
    shutil.copy(models / "double.onnx", path)
    with InferProcess(tmp_path) as process:
        slot = process.slot()
        check_double(path, slot)
        shutil.copy(models / "narrow.onnx", tmp_path / "new.onnx")
        os.replace(tmp_path / "new.onnx", path)
        assert slot.describe(path)["model"]["inputs"][0]["shape"] == [1, 4]
        assert len(slot.loading) == 2
        wait_for(lambda: len(process.stats()["models"]) == 1, 10)


# ---- questions that make no sense ----

def test_declared_and_real_tensors_are_compared_and_both_are_named(models):
    path = models / "double.onnx"
    with InferProcess(models) as process:
        slot = process.slot()

        def check(inputs, outputs=None):
            return refused(slot, path, declared={"inputs": inputs, "outputs": outputs or {}})

        half = {"x": {"datatype": "FP16", "shape": [-1, 4]}}
        assert "declares the input 'x' FP16 [-1,4], in the file it is 'x' FP32 [-1,4]" in check(half)
        assert "declares the input 'x' [-1,5], in the file it is 'x' FP32 [-1,4]" in check({"x": {"shape": [-1, 5]}})
        assert "declares the input 'x' [-1,-1], in" in check({"x": {"shape": [-1, -1]}})
        assert "declares the input 'z' FP32, the file has: 'x' FP32 [-1,4]" in check({"z": {"datatype": "FP32"}})
        assert "declares the output 'w', the file has: 'y' FP32 [-1,4]" in check({}, {"w": {}})
        assert str(path) in check({"z": {}})
        fits = {"inputs": {"x": {"datatype": "FP32", "shape": [3, 4]}}, "outputs": {"y": {"datatype": "FP32"}}}
        assert slot.describe(path, declared=fits)["model"]
        one = {"inputs": {"image": {}}}
        assert "also takes the input 'text' FP32 [-1,4]" in refused(slot, models / "two_axes.onnx", declared=one)
        assert slot.describe(models / "narrow.onnx", declared={"inputs": {"x": {"shape": [-1, 4]}}})["model"]


def test_tensors_that_do_not_fit_are_refused_before_onnx_runtime_sees_them(models):
    path = models / "double.onnx"
    with InferProcess(models) as process:
        slot = process.slot()

        def check(inputs, outputs=("y",)):
            return refused(slot, path, inputs, list(outputs))

        assert "given the input 'x' FP32 [1,5], it takes 'x' FP32 [-1,4]" in check({"x": np.zeros((1, 5), np.float32)})
        assert "given the input 'x' FP32 [4], it takes 'x' FP32 [-1,4]" in check({"x": np.zeros(4, np.float32)})
        assert "given the input 'x' INT64 [1,4], it takes 'x' FP32 [-1,4]" in check({"x": np.zeros((1, 4), np.int64)})
        assert "not given its input 'x' FP32 [-1,4]" in check({})
        assert "given the input 'z', it takes: 'x' FP32 [-1,4]" in check({"x": rows(1), "z": rows(1)})
        assert "gives no output 'w', it gives: 'y' FP32 [-1,4]" in check({"x": rows(1)}, ["w"])
        assert "at most 67108864 bytes are allowed" in check({"x": np.zeros((1 << 23, 4), np.float32)})
        check_double(path, slot)


def test_text_is_refused_and_other_outputs_of_the_model_are_not(models):
    path = models / "text.onnx"
    with InferProcess(models) as process:
        slot = process.slot()
        x = {"x": np.array([1, 2], np.float32)}
        assert slot.describe(path)["model"]["outputs"][0]["datatype"] == "BYTES"
        assert "gives the output 'words' as BYTES; taken are FP32, FP64" in refused(slot, path, x, ["words"])
        assert list(slot.infer(path, x, ["y"])[0]["y"]) == [1, 2]
        slot.send({"do": "infer", "name": "text", "path": str(path), "outputs": ["y"],
                   "inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "bytes": 5}]})
        with pytest.raises(Refused, match="of the type 'BYTES'; allowed are FP32, FP64"):
            slot.receive()


@pytest.mark.parametrize("change, message", [
    ({"bytes": 15}, r"takes 16 bytes, it says 15"),
    ({"bytes": "16"}, r"takes 16 bytes"),
    ({"shape": [1 << 30, 1 << 30, 4]}, r"elements of 4 bytes, at most 67108864 bytes"),
    ({"shape": [1 << 31, 4]}, r"dimension 0 is no size"),
    ({"shape": [-1, 4]}, r"dimension 0 is no size"),
    ({"shape": [1.5, 4]}, r"dimension 0 is no size"),
    ({"shape": [1] * 9}, r"no list of at most 8 sizes"),
    ({"shape": {"1": 4}}, r"no list of at most 8 sizes"),
    ({"datatype": "FP8"}, r"of the type 'FP8'; allowed are"),
    ({"datatype": 7}, r"of the type ''; allowed are"),
    ({"name": ""}, r"name has 0 bytes"),
    ({"name": "x" * 300}, r"name has 300 bytes"),
    ({"shape": [2, 4], "bytes": 32}, r"the file with the tensors has 16 bytes, the shapes say 32"),
])
def test_a_hostile_question_is_answered_with_an_error(models, change, message):
    with InferProcess(models) as process:
        slot = process.slot()
        fd = os.memfd_create("tensors")
        os.write(fd, bytes(16))
        question = {"do": "infer", "name": "double", "path": str(models / "double.onnx"), "outputs": ["y"],
                    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "bytes": 16, **change}]}
        slot.send(question, [fd])
        with pytest.raises(Refused, match=message):
            slot.receive()
        check_double(models / "double.onnx", slot)
        os.close(fd)


def test_a_peer_that_breaks_the_protocol_loses_its_socket_and_nobody_elses(models):
    with InferProcess(models) as process:
        good = process.slot()
        good.describe(models / "double.onnx")
        for nonsense in (b"\xff\xff\xff\xff", b"\x05\0\0\0{{{{{", b"\x02\0\0\0[]", b"\x02\0\0\0\xff\xff"):
            bad = process.slot()
            bad.sock.sendall(nonsense)
            assert bad.sock.recv(1) == b""
            check_double(models / "double.onnx", good)
        cut = process.slot()
        cut.sock.sendall(b"\x09\0\0\0{\"do")
        cut.close()
        check_double(models / "double.onnx", good)
        for words in ({"do": "dance"}, {"do": "describe"}, {"do": "describe", "name": "x", "path": "relative"},
                      {"do": "infer", "name": "x", "path": "/x"}):
            good.send(words)
            with pytest.raises(Refused):
                good.receive()
        shortened = process.slot()
        fd = os.memfd_create("tensors")
        os.write(fd, bytes(16))
        busy = [occupy(process, models) for _ in range(2)]
        shortened.send({"do": "infer", "name": "double", "path": str(models / "double.onnx"), "outputs": ["y"],
                        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "bytes": 16}]}, [fd])
        wait_until_heard(process)
        os.ftruncate(fd, 3)
        for slot in busy:
            slot.close()
        with pytest.raises(Refused, match="not there any more"):
            shortened.receive()
        os.close(fd)


def test_a_second_question_waits_for_the_answer_to_the_first(models):
    with InferProcess(models) as process:
        slot = process.slot()
        for seed in range(20):
            slot.ask(models / "double.onnx", {"x": rows(1, seed)}, ["y"])
        for seed in range(20):
            np.testing.assert_allclose(slot.hear()[0]["y"], 2 * rows(1, seed) + 1, rtol=1e-6)


# ---- broken models ----

@pytest.mark.parametrize("name, message", [
    ("missing", r"the file '.*/missing.onnx' is not there"),
    ("garbage", r"cannot load '.*/garbage.onnx': .*Protobuf parsing failed"),
    ("empty", r"cannot load '.*/empty.onnx': "),
    ("cut", r"cannot load '.*/cut.onnx': .*Protobuf parsing failed"),
    ("crowd", r"it has 40 inputs and 1 outputs, at most 32"),
    ("deep", r"'x' has 9 dimensions, at most 8 are allowed"),
    ("foreign", r"the name 'na\?ve\?\?!' of an input is not UTF-8"),
    ("outside", r"cannot load '.*/outside.onnx': .*outside.data"),
])
def test_a_broken_model_is_an_error_that_names_the_file_and_the_process_goes_on(models, name, message):
    with InferProcess(models) as process:
        slot = process.slot()
        assert re.search(message, refused(slot, models / f"{name}.onnx"), re.S)
        check_double(models / "double.onnx", slot)


def test_a_directory_and_a_file_elsewhere_are_refused(models, tmp_path):
    outside = tmp_path / "elsewhere.onnx"
    shutil.copy(models / "double.onnx", outside)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link.onnx").symlink_to(outside)
    with InferProcess(tmp_path / "models") as process:
        slot = process.slot()
        assert "is no file" in refused(slot, tmp_path / "models")
        # Sanitized programs may look at a file, and still not open it.
        assert re.search("cannot be read: Permission denied|system error number 13", refused(slot, outside))
        if process.setup["landlock"] == 0:
            pytest.skip("no Landlock in this kernel: a link out of the folder is not noticed")
        refused(slot, tmp_path / "models" / "link.onnx")


@pytest.mark.skipif(SANITIZED, reason="sanitizers reserve more address space than any limit")
def test_a_model_that_wants_too_much_memory_is_an_error_and_the_process_goes_on(models):
    with InferProcess(models, memory_mb=1024) as process:
        slot = process.slot()
        path = models / "huge.onnx"
        message = refused(slot, path, {"n": np.array([1 << 30], np.int64)}, ["sum"])
        assert re.search(r"'huge' needs more memory than PIXELFLEET_INFER_MEMORY_MB allows \(1024 MiB", message), message
        assert slot.infer(path, {"n": np.array([1000], np.int64)}, ["sum"])[0]["sum"] == 0
        check_double(models / "double.onnx", slot)


@pytest.mark.skipif(SANITIZED, reason="sanitizers reserve more address space than any limit")
def test_idle_models_are_put_away_when_memory_is_short(models):
    with InferProcess(models, memory_mb=600, callers=1) as process:
        slot = process.slot()
        for name in "abc":
            slot.infer(models / f"table_{name}.onnx", {"i": np.array([1], np.int64)}, ["row"])
        refused(slot, models / "huge.onnx", {"n": np.array([150 << 20], np.int64)}, ["sum"])
        assert process.loaded() <= {"huge"}


# ---- calling off, and dying ----

def test_a_loop_without_end_is_left_when_nobody_waits_for_it(models):
    with InferProcess(models, callers=1) as process:
        busy, other = occupy(process, models), process.slot()
        other.ask(models / "double.onnx", {"x": rows(1)}, ["y"])
        began = time.monotonic()
        busy.close()
        np.testing.assert_allclose(other.hear()[0]["y"], 2 * rows(1) + 1, rtol=1e-6)
        assert time.monotonic() - began < 2
        counter = process.slot()
        out, _ = counter.infer(models / "count.onnx", {"n": np.array([1000], np.int64)}, ["counted"])
        assert out["counted"] == [1000]


def test_what_waits_and_is_called_off_never_runs(models):
    with InferProcess(models, callers=1) as process:
        leaver, stayer = process.slot(), process.slot()
        stayer.describe(models / "double.onnx")
        busy = occupy(process, models)
        for slot in (leaver, stayer):
            slot.ask(models / "double.onnx", {"x": rows(1)}, ["y"])
        wait_until_heard(process)
        leaver.close()
        wait_until_heard(process)
        busy.close()
        assert stayer.hear()[1]["batch"] == 1
        assert process.runs("double") == 1


def test_an_operation_that_cannot_be_stopped_ends_the_process_with_the_models_name(models):
    with InferProcess(models) as process:
        slot = process.slot()
        slot.describe(models / "boxes.onnx")
        before = process.cpu_s()
        slot.ask(models / "boxes.onnx", {"n": MUCH}, ["kept"])
        wait_for(lambda: process.cpu_s() > before + 0.5, 20)       # it is inside of the operation
        slot.close()
        status, words = process.ended(30)
        assert status != 0 and "ran the model 'boxes', which did not stop within 2 s" in words


def test_it_leaves_with_its_worker_even_when_a_model_is_running(models):
    with InferProcess(models) as process:
        slots = [occupy(process, models) for _ in range(2)]
        process.control.close()
        assert process.process.wait(20) == 0
        for slot in slots:
            slot.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_death_closes_the_slots_and_leaves_words_where_it_can(models, how):
    if SANITIZED and how != signal.SIGKILL:
        pytest.skip("sanitizers have handlers of their own")
    with InferProcess(models) as process:
        slot = occupy(process, models)
        process.process.send_signal(how)
        with pytest.raises((EOFError, ConnectionResetError)):
            slot.receive()
        status, words = process.ended()
        assert status == -how
        assert ("SIGSEGV" in words) == (how == signal.SIGSEGV), words


# ---- the library and the device ----

@pytest.mark.parametrize("library, message", [
    ("/nowhere/libonnxruntime.so.1", r"PIXELFLEET_ONNXRUNTIME: .*/nowhere/libonnxruntime.so.1"),
    ("libjansson.so.4", r"'libjansson.so.4' is no ONNX Runtime"),
])
def test_a_library_that_is_none_is_an_error_of_the_setup(models, library, message):
    with InferProcess(models, library=library) as process:
        assert process.setup["setup"] is False and re.search(message, process.setup["error"]["message"]), process.setup
        process.process.wait(10)


def test_an_old_library_is_an_error_of_the_setup(models, tmp_path):
    source = tmp_path / "old.c"
    source.write_text("""
        static const void *get(unsigned v) { (void)v; return 0; }
        static const char *version(void) { return "1.9.0"; }
        static const struct { const void *(*get)(unsigned); const char *(*version)(void); } base = { get, version };
        const void *OrtGetApiBase(void); const void *OrtGetApiBase(void) { return &base; }""")
    old = tmp_path / "libold.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(old), str(source)], check=True)
    with InferProcess(models, library=str(old)) as process:
        assert re.search(r"ONNX Runtime 1.9.0 \('.*libold.so'\) is too old: this build needs 1.\d+ or newer",
                         process.setup["error"]["message"]), process.setup
        process.process.wait(10)


def test_no_gpu_is_the_cpu_with_the_reason_and_an_error_when_one_was_asked_for(models):
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    with InferProcess(models, environment=hidden) as process:
        assert process.setup["device"] == "cpu" and "CUDA_VISIBLE_DEVICES" in process.setup["note"]
    with InferProcess(models, environment=hidden, device="cpu") as process:
        assert process.setup["device"] == "cpu" and "note" not in process.setup
    with InferProcess(models, environment=hidden, device="cuda") as process:
        assert process.setup["setup"] is False and '"cuda" is not to be had' in process.setup["error"]["message"]
        process.process.wait(10)


# ---- by hand ----

def by_hand(*words, code=0):
    known = {name: value for name, value in os.environ.items() if not name.startswith("PIXELFLEET_")}
    done = subprocess.run([built("pixelfleet-infer"), *map(str, words)], capture_output=True, text=True, timeout=60, check=False,
                          env=known)
    assert done.returncode == code, done
    return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout + done.stderr


def test_by_hand_it_checks_and_times_a_model(models):
    told = by_hand("--check", models / "double.onnx")
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}] and told["batches"] is True
    assert told["load_ms"] >= 0 and told["memory_mb"] >= 0 and told["peak_mb"] > 0
    told = by_hand("--bench", models / "double.onnx", "--callers", 2, "--seconds", 1, "--batch", 3)
    assert told["runs"] > 0 and told["callers"] == 2 and told["shapes"] == {"x": "[3,4]"}
    assert told["rows_per_s"] == pytest.approx(3 * told["runs_per_s"]) and told["p50_ms"] <= told["p99_ms"]
    assert "garbage.onnx': Load model" in by_hand("--check", models / "garbage.onnx", code=1)
    assert "No such file" in by_hand("--check", models / "missing.onnx", code=1)
    assert by_hand("--version").startswith("pixelfleet-infer ")
    assert "--help tells more" in by_hand("--bench", models / "double.onnx", "--callers", 0, code=2)
    assert "--help tells more" in by_hand(code=2)
    assert "--help tells more" in by_hand("77", code=2)
