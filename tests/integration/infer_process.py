"""pixelfleet-infer as its worker sees it: a control socket, and a socket for each slot (shared/wire.h)."""
import json
import mmap
import os
import socket
import subprocess

import numpy as np

from services import built, die_with_us

WORDS = 512
TYPES = {"FP32": np.float32, "FP64": np.float64, "FP16": np.float16, "BF16": np.uint16, "BOOL": np.bool_, "UINT8": np.uint8,
         "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32,
         "INT64": np.int64}
NAMES = {np.dtype(of): name for name, of in TYPES.items() if name != "BF16"}


class Refused(Exception):
    """The answer is an error."""

    def __init__(self, error):
        super().__init__(f"{error['kind']}: {error['message']}")
        self.kind, self.message = error["kind"], error["message"]


def send(sock, message, fds=()):
    text = json.dumps(message).encode()
    data = len(text).to_bytes(4, "little") + text
    sent = socket.send_fds(sock, [data], list(fds))
    if sent < len(data):
        sock.sendall(data[sent:])


def receive(sock):
    """A message and the descriptors that came along; None at the end."""
    head, fds, _, _ = socket.recv_fds(sock, 4, 32)
    while head and len(head) < 4:
        head += sock.recv(4 - len(head))
    if not head:
        return None, []
    left, text = int.from_bytes(head, "little"), b""
    while len(text) < left:
        piece = sock.recv(left - len(text))
        assert piece, "it ended inside a message"
        text += piece
    return json.loads(text), fds


def memory_of(arrays):
    fd = os.memfd_create("tensors")
    for array in arrays:
        os.write(fd, np.ascontiguousarray(array).tobytes())
    return fd


class Slot:
    def __init__(self, process):
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(60)
        send(process.control, {"do": "connect"}, [theirs.fileno()])
        theirs.close()
        self.loading = []       # what it was told to wait for, ever

    def send(self, message, fds=()):
        send(self.sock, message, fds)

    def receive(self):
        while True:
            answer, fds = receive(self.sock)
            if answer is None:
                raise EOFError("it closed the slot's socket")
            if "loading" not in answer:
                break
            self.loading.append(answer)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer, fds

    def describe(self, path, **more):
        self.send({"do": "describe", "name": name_of(path), "path": str(path), **more})
        return self.receive()[0]

    def ask(self, path, inputs, outputs, **more):
        """`inputs`: name -> array, or (datatype, array) where NumPy has no such type."""
        pairs = {name: value if isinstance(value, tuple) else (NAMES[value.dtype], value) for name, value in inputs.items()}
        fd = memory_of(array for _, array in pairs.values())
        self.send({"do": "infer", "name": name_of(path), "path": str(path), "outputs": outputs, "inputs": [
            {"name": name, "datatype": kind, "shape": list(array.shape), "bytes": array.nbytes}
            for name, (kind, array) in pairs.items()], **more}, [fd])
        os.close(fd)

    def hear(self):
        """name -> array of the outputs, and the answer itself."""
        answer, fds = self.receive()
        assert len(fds) == 1, answer
        arrays = {}
        for out in answer["outputs"]:
            kind = np.dtype(TYPES[out["datatype"]])
            assert out["bytes"] == int(np.prod(out["shape"], dtype=np.int64)) * kind.itemsize
            arrays[out["name"]] = np.frombuffer(os.pread(fds[0], out["bytes"], out["offset"]), kind).reshape(out["shape"])
        os.close(fds[0])
        return arrays, answer

    def infer(self, path, inputs, outputs, **more):
        self.ask(path, inputs, outputs, **more)
        return self.hear()

    def close(self):
        self.sock.close()


def name_of(path):
    return str(path).rsplit("/", 1)[-1].removesuffix(".onnx")


class InferProcess:
    """Started and set up; as a context manager it has to leave well, unless `ended` was asked for before."""

    def __init__(self, models, environment=None, program=None, **setup):
        self.control, theirs = socket.socketpair()
        self.control.settimeout(60)
        child = theirs.fileno()
        self.process = subprocess.Popen(
            [program or built("pixelfleet-infer"), str(child)], pass_fds=[child], preexec_fn=die_with_us, start_new_session=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PIXELFLEET_MODELS_DIR": str(models), "MALLOC_ARENA_MAX": "1", **(environment or {})})
        theirs.close()
        self.words = None
        self.hello, fds = receive(self.control)
        if fds:
            self.words = mmap.mmap(fds[0], WORDS, prot=mmap.PROT_READ)
            os.close(fds[0])
        send(self.control, {"do": "setup", "memory_mb": 0, "models_mb": 0, "callers": 2, "intra_op": 1, "batch_max": 16,
                            "device": "auto", "library": "", **setup})
        self.setup, _ = receive(self.control)

    def slot(self):
        return Slot(self)

    def stats(self):
        send(self.control, {"do": "stats"})
        return receive(self.control)[0]["stats"]

    def runs(self, name):
        """How often the model was run; 0 when it is not loaded."""
        return sum(model["runs"] for model in self.stats()["models"] if model["name"] == name)

    def loaded(self):
        return {model["name"] for model in self.stats()["models"]}

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def ended(self, seconds=30):
        """It ends by itself: its exit status and last words."""
        status = self.process.wait(seconds)
        return status, self.words[:].split(b"\0")[0].decode() if self.words else ""

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.control.close()
        if kind is None and self.process.returncode is None:
            assert self.process.wait(30) == 0, "it did not leave well"
        else:
            self.process.kill()
            self.process.wait()
