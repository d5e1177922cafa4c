"""The backend "triton" on a REAL Triton Inference Server (tests/triton/), whose models are a few lines of NumPy that look at
the picture. `make test-triton` installs the server and runs this; `make test` has the protocol against a FAKE one instead."""
import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from fleet import wait_for
from pictures import png, vips
from services import ROOT, built, die_with_us

INSTALLED = os.environ.get("PIXELFLEET_REAL_TRITON")
if not INSTALLED:
    pytest.skip("needs a real Triton: make test-triton installs one and runs this", allow_module_level=True)

# left, top, width, height of what is red and of what is blue, in a picture of 1280 x 960: two of its pixels are one of the input.
RED, BLUE = (200, 160, 320, 240), (800, 500, 300, 400)
SIZES = {"BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "UINT32": 4, "INT32": 4, "UINT64": 8, "INT64": 8, "FP16": 2,
         "BF16": 2, "FP32": 4, "FP64": 8}


@pytest.fixture(scope="module", name="triton")
def make_triton(tmp_path_factory):
    sys.path.insert(0, str(ROOT / "tests" / "triton"))
    from server import RealTriton       # pylint: disable=import-error,import-outside-toplevel
    triton = RealTriton(ROOT / INSTALLED, tmp_path_factory.mktemp("triton") / "server")
    triton.pause(0)
    try:
        triton.start()
        print(f"real Triton {triton.about()['version']}, ready {triton.ready_after:.1f} s after its start, with "
              f"{len(list(triton.models.iterdir()))} models")
        yield triton
    finally:
        triton.stop()


@pytest.fixture(name="served")
def make_served(fleet, triton):
    fleet.settings.update({"PIXELFLEET_TRITON_URL": triton.url, "PIXELFLEET_TRITON_TIMEOUT_S": 20,
                           "PIXELFLEET_MODELS_DIR": fleet.folder / "cards"})
    fleet.start_dispatcher()
    fleet.start_worker()
    return fleet


@pytest.fixture(name="picture")
def make_picture(fleet):
    back, red, blue, both = (fleet.folder / f"{name}.png" for name in ("back", "red", "blue", "both"))
    png(back, 1280, 960, (0, 0, 0))
    png(red, RED[2], RED[3], (250, 10, 20))
    png(blue, BLUE[2], BLUE[3], (10, 20, 250))
    vips("insert", back, red, both, RED[0], RED[1])
    vips("insert", both, blue, fleet.pictures / "spots.png", BLUE[0], BLUE[1])
    return str(fleet.pictures / "spots.png")


def detect(model, step=None, **params):
    return {"id": step or model, "tool": "detect", "needs": ["src"], "params": {"backend": "triton", "model": model, **params}}


def job_of(fleet, steps, pictures, **more):
    return fleet.submit([{"id": "src", "tool": "fetch"}, *steps], pictures, **more)


def data_of(fleet, job, step, item=0):
    return fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = %s AND item = %s", job, step, item)


def message_of(fleet, job):
    return fleet.sql("SELECT message FROM pixelfleet.attempt WHERE job = %s ORDER BY at LIMIT 1", job)[0]


def ask_triton(url, *words, **env):
    done = subprocess.run([built("ask_triton"), url, *words], capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return done.stdout


def card(fleet, model, **members):
    folder = fleet.folder / "cards" / model
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(members))


class AsksForJson(http.server.ThreadingHTTPServer):
    """Stands before the server, and asks it for JSON wherever binary tensors were asked for."""
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Passing)
        self.backend, self.changed = port, 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):       # pylint: disable=redefined-builtin
        pass

    def do_GET(self):
        self.pass_on("GET", None, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        split = int(self.headers["Inference-Header-Content-Length"])
        request = json.loads(body[:split])
        # Triton has no JSON for numbers of 16 bits.
        if not {"FP16", "BF16"} & {tensor["datatype"] for tensor in request["inputs"]}:
            for output in request["outputs"]:
                output["parameters"]["binary_data"] = False
            self.server.changed += 1
        head = json.dumps(request).encode()
        self.pass_on("POST", head + body[split:], {"Inference-Header-Content-Length": str(len(head))})

    def pass_on(self, method, body, headers):
        backend = http.client.HTTPConnection("127.0.0.1", self.server.backend)
        backend.request(method, self.path, body, headers)
        answer = backend.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "Inference-Header-Content-Length"):
            if answer.getheader(name):
                self.send_header(name, answer.getheader(name))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        backend.close()


@pytest.fixture(name="json_only")
def make_json_only(triton):
    server = AsksForJson(triton.port)
    yield server
    server.shutdown()
    server.server_close()


# ---- types ----

