#!/usr/bin/python3
"""A FAKE of pixelfleet-infer: it speaks the wire (shared/wire.h) and runs no model. What a model does is what its file says:

  ok                    gives its inputs back as outputs, in the order asked for
  slow MS               the same, after so many milliseconds
  until FILE            the same, once there is such a file in PIXELFLEET_MODELS_DIR
  load MS               the same; the first time it says that it loads, and takes so long
  die                   kill -9 of itself, at every inference
  words TEXT            last words, then SIGABRT
  hang                  never answers
  stuck                 never answers; when nobody waits any more, it ends itself with last words
  reject TEXT           says that it cannot be
  drips                 answers a byte at a time, and comes to no end
  floods                says that it loads, again and again
  garbage, hangup       answers nonsense; closes the socket

The name that it is started by may say more: no-library, dies-at-start, dies-after-setup, mumbles (a long message on the
control socket, a byte at a time). In PIXELFLEET_MODELS_DIR it leaves `starts` (a line a start) and `requests` (a line
each: do name alone)."""
import array
import json
import mmap
import os
import select
import signal
import socket
import sys
import threading
import time

WORDS = 512
NAME = os.path.basename(sys.argv[0])
loaded, lock, words = set(), threading.Lock(), None


def note(file, text):
    with open(os.path.join(os.environ["PIXELFLEET_MODELS_DIR"], file), "a", encoding="utf-8") as to:
        to.write(text + "\n")


def receive(sock):
    """The message and its descriptors; None at the end."""
    head, fds = b"", array.array("i")
    while len(head) < 4:
        more, ancillary, _flags, _from = sock.recvmsg(4 - len(head), socket.CMSG_SPACE(32 * 4))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[:len(data) - len(data) % 4])
        if not more:
            return None, []
        head += more
    left, text = int.from_bytes(head, "little"), b""
    while len(text) < left:
        text += sock.recv(left - len(text))
    return json.loads(text), list(fds)


def send(sock, message, fds=()):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    socket.send_fds(sock, [len(text).to_bytes(4, "little") + text], list(fds))


def last_words(text):
    words[:] = text.encode()[:WORDS - 1].ljust(WORDS, b"\0")


def echo(sock, message, fds):
    sizes = [(i, i["bytes"]) for i in message["inputs"]]
    out, at = os.memfd_create("outputs"), 0
    outputs = []
    for (one, size), name in zip(sizes, message["outputs"]):
        os.pwrite(out, os.pread(fds[0], size, at), at)
        outputs.append({"name": name, "datatype": one["datatype"], "shape": one["shape"], "offset": at, "bytes": size})
        at += size
    send(sock, {"outputs": outputs, "batch": 1, "device": "cpu"}, [out])
    os.close(out)


def load(sock, name, words_of_it):
    with lock:
        known = name in loaded
        loaded.add(name)
    if words_of_it[0] != "load" or known:
        return 0
    send(sock, {"loading": True, "name": name, "bytes": 3 << 20})
    time.sleep(int(words_of_it[1]) / 1000)
    return int(words_of_it[1])


def wait_for_hangup(sock):
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLHUP)
    poll.poll()


def misbehave(sock, name, what):
    """True: there is nothing to answer any more."""
    kind = what[0]
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "words":
        last_words(" ".join(what[1:]))
        os.abort()
    elif kind == "slow":
        time.sleep(int(what[1]) / 1000)
    elif kind == "until":
        while not os.path.exists(os.path.join(os.environ["PIXELFLEET_MODELS_DIR"], what[1])):
            time.sleep(0.005)
    elif kind in ("hang", "stuck"):
        wait_for_hangup(sock)
        if kind == "stuck":
            time.sleep(0.2)
            last_words(f"the model '{name}' did not stop")
            os._exit(1)
    elif kind == "reject":
        send(sock, {"error": {"kind": "reject", "message": " ".join(what[1:])}})
    elif kind == "garbage":
        send(sock, b"[1,2")
        wait_for_hangup(sock)
    elif kind == "drips":
        mumble(sock, lambda: note("requests", "it speaks"))
    elif kind == "floods":
        while True:
            send(sock, {"loading": True, "name": name, "bytes": 3 << 20})
    return kind in ("hang", "reject", "garbage", "hangup")


def answer(sock, message, fds):
    with open(message["path"], encoding="utf-8") as file:
        what = file.read().split()
    note("requests", f"{message['do']} {message['name']} {message.get('alone')}")
    took = load(sock, message["name"], what)
    if message["do"] == "describe":
        tensor = {"datatype": "FP32", "shape": [-1, 4]}
        send(sock, {"model": {"inputs": [{"name": "x", **tensor}], "outputs": [{"name": "y", **tensor}]}, "device": "cpu", "load_ms": took})
        return True
    if misbehave(sock, message["name"], what):
        return False
    echo(sock, message, fds)
    return True


def serve(sock):
    try:
        while True:
            message, fds = receive(sock)
            if message is None or not answer(sock, message, fds):
                break
            for fd in fds:
                os.close(fd)
    except OSError:
        pass
    sock.close()


def mumble(control, has_begun=lambda: None):
    control.sendall((1 << 23).to_bytes(4, "little"))
    has_begun()
    while True:
        control.sendall(b" ")
        time.sleep(0.05)


def main():
    global words
    control = socket.socket(fileno=int(sys.argv[1]))
    note("starts", str(os.getpid()))
    if NAME == "dies-at-start":
        sys.exit(7)
    memory = os.memfd_create("words")
    os.ftruncate(memory, WORDS)
    words = mmap.mmap(memory, WORDS)
    send(control, {"ready": True, "version": "fake"}, [memory])
    message, _ = receive(control)
    note("setup", json.dumps(message))
    if NAME == "no-library":
        send(control, {"setup": False, "error": {"kind": "reject", "message": "libonnxruntime.so.1 is not installed"}})
        return
    send(control, {"setup": True, "device": "cpu", "onnxruntime": "0.fake", "landlock": 0, "seccomp": False, "note": "FAKE"})
    if NAME == "dies-after-setup":
        sys.exit(8)
    if NAME == "mumbles":
        threading.Thread(target=mumble, args=(control,), daemon=True).start()
    while True:
        message, fds = receive(control)
        if message is None:
            os._exit(0)
        if message["do"] == "connect":
            threading.Thread(target=serve, args=(socket.socket(fileno=fds[0]),), daemon=True).start()


main()
