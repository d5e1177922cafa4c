"""What goes wrong between two of the parts, one case each: several reports of a step at once, a Redis that forgot
or is full, dispatchers that come and go."""
import json
import os
import sys
import threading
import uuid

from fleet import wait_for
from pictures import names

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "faults"))

from page import Page   # noqa: E402 pylint: disable=wrong-import-position
from proxy import Link  # noqa: E402 pylint: disable=wrong-import-position


def report(job, ordinal, attempt=1, kind=None, **more):
    """What a worker says of one execution; `kind`: of its failure."""
    said = {"run": str(uuid.uuid4()), "job": job, "ordinal": ordinal, "attempt": attempt, "worker": "nobody-1-000000",
            "started_at": "2026-01-02T03:04:05.678901Z", "ms": 1.5, **more}
    if kind:
        return {**said, "status": "failed", "error": {"kind": kind, "message": "no"}}
    return {**said, "status": "succeeded"}


def tell(fleet, *reports, **more):
    """One POST, so that one batch of the ledger has them all."""
    return fleet.http("POST", "/internal/v1/results", list(reports), {"x-internal-token": fleet.token}, **more).body["answers"]


def rows(fleet, table):
    return fleet.one(f"SELECT count(*) FROM pixelfleet.{table}")


RETRIED = {"max_attempts": 3, "backoff_s": 0.1}


def test_a_step_that_was_to_be_retried_when_another_stopped_the_job_leaves_nothing_due(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop", "retry": RETRIED}], names(2))
    assert tell(fleet, report(job, 0, kind="retry"), report(job, 1, kind="reject")) == ["accepted", "accepted"]
    assert fleet.wait_end(job) == "failed"
    assert fleet.steps(job) == {("a", 0): "skipped", ("a", 1): "failed"}
    assert rows(fleet, "retry") == 0


def test_a_step_that_failed_and_succeeded_at_once_has_succeeded_and_has_no_letter(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(1))
    assert tell(fleet, report(job, 0, kind="reject"), report(job, 0)) == ["accepted", "accepted"]
    assert fleet.wait_end(job) == "succeeded"
    assert rows(fleet, "dead_letter") == 0
    assert fleet.dead("io") == []


def test_a_job_that_two_steps_failed_is_not_green_when_one_is_repaired(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(3))
    tell(fleet, report(job, 0, kind="reject"), report(job, 1, kind="reject"))
    assert fleet.wait_end(job) == "failed"
    assert tell(fleet, report(job, 1, requeue=True)) == ["accepted"]
    assert fleet.wait_end(job) == "failed"
    assert fleet.steps(job) == {("a", 0): "failed", ("a", 1): "succeeded", ("a", 2): "skipped"}
    tell(fleet, report(job, 0, requeue=True))
    assert fleet.state(job) == "running"
    tell(fleet, report(job, 2))
    assert fleet.wait_end(job) == "succeeded"


def test_the_letter_of_a_requeue_that_failed_is_listed_when_the_report_comes_again(fleet):
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(1))
    tell(fleet, report(job, 0, kind="reject"))
    again = report(job, 0, kind="reject", requeue=True)
    fleet.redis.delete("pixelfleet:dlq:io")             # somebody moved it to the queue
    assert tell(fleet, again) == ["accepted"]
    fleet.redis.delete("pixelfleet:dlq:io")             # as if the dispatcher had died before it pushed the fresh one
    assert tell(fleet, again) == ["duplicate"]
    assert [letter["task"]["attempt"] for letter in fleet.dead("io")] == [2]


def test_a_letter_of_a_cancelled_job_goes_to_the_refused_with_the_reason(running):
    job = running.submit({"on_failure": "continue", "steps": [
        {"id": "a", "tool": "fail"}, {"id": "b", "tool": "sleep", "params": {"seconds": 300}, "needs": []}]}, names(1))
    wait_for(lambda: len(running.dead("io")) == 1, what="a dead letter")
    running.http("POST", f"/api/v1/jobs/{job}/cancel", {})
    assert running.wait_end(job) == "cancelled"
    running.redis.lmove("pixelfleet:dlq:io", "pixelfleet:queue:io", "RIGHT", "LEFT")
    letter = wait_for(running.refused, what="it is with the refused")[0]
    assert "cancelled" in letter["error"]["message"]
    assert job in letter["raw"]
    wait_for(lambda: running.held() == 0, what="nobody holds it")


