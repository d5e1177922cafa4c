"""`detect` on a model server. The server is a FAKE (fake_triton.py): it speaks the protocol and
answers with tensors that were put together here; no model runs."""
import array
import json
import math
import struct
import subprocess
import threading
import time

import pytest

from fake_triton import FakeTriton, Model, red_box, yolo_model, yolo_v5, yolo_v8
from fleet import wait_for
from pictures import header, nature, png, small, vips
from services import built

SIDE = 640
# cx, cy, w, h, class, score in pixels of the model's input; the second is the first again, the fourth has too little.
BOXES = [(320, 320, 120, 60, 16, 0.92), (322, 321, 120, 60, 16, 0.81), (200, 300, 50, 90, 0, 0.75), (400, 300, 50, 90, 0, 0.2),
         (322, 321, 120, 60, 2, 0.5)]


@pytest.fixture(name="fake")
def make_fake():
    with FakeTriton() as fake:
        yield fake


@pytest.fixture(name="served")
def make_served(fleet, fake):
    """A fleet that knows the fake server."""
    fleet.settings["PIXELFLEET_TRITON_URL"] = fake.url
    fleet.settings["PIXELFLEET_TRITON_TIMEOUT_S"] = 3
    fleet.settings["PIXELFLEET_MODELS_DIR"] = fleet.folder / "models"
    fleet.start_dispatcher()
    fleet.start_worker()
    return fleet


def detect(model="yolov8n", step="boxes", **params):
    return {"id": step, "tool": "detect", "needs": ["src"], "params": {"backend": "triton", "model": model, **params}}


def data_of(fleet, job, step, item=0):
    return fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = %s AND item = %s", job, step, item)


def message_of(fleet, job):
    return fleet.sql("SELECT message FROM pixelfleet.attempt WHERE job = %s ORDER BY at LIMIT 1", job)[0]


def in_picture(box, width, height, side=SIDE):
    """The letterbox undone, from its definition: left, top, width, height in pixels of the picture."""
    scale = min(side / width, side / height)
    inner_width, inner_height = round(width * scale), round(height * scale)
    left, top = round((side - inner_width) / 2 - 0.1), round((side - inner_height) / 2 - 0.1)
    cx, cy, w, h = box[:4]

    def back(v, pad, inner, whole):
        return min(max((v - pad) * whole / inner, 0), whole)

    x0, x1 = (back(v, left, inner_width, width) for v in (cx - w / 2, cx + w / 2))
    y0, y1 = (back(v, top, inner_height, height) for v in (cy - h / 2, cy + h / 2))
    return [x0, y0, x1 - x0, y1 - y0]


def test_detect_gives_the_boxes_of_both_layouts_in_pixels_of_real_photographs(served, fake):
    fake.models["yolov5s"] = yolo_model(yolo_v5, BOXES)
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES)
    photographs = nature(served.pictures, 3)
    tall = served.pictures / "tall.jpg"
    vips("rot", photographs[0], tall, "d90")
    files = [*map(str, photographs), str(tall)]
    job = served.submit([{"id": "src", "tool": "fetch"}, detect("yolov5s", "five"), detect("yolov8n", "eight")], files)
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    worst = 0
    for item, file in enumerate(files):
        width, height = int(header(file, "width")), int(header(file, "height"))
        five, eight = data_of(served, job, "five", item), data_of(served, job, "eight", item)
        assert five["items"] == eight["items"], "both layouts tell the same"
        assert (five["width"], five["height"], five["backend"], five["model"]) == (width, height, "triton", "yolov5s")
        assert "simulated" not in five
        assert [(i["label"], i["score"]) for i in five["items"]] == [("16", 0.92), ("0", 0.75), ("2", 0.5)]
        for found, box in zip(five["items"], (BOXES[0], BOXES[2], BOXES[4])):
            worst = max(worst, *(abs(a - b) for a, b in zip(found["box"], in_picture(box, width, height))))
    took = sorted(served.sql("SELECT ms FROM pixelfleet.step_view WHERE job = %s AND step <> 'src'", job))
    print(f"FAKE Triton: {len(files)} photographs, two layouts, boxes off by {worst:.3f} pixels at most; "
          f"a detect step took {took[len(took) // 2]:.0f} ms (median)")
    assert worst < 0.02


