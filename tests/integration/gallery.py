"""A photo gallery's server, as far as the photo and text queues know one: somewhere to push messages, and something that
is told what became of them."""
import http.server
import json
import threading

from PIL import Image, ImageDraw, ImageFont

from webserver import WebServer

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


class Receiver:
    """Keeps each request as (path, headers, body), and answers as it is told to: {path: [status, ...]}, then 200."""

    def __init__(self):
        self.seen, self.answers, self.lock = [], {}, threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.seen.append((self.path, dict(self.headers), body))
                    answers = outer.answers.get(self.path)
                    status = answers.pop(0) if answers else 200
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = WebServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def paths(self):
        with self.lock:
            return [path for path, _, _ in self.seen]

    def of(self, path):
        with self.lock:
            return [(headers, body) for p, headers, body in self.seen if p == path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def draw_text(path, text="HELLO WORLD"):
    image = Image.new("RGB", (420, 90), "white")
    ImageDraw.Draw(image).text((20, 20), text, fill="black", font=ImageFont.truetype(FONT, 44))
    image.save(path)


def draw_faces(path):
    """What the small face model takes for two faces (tests/data/models_boxes.py); the boxes."""
    image = Image.new("RGB", (320, 240), (230, 230, 230))
    boxes = [(20, 30, 100, 130), (190, 60, 260, 150)]
    for (left, top, right, bottom), colour in zip(boxes, ((255, 0, 255), (0, 255, 255))):
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), colour)
    image.save(path)
    return boxes


def draw_colour(path, colour):
    Image.new("RGB", (64, 48), colour).save(path)
