"""What strangers may do to the dispatcher's HTTP server: little, and not for long."""
import contextlib
import os
import re
import resource
import secrets
import signal
import socket
import statistics
import subprocess
import time

import pytest

from fleet import wait_for
from pictures import png
from services import built
from wires import Wire, statuses, talk

MOST = 12288            # CONNECTIONS of http.c
HOST = b"Host: localhost\r\n"
PIPELINE = b'{"name": "%s", "steps": [{"name": "noop"}]}'


def port_of(fleet):
    return int(fleet.dispatchers[0].url.rsplit(":", 1)[1])


def put(name):
    """A whole request that leaves something behind when it is run, and is the last of its connection."""
    body = PIPELINE % name
    return b"POST /api/v1/pipelines HTTP/1.1\r\n%sConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (HOST, len(body), body)


def post(headers, body=b"[]", version=b"HTTP/1.1", host=HOST):
    return b"POST /api/v1/pipelines/validate %s\r\n%s%s\r\n%s" % (version, host, headers, body)


def get(headers=b"", path=b"/health", version=b"HTTP/1.1", method=b"GET", host=HOST):
    return b"%s %s %s\r\n%s%s\r\n" % (method, path, version, host, headers)


CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# What two readers may take for different requests.
IN_DOUBT = {
    "both": post(b"Content-Length: 2\r\n" + CHUNKED, CHUNKS),
    "both the other way": post(CHUNKED + b"Content-Length: 2\r\n", CHUNKS),
    "two lengths": post(b"Content-Length: 2\r\nContent-Length: 3\r\n"),
    "one length twice": post(b"Content-Length: 2\r\nContent-Length: 2\r\n"),
    "a plus": post(b"Content-Length: +2\r\n"),
    "a minus": post(b"Content-Length: -2\r\n"),
    "hexadecimal": post(b"Content-Length: 0x2\r\n"),
    "two numbers": post(b"Content-Length:  2 2\r\n"),
    "a list of lengths": post(b"Content-Length: 2, 2\r\n"),
    "an empty length": post(b"Content-Length:\r\n"),
    "a vertical tab": post(b"Content-Length:\x0b2\r\n"),
    "2^64 + 2": post(b"Content-Length: 18446744073709551618\r\n"),
    "a NUL in the length": post(b"Content-Length: 2\x009\r\n"),
    "blank before the colon": post(b"Content-Length : 2\r\n"),
    "blank before the other colon": post(b"Transfer-Encoding : chunked\r\n", CHUNKS),
    "a folded length": post(b"Content-Length:\r\n 2\r\n"),
    "a folded header": post(b"X-A: b\r\n c\r\nContent-Length: 2\r\n"),
    "a header behind a fold": post(b"X-A: b\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
    "a fold at the beginning": b"GET /health HTTP/1.1\r\n X-A: b\r\n" + HOST + b"\r\n",
    "no colon": post(b"Content-Length 2\r\n"),
    "no name": post(b": x\r\nContent-Length: 2\r\n"),
    "a NUL in a name": post(b"X\x00Content-Length: 2\r\n"),
    "a NUL in a value": post(b"X-A: b\x00c\r\nContent-Length: 2\r\n"),
    "a line feed": post(b"X-A: b\nContent-Length: 2\r\n"),
    "line feeds": post(b"X-A: b\r\nContent-Length: 2\r\n").replace(b"\r\n", b"\n"),
    "a carriage return": post(b"X-A: b\rContent-Length: 2\r\n"),
    "a carriage return and an encoding": post(b"X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
    "two encodings": post(b"Transfer-Encoding: chunked, identity\r\n", CHUNKS),
    "the encoding twice": post(CHUNKED + CHUNKED, CHUNKS),
    "identity": post(b"Transfer-Encoding: identity\r\n", CHUNKS),
    "xchunked": post(b"Transfer-Encoding: xchunked\r\n", CHUNKS),
    "vertical tab, chunked": post(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
    "an empty encoding": post(b"Transfer-Encoding:\r\n", CHUNKS),
    "a NUL in the encoding": post(b"Transfer-Encoding: chunked\x00x\r\n", CHUNKS),
    "chunks in HTTP/1.0": post(CHUNKED, CHUNKS, b"HTTP/1.0"),
    "chunk size 0x2": post(CHUNKED, b"0x" + CHUNKS),
    "chunk size +2": post(CHUNKED, b"+" + CHUNKS),
    "chunk size -2": post(CHUNKED, b"-" + CHUNKS),
    "chunk size g": post(CHUNKED, b"g\r\n{}\r\n0\r\n\r\n"),
    "no chunk size": post(CHUNKED, b"\r\n{}\r\n0\r\n\r\n"),
    "chunk size 2^64 + 2": post(CHUNKED, b"1000000000000000" + CHUNKS),
    "a chunk that is longer": post(CHUNKED, b"2\r\n{}XX0\r\n\r\n"),
    "two hosts": get(HOST),
    "no host": get(host=b""),
    "no version": b"GET /health\r\n\r\n",
    "version 2": get(version=b"HTTP/2.0"),
    "version 1.11": get(version=b"HTTP/1.11"),
    "another protocol": get(version=b"XTTP/1.1"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two blanks": b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank in the path": get(path=b"/hea lth"),
    "a NUL in the path": get(path=b"/health\x00b"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a method that is no word": get(method=b"G@T"),
    "CONNECT": get(method=b"CONNECT", path=b"a.example:443"),
    "a header that is too long": get(b"X-A: " + b"a" * 40000 + b"\r\n"),
    "too many headers": get(b"X-A: b\r\n" * 101),
    "a path that is too long": get(path=b"/" + b"a" * 40000),
    "an Expect that nobody knows": post(b"Expect: tea\r\nContent-Length: 2\r\n"),
}

# Clear, though unusual: both requests are answered.
CLEAR = {
    "a body": (200, post(b"Content-Length: %d\r\n" % len(PIPELINE), PIPELINE)),
    "zeros before the length": (400, post(b"Content-Length: 0002\r\n", b"{}")),
    "a tab before the length": (400, post(b"Content-Length:\t2\r\n", b"{}")),
    "Expect": (400, post(b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"{}")),
    "a body that nobody wants": (200, get(b"Content-Length: 4\r\n") + b"BODY"),
    "an empty line before": (200, b"\r\n" + get()),
    "HTTP/1.0 that goes on": (200, get(b"Connection: keep-alive\r\n", version=b"HTTP/1.0")),
    "an absolute URI": (200, get(path=b"http://127.0.0.1:80/health?x=1")),
    "an absolute URI of another host": (403, get(path=b"http://rebound.example/api/v1/tools")),
    "an upgrade": (200, get(b"Connection: Upgrade\r\nUpgrade: h2c\r\n")),
    "TRACE": (405, get(method=b"TRACE")),
    "a NUL that is encoded": (400, get(path=b"/api/v1/jobs/a%00b")),
    "bytes that are not UTF-8": (404, get(path=b"/\xff\xfe")),
    "100 headers": (200, get(b"X-A: b\r\n" * 99)),
}


def test_no_request_is_run_after_one_whose_end_is_in_doubt(fleet):
    fleet.start_dispatcher()
    for name, text in IN_DOUBT.items():
        found, heard = talk(port_of(fleet), text + put(b"smuggled"))
        assert all(status in (400, 404, 413, 414, 417, 431, 505) for status in found[:1]), f"{name}: {heard!r}"
        assert len(found) <= 1, f"{name}: {heard!r}"
    assert fleet.http("GET", "/api/v1/pipelines/smuggled", check=False).status == 404


def test_a_chunked_request_is_answered_and_is_the_last_of_its_connection(fleet):
    fleet.start_dispatcher()
    for body in (CHUNKS, b"2;a=b\r\n{}\r\n0\r\n\r\n", b"2;a\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"):
        found, heard = talk(port_of(fleet), post(CHUNKED, body) + put(b"smuggled"))
        # libmicrohttpd 1.0 refuses a bare LF by itself
        assert found == [400] and (b"problems" in heard or b"chunked encoding is syntactically incorrect" in heard), heard
    assert fleet.http("GET", "/api/v1/pipelines/smuggled", check=False).status == 404


def test_requests_that_are_clear_are_answered_one_after_the_other(fleet):
    fleet.start_dispatcher()
    for i, (name, (status, text)) in enumerate(CLEAR.items()):
        assert talk(port_of(fleet), text + put(b"p%d" % i))[0] == [status, 201], name
    assert len(fleet.http("GET", "/api/v1/pipelines").body["pipelines"]) == len(CLEAR)
    with Wire(port_of(fleet)) as wire:
        wire.say(get() * 50 + get(b"Connection: close\r\n"))
        assert statuses(wire.hear()) == [200] * 51


def trickle(wire, text, every, sent=0):
    """One more byte, when it is time; how many were said."""
    if time.monotonic() >= wire.next_at and sent < len(text):
        wire.next_at = time.monotonic() + every
        wire.say(text[sent:sent + 1])
        sent += 1
    return sent


def big_artifact(fleet, size):
    digest = secrets.token_hex(32)
    folder = fleet.folder / "data" / "artifacts" / digest[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest[2:]).write_bytes(bytes(size))
    return digest


def rss_kb(pid):
    return int(re.search(r"VmRSS:\s*(\d+)", open(f"/proc/{pid}/status", encoding="ascii").read())[1])


def test_who_sends_or_reads_a_byte_now_and_then_is_cut(fleet):
    dispatcher = fleet.start_dispatcher()
    port, before = port_of(fleet), rss_kb(dispatcher.pid)
    digest = big_artifact(fleet, 32 << 20)
    texts = {"head": get(b"X-A: " + b"a" * 2000), "body": post(b"Content-Length: 500\r\n", b" " * 500)}
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        wires = {name: stack.enter_context(Wire(port)) for name in texts}
        sent = {name: text.index(b"\r\n") + 2 if name == "head" else text.index(b"\r\n\r\n") + 4 for name, text in texts.items()}
        readers = [stack.enter_context(Wire(port, receive_buffer=4096)) for _ in range(20)]
        for name, wire in wires.items():
            wire.next_at = 0
            wire.say(texts[name][:sent[name]])
        for wire in readers:
            wire.say(get(path=f"/api/v1/artifacts/{digest}".encode()))

        def all_cut():
            for name, wire in wires.items():
                sent[name] = trickle(wire, texts[name], 0.5, sent[name])
            return all(wire.is_closed() for wire in wires.values())

        wait_for(all_cut, 20, "those who trickle are cut")
        took = time.monotonic() - begun
        assert took > 5, "a slow network is not a crime"
        assert fleet.http("GET", "/health").status == 200
        assert rss_kb(dispatcher.pid) - before < 8 << 10
        wait_for(lambda: metric(fleet, "pixelfleet_http_cut_total") >= len(wires) + len(readers), 20, "the slow readers are cut, too")
        for wire in readers:
            wire.hear()
            assert len(wire.heard) < 32 << 20
    print(f"cut after {took:.1f} s; slow readers after {time.monotonic() - begun:.1f} s")


def metric(fleet, name):
    return float(re.search(rf"^{name} (\S+)$", fleet.http("GET", "/metrics").body.decode(), re.M)[1])


@pytest.fixture(name="many_files")
def allow_many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + 2000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the hard limit of open files is {hard}; this wants {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def results(token):
    return b"POST /internal/v1/results HTTP/1.1\r\n%sx-internal-token: %s\r\nContent-Length: 2\r\n\r\n[]" % (HOST, token.encode())


def times(port, text, n=300):
    """Median and 99th percentile of n requests in ms, on a new connection each."""
    taken = []
    for _ in range(n):
        begun = time.monotonic()
        with Wire(port) as wire:
            wire.say(text)
            wire.hear(rb"^HTTP/1.1 200 .*\r\n\r\n.")
        taken.append((time.monotonic() - begun) * 1000)
    return statistics.median(taken), sorted(taken)[int(n * 0.99)]


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_10000_idle_connections_are_held_and_others_are_served_as_fast(fleet, many_files):     # pylint: disable=unused-argument
    dispatcher = fleet.start_dispatcher()
    port, asked = port_of(fleet), results(fleet.token)
    files, own = open_files(dispatcher.pid), 20        # own: files that the dispatcher may open or close meanwhile
    idle_before = times(port, get()), times(port, asked)
    wait_for(lambda: open_files(dispatcher.pid) <= files + own, 20, "what was asked before is closed")
    rss = rss_kb(dispatcher.pid)
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(port)) for _ in range(10000)]
        wait_for(lambda: open_files(dispatcher.pid) >= files - own + 10000, 20, "all are accepted")
        idle_during, grown = (times(port, get()), times(port, asked)), rss_kb(dispatcher.pid) - rss
        assert not any(wire.is_closed() for wire in wires)
        for wire in wires:
            wire.say(get())
        for wire in wires:
            wire.hear(rb"\"ok\"")
        used = rss_kb(dispatcher.pid) - rss
    wait_for(lambda: open_files(dispatcher.pid) <= files + own, 20, lambda: f"{files} files again, not {open_files(dispatcher.pid)}")
    wait_for(lambda: rss_kb(dispatcher.pid) - rss < 32 << 10, 20, "the memory goes back to the system")
    print(f"p50, p99 in ms of /health and results: before {idle_before}, during {idle_during}; KB for each of 10,000: "
          f"{grown / 10000:.1f} silent, {used / 10000:.1f} after a request; in the end {rss_kb(dispatcher.pid) - rss} KB in all")
    assert grown < 10000 * 10 and used < 10000 * 24
    for (_, before), (_, during) in zip(idle_before, idle_during):
        assert during < before * 3 + 20


def test_any_number_of_requests_at_the_same_moment_is_answered(fleet, many_files):      # pylint: disable=unused-argument
    """Each thread of the server has about a quarter of them: in some round just as many as it takes from the kernel at a time."""
    dispatcher = fleet.start_dispatcher()
    port, slowest = port_of(fleet), 0
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(port)) for _ in range(400)]
        for _ in range(240):
            wires.append(stack.enter_context(Wire(port)))       # none is silent for so long that it would be cut
            os.kill(dispatcher.pid, signal.SIGSTOP)
            for wire in wires:
                wire.say(get())
            os.kill(dispatcher.pid, signal.SIGCONT)
            begin = time.monotonic()
            for wire in wires:
                wire.hear(rb"\"ok\"")
                wire.heard = b""
            slowest = max(slowest, time.monotonic() - begin)
    print(f"the slowest of 240 rounds took {slowest:.2f} s")


def test_a_flood_of_connections_cuts_the_oldest_and_workers_still_report(fleet, many_files):    # pylint: disable=unused-argument
    dispatcher = fleet.start_dispatcher()
    port = port_of(fleet)
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(Wire(port))
        worker.say(results(fleet.token))
        worker.hear(rb"answers\":\[\]")
        wires = [stack.enter_context(Wire(port)) for _ in range(MOST + 500)]
        wait_for(lambda: sum(wire.is_closed() for wire in wires[:600]) >= 500, 20, "the oldest are cut")
        assert not any(wire.is_closed() for wire in wires[1000:])
        worker.heard = b""
        worker.say(results(fleet.token))
        worker.hear(rb"answers\":\[\]")
        print("results in a flood: p50, p99 ms", times(port, results(fleet.token), 100))
        wires[-1].say(get())
        wires[-1].hear(rb"\"ok\"")
    wait_for(lambda: open_files(dispatcher.pid) < 200, 20, "all are closed")


def addresses_of_others():
    """What PIXELFLEET_LISTEN may not be without tokens: as an address, as a name, as an odd number."""
    yield from ("0.0.0.0", "[::]", "0", "[::ffff:127.0.0.1]")
    lines = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    yield from (f"[{a}]" if ":" in a else a for a in lines[:2])
    for name in ("ip6-allnodes", socket.gethostname()):
        with contextlib.suppress(OSError):
            if not socket.getaddrinfo(name, None)[0][4][0].startswith(("127.", "::1")):
                yield name


def test_without_tokens_it_listens_on_loopback_only_however_the_address_is_written(fleet):
    fleet.checks_accounts = False
    for address in addresses_of_others():
        dispatcher = fleet.start_dispatcher({"PIXELFLEET_LISTEN": f"{address}:0"}, wait=False)
        dispatcher.expected = 1
        wait_for(lambda d=dispatcher: d.process.poll() is not None, what="it refuses to start")
        dispatcher.wait_end()
        assert "PIXELFLEET_API_TOKENS_FILE" in dispatcher.text(), address


def test_a_token_file_that_everybody_can_read_is_warned_of(fleet):
    for name in ("api", "internal"):
        (fleet.folder / name).write_text("t" * 40 + "\n")
        (fleet.folder / name).chmod(0o604)
    settings = {"PIXELFLEET_API_TOKENS_FILE": fleet.folder / "api", "PROCESSING_INTERNAL_TOKEN_FILE": fleet.folder / "internal"}
    warning = r"level=warn ev=http\.token_exposed setting=(\w+)"
    assert set(re.findall(warning, fleet.start_dispatcher(settings).text())) == set(settings)
    for name in ("api", "internal"):
        (fleet.folder / name).chmod(0o640)
    assert not re.search(warning, fleet.start_dispatcher(settings).text())


def test_no_token_is_ever_in_a_log_or_an_answer(fleet):
    api, previous, callback, login = ("secret" + secrets.token_hex(20) for _ in range(4))
    (fleet.folder / "tokens").write_text(api + "\n")
    (fleet.folder / "tokens").chmod(0o600)
    fleet.settings.update({"PIXELFLEET_LOG_LEVEL": "debug", "PROCESSING_INTERNAL_TOKEN_PREVIOUS": previous,
                           "PIXELFLEET_API_TOKENS_FILE": fleet.folder / "tokens", "PIXELFLEET_ALLOW_PRIVATE_URLS": 1})
    dispatcher = fleet.start_dispatcher()
    port = port_of(fleet)
    fleet.start_worker()
    said = []
    for token in (api, previous, fleet.token):
        for name in ("Authorization: Bearer ", "Authorization: ", "x-api-token: ", "x-internal-token: ", "X-A: ", "Cookie: t=", "Host: ",
                     "Content-Length: ", "Transfer-Encoding: ", "Expect: ", token + ": ", token):
            for path in ("/api/v1/jobs", "/internal/v1/results", f"/api/v1/jobs/{token}", f"/{token}", f"/api/v1/jobs?state={token[:20]}",
                         f"/health?token={token}", f"http://user:{token}@127.0.0.1/health"):
                head = f"POST {path} HTTP/1.1\r\n{name}{token}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]"
                said.append(talk(port, head.encode())[1])
    url = f"http://user:{login}@127.0.0.1:1/x.png"
    auth = {"Authorization": f"Bearer {api}"}
    for steps, image in (([{"id": "f", "tool": "fetch"}], url),
                         ([{"id": "c", "tool": "callback", "params": {"url": "http://127.0.0.1:1/", "token": callback},
                            "retry": {"max_attempts": 1}}], png(fleet.pictures / "a.png"))):
        answer = fleet.http("POST", "/api/v1/jobs", {"pipeline": {"steps": steps}, "images": [str(image)]}, auth, check=False)
        if answer.status == 202:
            fleet.wait_end(answer.body["id"])
            seen = fleet.http("GET", f"/api/v1/jobs/{answer.body['id']}", headers=auth).body["instances"]
            said.append(str([{**instance, "image": None} for instance in seen]).encode())     # that is what they gave
        else:
            assert answer.status == 400, answer
            said.append(str(answer.body).encode())
    letters = [{key: value for key, value in letter.items() if key not in ("task", "submission")}
               for letter in fleet.letters("io") + fleet.refused()]
    assert letters
    said += [fleet.http("GET", "/metrics", headers=auth).body, str(letters).encode()]
    said += [program.log.read_bytes() for program in fleet.programs]
    said += [subprocess.run([built(name), "--config"], env=fleet.environment(), capture_output=True, check=True).stdout
             for name in ("pixelfleet-dispatcher", "pixelfleet-worker")]
    assert b"level=debug" in dispatcher.log.read_bytes()
    for what, token in (("API", api), ("previous", previous), ("internal", fleet.token), ("callback", callback), ("login", login)):
        for text in said:
            at = text.find(token[:20].encode())
            assert at < 0, f"the {what} token: ...{text[max(at - 300, 0):at + 50]!r}"