def test_what_is_red_in_the_picture_is_found_where_it_is(served, fake):
    """Here the fake looks at the tensor that it is given: scale, bars, channels and order have to be right."""
    def answer(given):
        left, top, right, bottom = red_box(given["images"], SIDE)
        return [yolo_v8([((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 0, 0.9)])[0]]

    fake.models["red"] = Model([("images", "FP32", [1, 3, SIDE, SIDE])], [("output0", "FP32", [1, 84, 8400])], answer)
    files, wanted = [], []
    cases = ((1600, 900, (300, 200, 400, 300)), (700, 1500, (100, 1100, 500, 250)), (320, 320, (8, 16, 100, 64)))
    for n, (width, height, box) in enumerate(cases):
        back, spot = served.folder / f"back{n}.png", served.folder / f"spot{n}.png"
        png(back, width, height, (40, 90, 160))
        png(spot, box[2], box[3], (250, 10, 20))
        files.append(str(served.pictures / f"{n}.png"))
        vips("insert", back, spot, files[-1], box[0], box[1])
        wanted.append(box)
    job = served.submit([{"id": "src", "tool": "fetch"}, detect("red")], files)
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    worst = 0
    for item, box in enumerate(wanted):
        found = data_of(served, job, "boxes", item)["items"][0]["box"]
        worst = max(worst, *(abs(a - b) for a, b in zip(found, box)))
    print(f"FAKE Triton: red boxes off by {worst:.2f} pixels at most (one pixel of the input is up to 2.5)")
    assert worst <= 2.6


def test_json_and_binary_answers_are_identical(served, fake):
    boxes = [(80, 80, 33.25, 20.5, 1, 0.9), (40, 90, 10, 10.125, 0, 0.3)]
    fake.models["binary"] = yolo_model(yolo_v8, boxes, 160, 3)
    fake.models["json"] = yolo_model(yolo_v8, boxes, 160, 3, binary=False)
    job = served.submit([{"id": "src", "tool": "fetch"}, detect("binary", "b"), detect("json", "j")], small(served.pictures, 1))
    assert served.wait_end(job) == "succeeded", served.explain(job)
    assert data_of(served, job, "b")["items"] == data_of(served, job, "j")["items"]
    assert len(data_of(served, job, "b")["items"]) == 2


def test_a_model_of_halves_gives_the_same_boxes(served, fake):
    boxes = [(80, 80, 33.25, 20.5, 1, 0.9), (40, 90, 10, 10.125, 0, 0.3125)]
    fake.models["floats"] = yolo_model(yolo_v8, boxes, 160, 3)
    fake.models["halves"] = Model([("images", "FP16", [1, 3, 160, 160])], [("output0", "FP16", [-1, 7, 525])], None)
    given = []

    def answer(tensors):
        given.append(tensors["images"])
        values = yolo_v8(boxes, 160, 3)[0]
        return [array.array("H", struct.pack(f"<{len(values)}e", *values))]

    fake.models["halves"].answer = answer
    job = served.submit([{"id": "src", "tool": "fetch"}, detect("floats", "f"), detect("halves", "h")], small(served.pictures, 1))
    assert served.wait_end(job) == "succeeded", served.explain(job)
    assert given[0][2 * 160 * 160] == struct.unpack("<H", struct.pack("<e", 99 / 255))[0], "the picture's blue, as a half"
    floats, halves = (data_of(served, job, step)["items"] for step in "fh")
    assert [(i["label"], i["box"]) for i in floats] == [(i["label"], i["box"]) for i in halves]
    assert [i["score"] for i in floats] == pytest.approx([i["score"] for i in halves], abs=5e-4)


def test_classify_takes_the_labels_that_the_server_has(served, fake):
    fake.models["four"] = Model([("input", "FP32", [-1, 3, 64, 64])], [("logits", "FP32", [-1, 4])],
                                lambda given: [array.array("f", (0, 3, 1, 2))], labels=("tench", "tabby cat", "a:b", "d"))
    step = {"id": "what", "tool": "classify", "needs": ["src"], "params": {"backend": "triton", "model": "four", "top_k": 3}}
    job = served.submit([{"id": "src", "tool": "fetch"}, step], small(served.pictures, 1))
    assert served.wait_end(job) == "succeeded", served.explain(job)
    assert data_of(served, job, "what")["items"] == [{"label": "tabby cat", "score": 0.643914}, {"label": "d", "score": 0.236883},
                                                     {"label": "a:b", "score": 0.087144}]
    assert fake.requests[-1]["outputs"] == [{"name": "logits", "parameters": {"binary_data": True, "classification": 4}}]


def test_one_slot_asks_everything_on_one_connection(served, fake):
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES, 160)
    job = served.submit([{"id": "src", "tool": "fetch"}, detect()], small(served.pictures, 20))
    assert served.wait_end(job) == "succeeded", served.explain(job)
    assert fake.count("/infer") == 20
    assert fake.accepted == 1


