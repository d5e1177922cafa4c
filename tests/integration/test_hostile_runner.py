"""A runner that has been taken over by its picture hurts its own step: see hostile_runner.py for what it tries."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import unicodedata

import pytest

from fleet import wait_for
from hostile import descriptors
from pictures import png
from services import ROOT, built


@pytest.fixture(name="taken")
def make_taken(fleet, monkeypatch):
    """A fleet whose one worker has the hostile runner beside it, and no slot more than it needs."""
    folder = fleet.folder / "programs"
    folder.mkdir()
    for name in ("pixelfleet-dispatcher", "pixelfleet-worker", "pixelfleet"):
        shutil.copy(built(name), folder)
    shutil.copy(pathlib.Path(__file__).with_name("hostile_runner.py"), folder / "pixelfleet-runner")
    os.chmod(folder / "pixelfleet-runner", 0o755)
    monkeypatch.setenv("PIXELFLEET_BUILD", os.path.relpath(folder, ROOT))
    fleet.start_dispatcher()
    fleet.start_worker("image=1,infer=1,io=1", env={"PIXELFLEET_TRITON_URL": "http://127.0.0.1:1"})
    return fleet


def run(fleet, what, tool="rotate", **params):
    """The one instance of the hostile step, once it has ended."""
    steps = [{"id": "source", "tool": "fetch"},
             {"id": what, "tool": tool, "needs": ["source"], "params": params, "retry": {"max_attempts": 1}, "timeout_s": 20}]
    job = fleet.submit(steps, [png(fleet.pictures / f"{what}.png")])
    fleet.wait_end(job, 60)
    return next(i for i in fleet.job(job)["instances"] if i["step"] == what)


def failure(fleet, what, **more):
    instance = run(fleet, what, **more)
    assert instance["state"] == "failed"
    return instance["attempts"][-1]["error"]


def is_healthy(fleet):
    assert run(fleet, "honest")["data"] == {"kept": True}


def has_control_characters(text):
    return any(unicodedata.category(c) == "Cc" for c in text.replace("\n", ""))


def artifacts(fleet):
    return [path.read_bytes() for path in (fleet.folder / "data" / "artifacts").glob("??/*")]


def test_an_output_that_is_written_to_after_its_end_is_kept_as_it_was_when_it_was_taken(taken):
    instance = run(taken, "keeps_its_output")
    artifact, = instance["artifacts"]
    wait_for(lambda: "changed it" in taken.programs[-1].text(), 10, "the runner has written into what it had given")
    kept = (taken.folder / "data" / "artifacts" / artifact["digest"][:2] / artifact["digest"][2:]).read_bytes()
    assert hashlib.blake2b(kept, digest_size=32).hexdigest() == artifact["digest"]
    assert kept == b"what it said"
    is_healthy(taken)
    assert b"what it says" in artifacts(taken)


def test_tensors_in_a_file_that_blocks_are_refused(taken):
    error = failure(taken, "asks_with_an_eventfd", tool="detect", backend="triton", model="m")
    assert error["kind"] == "reject" and "no regular file" in error["message"]
    is_healthy(taken)


def test_a_step_that_waits_for_a_model_has_the_memory_that_its_runner_keeps_and_no_more_than_it_had(taken):
    steps = [{"id": "source", "tool": "fetch"}, {"id": "keeps_some_of_its_memory", "tool": "rotate", "needs": ["source"], "timeout_s": 60}]
    job = taken.submit(steps, [png(taken.pictures / "a.png")])

    def granted():
        return [worker["memory"]["granted"] >> 20 for worker in taken.http("GET", "/api/v1/workers").body["workers"]]
    wait_for(lambda: granted() == [40 + 32], 20, lambda: f"granted: {granted()} MiB")
    taken.http("POST", f"/api/v1/jobs/{job}/cancel")
    wait_for(lambda: granted() == [0], 20, lambda: f"granted: {granted()} MiB")
    is_healthy(taken)


def test_descriptors_that_a_runner_gives_are_closed(taken):
    is_healthy(taken)
    worker = taken.programs[-1]
    before = descriptors(worker)
    for _ in range(3):
        assert "output -1" in failure(taken, "gives_descriptors")["message"]
    is_healthy(taken)
    wait_for(lambda: descriptors(worker) <= before, 10, lambda: f"{before} descriptors before, {descriptors(worker)} now")


@pytest.mark.parametrize("what, says", [
    ("asks_for_less_than_no_memory", "asks for -5 bytes"), ("asks_for_all_memory", "a task may have"),
    ("says_that_it_was_cancelled", "forged"), ("announces_four_gigabytes", "4294967295 bytes"), ("nests", "not a JSON object"),
    ("dies_with_a_forgery", "was stopped")])
def test_what_makes_no_sense_is_the_failure_of_its_step(taken, what, says):
    error = failure(taken, what)
    assert says in error["message"] and len(error["message"]) < 1100
    assert error["kind"] in ("retry", "reject")
    is_healthy(taken)
    logs = "".join(program.text() for program in taken.programs)
    assert not has_control_characters(logs), json.dumps(re.findall(".*forged.*", logs))
    assert not re.search("^.*ev=forged", "\n".join(line for line in logs.splitlines() if not line.startswith("level=warn ev=step.failed")))


def test_outputs_without_end_are_refused_at_some_time(taken):
    assert run(taken, "asks_for_outputs_for_ever")["data"] == {"refused": 37}
    is_healthy(taken)
