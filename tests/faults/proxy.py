"""A TCP proxy whose links can be cut, refused, held up and slowed down.

A Link stands between one program and one server. What came over it while it was held is delivered
when it flows again, as after a network that was away for a while; a cut is a RST to both ends.
One thread for each direction of each connection: few connections, little traffic.
"""
import contextlib
import socket
import struct
import threading
import time

from services import free_port

CHUNK = 65536
SLOW_CHUNK = 512
SLOW_BYTES_PER_S = 4096


class Direction:
    """How bytes go one way over a link, for all of its connections."""

    def __init__(self):
        self.flows = threading.Event()
        self.flows.set()
        self.is_slow = False

    def pieces(self, data):
        """The bytes, each part when it may go."""
        while data:
            n = SLOW_CHUNK if self.is_slow else len(data)
            if self.is_slow:
                time.sleep(min(n, len(data)) / SLOW_BYTES_PER_S)
            self.flows.wait()
            yield data[:n]
            data = data[n:]


class Connection:
    def __init__(self, link, client, server):
        self.link, self.ends = link, (client, server)
        self.is_cut = False
        self.open_ways = 2
        self.lock = threading.Lock()
        for source, target, direction in ((client, server, link.out), (server, client, link.back)):
            threading.Thread(target=self.pump, args=(source, target, direction), daemon=True).start()

    def pump(self, source, target, direction):
        try:
            while not self.is_cut and (data := source.recv(CHUNK)):
                for piece in direction.pieces(data):
                    if self.is_cut:
                        break
                    target.sendall(piece)
            direction.flows.wait()
            if not self.is_cut:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            self.cut()
        self.leave()

    def leave(self):
        with self.lock:
            self.open_ways -= 1
            if self.open_ways:
                return
        for end in self.ends:
            end.close()
        self.link.forget(self)

    def cut(self):
        """RST to both ends, whatever was on its way."""
        with self.lock:
            if self.is_cut or not self.open_ways:
                return
            self.is_cut = True
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD)        # wakes its thread and sends nothing; close() sends the RST


class Link:
    """One program's way to one server, at self.port."""

    def __init__(self, name, server_port):
        self.name, self.server_port = name, int(server_port)
        self.out, self.back = Direction(), Direction()      # to the server, from the server
        self.connections = set()
        self.port = int(free_port())
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.is_closed = False
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port), timeout=5)
                server.settimeout(None)
            except OSError:     # nobody listens there: the client sees what it would see without us
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, client, server)
            self.connections.add(connection)
            if connection.open_ways == 0:
                self.forget(connection)

    def forget(self, connection):
        self.connections.discard(connection)

    # -- what a test does to it

    def drop(self):
        for connection in list(self.connections):
            connection.cut()
        for direction in (self.out, self.back):     # threads that wait for a held link see the cut
            if not direction.flows.is_set():
                direction.flows.set()
                direction.flows.clear()

    def refuse(self):
        """No new connections, and the old ones are cut."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()

    def hold(self, out=True, back=True):
        if out:
            self.out.flows.clear()
        if back:
            self.back.flows.clear()

    def slow(self):
        self.out.is_slow = self.back.is_slow = True

    def heal(self):
        if self.listener.fileno() < 0 and not self.is_closed:
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
            threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()
        for direction in (self.out, self.back):
            direction.is_slow = False
            direction.flows.set()

    def close(self):
        self.is_closed = True
        self.refuse()
        self.heal()
