"""Receives callbacks, and counts them by their Idempotency-Key."""
import collections
import http.server
import threading
import time

from webserver import WebServer


class Receiver:
    def __init__(self):
        self.keys = collections.Counter()       # answered with 200
        self.mode = "well"                      # or "busy" (503), or "mute" (no answer for a while)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):                  # pylint: disable=invalid-name
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                until = time.monotonic() + 20
                while receiver.mode == "mute" and time.monotonic() < until:
                    time.sleep(0.05)
                status = 503 if receiver.mode == "busy" else 200
                if status == 200:
                    receiver.keys[self.headers.get("Idempotency-Key")] += 1
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format, *args):       # pylint: disable=redefined-builtin
                pass

        self.server = WebServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/callback"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
