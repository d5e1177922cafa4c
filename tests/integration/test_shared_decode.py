"""Steps that read the same photograph: one decode for all of them, and results that do not depend on it."""
import os
import re
import signal

import pytest

from fleet import wait_for
from pictures import nature, vips
from services import ROOT, built

BOXES = [
    {"id": "src", "tool": "fetch"},
    {"id": "big", "tool": "resize", "needs": ["src"], "params": {"width": 640, "height": 640, "format": "jpeg"}},
    {"id": "thumb", "tool": "thumbnail", "needs": ["src"], "params": {"width": 250, "format": "webp"}},
    {"id": "mean", "tool": "stats", "needs": ["src"], "params": {"size": 32}}]
WHOLE = [
    {"id": "turned", "tool": "rotate", "needs": ["src"], "params": {"angle": 90, "format": "png"}},
    {"id": "part", "tool": "crop", "needs": ["src"], "params": {"left": 100, "top": 100, "width": 200, "height": 100, "format": "png"}},
    {"id": "all", "tool": "stats", "needs": ["src"]}]
DEBUG = {"PIXELFLEET_LOG_LEVEL": "debug"}


@pytest.fixture(name="photographs")
def make_photographs(fleet):
    """Four of 2,560 x 1,600 pixels, which a decoder halves for 640."""
    out = []
    for n, path in enumerate(nature(fleet.folder, 4)):
        out.append(str(fleet.pictures / f"photograph{n}.jpg"))
        vips("thumbnail", path, out[-1] + "[Q=90,strip]", 2600, "--height", 1700, "--size", "force")
    return out


def results(fleet, job):
    """What each step of each picture gave."""
    return {(step, item): ([a["digest"] for a in artifacts or ()], data) for step, item, artifacts, data in fleet.sql(
        "SELECT step, item, artifacts, data FROM pixelfleet.step_view WHERE job = %s AND step <> 'src'", job)}


def run(fleet, steps, photographs, ends="succeeded"):
    job = fleet.submit(steps, photographs)
    assert fleet.wait_end(job, 60) == ends, fleet.explain(job)
    return job, results(fleet, job)


def decodes(worker):
    return len(re.findall("ev=picture.kept", worker.text())), len(re.findall("ev=picture.found", worker.text()))


def test_each_photograph_is_decoded_once_for_all_steps_that_make_it_small(fleet, photographs):
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=2", env=DEBUG)
    run(fleet, BOXES, photographs)
    assert decodes(worker) == (4, 8)
    run(fleet, BOXES[:1] + WHOLE, photographs)
    assert decodes(worker) == (8, 16), "and once for those which want every pixel"


def test_results_are_the_same_however_many_slots_and_workers_there_are(fleet, photographs):
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=2")
    _, alone = run(fleet, BOXES + WHOLE, photographs)
    worker.stop()
    for _ in range(3):
        fleet.start_worker("image=2,io=1")
    for _ in range(3):
        assert run(fleet, BOXES + WHOLE, photographs)[1] == alone


def test_a_step_retried_alone_gives_what_it_gave_among_the_others(fleet, photographs):
    """The worker that has the pixels is gone, and so are the steps that shared them."""
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=2")
    _, before = run(fleet, BOXES, photographs[:1])
    steps = [dict(step) for step in BOXES]
    steps[2] = dict(steps[2], params={"width": 250, "format": "webp"}, retry={"max_attempts": 1})
    worker.stop()
    fleet.start_worker("io=2")
    job = fleet.submit(steps, photographs[:1])
    envelopes = wait_for(lambda: len(e := fleet.redis.lrange("pixelfleet:queue:image", 0, -1)) == 3 and e, what="three tasks in the queue")
    fleet.redis.delete("pixelfleet:queue:image")
    for n, envelope in enumerate(envelopes, 1):         # each by a worker of its own
        fleet.redis.rpush("pixelfleet:queue:image", envelope)
        one = fleet.start_worker("image=1")
        wait_for(lambda n=n: fleet.counts(job)["succeeded"] == 1 + n, what="its step to be done")
        one.stop()
    assert fleet.wait_end(job) == "succeeded", fleet.explain(job)
    assert results(fleet, job) == before


