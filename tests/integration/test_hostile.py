"""571 pictures that nobody should trust: each hurts its own steps only, and is told why. HOSTILE_SEED=n makes other bit flips."""
import collections
import re

import pytest

from fleet import SLOWNESS, wait_for
from hostile import corpus, descriptors, rss_kb, settles

LIMIT_S = 2 * SLOWNESS


def step(name, tool, needs, **params):
    return {"id": name, "tool": tool, "needs": [needs], "params": params, "timeout_s": LIMIT_S, "retry": {"max_attempts": 1}}


STEPS = [{"id": "src", "tool": "fetch"}, step("meta", "metadata", "src"), step("thumb", "thumbnail", "src", width=64),
         step("small", "resize", "src", width=32, height=32), step("other", "convert", "small", format="png")]
PIPELINE = {"on_failure": "continue", "steps": STEPS}
BRANCHES = ("thumb", "other")
MAY_TIME_OUT = ("bomb", "large-but-allowed")


@pytest.fixture(name="hostile")
def hostile_fleet(fleet):
    fleet.table = corpus(fleet.pictures)
    fleet.settings["MAX_IMAGE_SIZE"] = 100_000_000
    fleet.settings["PIXELFLEET_RUNNER_TASKS"] = 1_000_000       # one that is replaced is not there until its next task
    fleet.start_dispatcher()
    fleet.start_worker("image=2,io=2")
    return fleet


def run(fleet, rows, timeout=120):
    job = fleet.submit(PIPELINE, [str(fleet.pictures / row["file"]) for row in rows])
    fleet.wait_end(job, timeout=timeout)
    wait_for(lambda: fleet.held() == 0, 10, "no task is left in Redis")
    return job


def outcomes(fleet, job):
    """{item: {step: state}} and {(item, step): message}"""
    states, errors = collections.defaultdict(dict), {}
    for item, name, state in fleet.sql("SELECT item, step, state::text FROM pixelfleet.step_view WHERE job = %s", job):
        states[item][name] = state
    for item, name, message in fleet.sql("""
            SELECT s.item, s.step, a.message FROM pixelfleet.attempt a
            JOIN pixelfleet.step_view s ON s.job = a.job AND s.ordinal = a.ordinal WHERE a.job = %s""", job):
        errors[item, name] = message
    return states, errors


def wrongs(row, states, errors):
    """What is not as the table says, of one picture."""
    words = row["words"] or "cannot"
    if any(word in row["file"] for word in MAY_TIME_OUT):
        words += "|timed out after|memory"
    succeeded = all(states[name] == "succeeded" for name in BRANCHES)
    if row["expect"] == "ok" and set(states.values()) != {"succeeded"}:
        yield f"is to succeed: {states} {errors}"
    if row["expect"] == "fail" and succeeded:
        yield "is to fail, and a thumbnail was made of it"
    for name, state in states.items():
        if state not in ("succeeded", "failed", "skipped"):
            yield f"{name} is {state}"
        if state == "skipped" and states["src"] == "succeeded" and states["small"] == "succeeded":
            yield f"{name} is skipped, though what it needs succeeded"
        if state == "failed" and not re.search(words, errors.get(name, "")):
            yield f"{name} failed for another reason: {errors.get(name)!r}"
        if state == "failed" and "no reason" in errors.get(name, ""):
            yield f"{name} failed, and nothing says why"
        if not all(char.isprintable() for char in errors.get(name, "")):
            yield f"{name}: the message has control characters: {errors[name]!r}"


def check(fleet, job):
    states, errors = outcomes(fleet, job)
    found = []
    for item, row in enumerate(fleet.table):
        mine = {name: message for (of, name), message in errors.items() if of == item}
        found += [f"{row['file']}: {wrong}" for wrong in wrongs(row, states[item], mine)]
    assert not found, f"{len(found)} of {len(fleet.table)}:\n" + "\n".join(found)
    return states


def check_letters(fleet, states):
    """Every failed step of the last job has its dead letter, and nothing else has."""
    failed = {(item, name) for item, steps in states.items() for name, state in steps.items() if state == "failed"}
    wait_for(lambda: sum(len(fleet.dead(queue)) for queue in ("image", "io")) >= len(failed), what="the last letter")
    letters = collections.Counter((letter["item"], letter["step"]) for queue in ("image", "io") for letter in fleet.dead(queue))
    assert set(letters) == failed
    assert max(letters.values()) == 1


def temporary_files(fleet):
    """Whatever is in the artifact store under another name than that of an artifact."""
    store = fleet.folder / "data" / "artifacts"
    return [str(path) for path in store.rglob("*") if path.is_file() and not re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{62}",
                                                                                         str(path.relative_to(store)))]


def test_each_of_over_300_hostile_pictures_hurts_its_own_steps_only(hostile):
    dispatcher, worker = hostile.programs
    assert len(hostile.table) > 300
    assert {row["class"] for row in hostile.table} > {"png", "gif", "jpeg", "tiff", "webp", "heif", "truncated", "flipped"}
    job = run(hostile, hostile.table)
    states = check(hostile, job)
    wait_for(lambda: sum(len(hostile.dead(queue)) for queue in ("image", "io")) ==
             hostile.one("SELECT count(*) FROM pixelfleet.dead_letter"), 10, "the letters are listed")
    check_letters(hostile, states)
    assert dispatcher.process.poll() is None and worker.process.poll() is None
    assert not temporary_files(hostile)
    good = [row for row in hostile.table if row["class"] == "good"]
    assert hostile.state(run(hostile, good)) == "succeeded", "what is good still works"


def test_hostile_pictures_leave_no_memory_and_no_descriptors_behind(hostile):
    dispatcher, worker = hostile.programs
    quick = [row for row in hostile.table if not any(word in row["file"] for word in MAY_TIME_OUT)]
    run(hostile, quick)
    files = descriptors(dispatcher), descriptors(worker)
    seen = settles(lambda: (rss_kb(dispatcher), rss_kb(worker)), lambda: run(hostile, quick), 8)
    print(f"\nRSS of dispatcher and worker in KB, before and after {len(quick)} pictures each time: {seen}")
    wait_for(lambda: (descriptors(dispatcher), descriptors(worker)) <= files, 10,
             lambda: f"{files} descriptors are not more: {descriptors(dispatcher), descriptors(worker)}")