def test_labels_come_from_the_models_card(served, fake):
    fake.models["pets"] = yolo_model(yolo_v5, [(80, 80, 30, 20, 1, 0.9), (30, 80, 30, 20, 0, 0.8)], 160, 2)
    (served.folder / "models" / "pets").mkdir(parents=True)
    (served.folder / "models" / "pets" / "model.json").write_text(json.dumps({"labels": ["cat", "dog"]}))
    job = served.submit([{"id": "src", "tool": "fetch"}, detect("pets", "all"), detect("pets", "dogs", label_in=["dog"])],
                        small(served.pictures, 1))
    assert served.wait_end(job) == "succeeded", served.explain(job)
    assert [i["label"] for i in data_of(served, job, "all")["items"]] == ["dog", "cat"]
    assert [i["label"] for i in data_of(served, job, "dogs")["items"]] == ["dog"]


def test_without_an_address_detect_is_rejected_and_names_the_setting(running):
    job = running.submit([{"id": "src", "tool": "fetch"}, detect()], small(running.pictures, 1))
    assert running.wait_end(job) == "failed"
    assert "PIXELFLEET_TRITON_URL is empty" in message_of(running, job)
    assert running.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == 1, "rejected, not retried"


@pytest.mark.parametrize("params, says", [
    ({"model": "nobody"}, "unknown model: 'nobody' is not found"),
    ({"model": "../repository/index"}, "no name of a model"),
    ({"model": "wide"}, "'images' FP32 [1,3,9,9]"),
    ({"model": "wrong"}, "'output0' FP32 [1,7,7]"),
])
def test_what_can_never_work_is_rejected_with_both_sides(served, fake, params, says):
    fake.models["wide"] = Model([("images", "FP32", [1, 3, 9, 9])], [("output0", "FP32", [1, 5, 9])], None)
    fake.models["wrong"] = Model([("images", "FP32", [1, 3, 64, 64])], [("output0", "FP32", [1, 7, 7])],
                                 lambda given: [yolo_v8([], 64, 80)[0][:49]])
    job = served.submit([{"id": "src", "tool": "fetch"}, detect(**params)], small(served.pictures, 1))
    assert served.wait_end(job) == "failed"
    assert says in message_of(served, job)
    assert served.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == 1, "rejected, not retried"


def binary(outputs, blob):
    head = json.dumps({"outputs": outputs}).encode()
    return (200, head + blob, [("Inference-Header-Content-Length", str(len(head)))])


def output(shape, size):
    return [{"name": "output0", "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": size}}]