def test_a_backlog_is_fed_after_all_dispatchers_were_started_again(fleet):
    fleet.settings["PIXELFLEET_QUEUE_WINDOW"] = 10
    first = fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(50))
    wait_for(lambda: fleet.backlog() == 40, what="40 steps in the backlog")
    first.stop()
    fleet.start_dispatcher()
    fleet.start_worker("io=4")
    assert fleet.wait_end(job) == "succeeded", fleet.explain(job)
    assert fleet.backlog() == 0


def test_tasks_that_wait_after_a_flush_are_pushed_once_only(fleet):
    fleet.settings["PIXELFLEET_SCAN_INTERVAL_S"] = 1
    dispatcher = fleet.start_dispatcher()
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 found=0 ")
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(30))
    wait_for(lambda: fleet.held() == 30, what="30 tasks wait")
    fleet.redis.flushall()
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 .*pushed=30", 30)
    fleet.sql("UPDATE pixelfleet.step SET changed_at = changed_at - interval '1 minute'")
    fleet.redis.rpop("pixelfleet:queue:io")             # so that a scan which has gone round shows
    dispatcher.wait_logged(r"ev=rebuild\.done lost=0", 30)
    assert re_pushed(dispatcher) == [1]
    fleet.start_worker("io=4")
    assert fleet.wait_end(job) == "succeeded", fleet.explain(job)


def re_pushed(dispatcher):
    """How many tasks each scan pushed that pushed any."""
    return [int(line.split("pushed=")[1].split()[0]) for line in dispatcher.text().splitlines()
            if "ev=rebuild.done lost=0" in line]


def test_a_push_that_failed_is_made_up_for_at_once(fleet):
    fleet.settings["PIXELFLEET_SCAN_INTERVAL_S"] = 600
    fleet.start_dispatcher(env={"FAULT": "ledger.push=1"}, faults=True)
    fleet.start_worker("io=4")
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(3))
    assert fleet.wait_end(job, 10) == "succeeded", fleet.explain(job)


def test_a_retry_of_letters_that_a_full_redis_refuses_hurts_nothing_else(running):
    job = running.submit({"on_failure": "continue", "steps": [{"id": "a", "tool": "fail"}]}, names(5))
    assert running.wait_end(job) == "failed"
    wait_for(lambda: len(running.dead("io")) == 5, what="five letters")
    running.redis.config_set("maxmemory", "1mb")
    try:
        for _ in range(3):
            assert running.http("POST", "/api/v1/dlq/io/retry", {"all": True}, check=False).status >= 400
    finally:
        running.redis.config_set("maxmemory", "0")
    assert running.http("GET", "/api/v1/dlq/io").body["total"] == 5
    assert running.http("POST", "/api/v1/dlq/io/retry", {"all": True, "params": {"items": []}}).body == {"retried": 5}
    running.wait_state(job, "succeeded")