def test_every_type_goes_there_and_back_bit_for_bit(triton):
    lines = [line.split() for line in ask_triton(triton.url, "types").splitlines()]
    kinds = []
    for given, taken, seen in zip(lines[::3], lines[1::3], lines[2::3]):
        assert (given[0], taken[0], seen[0]) == ("given", "taken", "seen")
        assert given[1:] == taken[1:], "the model gives what it is given"
        if given[1] != "BYTES":
            assert len(given[2]) == 8 * 2 * SIZES[given[1]]
        assert seen[1] == (given[1] if given[1] in ("INT64", "UINT64", "BYTES") else "FP32")
        kinds.append(given[1])
    assert set(kinds) == {*SIZES, "BYTES"}
    print(f"{len(kinds)} types: {' '.join(kinds)}")


def test_json_and_binary_answers_are_identical_for_every_type_that_has_both(triton, json_only):
    binary = ask_triton(triton.url, "types")
    assert ask_triton(json_only.url, "types") == binary
    assert json_only.changed == 2 * 12, "all but FP16 and BF16, each asked for twice"


def test_detect_finds_the_same_with_models_of_four_types(served, picture):
    models = ["boxes", "boxes_fp16", "boxes_bf16", "boxes_uint8"]
    job = job_of(served, [detect(model) for model in models], [picture])
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    for model in models:
        found = data_of(served, job, model)
        assert [round(i["score"], 2) for i in found["items"]] == [0.95, 0.95], found
        off = max(abs(a - b) for i, box in zip(sorted(found["items"], key=lambda i: i["box"][0]), (RED, BLUE))
                  for a, b in zip(i["box"], box))
        # A bfloat has 8 bits: from 256 on its steps are 2, which are 4 pixels of the picture, and half of that is lost.
        print(f"{model}: boxes off by {off:.2f} pixels at most")
        assert off <= (2.01 if model == "boxes_bf16" else 0.5)
        assert found["backend"] == "triton" and found["model"] == model


def test_detect_from_json_and_from_binary_answers_gives_the_same_boxes(served, picture, json_only):
    job = job_of(served, [detect("boxes")], [picture])
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    served.programs[-1].stop()
    served.start_worker(env={"PIXELFLEET_TRITON_URL": json_only.url})
    again = job_of(served, [detect("boxes")], [picture])
    assert served.wait_end(again, 60) == "succeeded", served.explain(again)
    assert json_only.changed == 1
    assert data_of(served, again, "boxes") == data_of(served, job, "boxes")


def test_a_models_card_says_what_the_server_calls_it(served, picture):
    card(served, "eyes/spots-2", kind="yolo", triton="boxes", labels=["red", "green", "blue", *map(str, range(77))])
    job = job_of(served, [detect("eyes/spots-2", "spots")], [picture])
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    assert sorted(i["label"] for i in data_of(served, job, "spots")["items"]) == ["blue", "red"]


# ---- classes ----

def test_classes_come_best_first_with_the_servers_labels(triton):
    lines = [line.split() for line in ask_triton(triton.url, "classes").splitlines()]
    assert [line[:2] for line in lines] == [["1", "red"], ["0", "grey"], ["2", "green"]]
    assert [float(line[2]) for line in lines] == sorted((float(line[2]) for line in lines), reverse=True)


def test_classify_names_classes_by_the_servers_labels_or_the_cards(served):
    pictures = [png(served.pictures / f"{name}.png", 300, 400, color) for name, color in
                (("red", (250, 10, 20)), ("green", (10, 250, 20)), ("blue", (10, 20, 250)), ("grey", (150, 150, 150)))]
    card(served, "plain_colours", labels=["grau", "rot", "gruen", "blau"])
    steps = [{"id": model, "tool": "classify", "needs": ["src"], "params": {"backend": "triton", "model": model, "top_k": 4}}
             for model in ("colours", "plain_colours")]
    job = job_of(served, steps, pictures)
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    for item, (english, german) in enumerate((("red", "rot"), ("green", "gruen"), ("blue", "blau"), ("grey", "grau"))):
        theirs, ours = (data_of(served, job, model, item)["items"] for model in ("colours", "plain_colours"))
        assert (theirs[0]["label"], ours[0]["label"]) == (english, german)
        assert sum(i["score"] for i in theirs) == pytest.approx(1, abs=1e-3), "softmax of all four"
        assert [i["score"] for i in theirs] == pytest.approx([i["score"] for i in ours], abs=1e-4)


# ---- errors ----

