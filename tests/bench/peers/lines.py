"""A process that is asked by one JSON object a line and answers in the same way: each peer's driver is one."""
import json
import os
import signal
import subprocess

from services import die_with_us


class Driver:
    def __init__(self, name, command, cwd, log, env):
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            text=True, start_new_session=True, preexec_fn=die_with_us)
        self.name, self.log, self.pid = name, log, self.process.pid
        self.is_busy = False

    def ask(self, do, **more):
        """The answer to an order. What goes wrong in there fails here."""
        self.is_busy = True
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self.name} ended with {self.process.wait()} when asked to {do}; see {self.log}"
        answer = json.loads(line)
        self.is_busy = False
        assert "error" not in answer, f"{self.name}, {do} {more.get('kind', '')}: {answer['error']}"
        return answer

    def close(self):
        """A driver ends what it started when its input ends, and then itself; nobody waits for one that still does something."""
        if self.is_busy:
            self.kill()
            return
        self.process.stdin.close()
        code = self.process.wait(40)
        self.process.stdout.close()
        assert code == 0, f"{self.name} ended with {code}; see {self.log}"

    def kill(self):
        """It and its workers, which are of its session and process group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