def test_what_a_dispatcher_took_before_anyone_knew_it_is_adopted(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    healthy = fleet.start_dispatcher()
    healthy.process.send_signal(19)                     # SIGSTOP: the other one shall take it
    wait_for(lambda: fleet.redis.info("clients")["blocked_clients"] == 0, what="what it has asked for already is over")
    doomed = fleet.start_dispatcher(env={"FAULT": "intake.taken=1"}, faults=True)
    fleet.redis.pipeline().delete("pixelfleet:dispatchers").lpush(
        "pixelfleet:jobs", '{"id": "orphan", "pipeline": {"steps": [{"id": "a", "tool": "noop"}]}, "images": ["http://p.invalid/1"]}'
    ).execute()
    wait_for(lambda: doomed.process.poll() is not None, what="it dies with the submission")
    doomed.ended = True
    healthy.process.send_signal(18)
    assert wait_for(lambda: fleet.job_of("orphan"), 30, "it is adopted")
    wait_for(lambda: not fleet.redis.keys("pixelfleet:taken:*"), what="nothing is left behind")


def test_two_dispatchers_make_the_same_partitions_at_once(fleet):
    fleet.start_dispatcher()
    one, other = (fleet.services.postgres.connect(fleet.database) for _ in range(2))
    problems = []

    def make(connection):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pixelfleet.make_partitions(now() + interval '70 days')")
        except Exception as error:      # pylint: disable=broad-except
            problems.append(str(error))

    one.autocommit = False
    make(one)
    late = threading.Thread(target=make, args=(other,))
    late.start()
    wait_for(lambda: fleet.one("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0, what="the other one waits")
    one.commit()
    late.join()
    one.close()
    other.close()
    assert problems == []


def test_a_database_that_only_reads_for_a_while_refuses_nobody(running):
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    running.sql(f"ALTER DATABASE {running.database} SET default_transaction_read_only = on")
    running.sql(others)
    running.push({"id": "patient", "pipeline": {"steps": [{"id": "a", "tool": "noop"}]}, "images": names(2)})
    running.dispatchers[0].wait_logged(r"read-only transaction 25006", 30)
    running.sql(f"ALTER DATABASE {running.database} RESET default_transaction_read_only")
    job = wait_for(lambda: running.job_of("patient"), 30, lambda: f"it is accepted; refused: {running.refused()}")
    assert running.wait_end(job) == "succeeded"
    assert running.refused() == []


def test_a_letter_that_waits_to_run_again_is_not_listed_too_after_a_loss(fleet):
    dispatcher = fleet.start_dispatcher()
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 found=0 ")
    job = fleet.submit({"on_failure": "continue", "steps": [{"id": "a", "tool": "fail"}]}, names(2))
    tell(fleet, report(job, 0, kind="reject"), report(job, 1, kind="reject"))
    wait_for(lambda: len(fleet.dead("io")) == 2, what="two letters")
    fleet.redis.delete("pixelfleet:queue:io")
    waiting = fleet.redis.lindex("pixelfleet:dlq:io", 0)
    fleet.redis.lmove("pixelfleet:dlq:io", "pixelfleet:queue:io", "LEFT", "LEFT")
    fleet.redis.delete("pixelfleet:epoch", "pixelfleet:dlq:io")
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 found=1 ", 30)
    assert [fleet.redis.lindex("pixelfleet:queue:io", 0)] == [waiting]
    assert len(fleet.dead("io")) == 1
    assert fleet.dead("io")[0]["item"] != json.loads(waiting)["item"]


def test_a_death_is_charged_once_though_the_dispatcher_dies_after_it(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 3000
    first = fleet.start_dispatcher(env={"FAULT": "watch.charged=1"}, faults=True)
    victim = fleet.start_worker("io=1")
    job = fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 60}}], names(1))
    wait_for(lambda: any(job in text for text in fleet.redis.mget(fleet.redis.keys("pixelfleet:worker:*"))), what="it runs")
    victim.kill9()
    assert first.process.wait(30) == 137
    first.ended = True
    second = fleet.start_dispatcher()
    second.wait_logged(r"ev=worker\.dead", 30)
    assert fleet.sql("SELECT deaths, state::text FROM pixelfleet.step WHERE job = %s", job) == [(1, "queued")]
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt WHERE job = %s", job) == 1
    assert fleet.redis.llen("pixelfleet:queue:io") == 1


def test_a_letter_that_another_dispatcher_revived_on_its_way_does_not_stay_listed(fleet):
    link = Link("its way to Redis", fleet.services.redis.port)
    try:
        slow = fleet.start_dispatcher(env={"REDIS_URL": f"redis://127.0.0.1:{link.port}/0"})
        healthy = fleet.start_dispatcher()
        job = fleet.submit({"on_failure": "continue", "steps": [{"id": "a", "tool": "noop"}]}, names(1))
        link.hold()
        late = threading.Thread(target=tell, args=(fleet, report(job, 0, kind="reject")), kwargs={"dispatcher": slow})
        late.start()
        wait_for(lambda: fleet.steps(job) == {("a", 0): "failed"}, what="the failure is committed")
        assert tell(fleet, report(job, 0), dispatcher=healthy) == ["accepted"]
        link.heal()
        late.join()
        assert fleet.wait_end(job) == "succeeded"
        wait_for(lambda: fleet.dead("io") == [], what="no letter is listed")
    finally:
        link.close()


