"""Pictures that are used where they lie: what happens to a job whose picture changes under it."""
import json
import os
import shutil

import pytest

from fleet import wait_for
from pictures import nature, png, vips

SIZED = [{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]}]


def stored(fleet):
    return [path for path in (fleet.folder / "data" / "artifacts").rglob("*") if path.is_file()]


def fetched(fleet, picture, steps=None, **more):
    """A job whose fetch has succeeded, and whose other steps wait for a worker that serves images."""
    fleet.start_dispatcher()
    fleet.start_worker("io=1")
    job = fleet.submit({"steps": steps or SIZED, **more}, [picture])
    wait_for(lambda: fleet.steps(job).get(("src", 0)) == "succeeded", what="the picture is fetched")
    return job


def artifact_of(fleet, job):
    return fleet.one("SELECT artifacts FROM pixelfleet.step_view WHERE job = %s AND step = 'src'", job)[0]


def write_more(path):
    with open(path, "ab") as file:
        file.write(b"more")


def replace(path):
    png(str(path) + ".new", 99, 99)
    os.rename(str(path) + ".new", path)


def swap_for_a_link(path):
    os.rename(path, str(path) + ".real")
    os.symlink(str(path) + ".real", path)


@pytest.mark.parametrize("change, words", [
    (write_more, "has changed since it was fetched by reference: it had"),
    (replace, "has changed since it was fetched by reference"),
    (os.unlink, "there is no file"),
    (swap_for_a_link, "symbolic link"),
])
def test_a_step_rejects_a_picture_that_is_not_as_it_was_fetched(fleet, change, words):
    picture = png(fleet.pictures / "a.png")
    job = fetched(fleet, picture)
    change(picture)
    fleet.start_worker("image=1")
    assert fleet.wait_end(job) == "failed"
    letter = fleet.letters("image")[0]
    assert letter["error"]["kind"] == "reject"
    assert len(letter["attempts"]) == 1
    assert words in letter["error"]["message"] and picture in letter["error"]["message"]
    answer = fleet.http("GET", f"/api/v1/artifacts/{artifact_of(fleet, job)['digest']}", check=False)
    assert answer.status == 410
    assert words in answer.body["error"]["message"]


def test_a_requeue_after_the_file_was_put_back_turns_the_job_green(fleet):
    picture = png(fleet.pictures / "a.png")
    job = fetched(fleet, picture, [*SIZED, {"id": "hash", "tool": "phash", "needs": ["src"]}], on_failure="continue")
    shutil.copy2(picture, fleet.folder / "backup.png")
    os.unlink(picture)
    fleet.start_worker("image=1")
    assert fleet.wait_end(job) == "partial"
    fleet.letters("image", 2)
    fleet.cli("dlq", "retry", "image", "--all")
    fleet.wait_end(job)
    fleet.letters("image", 2)
    shutil.copy2(fleet.folder / "backup.png", picture)
    fleet.cli("dlq", "retry", "image", "--all")
    fleet.wait_state(job, "succeeded")


def test_a_picture_that_is_written_to_while_a_step_reads_it_is_rejected(fleet):
    source = nature(fleet.folder, 1)[0]
    picture = fleet.pictures / "large.jpg"
    vips("resize", source, picture, 3)
    job = fetched(fleet, str(picture), [{"id": "src", "tool": "fetch"}, {
        "id": "soft", "tool": "enhance", "params": {"effect": "blur", "sigma": 20}, "needs": ["src"]}])
    worker = fleet.start_worker("image=1")

    def runs():
        heartbeat = fleet.redis.get(f"pixelfleet:worker:{worker.worker}")
        return [task for task in json.loads(heartbeat or "{}").get("running", []) if task["step"] == "soft"]

    wait_for(runs, what="the step runs", every=0.005)
    write_more(picture)
    assert fleet.wait_end(job, 60) == "failed"
    error = fleet.letters("image")[0]["error"]
    assert error["kind"] == "reject"
    assert "while this step read it" in error["message"]


def test_nothing_is_copied_unless_it_is_asked_for(running):
    picture = png(running.pictures / "a.png")
    job = running.submit(SIZED, [picture])
    assert running.wait_end(job) == "succeeded"
    artifact = artifact_of(running, job)
    assert (artifact["by"], artifact["path"]) == ("reference", picture)
    assert stored(running) == []
    path = f"/api/v1/artifacts/{artifact['digest']}"
    assert running.http("GET", path).body == (running.pictures / "a.png").read_bytes()
    again = running.submit(SIZED, [picture])
    assert running.wait_end(again) == "succeeded"
    assert artifact_of(running, again) == artifact
    copied = running.submit([{"id": "src", "tool": "fetch", "params": {"copy": True}}], [picture])
    assert running.wait_end(copied) == "succeeded"
    assert "by" not in artifact_of(running, copied)
    assert len(stored(running)) == 1


def test_a_copied_picture_may_change_after_it_was_fetched(fleet):
    fleet.settings["PIXELFLEET_FETCH_COPY"] = "1"
    picture = png(fleet.pictures / "a.png")
    original = (fleet.pictures / "a.png").read_bytes()
    job = fetched(fleet, picture)
    os.unlink(picture)
    fleet.start_worker("image=1")
    assert fleet.wait_end(job) == "succeeded"
    assert fleet.http("GET", f"/api/v1/artifacts/{artifact_of(fleet, job)['digest']}").body == original


def test_a_report_that_refers_to_a_file_elsewhere_opens_nothing(fleet):
    """As a worker might that somebody has taken over."""
    secret = png(fleet.folder / "secret.png")
    job = fetched(fleet, png(fleet.pictures / "a.png"))
    fleet.sql("UPDATE pixelfleet.step SET artifacts = jsonb_set(artifacts, '{0,path}', to_jsonb(%s::text)) "
              "WHERE job = %s AND artifacts IS NOT NULL", secret, job)
    answer = fleet.http("GET", f"/api/v1/artifacts/{artifact_of(fleet, job)['digest']}", check=False)
    assert answer.status == 410
    assert "not under an allowed directory" in answer.body["error"]["message"]
    fleet.start_worker("image=1")
    fleet.wait_end(job)
