#!/usr/bin/python3
"""FAKE Triton: an HTTP server that speaks enough of KServe v2 (health, metadata, infer; JSON and binary
tensors) for tests of the client. No model runs in it: it answers with tensors that tests have put
together. Written from the published protocol; that a real Triton agrees is not shown by it.

    with FakeTriton() as fake:
        fake.models["yolov8n"] = Model(inputs=[...], outputs=[...], answer=lambda given: [...])
        fake.mode("hang")       # ok, refuse, hang, 503, 500, garbage
"""
import argparse
import array
import http.server
import json
import math
import socket
import struct
import sys
import threading
import time

from services import free_port
from webserver import WebServer

SIZES = {"FP16": 2, "FP32": 4, "FP64": 8, "INT64": 8, "INT32": 4, "UINT8": 1}
CODES = {"FP16": "H", "FP32": "f", "FP64": "d", "INT64": "q", "INT32": "i", "UINT8": "B"}
MODES = ("ok", "refuse", "hang", "503", "500", "garbage")


class Model:
    """`answer` gets {input name: array} and returns one array for each output (halves: as their 16 bits); `binary` False:
    only JSON comes out; `labels`: of the classes of every output."""

    def __init__(self, inputs, outputs, answer, binary=True, labels=()):
        self.inputs, self.outputs, self.answer, self.binary, self.labels = inputs, outputs, answer, binary, labels

    def classes(self, values, most):
        """The classification extension: "score:index:label" of the best."""
        best = sorted(range(len(values)), key=lambda i: -values[i])[:most]
        return [f"{values[i]:f}:{i}{':' + self.labels[i] if self.labels else ''}".encode() for i in best]

    def describe(self, name):
        def tensors(list_):
            return [{"name": n, "datatype": t, "shape": s} for n, t, s in list_]
        return {"name": name, "versions": ["1"], "platform": "fake", "inputs": tensors(self.inputs),
                "outputs": tensors(self.outputs)}


class Refusal(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "FAKE-Triton"

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.fake.connections.add(self.connection)
        self.server.fake.accepted += 1

    def finish(self):
        self.server.fake.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, format, *args):       # pylint: disable=redefined-builtin
        pass

    def reply(self, status, body, headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self, act):
        fake = self.server.fake
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fake.seen(self.command, self.path)
        mode = fake.current
        if mode == "hang":
            fake.hang(self)
            self.close_connection = True
            return
        if mode == "503":
            self.reply(503, {"error": "FAKE: overloaded"})
            return
        try:
            act(fake, body)
        except Refusal as refusal:
            self.reply(refusal.status, {"error": str(refusal)})

    def do_GET(self):
        self.handle_any(self.get)

    def do_POST(self):
        self.handle_any(self.post)

    def get(self, fake, _body):
        if self.path in ("/v2/health/ready", "/v2/health/live"):
            self.reply(200, b"")
            return
        parts = self.path.strip("/").split("/")
        if parts[:2] != ["v2", "models"] or len(parts) < 3:
            raise Refusal(404, "FAKE: no such path")
        model = fake.model(parts[2])
        self.reply(200, b"" if parts[-1] == "ready" else model.describe(parts[2]))

    def post(self, fake, body):
        parts = self.path.strip("/").split("/")
        if parts[:2] != ["v2", "models"] or parts[-1] != "infer":
            raise Refusal(404, "FAKE: no such path")
        model = fake.model(parts[2])
        if fake.current == "500":
            raise Refusal(500, "FAKE: out of memory")
        if fake.current == "garbage":
            status, text, headers = fake.garbage
            self.reply(status, text, headers)
            return
        request, given = self.read_tensors(model, body)
        fake.requests.append(request)
        self.write_tensors(model, parts[2], request, model.answer(given))

    def read_tensors(self, model, body):
        split = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        request, rest, given = json.loads(body[:split]), body[split:], {}
        wanted = {name: (kind, shape) for name, kind, shape in model.inputs}
        for tensor in request["inputs"]:
            kind, shape = wanted.get(tensor["name"], (None, None))
            if kind != tensor["datatype"] or len(shape) != len(tensor["shape"]) or \
                    any(w not in (-1, s) for w, s in zip(shape, tensor["shape"])):
                raise Refusal(400, f"FAKE: unexpected input {tensor['name']} {tensor['datatype']} {tensor['shape']}")
            size = tensor["parameters"]["binary_data_size"]
            if size != math.prod(tensor["shape"]) * SIZES[kind] or size > len(rest):
                raise Refusal(400, f"FAKE: input {tensor['name']} has {size} bytes")
            given[tensor["name"]] = array.array(CODES[kind], rest[:size])
            rest = rest[size:]
        if rest or set(given) != set(wanted):
            raise Refusal(400, f"FAKE: {len(rest)} bytes too many, or inputs missing: {sorted(given)}")
        return request, given

    def write_tensors(self, model, name, request, answers):
        asked = {out["name"]: out["parameters"] for out in request.get("outputs", [])}
        outputs, blobs = [], []
        for (out, kind, shape), values in zip(model.outputs, answers):
            if asked and out not in asked:
                continue
            shape = [1 if s == -1 else s for s in shape]
            tensor = {"name": out, "datatype": kind, "shape": shape}
            if "classification" in asked.get(out, {}):
                lines = model.classes(values, asked[out]["classification"])
                blobs.append(b"".join(struct.pack("<I", len(line)) + line for line in lines))
                tensor.update(datatype="BYTES", shape=[1, len(lines)], parameters={"binary_data_size": len(blobs[-1])})
            elif model.binary:
                blobs.append(values.tobytes())
                tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
            else:
                tensor["data"] = list(values)
            outputs.append(tensor)
        head = json.dumps({"model_name": name, "model_version": "1", "outputs": outputs}).encode()
        if not model.binary:
            self.reply(200, head, [("Content-Type", "application/json")])
            return
        self.reply(200, head + b"".join(blobs), [("Content-Type", "application/octet-stream"),
                                                 ("Inference-Header-Content-Length", str(len(head)))])


