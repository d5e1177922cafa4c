"""What a URL or a path of a stranger may reach: the public, and the allowed directories; nothing inside."""
import gzip
import http.server
import os
import re
import socket
import socketserver
import threading
import time

import pytest

from fleet import wait_for
from pictures import png
from webserver import WebServer

PUBLIC = "127.0.0.77"       # the programs of the faults build take it for a public address
STEPS = {"on_failure": "continue", "steps": [{"id": "src", "tool": "fetch", "timeout_s": 3, "retry": {"max_attempts": 1}}]}
NOT_PUBLIC = r"not a public address"


class Inside(http.server.BaseHTTPRequestHandler):
    """A server that must never be asked."""
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"\x89PNG\r\n\x1a\n secret")

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Outside(socketserver.BaseRequestHandler):
    """Answers /NAME with the bytes of that name, and does as it is told."""
    def handle(self):
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                piece = self.request.recv(65536)
                if not piece:
                    return
                head += piece
            self.server.heads.append(head.decode(errors="replace"))
            answer = self.server.answers[head.split()[1].decode().split("?")[0]]
            if callable(answer):
                answer(self.request)
            else:
                self.request.sendall(answer)
        except (OSError, KeyError):
            pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    request_queue_size = WebServer.request_queue_size
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture(name="inside")
def inside_server():
    with WebServer(("127.0.0.1", 0), Inside) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(name="outside")
def outside_server():
    with Server((PUBLIC, 0), Outside) as server:
        server.heads, server.answers = [], {}
        server.url = f"http://{PUBLIC}:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(name="guarded")
def guarded_fleet(fleet):
    fleet.settings.update({"FAULT_PUBLIC_ADDRESS": PUBLIC, "PIXELFLEET_ALLOW_PRIVATE_URLS": "0", "MAX_FILE_SIZE": 1000000,
                           "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"})
    fleet.start_dispatcher()
    fleet.start_worker("io=4,image=1", faults=True)
    return fleet


def outcomes(fleet, images, timeout=60):
    """[(state, message)] of the fetch of each."""
    job = fleet.submit(STEPS, images)
    fleet.wait_end(job, timeout)
    messages = dict(fleet.sql("""SELECT s.item, a.message FROM pixelfleet.attempt a
                                 JOIN pixelfleet.step_view s ON s.job = a.job AND s.ordinal = a.ordinal WHERE a.job = %s""", job))
    states = fleet.steps(job)
    return [(states["src", i], messages.get(i, "")) for i in range(len(states))]


def check(fleet, cases):
    """cases: (image, words of the error or None for success)"""
    wrong = []
    for (image, words), (state, message) in zip(cases, outcomes(fleet, [image for image, _ in cases])):
        if state != ("failed" if words else "succeeded") or not re.search(words or "", message):
            wrong.append(f"{image[:100]}: {state} {message!r}, not {words!r}")
    assert not wrong, "\n".join(wrong)


