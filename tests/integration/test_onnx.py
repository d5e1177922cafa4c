"""Models in the worker's own inference process, for real: ONNX Runtime, with small models that are made here."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

import pytest

import broken_models
from fleet import SLOWNESS, wait_for
from pictures import nature, png, small, vips
from services import built

RED, BLUE = (250, 8, 8), (8, 8, 250)


@pytest.fixture(name="models")
def make_models(fleet, models_dir):
    """A directory of models for this test alone."""
    folder = fleet.folder / "models"
    for name in ("yolov5", "yolov8"):
        shutil.copytree(models_dir / name, folder / name)
    fleet.settings["PIXELFLEET_MODELS_DIR"] = folder
    return folder


@pytest.fixture(name="served")
def make_served(fleet, models):
    assert models.is_dir()
    fleet.start_dispatcher()
    fleet.worker = fleet.start_worker("image=2,infer=2,io=4")
    return fleet


def detect(model="yolov8", step="boxes", **more):
    return {"id": step, "tool": "detect", "needs": ["src"], "params": {"backend": "onnx", "model": model}, **more}


def submit(fleet, pictures, *steps, **more):
    return fleet.submit({"on_failure": "continue", "steps": [{"id": "src", "tool": "fetch"}, *(steps or [detect()])]}, pictures, **more)


def data_of(fleet, job, step, item=0):
    return fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = %s AND item = %s", job, step, item)


def attempts(fleet, job):
    return fleet.sql("SELECT message, signal, kind::text FROM pixelfleet.attempt WHERE job = %s ORDER BY at", job)


def inference_processes(worker):
    found = []
    for pid in worker.children():
        try:
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "pixelfleet-infer"[:15]:
                found.append(pid)
        except OSError:
            pass
    return found


def scene(path, width, height, red, blue):
    """A black picture with a red and a blue rectangle: left, top, width, height."""
    folder = path.parent / "parts"
    folder.mkdir(exist_ok=True)
    last = png(folder / "back.png", width, height, (0, 0, 0))
    for n, (box, color) in enumerate(((red, RED), (blue, BLUE))):
        spot = png(folder / f"spot{n}.png", box[2], box[3], color)
        to = folder / f"with{n}.png"
        vips("insert", last, spot, to, box[0], box[1])
        last = to
    shutil.copy(last, path)
    shutil.rmtree(folder)
    return str(path)


SCENES = [(640, 640, (100, 50, 200, 100), (400, 300, 120, 240)), (1280, 640, (80, 40, 300, 200), (800, 100, 320, 400)),
          (320, 960, (16, 700, 200, 120), (100, 60, 64, 256)), (640, 640, (0, 0, 40, 640), (600, 600, 40, 40))]


def test_detect_finds_what_is_there_with_both_layouts_and_all_slots_share_one_process(served):
    files = [scene(served.pictures / f"{n}.png", *one) for n, one in enumerate(SCENES)]
    job = submit(served, files, detect("yolov5", "five"), detect("yolov8", "eight"))
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    worst = 0
    for item, (_width, _height, red, blue) in enumerate(SCENES):
        for step in ("five", "eight"):
            data = data_of(served, job, step, item)
            assert (data["backend"], data["device"]) == ("onnx", "cpu")
            found = {one["label"]: one["box"] for one in data["items"]}
            assert sorted(found) == ["car", "person"], data
            for label, box in (("person", red), ("car", blue)):
                worst = max(worst, *(abs(a - b) for a, b in zip(found[label], box)))
    assert worst <= 1.01
    assert len(inference_processes(served.worker)) == 1
    log = served.worker.text()
    assert len(re.findall(r"ev=model\.loaded .*name=\"yolov8\" ms=\d+ mb=\d+", log)) == 1
    assert len(re.findall(r"ev=model\.loaded ", log)) == 2
    assert len(re.findall(r"ev=inference\.started .*device=\"cpu\" onnxruntime=\"[\d.]+\"", log)) == 1

    def beat():
        return served.http("GET", "/api/v1/workers").body["workers"][0]

    wait_for(lambda: sorted(beat().get("models", [])) == ["yolov5", "yolov8"], 10, lambda: f"the heartbeat tells the models: {beat()}")
    assert beat()["device"] == "cpu"
    print(f"boxes off by {worst:.2f} pixels at most; {log.count('ev=model.loaded')} loads")


def test_the_process_is_started_only_for_steps_that_need_it(served):
    job = served.submit([{"id": "src", "tool": "fetch"}, {"id": "s", "tool": "stats", "needs": ["src"]}], small(served.pictures, 2))
    assert served.wait_end(job) == "succeeded"
    assert inference_processes(served.worker) == []
    assert "device" not in served.http("GET", "/api/v1/workers").body["workers"][0]


def test_killing_the_process_under_load_loses_nothing_and_charges_solo_deaths_only(fleet, models):
    assert models.is_dir()
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,infer=4,io=2")
    files = [png(fleet.pictures / f"{i}.png", 64, 48, (i % 250, 100, 100)) for i in range(24)]
    job = submit(fleet, files, *[{**detect(step=f"b{n}"), "retry": {"max_attempts": 9, "backoff_s": 0.05, "max_backoff_s": 0.1}}
                                 for n in range(4)])
    total, kills = len(files) * 4, 0

    def done():
        return fleet.one("SELECT count(*) FROM pixelfleet.step_view WHERE job = %s AND step <> 'src' AND state = 'succeeded'", job)

    for part in range(1, 6):
        wait_for(lambda goal=part * total // 7: done() >= goal, 60, lambda: f"the job goes on: {fleet.explain(job)}")
        for pid in inference_processes(worker):
            os.kill(pid, signal.SIGKILL)
            kills += 1
    assert fleet.wait_end(job, 90) == "succeeded", fleet.explain(job)
    assert kills >= 3
    charged = attempts(fleet, job)
    again = worker.text().count("ev=inference.again")
    print(f"{total} steps, {kills} times kill -9: {again} times requests ran again uncharged, {len(charged)} solo deaths charged")
    assert len(charged) <= kills
    for message, number, kind in charged:
        assert "the inference process was lost: killed by SIGKILL" in message and (number, kind) == (9, "retry"), message


BROKEN = {
    "garbage": r"cannot load '.*/models/garbage/model\.onnx'",
    "missing": r"there is no model 'missing' here: no directory '.*/models/missing'",
    "empty": r"the model 'empty' is not complete: there is no file '.*/models/empty/model\.onnx'",
    "input": r"'images' FP32 \[1,3,32,32\].*'images' FP32 \[1,3,64,64\]",
    "output": r"'output0' INT64.*'output0' FP32",
    "card": r"models/card/model\.json': /size: found \[0,1\]; allowed: \[width, height\]",
    "greedy": r"needs more memory than PIXELFLEET_INFER_MEMORY_MB allows",
}


def test_broken_models_are_clear_errors_and_the_worker_goes_on(fleet, models):
    broken_models.garbage(models, "garbage")
    (models / "empty").mkdir()
    broken_models.harmless(models, "input", {"inputs": {"images": {"datatype": "FP32", "shape": [1, 3, 32, 32]}}})
    broken_models.harmless(models, "output", {"outputs": {"output0": {"datatype": "INT64"}}})
    broken_models.harmless(models, "card", {"size": [0, 1]})
    broken_models.harmless(models, "fine")
    broken_models.greedy(models, "greedy", 64)
    fleet.settings["PIXELFLEET_INFER_MEMORY_MB"] = 3000
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,infer=1,io=2")        # beside another one, what lacks memory is tried again
    picture = small(fleet.pictures, 1)
    job = submit(fleet, picture, detect("fine", "fine"), *[{**detect(kind, kind), "retry": {"max_attempts": 2, "backoff_s": 0.1}}
                                                           for kind in BROKEN])
    assert fleet.wait_end(job, 60) == "partial", fleet.explain(job)
    tried = fleet.sql("""SELECT s.step, a.message, a.kind::text FROM pixelfleet.attempt a
        JOIN pixelfleet.step_view s ON s.job = a.job AND s.ordinal = a.ordinal WHERE a.job = %s""", job)
    for kind, says in BROKEN.items():
        errors = [(message, outcome) for step, message, outcome in tried if step == kind]
        print(f"{kind}: {errors[0][0]}")
        assert re.search(says, errors[0][0]), errors
        assert [outcome for _, outcome in errors] == ["reject"], "rejected, not retried"
    assert fleet.steps(job)[("fine", 0)] == "succeeded"
    after = submit(fleet, picture)
    assert fleet.wait_end(after) == "succeeded", fleet.explain(after)
    assert len(inference_processes(worker)) == 1 and "ev=inference.died" not in worker.text()


def test_a_model_that_never_ends_costs_its_step_its_time_and_nobody_else_anything(fleet, models):
    broken_models.loops(models, "loops")
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,infer=2,io=2")
    picture = small(fleet.pictures, 1)
    looping = submit(fleet, picture, {**detect("loops"), "timeout_s": 3, "retry": {"max_attempts": 1}})
    wait_for(lambda: inference_processes(worker), 20, "the process is asked")
    fine = submit(fleet, picture)
    assert fleet.wait_end(fine, 20) == "succeeded", fleet.explain(fine)
    assert fleet.wait_end(looping, 30) in ("failed", "partial")
    message, number, kind = attempts(fleet, looping)[0]
    assert "model 'loops': not done when the step's time was over" in message and (number, kind) == (None, "retry"), message
    after = submit(fleet, small(fleet.pictures, 8))
    assert fleet.wait_end(after, 30) == "succeeded", fleet.explain(after)
    assert attempts(fleet, after) == [] and attempts(fleet, fine) == []
    assert "ev=runner.late" not in worker.text()


def test_a_solo_death_is_charged_with_its_signal_and_cancel_ends_a_model_that_runs(fleet, models):
    broken_models.loops(models, "loops")
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,infer=1,io=2")
    job = submit(fleet, small(fleet.pictures, 1), {**detect("loops"), "timeout_s": 300, "retry": {"max_attempts": 3, "backoff_s": 0.1}})

    def loads():
        return worker.text().count("ev=model.loaded")

    wait_for(lambda: loads() == 1, 20, "the model runs")
    os.kill(inference_processes(worker)[0], signal.SIGKILL)
    wait_for(lambda: loads() == 2, 20, "the model runs again")
    (message, number, kind), = attempts(fleet, job)
    assert re.search(r"model 'loops': the inference process was lost: killed by SIGKILL, peak memory \d+ MiB", message), message
    assert (number, kind) == (9, "retry")
    began = time.monotonic()
    fleet.http("POST", f"/api/v1/jobs/{job}/cancel")
    worker.wait_logged(r"ev=step\.failed .*kind=cancel", 10)
    print(f"cancelled in {time.monotonic() - began:.2f} s")
    fine = submit(fleet, small(fleet.pictures, 1))
    assert fleet.wait_end(fine, 20) == "succeeded", fleet.explain(fine)


def test_what_is_loading_is_told_to_who_watches_and_odd_messages_do_no_harm(fleet, models):
    assert models.is_dir()
    dispatcher = fleet.start_dispatcher()
    job = submit(fleet, small(fleet.pictures, 1))
    events = []

    def read():
        with urllib.request.urlopen(f"{dispatcher.url}/api/v1/events?job={job}", timeout=60 * SLOWNESS) as stream:
            events.extend(stream.read().decode().split("\n\n"))

    reader = threading.Thread(target=read)
    reader.start()
    channel = f"pixelfleet:events:{job}"
    wait_for(lambda: fleet.redis.execute_command("PUBSUB", "NUMPAT"), 20, "the dispatcher listens")
    shown = subprocess.Popen([built("pixelfleet"), "watch", job], env=fleet.environment(), stdout=subprocess.PIPE, text=True)
    for odd in (b"", b"\xff\xfe", b"{", b"[]", b'{"progress":1}', b'{"progress":{"step":"s","item":0}}', b'{"progress":{}}',
                b'{"progress":{"step":"a\\n\\nevent: job\\ndata: {}","item":0,"what":"\\u001b[2Jodd"}}'):
        fleet.redis.publish(channel, odd)
        fleet.redis.publish("pixelfleet:events:", odd)
        fleet.redis.publish("pixelfleet:events:../x", odd)
    connections = len(fleet.http("GET", "/metrics").body)
    assert connections > 0
    wait_for(lambda: fleet.redis.publish(channel, '{"progress":{"step":"s","item":0,"what":"ready"}}') > 0, 10, "somebody listens")
    fleet.start_worker()
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    reader.join(30)
    told = [json.loads(e.split("data: ", 1)[1]) for e in events if e.startswith("event: progress")]
    loading = [t for t in told if t["what"] == "loading model yolov8"]
    assert len(loading) == 1 and loading[0]["step"] == "boxes" and loading[0]["item"] == 0 and loading[0]["bytes"] > 1000, told
    assert loading[0]["id"] == job
    assert sum(e.startswith("event: job") for e in events) >= 2
    assert not any("{}" in e for e in events if e.startswith("event: job"))
    text = shown.communicate(timeout=30 * SLOWNESS)[0]
    assert "loading model yolov8 (" in text, text
    assert "\033" not in text


def test_where_cuda_is_not_there_auto_goes_on_and_says_so_once_and_cuda_is_rejected(fleet, models):
    """On a machine that has CUDA: an empty CUDA_VISIBLE_DEVICES hides it."""
    assert models.is_dir()
    fleet.start_dispatcher()
    worker = fleet.start_worker(env={"CUDA_VISIBLE_DEVICES": ""})
    job = submit(fleet, small(fleet.pictures, 2))
    assert fleet.wait_end(job) == "succeeded", fleet.explain(job)
    assert data_of(fleet, job, "boxes")["device"] == "cpu"
    os.kill(inference_processes(worker)[0], signal.SIGKILL)
    job = submit(fleet, small(fleet.pictures, 2))
    assert fleet.wait_end(job) == "succeeded", fleet.explain(job)
    assert worker.text().count("ev=inference.started") == 2 and worker.text().count(" note=") == 1
    worker.stop()
    fleet.start_worker(env={"PIXELFLEET_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""})
    job = submit(fleet, small(fleet.pictures, 1))
    assert fleet.wait_end(job) in ("failed", "partial")
    (message, _signal, kind), = attempts(fleet, job)
    assert kind == "reject" and "cuda" in message, message


def test_without_the_library_steps_are_rejected_and_check_says_why(fleet, models):
    assert models.is_dir()
    fleet.settings["PIXELFLEET_ONNXRUNTIME"] = fleet.folder / "nothing.so"
    fleet.start_dispatcher()
    worker = fleet.start_worker()
    job = submit(fleet, small(fleet.pictures, 5))
    assert fleet.wait_end(job) in ("failed", "partial")
    rejected = attempts(fleet, job)
    assert len(rejected) == 5 and all("PIXELFLEET_ONNXRUNTIME" in m and k == "reject" for m, _s, k in rejected), rejected
    assert worker.text().count("ev=inference.failed") <= 2, "it is not started for each step anew"
    checked = subprocess.run([built("pixelfleet-worker"), "--check"], env=fleet.environment(), capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert re.search(r"^inference +models cannot be run .*nothing\.so", checked.stdout, re.M), checked.stdout


def test_a_drain_lets_a_model_finish_and_ends_the_process(fleet, models):
    assert models.is_dir()
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=2,infer=2,io=4")
    job = submit(fleet, nature(fleet.pictures, 2))
    wait_for(lambda: inference_processes(worker), 30, "the process runs")
    pid, = inference_processes(worker)
    worker.stop()
    assert not pathlib.Path(f"/proc/{pid}").exists()
    fleet.start_worker()
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    assert attempts(fleet, job) == []