GARBAGE = [
    ((200, b"garbage", []), "not JSON"),
    ((200, b"{}", []), "no list"),
    ((200, b"{}", [("Inference-Header-Content-Length", "99999")]), "99999"),
    (binary(output([1, 84, 8400], 84 * 8400 * 4), b"abcd"), "4 are left"),
    (binary(output([1, 84, 1 << 40], 4), b"abcd"), "dimension 2"),
    (binary([{"name": "other", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}], b"abcd"), "no output 'output0'"),
    (binary(output([1, 5, 6], 120), struct.pack("<30f", *[math.nan] * 30)), "no number"),
    (binary(output([1, 5, 6], 120), struct.pack("<30f", *[9.0] * 30)), "no probability"),
]


def test_garbage_is_a_clear_error_and_the_worker_goes_on(served, fake):
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES)
    picture = small(served.pictures, 1)
    once = {"max_attempts": 1}
    fake.mode("garbage")
    for answer, says in GARBAGE:
        fake.garbage = answer
        job = served.submit([{"id": "src", "tool": "fetch"}, {**detect(), "retry": once}], picture)
        assert served.wait_end(job) == "failed"
        assert says in message_of(served, job), f"{message_of(served, job)} for {answer[1][:60]}"
    fake.mode("ok")
    job = served.submit([{"id": "src", "tool": "fetch"}, detect()], picture)
    assert served.wait_end(job) == "succeeded", served.explain(job)


def test_an_answer_without_end_is_cut_off(served, fake):
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES)
    fake.garbage = (200, b" " * (66 << 20), [])
    fake.mode("garbage")
    job = served.submit([{"id": "src", "tool": "fetch"}, {**detect(), "retry": {"max_attempts": 1}}], small(served.pictures, 1))
    assert served.wait_end(job) == "failed"
    assert "larger than" in message_of(served, job)


def test_a_server_that_fails_this_request_is_charged_and_tried_again(served, fake):
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES)
    fake.mode("500")
    job = served.submit([{"id": "src", "tool": "fetch"}, {**detect(), "retry": {"max_attempts": 2, "backoff_s": 0.1}}],
                        small(served.pictures, 1))
    assert served.wait_end(job) == "failed"
    assert served.sql("SELECT attempt FROM pixelfleet.attempt WHERE job = %s ORDER BY attempt", job) == [1, 2]
    assert "out of memory" in message_of(served, job)


def test_cancel_ends_a_call_that_hangs(served, fake):
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES)
    served.programs[-1].stop()
    worker = served.start_worker(env={"PIXELFLEET_TRITON_TIMEOUT_S": 60})
    fake.mode("hang")
    job = served.submit([{"id": "src", "tool": "fetch"}, detect()], small(served.pictures, 1))
    wait_for(lambda: fake.count("/yolov8n"), 20, "the model is asked for")
    began = time.monotonic()
    served.http("POST", f"/api/v1/jobs/{job}/cancel")
    assert served.wait_end(job) == "cancelled"
    worker.wait_logged(r"ev=step\.failed .*kind=cancel", 5)
    print(f"cancelled in {time.monotonic() - began:.2f} s while the FAKE server hung")


