"""The command line as people use it: on a terminal, with flags, looking at trouble."""
import json
import os
import pty
import re
import subprocess

from fleet import SLOWNESS, wait_for
from pictures import names, png
from services import ROOT, built


def on_a_terminal(fleet, *arguments):
    """What `pixelfleet ARGUMENTS` shows on a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([built("pixelfleet"), *arguments], env={**fleet.environment(), "TERM": "xterm"}, stdin=theirs, stdout=theirs,
                          stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:             # the other end is gone
                break
            if not piece:
                break
            text += piece
        os.close(ours)
        return text.decode(), process.wait(60 * SLOWNESS)


def test_watch_on_a_terminal_redraws_a_bar_until_the_end(running):
    job = running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 0.2}}], names(12))
    shown, code = on_a_terminal(running, "watch", job)
    assert code == 0
    assert "\r" in shown and re.search(r"12/12", shown) and "succeeded" in shown


def test_several_jobs_are_watched_at_once(running):
    jobs = [running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 0.1}}], names(4)) for _ in range(3)]
    shown, code = on_a_terminal(running, "watch", *jobs)
    assert code == 0 and shown.count("succeeded") >= 3
    failing = running.submit([{"id": "a", "tool": "fail"}], names(1))
    assert "failed" in running.cli("watch", jobs[0], failing, code=4)


def test_submit_and_watch_in_one_go_with_flags(running):
    (running.folder / "pipeline.json").write_text(json.dumps({"steps": [{"id": "size", "tool": "resize", "params": {"width": 9}}]}))
    picture = png(running.pictures / "a.png")
    running.cli("submit", "--pipeline", str(running.folder / "pipeline.json"), "--id", "mine", "--priority", "high", "--deadline", "60",
                "--label", "trip=rome", "--params", '{"size": {"width": 8}}', "--image", picture, "--watch")
    job = running.job_of("mine")
    assert running.one("SELECT artifacts -> 0 ->> 'width' FROM pixelfleet.step_view WHERE job = %s AND step = 'size'", job) == "8"
    assert running.one("SELECT high AND deadline_at IS NOT NULL FROM pixelfleet.job WHERE id = %s", job)
    assert "mine" in running.cli("jobs", "--label", "trip=rome") or job in running.cli("jobs", "--label", "trip=rome")
    assert job not in running.cli("jobs", "--label", "trip=paris")
    assert job in running.cli("jobs", "--state", "succeeded", "--limit", "5")
    assert running.cli("submit", "--pipeline", str(running.folder / "pipeline.json"), "nowhere.png", code=4)


def test_status_tells_a_person_what_went_wrong_and_what_waits(running):
    bad = running.pictures / "bad.png"
    bad.write_text("no picture")
    failed = running.submit([{"id": "src", "tool": "fetch"}, {"id": "hash", "tool": "phash", "needs": ["src"]}],
                            [str(bad), png(running.pictures / "good.png")], id="trouble")
    running.wait_end(failed)
    text = running.cli("status", "trouble")
    assert "failed" in text and "not a picture" in text and "src" in text
    assert "skipped" in running.cli("status", "trouble", "--steps")
    waiting = running.submit([{"id": "a", "tool": "noop", "queue": "nobody"}, {"id": "b", "tool": "noop", "needs": ["a"]}], names(1))
    assert "no worker serves" in running.cli("status", waiting)
    retrying = running.submit([{"id": "a", "tool": "fail", "params": {"kind": "retry"}, "retry": {"max_attempts": 2, "backoff_s": 50}}], names(1))
    wait_for(lambda: running.steps(retrying), what="steps")
    wait_for(lambda: running.one("SELECT count(*) FROM pixelfleet.retry") == 1, what="a retry waits")
    assert "retry" in running.cli("status", retrying)
    assert running.cli("status", waiting, "--steps", "--json")
    for job in (waiting, retrying):
        running.cli("cancel", job)


def test_a_letter_is_shown_with_every_attempt(running):
    job = running.submit([{"id": "a", "tool": "fail", "params": {"kind": "retry", "message": "the moon is wrong"},
                           "retry": {"max_attempts": 2, "backoff_s": 0.01}}], names(1))
    running.wait_end(job)
    wait_for(lambda: running.dead("io"), what="a letter")
    shown = running.cli("dlq", "show", "io")
    assert shown.count("the moon is wrong") >= 2 and job in shown
    assert "io" in running.cli("dlq", "list") and "1" in running.cli("dlq", "list", "io")
    assert json.loads(running.cli("dlq", "show", "io", "--json"))
    running.cli("dlq", "show", "io", "9", code=6)
    running.cli("dlq", "retry", "io", "--step", "nothing", code=6)
    assert running.cli("dlq", "retry", "io", "--tool", "fail", "--params", '{"until_attempt": 1}')
    running.wait_state(job, "succeeded")


def test_refused_submissions_are_shown_discarded_and_retried(running):
    running.push("this is not JSON")
    running.push({"pipeline": "later", "images": names(1)})
    wait_for(lambda: len(running.refused()) == 2, what="two refusals")
    assert "this is not JSON" in running.cli("dlq", "show", "jobs", "2") + running.cli("dlq", "show", "jobs", "1")
    running.http("POST", "/api/v1/pipelines", {"name": "later", "steps": [{"name": "noop"}]})
    running.cli("dlq", "retry", "jobs", "--all")
    wait_for(lambda: running.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == 1, what="the repaired one ran")
    wait_for(lambda: len(running.refused()) == 1, what="the other was refused again")
    running.cli("dlq", "discard", "jobs", "--all", "--yes")
    assert running.refused() == []


def test_a_tool_is_explained_with_its_parameters(running):
    text = running.cli("tools", "thumbnail")
    assert "sizes" in text and "quality" in text and "85" in text
    assert json.loads(running.cli("tools", "thumbnail", "--json"))
    assert "thumbnail" in running.cli("tools", "thumbnial", code=6)


def completed(fleet, *words):
    """What bash offers for the last of these words."""
    script = r""". shared/completion/pixelfleet.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        compopt() { :; }
        $(complete -p pixelfleet | sed 's/.*-F \([^ ]*\).*/\1/') pixelfleet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo "${COMPREPLY[@]}"
        """
    env = fleet.environment()
    env["PATH"] = f"{os.path.dirname(built('pixelfleet'))}:{env['PATH']}"
    return subprocess.run(["bash", "-c", script, "bash", "pixelfleet", *words], env=env, capture_output=True, text=True, check=True,
                          timeout=60 * SLOWNESS, cwd=str(ROOT)).stdout.split()


def test_completion_knows_commands_options_tools_and_queues(running):
    running.wait_end(running.submit([{"id": "a", "tool": "noop"}], names(1)))
    assert "submit" in completed(running, "sub")
    assert "thumbnail" in completed(running, "tools", "thu")
    assert "--label" in completed(running, "jobs", "--l")
    assert "io" in completed(running, "dlq", "show", "i")


def test_a_worker_runs_one_envelope_from_a_file_without_redis(running):
    picture = png(running.pictures / "a.png", 40, 30)
    envelope = {"v": 1, "job": "01900000-0000-7000-8000-000000000000", "step": "src", "item": 0, "ordinal": 0, "attempt": 1, "tool": "fetch",
                "queue": "io", "timeout_s": 60, "final": False, "params": {}, "inputs": [], "source": picture,
                "enqueued_at": "2026-01-01T00:00:00.000000Z"}
    path = running.folder / "envelope.json"

    def run(body):
        path.write_text(body if isinstance(body, str) else json.dumps(body))
        return subprocess.run([built("pixelfleet-worker"), "--task", str(path)], env=running.environment({"REDIS_URL": "redis://127.0.0.1:1/0"}),
                              capture_output=True, text=True, check=False, timeout=60 * SLOWNESS)

    fetched = run(envelope)
    assert fetched.returncode == 0, fetched.stderr
    artifact = json.loads(fetched.stdout)["artifacts"][0]
    done = run({**envelope, "step": "meta", "tool": "metadata", "queue": "image", "inputs": [{"step": "src", "item": 0, "artifact": artifact}]})
    assert json.loads(done.stdout)["data"]["width"] == 40
    assert run({**envelope, "source": "/etc/passwd"}).returncode == 4
    assert run("not json").returncode == 1
