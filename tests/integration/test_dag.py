"""Graphs: diamonds, fan-outs, joins, and what a failing branch does to the rest."""
import pytest

from fleet import wait_for
from pictures import names, small


def test_a_diamond_joins_both_branches(running):
    job = running.submit([
        {"id": "top", "tool": "noop"},
        {"id": "left", "tool": "noop", "needs": ["top"]},
        {"id": "right", "tool": "noop", "needs": ["top"]},
        {"id": "bottom", "tool": "noop", "needs": ["left", "right"]}], names(1))
    assert running.wait_end(job) == "succeeded", running.explain(job)
    assert running.counts(job) == {"total": 4, "succeeded": 4, "failed": 0, "skipped": 0, "cancelled": 0}
    ended = dict(running.sql("SELECT step, changed_at FROM pixelfleet.step_view WHERE job = %s", job))
    assert ended["top"] <= min(ended["left"], ended["right"]) <= max(ended["left"], ended["right"]) <= ended["bottom"]


def test_a_step_runs_for_each_of_a_hundred_pictures_and_joins_into_one(running):
    pictures = small(running.pictures, 100)
    job = running.submit([
        {"id": "src", "tool": "fetch"},
        {"id": "size", "tool": "metadata", "needs": ["src"]},
        {"id": "all", "tool": "aggregate", "needs": ["size"], "params": {"include_results": True}}], pictures)
    assert running.wait_end(job, 60) == "succeeded", running.explain(job)
    assert running.counts(job)["succeeded"] == 201
    results = running.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = 'all'", job)
    if "results" in results:
        assert len(results["results"]) == 100


@pytest.mark.parametrize("tool", ["metadata", "phash"])
def test_a_step_whose_picture_could_not_be_fetched_fails_and_its_worker_lives(running, tool):
    """Nothing to read and no parameters: all that its task says is which tool."""
    job = running.submit({"on_failure": "continue", "steps": [
        {"id": "src", "tool": "fetch"},
        {"id": "other", "tool": "noop"},
        {"id": "size", "tool": tool, "needs": ["src", "other"], "join": "any"}]}, [str(running.pictures / "nowhere.jpg")])
    assert running.wait_end(job) == "partial", running.explain(job)
    assert running.steps(job)[("size", 0)] == "failed"
    assert "no picture" in running.one("SELECT message FROM pixelfleet.dead_letter WHERE job = %s AND message NOT LIKE '%%nowhere%%'", job)
    assert running.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s AND kind = 'death'", job) == 0


def test_steps_without_needs_are_a_chain_when_no_step_has_any(running):
    job = running.submit([{"name": "noop"}, {"name": "fail"}], names(1))
    assert running.wait_end(job) == "failed"
    assert running.steps(job) == {("noop", 0): "succeeded", ("fail", 0): "failed"}


GRAPH = [
    {"id": "src", "tool": "noop"},
    {"id": "left", "tool": "noop", "needs": ["src"]},
    {"id": "right", "tool": "fail", "needs": ["src"], "params": {"items": [7], "message": "the seventh is cursed"}},
    {"id": "both", "tool": "noop", "needs": ["left", "right"]},
    {"id": "either", "tool": "noop", "needs": ["left", "right"], "join": "any"},
    {"id": "sum", "tool": "aggregate", "needs": ["both"], "join": "any"}]


def test_a_failing_branch_with_continue_ends_partial_with_exactly_the_right_rows(running):
    job = running.submit({"on_failure": "continue", "steps": GRAPH}, names(100))
    assert running.wait_end(job, 60) == "partial", running.explain(job)
    want = {(step["id"], item): "succeeded" for step in GRAPH for item in range(100 if step["id"] != "sum" else 1)}
    want["right", 7] = "failed"
    want["both", 7] = "skipped"
    assert running.steps(job) == want
    assert running.counts(job) == {"total": 501, "succeeded": 499, "failed": 1, "skipped": 1, "cancelled": 0}
    row = running.sql("""SELECT reason::text, skipped_by = (SELECT ordinal FROM pixelfleet.step_view
                             WHERE job = s.job AND step = 'right' AND item = 7)
                         FROM pixelfleet.step_view s WHERE job = %s AND state = 'skipped'""", job)
    assert row == [("need_failed", True)]
    assert [letter["error"]["message"] for letter in running.letters("io")] == ["the seventh is cursed"]
    wait_for(lambda: running.held() == 0, what="nothing is left in Redis")