@pytest.mark.parametrize("params, says, attempts", [
    ({"model": "nobody"}, "answers 404: Request for unknown model: 'nobody' is not found", 1),
    ({"model": "boxes", "version": "9"}, "answers 404: Request for unknown model: 'boxes' version 9 is not found", 1),
    ({"model": "same_bytes"}, "'given' BYTES [-1]", 1),
    ({"model": "raises"}, "answers 500: Failed to process the request(s) for model 'raises", 2),
])
def test_what_goes_wrong_is_said_and_repeated_or_not(served, picture, params, says, attempts):
    step = {**detect(params.pop("model"), "boxes", **params), "retry": {"max_attempts": 2, "backoff_s": 0.1}}
    job = job_of(served, [step], [picture])
    assert served.wait_end(job) == "failed"
    assert says in message_of(served, job)
    assert served.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == attempts
    fine = job_of(served, [detect("boxes", version="1")], [picture])
    assert served.wait_end(fine) == "succeeded", served.explain(fine)
    assert data_of(served, fine, "boxes")["version"] == "1"


def test_a_model_that_does_not_come_back_cannot_hold_a_step_past_its_time(served, triton, picture):
    triton.pause(8)
    try:
        began = time.monotonic()
        job = job_of(served, [{**detect("slow"), "timeout_s": 3, "retry": {"max_attempts": 1}}], [picture])
        assert served.wait_end(job, 20) == "failed"
        took = time.monotonic() - began
        print(f"a model that takes 8 s, a step of 3 s: ended after {took:.1f} s: {message_of(served, job)}")
        assert took < 5
        assert "ready, but" in message_of(served, job), "the server was asked, and it is not its fault"
    finally:
        triton.pause(0)


# ---- the server goes away ----

def test_a_server_that_is_killed_and_started_again_costs_no_attempt(served, triton, picture):
    warm = job_of(served, [detect("boxes")], [picture])
    assert served.wait_end(warm) == "succeeded", served.explain(warm)
    triton.kill9()
    try:
        job = job_of(served, [detect("boxes")], [picture] * 20)

        def count(state):
            return served.one("SELECT count(*) FROM pixelfleet.step_view WHERE job = %s AND step = 'boxes' AND state = %s", job, state)

        wait_for(lambda: count("retrying") >= 19, 60, lambda: f"the steps wait: {served.explain(job)}")
    finally:
        triton.start()
    back = time.monotonic()
    wait_for(lambda: count("succeeded") >= 1, 20, lambda: f"the first success: {served.explain(job)}", every=0.01)
    first = time.monotonic() - back
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    print(f"killed with 20 steps waiting; Triton ready again {triton.ready_after:.1f} s after its start; first success {first:.1f} s, "
          f"all {time.monotonic() - back:.1f} s after that")
    assert served.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == 0, "nothing was charged"


# ---- HTTP/2 ----

@pytest.fixture(name="front")
def make_front(triton, tmp_path):
    """A server of HTTP/2 over TLS before it."""
    certificate, key, log = tmp_path / "certificate.pem", tmp_path / "key.pem", tmp_path / "front.log"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    with open(log, "wb") as out, subprocess.Popen(
            [ROOT / INSTALLED / "venv" / "bin" / "python", "-B", ROOT / "tests" / "triton" / "h2_front.py", certificate, key,
             str(triton.port)], stdout=out, stderr=out, preexec_fn=die_with_us) as front:
        try:
            wait_for(log.read_text, 20, "the front listens")
            port = log.read_text().split()[0]
            yield f"https://127.0.0.1:{port}", str(certificate), log
        finally:
            front.terminate()


def test_http2_is_used_where_it_is_offered_and_its_connection_again(served, triton, front, picture):
    url, certificate, log = front
    assert ask_triton(url, "types", PIXELFLEET_TRITON_CA_FILE=certificate) == ask_triton(triton.url, "types")
    connections = {line.split()[0] for line in log.read_text().splitlines()[1:]}
    assert connections == {"1"}, "42 requests on one connection"
    served.programs[-1].stop()
    served.start_worker(env={"PIXELFLEET_TRITON_URL": url, "PIXELFLEET_TRITON_CA_FILE": certificate})
    job = job_of(served, [detect("boxes")], [picture] * 5)
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    assert data_of(served, job, "boxes")["items"]
    infers = [line for line in log.read_text().splitlines() if line.endswith("/boxes/infer")]
    assert len(infers) == 5 and len({line.split()[0] for line in infers}) == 1, "one slot, one connection"


# ---- figures ----

def test_latency_of_a_request(served, triton, picture):
    median, high = map(int, ask_triton(triton.url, "latency", "500").split())
    print(f"64 numbers to a Python model and back: median {median} us, 95 % under {high} us")
    job = job_of(served, [detect("boxes")], [picture] * 20)
    assert served.wait_end(job, 60) == "succeeded", served.explain(job)
    took = sorted(served.sql("SELECT ms FROM pixelfleet.step_view WHERE job = %s AND step = 'boxes'", job))
    print(f"detect, 4.9 MB to the model and 2.8 MB back: median {took[10]:.0f} ms, slowest {took[-1]:.0f} ms")
    assert median < 50000