class FakeTriton:
    def __init__(self, port=0):
        self.models, self.requests, self.paths = {}, [], []
        self.connections, self.lock = set(), threading.Condition()
        self.accepted = 0       # connections, ever
        self.current, self.port, self.server = "refuse", port or int(free_port()), None
        self.garbage = (200, b"garbage", [])
        self.changed_at = 0.0
        self.mode("ok")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mode("refuse")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def model(self, name):
        if name not in self.models:
            raise Refusal(404, f"FAKE: Request for unknown model: '{name}' is not found")
        return self.models[name]

    def seen(self, method, path):
        with self.lock:
            self.paths.append((time.monotonic(), method, path))

    def count(self, ending, since=0.0):
        with self.lock:
            return sum(at >= since and path.endswith(ending) for at, _, path in self.paths)

    def hang(self, handler):
        """Until the mode changes; then the connection is dropped without an answer."""
        with self.lock:
            self.lock.wait_for(lambda: self.current != "hang")
        handler.connection.close()

    def mode(self, mode):
        assert mode in MODES, mode
        with self.lock:
            self.current = mode
            self.lock.notify_all()
        if mode == "refuse":
            self.stop()
        elif not self.server:
            self.start()
        self.changed_at = time.monotonic()

    def start(self):
        self.server = WebServer(("127.0.0.1", self.port), Handler)
        self.server.fake = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        if not self.server:
            return
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# ---- YOLO tensors ----

def yolo_v5(boxes, side=640, classes=80):
    """[1,rows,5+classes]; boxes: (cx, cy, w, h, class, score), in pixels of the input."""
    rows = sum(3 * (side // stride) ** 2 for stride in (8, 16, 32))
    wide = 5 + classes
    values = array.array("f", bytes(4 * rows * wide))
    for i, (cx, cy, w, h, kind, score) in enumerate(boxes):
        at = (i * 97 % rows) * wide
        values[at:at + 5] = array.array("f", (cx, cy, w, h, 0.95))
        values[at + 5 + kind] = score / 0.95
    return values, [1, rows, wide]


def yolo_v8(boxes, side=640, classes=80):
    """[1,4+classes,columns]"""
    columns = sum((side // stride) ** 2 for stride in (8, 16, 32))
    values = array.array("f", bytes(4 * columns * (4 + classes)))
    for i, (cx, cy, w, h, kind, score) in enumerate(boxes):
        column = i * 97 % columns
        for row, value in enumerate((cx, cy, w, h)):
            values[row * columns + column] = value
        values[(4 + kind) * columns + column] = score
    return values, [1, 4 + classes, columns]


def yolo_model(layout, boxes, side=640, classes=80, binary=True):
    values, shape = layout(boxes, side, classes)
    return Model([("images", "FP32", [-1, 3, side, side])], [("output0", "FP32", [-1] + shape[1:])],
                 lambda given: [values], binary)


def red_box(planes, side):
    """left, top, right, bottom of what is red in the input tensor."""
    n = side * side
    red, green = planes[:n], planes[n:2 * n]
    hits = [i for i in range(n) if red[i] > 0.7 and green[i] < 0.3]
    columns, rows = [i % side for i in hits], [i // side for i in hits]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=MODES, default="ok")
    options = parser.parse_args()
    with FakeTriton(options.port) as fake:
        boxes = [(320, 320, 100, 50, 0, 0.9), (100, 400, 40, 80, 2, 0.6)]
        fake.models["yolov5s"] = yolo_model(yolo_v5, boxes)
        fake.models["yolov8n"] = yolo_model(yolo_v8, boxes)
        fake.mode(options.mode)
        print(f"FAKE Triton at {fake.url}: yolov5s and yolov8n find the same two boxes in every picture; "
              f"mode {options.mode}; type another mode and Enter", flush=True)
        for line in sys.stdin:
            fake.mode(line.strip())
            print(f"FAKE Triton: {fake.current}", flush=True)


if __name__ == "__main__":
    main()