def test_a_step_whose_cancel_nobody_heard_is_stopped_all_the_same(fleet):
    link = Link("the worker's way to Redis", fleet.services.redis.port)
    try:
        fleet.start_dispatcher()
        worker = fleet.start_worker("io=1", env={"REDIS_URL": f"redis://127.0.0.1:{link.port}/0"})
        job = fleet.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 600}}], names(1))
        wait_for(lambda: job in (fleet.redis.get(f"pixelfleet:worker:{worker.worker}") or ""), what="it runs")
        link.refuse()
        fleet.http("POST", f"/api/v1/jobs/{job}/cancel", {})
        assert fleet.wait_end(job) == "cancelled"
        wait_for(lambda: not fleet.redis.pubsub_numsub("pixelfleet:control")[0][1], what="nobody listens")
        link.heal()
        wait_for(lambda: fleet.held() == 0, 20, "the worker has let go of it")
    finally:
        link.close()


def test_letters_that_arrive_late_are_taken_out_of_the_list(fleet):
    fleet.settings["PIXELFLEET_SCAN_INTERVAL_S"] = 1
    fleet.start_dispatcher()
    job = fleet.submit({"on_failure": "continue", "steps": [{"id": "a", "tool": "noop"}]}, names(3))
    tell(fleet, report(job, 0, kind="reject"), report(job, 1, kind="reject"), report(job, 2, kind="reject"))
    letters = wait_for(lambda: len(fleet.dead("io")) == 3 and fleet.redis.lrange("pixelfleet:dlq:io", 0, -1), what="three letters")
    tell(fleet, report(job, 1, requeue=True))
    wait_for(lambda: len(fleet.dead("io")) == 2, what="two letters")
    fleet.redis.lpush("pixelfleet:dlq:io", *letters, *letters)      # as from a connection that hung meanwhile
    wait_for(lambda: sorted(letter["item"] for letter in fleet.dead("io")) == [0, 2], what=lambda: f"each once: {fleet.dead('io')}")


def test_a_dispatcher_whose_clock_is_ahead_keeps_files_that_were_stored_just_now(fleet):
    page = Page(fleet.folder / "page", [])
    page.set_clock(16 * 86400)
    fresh, old = (fleet.folder / "data" / "artifacts" / "ab" / (digit * 62) for digit in "12")
    fresh.parent.mkdir(parents=True)
    for path in (fresh, old):
        path.write_text("nobody has reported it yet")
    os.utime(old, (1e9, 1e9))
    fleet.start_dispatcher(env={"FAULT_PAGE": page.path}, faults=True)
    wait_for(lambda: not old.exists(), what="it has collected")
    assert fresh.exists()


def test_a_wide_join_that_no_dispatcher_tells_its_inputs_waits_and_is_not_charged(fleet):
    dispatcher = fleet.start_dispatcher()
    link = Link("the worker's way to the dispatcher", dispatcher.url.rsplit(":", 1)[1])
    try:
        worker = fleet.start_worker("io=1", env={"PIXELFLEET_DISPATCHER_URL": f"http://127.0.0.1:{link.port}",
                                                 "PIXELFLEET_LOG_LEVEL": "debug"})
        job = fleet.submit([{"id": "a", "tool": "noop", "queue": "nobody"},
                            {"id": "sum", "tool": "aggregate", "needs": ["a"], "retry": {"max_attempts": 1}}], names(100))
        link.refuse()
        tell(fleet, *(report(job, ordinal) for ordinal in range(100)))
        worker.wait_logged(r"ev=inputs\.unanswered")
        link.heal()
        assert fleet.wait_end(job) == "succeeded", fleet.explain(job)
        assert rows(fleet, "attempt") == 0
    finally:
        link.close()


def test_what_a_dead_worker_held_and_is_no_task_is_listed_with_the_refused(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 1000
    fleet.start_dispatcher()
    fleet.redis.sadd("pixelfleet:workers", "gone")
    fleet.redis.rpush("pixelfleet:running:gone", "no task at all")
    letter = wait_for(fleet.refused, what="a letter")[0]
    assert letter["raw"] == "no task at all" and letter["worker"] == "gone"
    assert fleet.held() == 0


def test_a_submission_whose_taking_was_not_heard_of_is_accepted_all_the_same(fleet):
    fleet.start_dispatcher(env={"FAULT": "intake.reply=1"}, faults=True)
    fleet.start_worker("io=1")
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(1), timeout=15)
    assert fleet.wait_end(job) == "succeeded"
    wait_for(lambda: not fleet.redis.keys("pixelfleet:taken:*"), what="nothing is left taken")