HOSTS = ["127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
         "017700000001", "0x7F.0x0.0x0.0x1", "0", "0.0.0.0", "0.1.2.3", "127.0.0.1.", "%31%32%37.0.0.1", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
         "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
         "[2001:0:7f00:1::]", "[fe80::1]", "[fc00::1]", "[fd00::1]", "[ff02::1]", "[fec0::1]", "[100::1]", "10.0.0.1", "172.16.0.1",
         "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1",
         "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "①②⑦.⓪.⓪.①"]


def test_no_spelling_of_a_host_leads_to_an_address_that_is_not_public(guarded, inside):
    port = inside.server_address[1]
    check(guarded, [(f"http://{host}:{port}/x.png", NOT_PUBLIC + r"|Could not resolve|URL|Bad|bad") for host in HOSTS])
    assert not inside.asked


def redirect(to, code=302, head=b""):
    """says that the connection ends: else the next request goes into one that is just being closed, and how often that is tried is limited"""
    return f"HTTP/1.1 {code} Found\r\nLocation: {to}\r\nConnection: close\r\nContent-Length: 0\r\n".encode() + head + b"\r\n"


def test_no_redirect_leads_to_where_a_url_may_not(guarded, inside, outside):
    port, picture = inside.server_address[1], b"\x89PNG\r\n\x1a\n picture"
    there = [(f"/h{i}", f"http://{host}:{port}/x", NOT_PUBLIC + r"|Could not resolve|URL|Bad|bad") for i, host in enumerate(HOSTS)]
    there += [("/file", "file:///etc/passwd", "rotocol"), ("/ftp", "ftp://127.0.0.1/x", "rotocol"), ("/gopher", f"gopher://127.0.0.1:{port}/_GET", "rotocol"),
              ("/dict", f"dict://127.0.0.1:{port}/x", "rotocol"), ("/data", "data:image/png;base64,AAAA", "rotocol|URL|picture|answers"),
              ("/user", f"http://u:hunter2@{PUBLIC}/x", "user or password"), ("/at", f"http://good.example@127.0.0.1:{port}/", "user or password"),
              ("/slashes", f"//127.0.0.1:{port}/x", NOT_PUBLIC), ("/round", "/round", "edirect"), ("/fine", "/picture", None),
              ("/twice", "/h0", NOT_PUBLIC)]
    outside.answers = {name: redirect(to) for name, to, _ in there}
    outside.answers["/picture"] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nSet-Cookie: a=b\r\n\r\n" % len(picture) + picture
    outside.answers["/cookie"] = redirect("/picture", head=b"Set-Cookie: session=1; Path=/\r\n")
    check(guarded, [(outside.url + name, words) for name, _, words in there] + [(outside.url + "/cookie", None)])
    assert not inside.asked
    assert not any("\r\nCookie:" in head for head in outside.heads), "cookies are not kept"
    assert not any("hunter2" in program.text() for program in guarded.programs)


def slowly(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n\x89PNG\r\n\x1a\n")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        connection.sendall(b"x")
        time.sleep(0.1)


def endlessly(start, piece):
    def send(connection):
        connection.sendall(start)
        while True:
            connection.sendall(piece)
    return send


def test_no_answer_makes_a_fetch_hang_or_grow(guarded, outside):
    ok, bomb = b"HTTP/1.1 200 OK\r\n", gzip.compress(bytes(200 << 20), 9)
    framed = b"Content-Length: %d\r\n\r\n" % len(bomb) + bomb
    cases = [
        ("/endless", endlessly(ok + b"\r\n", b"x" * 65536), "larger than 1000000 bytes"),
        ("/chunks", endlessly(ok + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"), "larger than 1000000 bytes"),
        ("/said", ok + b"Content-Length: 99999999999\r\n\r\nx", "larger than 1000000 bytes"), ("/slow", slowly, "timed out|imeout"),
        ("/silent", lambda connection: time.sleep(15), "timed out|imeout"), ("/headers", endlessly(ok, b"X-A: " + b"b" * 5000 + b"\r\n"), "headers"),
        ("/header", endlessly(ok + b"X-A: ", b"b" * 65536), "eader"), ("/short", ok + b"Content-Length: 500\r\n\r\n\x89PNG", "closed|remaining|partial|missing"),
        ("/negative", ok + b"Content-Length: -5\r\n\r\nxxxxx", "."), ("/two", ok + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nxxxxxxx", "."),
        ("/old", b"\x89PNG\r\n\x1a\n no headers at all", "HTTP/0.9|nsupported|weird"), ("/nothing", b"", "mpty reply|reply"),
        ("/gzip", ok + b"Content-Encoding: gzip\r\n" + framed, "gzip archive"), ("/transfer", ok + b"Transfer-Encoding: gzip\r\n\r\n" + bomb, "larger than|picture|ncoding"),
        ("/html", ok + b"Content-Type: image/png\r\n\r\n<html>", "HTML page"), ("/500", b"HTTP/1.1 500 Oh\r\n\r\n", "answers 500"),
        ("/204", b"HTTP/1.1 204 None\r\n\r\n", "empty"), ("/continue", endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "headers|timed out|imeout"),
    ]
    outside.answers = {name: answer for name, answer, _ in cases}
    check(guarded, [(outside.url + name, words) for name, _, words in cases])
    assert not any("ccept-Encoding" in head for head in outside.heads), "nobody asked for gzip"


def test_a_callback_reaches_nothing_inside_either(guarded, inside, outside):
    port = inside.server_address[1]
    outside.answers = {"/moved": redirect(f"http://127.0.0.1:{port}/x")}
    for url, words in ((f"http://127.0.0.1:{port}/x", NOT_PUBLIC), (f"http://[::ffff:127.0.0.1]:{port}/", NOT_PUBLIC),
                       (outside.url + "/moved", "redirects are not followed"), (f"http://u:hunter2@{PUBLIC}/", "user and password"),
                       ("file:///etc/passwd", "http://"), ("gopher://127.0.0.1:6379/_FLUSHALL", "http://")):
        job = guarded.submit([{"id": "a", "tool": "noop"}, {"id": "c", "tool": "callback", "needs": ["a"], "params": {"url": url},
                                                            "retry": {"max_attempts": 1}}], ["http://p.invalid/1"])
        guarded.wait_end(job)
        message = guarded.one("SELECT message FROM pixelfleet.attempt WHERE job = %s", job)
        assert re.search(words, message), f"{url}: {message}"
        assert "hunter2" not in message
    assert not inside.asked


def test_no_path_leads_out_of_the_allowed_directory_or_hangs(guarded):
    root, secret = guarded.pictures, guarded.folder / "secret"
    secret.mkdir()
    png(secret / "s.png")
    good = png(root / "good.png")
    (root / "deep").mkdir()
    png(root / "deep" / "in.png")
    os.symlink(secret, root / "out")
    os.symlink(secret / "s.png", root / "out.png")
    os.symlink(root / "deep" / "in.png", root / "absolute.png")
    os.symlink("good.png", root / "relative.png")
    os.symlink("loop.png", root / "loop.png")
    os.symlink("/proc/self/root/etc", root / "magic")
    os.link(good, root / "hard.png")
    os.mkfifo(root / "fifo.png")
    (root / "directory.png").mkdir()
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(os.path.relpath(root / "socket.png"))
    with open(root / "sparse.png", "wb") as sparse:
        sparse.truncate(1 << 40)
    if os.geteuid() == 0:
        os.mknod(root / "device.png", 0o20666, os.makedev(1, 5))
    link = r"symbolic link"
    cases = [("good.png", None), ("deep/in.png", None), ("hard.png", None), ("deep//in.png", None), ("deep/./in.png", None), ("out/s.png", link), ("out.png", link),
             ("absolute.png", link), ("relative.png", link), ("loop.png", link), ("magic/passwd", link), ("fifo.png", "not a regular file"),
             ("socket.png", "cannot open|not a regular"), ("sparse.png", "larger than 1000000"), ("none.png", "there is no file"),
             ("good.png/x", "there is no file"), ("x" * 300, "name too long|there is no file"), ("/".join(["d"] * 1500), "no file|too long"), ("out", link)]
    if os.geteuid() == 0:
        cases.append(("device.png", "not a regular file"))
    check(guarded, [(str(root / name) if not name.startswith("deep/") else f"{root}/{name}", words) for name, words in cases])
    unix.close()


def test_a_directory_gives_its_own_pictures_and_none_of_another(guarded):
    root, secret = guarded.pictures, guarded.folder / "secret"
    secret.mkdir()
    png(secret / "s.png")
    (root / "album").mkdir()
    png(root / "album" / "a.png")
    os.symlink(secret, root / "out")
    os.symlink(secret / "s.png", root / "album" / "b.png")
    (state, message), = outcomes(guarded, [str(root / "out")])
    assert state == "failed" and "symbolic link" in message, "a directory behind a link is not listed"
    found = outcomes(guarded, [str(root / "album")])
    assert [state for state, _ in found] == ["succeeded", "failed"] and "symbolic link" in found[1][1]
    for name in (b"line\nfeed.png", b"\xff\xfe.png", b"\x1b[2J.png"):
        with open(os.path.join(os.fsencode(root / "album"), name), "wb"):
            pass
    guarded.push({"pipeline": STEPS, "images": [str(root / "album")]})
    letter, = wait_for(guarded.refused, 10, "a letter")
    assert re.search(r"UTF-8, without control characters; 3 in this directory", letter["error"]["message"])


def test_a_file_that_is_swapped_for_a_link_while_it_is_opened_never_gives_another(guarded):
    secret = guarded.folder / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\n secret")
    target, other, stop = guarded.pictures / "race.png", guarded.pictures / "other.png", threading.Event()

    def swap():
        while not stop.is_set():
            for make in (lambda: os.symlink(secret, other), lambda: png(other)):
                make()
                os.replace(other, target)

    png(target)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        found = outcomes(guarded, [str(target)] * 300)
    finally:
        stop.set()
        thread.join()
    assert {state for state, _ in found} <= {"succeeded", "failed"}
    assert all("symbolic link" in message for state, message in found if state == "failed")
    digests = set(guarded.sql("SELECT DISTINCT a ->> 'bytes' FROM pixelfleet.step_view s, jsonb_array_elements(s.artifacts) a"))
    assert str(secret.stat().st_size) not in digests
