"""A server of HTTP/2 over TLS, as stands before model servers: it passes what it is asked on to a plain HTTP/1.1 one.
Runs in the Python of tests/triton/setup.sh, which has h2.

    h2_front.py CERTIFICATE KEY BACKEND_PORT        prints its port, then a line for each request: its connection's number
"""
import http.client
import itertools
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events

BACKEND = int(sys.argv[3])


def answer(h2c, stream, headers, body):
    named = dict(headers)
    passed = {name: value for name, value in headers if name[0] != ":" and name != "content-length"}
    backend = http.client.HTTPConnection("127.0.0.1", BACKEND)
    backend.request(named[":method"], named[":path"], body, passed)
    response = backend.getresponse()
    data = response.read()
    kept = [(name.lower(), value) for name, value in response.getheaders() if name.lower() not in ("connection", "transfer-encoding")]
    h2c.send_headers(stream, [(":status", str(response.status)), *kept])
    backend.close()
    return data


class Connection:
    def __init__(self, sock, number):
        self.sock, self.number = sock, number
        self.h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests, self.waiting = {}, {}

    def flush(self):
        """As much of each answer as the client's window has room for."""
        for stream, data in list(self.waiting.items()):
            while data and (room := min(self.h2c.local_flow_control_window(stream), self.h2c.max_outbound_frame_size)) > 0:
                self.h2c.send_data(stream, data[:room])
                data = data[room:]
            self.waiting[stream] = data
            if not data:
                self.h2c.end_stream(stream)
                del self.waiting[stream]
        self.sock.sendall(self.h2c.data_to_send())

    def handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = (event.headers, bytearray())
        elif isinstance(event, h2.events.DataReceived):
            self.requests[event.stream_id][1].extend(event.data)
            self.h2c.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            headers, body = self.requests.pop(event.stream_id)
            print(f"{self.number} {dict(headers)[':path']}", flush=True)
            self.waiting[event.stream_id] = answer(self.h2c, event.stream_id, headers, bytes(body))

    def run(self):
        assert self.sock.selected_alpn_protocol() == "h2", "the client wants no HTTP/2"
        self.h2c.initiate_connection()
        self.flush()
        while data := self.sock.recv(65536):
            for event in self.h2c.receive_data(data):
                self.handle(event)
            self.flush()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    context.set_alpn_protocols(["h2"])
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)

    def serve(sock, number):
        try:
            Connection(context.wrap_socket(sock, server_side=True), number).run()
        except OSError:
            pass

    for number in itertools.count(1):
        threading.Thread(target=serve, args=(server.accept()[0], number), daemon=True).start()


if __name__ == "__main__":
    main()