def test_a_failing_branch_with_fail_fast_ends_failed_and_leaves_nothing_queued(running):
    job = running.submit({"on_failure": "fail_fast", "steps": GRAPH}, names(100))
    assert running.wait_end(job, 60) == "failed", running.explain(job)
    wait_for(lambda: running.held() == 0, 15, "nothing of the job is left in Redis")
    open_steps = running.one("""SELECT count(*) FROM pixelfleet.step
                                WHERE job = %s AND state IN ('blocked', 'queued', 'retrying')""", job)
    assert open_steps == 0
    assert running.one("SELECT (SELECT count(*) FROM pixelfleet.backlog) + (SELECT count(*) FROM pixelfleet.retry)") == 0
    steps = running.steps(job)
    assert steps["right", 7] == "failed"
    assert steps["sum", 0] == "skipped"
    assert set(steps.values()) <= {"succeeded", "failed", "skipped"}


@pytest.mark.parametrize("join, runs", [("any", True), (1, True), (2, True), (3, False), ("all", False)])
def test_a_join_runs_when_as_many_needs_succeeded_as_it_asks_for(running, join, runs):
    job = running.submit({"on_failure": "continue", "steps": [
        {"id": "a", "tool": "noop"}, {"id": "b", "tool": "noop"}, {"id": "c", "tool": "fail"},
        {"id": "j", "tool": "noop", "needs": ["a", "b", "c"], "join": join}]}, names(1))
    assert running.wait_end(job) == "partial", running.explain(job)
    assert running.steps(job)["j", 0] == ("succeeded" if runs else "skipped")


def test_a_step_s_own_policy_wins_over_the_pipeline_s(running):
    job = running.submit({"on_failure": "fail_fast", "steps": [
        {"id": "a", "tool": "noop"},
        {"id": "bad", "tool": "fail", "on_failure": "continue", "needs": ["a"]},
        {"id": "after", "tool": "noop", "needs": ["bad"]},
        {"id": "good", "tool": "noop", "needs": ["a"]}]}, names(1))
    assert running.wait_end(job) == "partial", running.explain(job)
    assert running.steps(job) == {("a", 0): "succeeded", ("bad", 0): "failed", ("after", 0): "skipped",
                                  ("good", 0): "succeeded"}


def test_what_can_pass_later_is_tried_again_after_a_pause(running):
    job = running.submit([{"id": "a", "tool": "fail", "params": {"kind": "retry", "until_attempt": 3},
                           "retry": {"max_attempts": 3, "backoff_s": 1, "max_backoff_s": 1}}], names(1))
    assert running.wait_end(job) == "succeeded", running.explain(job)
    attempts = running.sql("SELECT attempt, kind FROM pixelfleet.attempt WHERE job = %s ORDER BY attempt", job)
    assert attempts == [(1, "retry"), (2, "retry")]
    assert running.one("SELECT attempt FROM pixelfleet.step WHERE job = %s", job) == 3


def test_retries_end_in_a_dead_letter_that_tells_each_of_them(running):
    job = running.submit([{"id": "a", "tool": "fail", "params": {"kind": "retry", "message": "still no"},
                           "retry": {"max_attempts": 2, "backoff_s": 1, "max_backoff_s": 1}}], names(1))
    assert running.wait_end(job) == "failed", running.explain(job)
    letter = wait_for(lambda: running.dead("io"), what="a dead letter")[0]
    assert [attempt["attempt"] for attempt in letter["attempts"]] == [1, 2]


def test_a_deadline_ends_the_job(running):
    job = running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 300}}], names(1), deadline_s=2)
    assert running.wait_end(job, 20) in ("failed", "partial"), running.explain(job)
    wait_for(lambda: running.held() == 0, 15, "the step was stopped")


def test_a_step_over_its_time_limit_fails_by_that_name(running):
    job = running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 300}, "timeout_s": 1,
                           "retry": {"max_attempts": 1}}], names(1))
    assert running.wait_end(job, 20) == "failed", running.explain(job)
    assert "1 s" in running.one("SELECT message FROM pixelfleet.attempt WHERE job = %s", job)


def test_high_priority_goes_to_the_head_of_the_queue(fleet):
    fleet.start_dispatcher()
    low = fleet.submit([{"id": "a", "tool": "noop"}], names(50))
    high = fleet.submit([{"id": "a", "tool": "noop"}], names(1), priority="high")
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:io") == 51, what="51 tasks queued")
    assert high in fleet.redis.lindex("pixelfleet:queue:io", 0)
    fleet.start_worker("io=1")
    assert fleet.wait_end(low) == fleet.wait_end(high) == "succeeded"
