#!/usr/bin/python3 -B
"""A runner that a picture has taken over, as far as its worker can tell: it stands beside a copy of the worker, speaks
shared/wire.h, and does what its step is called."""
import array
import json
import os
import signal
import socket
import sys
import time

SOCK = socket.socket(fileno=int(sys.argv[1]))
WORDS = os.memfd_create("words")
FDS = 32


def say(message, fds=()):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    head = len(text).to_bytes(4, "little")
    sent = SOCK.sendmsg([head + text], rights)
    SOCK.sendall((head + text)[sent:])


def hear():
    """A message and the descriptors that came with it."""
    head, rights, _, _ = SOCK.recvmsg(4, socket.CMSG_SPACE(FDS * 4))
    if not head:
        sys.exit(0)
    fds = array.array("i")
    for _, _, data in rights:
        fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
    text = b""
    while len(text) < int.from_bytes(head, "little"):
        text += SOCK.recv(65536)
    return json.loads(text), list(fds)


def end(**more):
    say({"end": True, "ok": True, **more})


def output(bytes_, close):
    """Into the file that came with the task."""
    fd = AHEAD[0]
    os.write(fd, bytes_)
    if close:
        os.close(fd)
    say({"done_output": True, "index": 0, "name": "picture", "media_type": "image/png"})
    return fd


def honest():
    output(b"what it says", True)
    end(data={"kept": True})


def keeps_its_output():
    fd = output(b"what it said", False)
    end()
    time.sleep(0.5)             # by then it has its digest and its name
    os.pwrite(fd, b"what it IS!!", 0)
    print("changed it", file=sys.stderr, flush=True)


def asks_with_an_eventfd():
    say({"ask": "infer", "backend": "triton", "model": "m", "part": "", "version": "",
         "inputs": [{"name": "a", "datatype": "UINT8", "shape": [8], "bytes": 8}]}, [os.eventfd(0)])
    answer, _ = hear()
    say({"end": True, "ok": False, "error": answer["error"]})


def gives_descriptors():
    for _ in range(50):
        say({"ask": "memory", "bytes": 1, "what": "x"}, [WORDS] * FDS)
        hear()
    say({"done_output": True, "index": -1}, [WORDS] * FDS)


def asks_for_outputs_for_ever():
    refused = 0
    for _ in range(100):
        say({"ask": "output"})
        answer, fds = hear()
        refused += not answer["output"]
        for fd in fds:
            os.close(fd)
    end(data={"refused": refused})


def keeps_some_of_its_memory():
    """As inpaint does; then it waits to be ended."""
    say({"ask": "memory", "bytes": 100 << 20, "what": "x"})
    hear()
    for keeps in ({"keeps": 50 << 20}, {"keeps": 1 << 62}, {"keeps": 40 << 20}):
        say({"ask": "infer", "backend": "triton", "model": "m", "part": "", "version": "", "inputs": [], "outputs": ["o"], **keeps},
            [os.memfd_create("tensors")])
        hear()
    hear()


def asks_for_less_than_no_memory():
    say({"ask": "memory", "bytes": -5, "what": "x"})


def asks_for_all_memory():
    say({"ask": "memory", "bytes": (1 << 63) - 1, "what": "\u009b31m\x1b[2J"})
    answer, _ = hear()
    say({"end": True, "ok": False, "error": answer["error"]})


def says_that_it_was_cancelled():
    say({"end": True, "ok": False, "error": {"kind": "cancel", "message": "\x1b[2J\u009b31m\nlevel=info ev=forged"}})


def announces_four_gigabytes():
    SOCK.sendall(b"\xff\xff\xff\xff{}")
    signal.pause()


def nests():
    say(b'{"end":' + b"[" * 1000000)


def dies_with_a_forgery():
    os.pwrite(WORDS, b"\x1b]0;owned\x07\xff\xc2\x9b31m\nlevel=info ev=forged " + b"A" * 4000, 0)
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()


say({"ready": True, "version": "0", "vips": "0"}, [WORDS])
hear()
say({"setup": True, "landlock": 0, "seccomp": True})
while True:
    task, came = hear()
    AHEAD = came[len(came) - task.get("outputs", 0):]
    globals()[task["step"]]()