def test_a_runner_that_is_killed_with_pixels_kept_costs_nothing_but_a_decode(fleet, photographs):
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=2", env=DEBUG)
    _, before = run(fleet, BOXES, photographs)
    job = fleet.submit(BOXES, photographs * 3)
    wait_for(lambda: decodes(worker)[0] >= 6, what="pixels of the second job to be kept")
    for child in worker.children():
        if os.readlink(f"/proc/{child}/exe") == os.path.realpath(built("pixelfleet-runner")):
            os.kill(child, signal.SIGKILL)
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    after = results(fleet, job)
    assert all(after[step, item] == before[step, item % 4] for step, item in after)


def test_a_broken_photograph_fails_in_each_step_and_in_no_other_photograph(fleet, photographs):
    broken = str(fleet.pictures / "broken.jpg")
    with open(photographs[0], "rb") as whole, open(broken, "wb") as half:
        half.write(whole.read(100000))
    steps = [dict(step, on_failure="continue") for step in BOXES + WHOLE]
    fleet.start_dispatcher()
    fleet.start_worker("image=2,io=2")
    job, got = run(fleet, steps, [photographs[0], broken, photographs[1]], "partial")
    _, alone = run(fleet, BOXES + WHOLE, photographs[:2])
    states = dict(((step, item), state) for step, item, state in fleet.sql(
        "SELECT step, item, state FROM pixelfleet.step_view WHERE job = %s AND step <> 'src'", job))
    assert {state for (_, item), state in states.items() if item == 1} == {"failed"}
    for (step, item), value in got.items():
        if item != 1:
            assert value == alone[step, item // 2], step


def test_pixels_are_let_go_of_where_the_worker_has_no_memory_to_spare(fleet, photographs):
    """A budget in which the task at hand just fits: the results are the same, from more decodes."""
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=2")
    _, before = run(fleet, BOXES + WHOLE, photographs)
    worker.stop()
    worker = fleet.start_worker("image=1,io=2", env=dict(DEBUG, PIXELFLEET_WORKER_MEMORY_MB="64"))
    _, after = run(fleet, BOXES + WHOLE, photographs)
    assert after == before


def test_a_claim_takes_the_steps_that_share_a_picture_together(fleet):
    """Where a claim ends, another worker's begins: in the middle of a photograph it would be decoded twice."""
    script = (ROOT / "shared" / "lua" / "claim.lua").read_text(encoding="utf-8")
    queue, running = "pixelfleet:queue:image", "pixelfleet:running:me"

    def envelope(step, item, shared=True):
        return ('{"v":1,"job":"00000000-0000-7000-8000-000000000001","step":"%s","item":%d,"params":{},%s"inputs":[]}'
                % (step, item, '"shared":{"steps":3},' if shared else ""))

    def claim(n):
        return [text.decode() if isinstance(text, bytes) else text for text in fleet.redis.eval(script, 2, queue, running, n)]

    tasks = [envelope(step, item) for item in range(3) for step in ("big", "thumb", "mean")]
    alone = [envelope(f"s{n}", 7, False) for n in range(3)]
    many = [envelope(f"s{n}", 8) for n in range(40)]
    fleet.redis.rpush(queue, *tasks, *alone, *many, '{"task":' + many[0] + "}")
    assert claim(1) == tasks[:3]
    assert claim(2) == tasks[3:6]
    assert claim(4) == tasks[6:] + alone[:1]
    assert claim(1) == alone[1:2]
    assert claim(2) == [alone[2]] + many[:17], "bounded"
    assert len(claim(1)) == 17
    assert claim(1) == many[34:], "a dead letter is nobody's sibling"
    assert len(claim(9)) == 1
    assert claim(9) == []
    fleet.redis.delete(running)