@pytest.mark.parametrize("outage", ["refuse", "hang", "503"])
def test_an_outage_burns_no_attempt_and_work_flows_soon_after(served, fake, outage):
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES, 160)
    warm = served.submit([{"id": "src", "tool": "fetch"}, detect()], small(served.pictures, 1))
    assert served.wait_end(warm) == "succeeded", "the model is known, and connections are open"
    fake.mode(outage)
    job = served.submit([{"id": "src", "tool": "fetch"}, detect()], small(served.pictures, 50))

    def waiting():
        return served.one("SELECT count(*) FROM pixelfleet.step_view WHERE job = %s AND step = 'boxes' AND state = 'retrying'", job)

    wait_for(lambda: waiting() >= 49, 60, lambda: f"the steps wait; {waiting()} do: {served.explain(job)}")
    lane = [q for q in served.http("GET", "/api/v1/queues").body["queues"] if q["queue"] == "infer"][0]
    assert "triton" in json.dumps(lane), f"the lane shows why: {lane}"
    assert "triton" in served.cli("queues")

    def done():
        return served.one("SELECT count(*) FROM pixelfleet.step_view WHERE job = %s AND step = 'boxes' AND state = 'succeeded'", job)

    tried = fake.count("/infer", fake.changed_at)
    fake.mode("ok")
    wait_for(lambda: done() >= 1, 15, lambda: f"the first success after the return: {served.explain(job)}", every=0.005)
    first = time.monotonic() - fake.changed_at
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    total = time.monotonic() - fake.changed_at
    print(f"outage '{outage}' of the FAKE server: first success {first:.2f} s after its return, all 50 after {total:.2f} s; "
          f"{tried} inferences were tried during it")
    assert first < 5
    assert served.sql("SELECT DISTINCT attempt FROM pixelfleet.step_view WHERE job = %s AND step = 'boxes'", job) == [1]
    assert served.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == 0, "nothing was charged"


def test_a_request_that_kills_the_server_is_not_repeated_for_ever(served, fake):
    """Each time it is sent, the fake goes away without an answer, and comes back a second later."""
    def die(_given):
        fake.mode("refuse")
        threading.Timer(1, fake.mode, ("ok",)).start()
        raise ConnectionError

    fake.models["poison"] = yolo_model(yolo_v8, BOXES, 160)
    fake.models["poison"].answer = die
    fake.models["yolov8n"] = yolo_model(yolo_v8, BOXES, 160)
    picture = small(served.pictures, 1)
    once = {"max_attempts": 1}
    poisoned = served.submit([{"id": "src", "tool": "fetch"}, {**detect("poison"), "retry": once}], picture)
    fine = served.submit([{"id": "src", "tool": "fetch"}, detect()], picture)
    assert served.wait_end(poisoned, 90) == "failed", served.explain(poisoned)
    assert "went away over this step" in message_of(served, poisoned)
    assert served.wait_end(fine, 30) == "succeeded", served.explain(fine)
    print(f"a request that kills the FAKE server was sent {fake.count('/poison/infer')} times")
    wait_for(lambda: fake.current == "ok", 5, "the fake is back")


def test_check_tells_whether_the_server_is_ready(served, fake):
    def check():
        done = subprocess.run([built("pixelfleet-worker"), "--check"], env=served.environment(), capture_output=True,
                              text=True, timeout=60, check=False)
        return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("triton")]

    assert check() == (0, ["triton      ok"])
    fake.mode("503")
    code, lines = check()
    assert code == 1 and "answers 503: FAKE: overloaded" in lines[0]


def test_a_step_that_waits_for_its_model_has_let_go_of_its_picture(served, fake):
    asked, go_on = threading.Event(), threading.Event()

    def answer(_given):
        asked.set()
        go_on.wait(30)
        return [yolo_v8(BOXES)[0]]

    def memory():
        worker, = served.http("GET", "/api/v1/workers").body["workers"]
        return worker["memory"]

    fake.models["slow"] = Model([("images", "FP32", [1, 3, SIDE, SIDE])], [("output0", "FP32", [1, 84, 8400])], answer)
    plain, woven = served.folder / "plain.png", served.pictures / "woven.png"
    png(plain, 4000, 4000)
    vips("pngsave", plain, woven, "--interlace")
    job = served.submit([{"id": "src", "tool": "fetch"}, detect("slow")], [str(woven)])
    try:
        assert asked.wait(30)
        wait_for(lambda: memory()["peak"] > 40 << 20, 5, "the decoder of what is woven keeps all of it")
        wait_for(lambda: 0 < memory()["granted"] <= 32 << 20, 5, memory)
        assert served.state(job) == "running"
    finally:
        go_on.set()
    assert served.wait_end(job, 30) == "succeeded", served.explain(job)
