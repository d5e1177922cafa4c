"""A real Triton Inference Server, in the foreground of a child process; tests/triton/setup.sh has put it into a folder.

    triton = RealTriton(installed, folder)      # the models of models.py
    triton.start()
    triton.kill9(); triton.start()              # on the same port
    triton.stop()
"""
import glob
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))

from models import write_repository  # noqa: E402 pylint: disable=wrong-import-position
from services import ask, die_with_us  # noqa: E402 pylint: disable=wrong-import-position,import-error


class RealTriton:
    def __init__(self, installed, folder):
        self.installed, self.folder = pathlib.Path(installed).resolve(), pathlib.Path(folder)
        self.port = ask("port")
        self.url = f"http://127.0.0.1:{self.port}"
        self.models = self.folder / "models"
        self.memory = f"pixelfleet_test_{os.getpid()}_"
        self.process, self.ready_after = None, 0.0
        self.models.mkdir(parents=True)
        write_repository(self.models)

    def start(self):
        site = self.installed / "site"
        libraries = [str(site / "nvidia_pytriton.libs"), os.environ.get("LD_LIBRARY_PATH", "")]
        environment = {**os.environ, "PYTHONPATH": str(site), "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
                       "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        began = time.monotonic()
        with open(self.folder / "triton.log", "ab") as log:
            self.process = subprocess.Popen(
                [site / "pytriton" / "tritonserver" / "bin" / "tritonserver", f"--model-repository={self.models}",
                 f"--backend-directory={self.installed / 'backends'}", "--http-address=127.0.0.1", f"--http-port={self.port}",
                 "--allow-grpc=false", "--allow-metrics=false", "--exit-timeout-secs=5",
                 f"--backend-config=python,shm-region-prefix-name={self.memory}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True, preexec_fn=die_with_us)
        while not self.is_ready():
            assert self.process.poll() is None, f"Triton ended: {self.log()[-2000:]}"
            assert time.monotonic() - began < 120, f"Triton is not ready: {self.log()[-2000:]}"
            time.sleep(0.05)
        self.ready_after = time.monotonic() - began
        return self

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/v2/health/ready", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def about(self):
        with urllib.request.urlopen(f"{self.url}/v2", timeout=5) as answer:
            return json.load(answer)

    def pause(self, seconds):
        """How long the model "slow" takes from now on."""
        (self.models / "slow" / "pause").write_text(str(seconds))

    def log(self):
        return (self.folder / "triton.log").read_text(errors="replace")

    def end(self, how):
        """With its backend's processes, which are of its session, and the memory that they share."""
        if not self.process:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None
            for left in glob.glob(f"/dev/shm/{self.memory}*"):
                os.unlink(left)

    def kill9(self):
        self.end(signal.SIGKILL)

    def stop(self):
        self.end(signal.SIGTERM)
