"""Raw sockets, for what no well-behaved client would say."""
import re
import socket
import time


class Wire:
    """A connection, and what came back on it."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.heard = b""
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def say(self, text):
        """False when the other side has closed."""
        try:
            self.socket.sendall(text)
        except OSError:
            return False
        return True

    def hear(self, pattern=None, timeout=10):
        """Until the pattern was heard, or (without) the other side closes; all that was heard so far."""
        until = time.monotonic() + timeout
        while not self.closed and not (pattern and re.search(pattern, self.heard, re.S)):
            self.socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                more = self.socket.recv(65536)
            except socket.timeout:
                raise AssertionError(f"{pattern or 'the end'} was not heard within {timeout} s, but {self.heard[-300:]!r}") from None
            except ConnectionError:
                more = b""
            self.heard += more
            self.closed = not more
        assert not pattern or re.search(pattern, self.heard, re.S), f"closed without {pattern}: {self.heard[-300:]!r}"
        return self.heard

    def is_closed(self):
        """Whether the other side has closed by now; does not wait."""
        self.socket.setblocking(False)
        try:
            while not self.closed:
                more = self.socket.recv(65536)
                self.heard += more
                self.closed = not more
        except BlockingIOError:
            pass
        except ConnectionError:
            self.closed = True
        return self.closed


def statuses(heard):
    """Of each answer; 100 does not count. libmicrohttpd 0.9.75 sends the head of some of its own refusals twice."""
    found, rest = [], heard
    while True:
        match = re.match(rb"HTTP/1\.[01] (\d{3}) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n", rest)
        if not match:
            return found
        if match[1] != b"100":
            found.append(int(match[1]))
        length = re.search(rb"(?i)content-length: *(\d+)", match[2])
        rest = rest[match.end() + (int(length[1]) if length and match[1] != b"100" else 0):]


def talk(port, text, timeout=10):
    """Says it, then a second request that asks for the connection to be closed; the statuses of all answers."""
    with Wire(port) as wire:
        wire.say(text)
        return statuses(wire.hear(None, timeout)), wire.heard
