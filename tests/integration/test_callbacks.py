"""The end of a job is told to the address that its submission names."""
import http.server
import json
import threading

import pytest

from fleet import wait_for
from pictures import names
from webserver import WebServer


class Receiver:
    """Somebody's API: keeps what it was sent, and answers as it is told to."""

    def __init__(self):
        self.seen, self.answers = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append((dict(self.headers), body))
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = WebServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/done"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(name="receiver")
def make_receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(name="open_fleet")
def make_open_fleet(fleet):
    """May reach loopback addresses."""
    fleet.settings["PIXELFLEET_ALLOW_PRIVATE_URLS"] = 1
    fleet.start_dispatcher()
    fleet.start_worker()
    return fleet


def test_the_callback_url_is_told_once_when_the_job_has_ended(open_fleet, receiver):
    job = open_fleet.submit([{"id": "a", "tool": "noop"}], names(3), callback_url=receiver.url)
    assert open_fleet.wait_end(job) == "succeeded"
    assert len(receiver.seen) == 1
    headers, body = receiver.seen[0]
    assert body["job"] == job
    assert headers["Idempotency-Key"].startswith(job)


def test_a_failed_job_is_told_too(open_fleet, receiver):
    job = open_fleet.submit([{"id": "a", "tool": "fail"}], names(2), callback_url=receiver.url)
    assert open_fleet.wait_end(job) == "failed"
    assert len(receiver.seen) == 1


def test_an_address_in_trouble_is_told_again(open_fleet, receiver):
    receiver.answers = [503, 500]
    job = open_fleet.submit([{"id": "a", "tool": "noop"}], names(1), callback_url=receiver.url)
    assert open_fleet.wait_end(job, 60) == "succeeded"
    assert len(receiver.seen) == 3
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.seen}) == 1


def test_an_address_that_refuses_makes_a_dead_letter_and_the_job_partial(open_fleet, receiver):
    receiver.answers = [422]
    job = open_fleet.submit([{"id": "a", "tool": "noop"}], names(1), callback_url=receiver.url)
    assert open_fleet.wait_end(job) == "partial"
    letter = wait_for(lambda: open_fleet.dead("io"), what="a letter")[0]
    assert "422" in letter["error"]["message"]


def test_private_addresses_are_refused_unless_allowed(running, receiver):
    job = running.submit([{"id": "a", "tool": "callback", "params": {"url": receiver.url}}], names(1))
    assert running.wait_end(job) == "failed"
    assert not receiver.seen
    letter = running.letters("io")[0]
    assert "127.0.0.1" in letter["error"]["message"]
