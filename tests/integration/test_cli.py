"""The command line, and what the programs say about themselves."""
import json
import subprocess

import pytest

from fleet import wait_for
from pictures import names, png
from services import built

SUBMISSION = {"pipeline": {"steps": [{"id": "a", "tool": "noop"}]}, "images": names(3)}


def test_submit_from_a_file_and_from_stdin_prints_the_id(running):
    path = running.folder / "job.json"
    path.write_text(json.dumps(SUBMISSION))
    for job in (running.cli("submit", str(path)).strip(), running.cli("submit", "-", stdin=json.dumps(SUBMISSION)).strip()):
        assert running.wait_end(job) == "succeeded"


def test_status_is_for_people_and_with_json_for_programs(running):
    job = running.cli("submit", "-", stdin=json.dumps(SUBMISSION)).strip()
    running.wait_end(job)
    assert "succeeded" in running.cli("status", job)
    assert json.loads(running.cli("status", job, "--json"))["state"] == "succeeded"


def test_watch_without_a_terminal_prints_lines_and_tells_the_end(running):
    job = running.cli("submit", "-", stdin=json.dumps(SUBMISSION)).strip()
    assert "succeeded" in running.cli("watch", job)


def test_watch_of_a_job_that_fails_has_another_exit_code(running):
    job = running.submit([{"id": "a", "tool": "fail"}], names(1))
    assert "failed" in running.cli("watch", job, code=4)


def test_a_refused_submission_lists_its_problems_and_fails(running):
    text = running.cli("submit", "-", stdin='{"pipeline": {"steps": [{"id": "a", "tool": "nop"}]}, "images": ["http://x.invalid/"]}',
                       code=4)
    assert "/steps/0/tool" in text and "nop" in text


def test_cancel_jobs_queues_workers_and_tools_work(running):
    job = running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 600}}], names(1))
    assert job in running.cli("jobs")
    running.cli("cancel", job)
    assert running.state(job) == "cancelled"
    running.cli("cancel", job, code=None)
    assert "io" in running.cli("queues")
    assert "io" in running.cli("workers")
    assert "resize" in running.cli("tools")
    for command in ("jobs", "queues", "workers", "tools", "pipelines"):
        more = ["list"] if command == "pipelines" else []
        json.loads(running.cli(command, *more, "--json"))


def test_dead_letters_can_be_listed_shown_retried_and_discarded(running):
    bad = running.pictures / "bad.png"
    bad.write_text("no picture")
    job = running.submit([{"id": "src", "tool": "fetch"}], [str(bad)])
    running.wait_end(job)
    wait_for(lambda: running.dead("io"), what="a letter")
    assert "io" in running.cli("dlq", "list")
    assert "picture" in running.cli("dlq", "show", "io")
    png(bad)
    running.cli("dlq", "retry", "io", "--job", job)
    running.wait_state(job, "succeeded")
    bad.write_text("no picture again")
    running.wait_end(running.submit([{"id": "src", "tool": "fetch"}], [str(bad)]))
    wait_for(lambda: running.dead("io"), what="a letter")
    running.cli("dlq", "discard", "io", "--all", code=None)      # nobody to ask, and no --yes
    running.cli("dlq", "discard", "io", "--all", "--yes")
    assert running.dead("io") == []


def test_pipelines_can_be_put_listed_shown_and_validated(running):
    path = running.folder / "pipeline.json"
    path.write_text(json.dumps({"name": "mine", "steps": [{"name": "noop"}]}))
    running.cli("pipelines", "validate", str(path))
    running.cli("pipelines", "put", str(path))
    assert "mine" in running.cli("pipelines", "list")
    assert "noop" in running.cli("pipelines", "show", "mine")
    path.write_text(json.dumps({"name": "mine", "steps": [{"name": "nop"}]}))
    assert "nop" in running.cli("pipelines", "validate", str(path), code=None)


def test_migrate_can_be_run_again_and_again(fleet):
    for _ in range(2):
        fleet.cli("migrate")
    assert fleet.one("SELECT count(*) FROM pixelfleet.job") == 0
    fleet.start_dispatcher()


def test_a_wrong_command_says_which_there_are(fleet):
    assert "submit" in fleet.cli("sbumit", code=2)
    fleet.checks_accounts = False


def test_what_is_not_there_has_its_own_exit_code(running):
    running.cli("status", "no-such-job", code=6)
    running.cli("pipelines", "show", "no-such-pipeline", code=6)


def test_without_a_dispatcher_it_says_where_it_looked(fleet):
    fleet.checks_accounts = False
    assert "127.0.0.1:1" in fleet.cli("jobs", env={"PIXELFLEET_DISPATCHER_URL": "http://127.0.0.1:1"}, code=1)


@pytest.mark.parametrize("program", ["pixelfleet-dispatcher", "pixelfleet-worker", "pixelfleet"])
def test_help_and_version_are_there(program):
    for option in ("--help", "--version"):
        done = subprocess.run([built(program), option], capture_output=True, text=True, check=True, timeout=20)
        assert done.stdout.strip()


@pytest.mark.parametrize("program", ["pixelfleet-dispatcher", "pixelfleet-worker"])
def test_config_stars_secrets_and_a_wrong_setting_refuses_to_start(fleet, program):
    def run(*options, **env):
        return subprocess.run([built(program), *options], capture_output=True, text=True, check=False, timeout=20,
                              env={**fleet.environment(), **env})

    fleet.checks_accounts = False
    shown = run("--config")
    assert shown.returncode == 0 and "PROCESSING_INTERNAL_TOKEN=***" in shown.stdout
    assert fleet.token not in shown.stdout + shown.stderr
    for name, value in (("PIXELFLEET_LISTTEN", "x"), ("PIXELFLEET_DRAIN_S", "soon"), ("PROCESSING_INTERNAL_TOKEN", "short")):
        refused = run(**{name: value})
        assert refused.returncode != 0 and name in refused.stderr
        assert "short" != value or value not in refused.stderr.replace("shorter", "")


def test_check_pings_each_dependency(running):
    for program in ("pixelfleet-dispatcher", "pixelfleet-worker"):
        done = subprocess.run([built(program), "--check"], capture_output=True, text=True, check=False, timeout=30,
                              env=running.environment())
        assert done.returncode == 0, done.stdout + done.stderr
        done = subprocess.run([built(program), "--check"], capture_output=True, text=True, check=False, timeout=30,
                              env=running.environment({"REDIS_URL": "redis://127.0.0.1:1/0"}))
        assert done.returncode != 0


def test_a_worker_runs_one_task_and_leaves(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(2))
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:io") == 2, what="two tasks")
    done = subprocess.run([built("pixelfleet-worker"), "--slots", "io=1", "--once"], capture_output=True, text=True,
                          check=False, timeout=30, env=fleet.environment())
    assert done.returncode == 0, done.stderr
    wait_for(lambda: fleet.counts(job)["succeeded"] == 1, what="one is done")
    assert fleet.redis.llen("pixelfleet:queue:io") == 1
