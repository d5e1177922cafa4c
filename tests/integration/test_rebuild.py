"""Redis forgets; PostgreSQL does not."""
import json

from fleet import wait_for
from pictures import names


def full_queues(fleet):
    """Four steps running and 10,000 queued behind them, however long it took to queue them: the four pass them by."""
    fleet.start_dispatcher()
    many = [fleet.submit([{"id": "a", "tool": "noop"}], names(2500)) for _ in range(4)]
    wait_for(lambda: fleet.held() == 10000, 30, "10,000 steps queued")
    slow = fleet.submit([{"id": "slow", "tool": "sleep", "params": {"seconds": 3}}], names(4), priority="high")
    wait_for(lambda: fleet.held() == 10004, what="four more before them")
    worker = fleet.start_worker("io=4")
    wait_for(lambda: [task["job"] for task in running_steps(fleet)] == [slow] * 4, what="four steps running")
    return worker, [slow, *many]


def running_steps(fleet):
    return [task for w in fleet.http("GET", "/api/v1/workers").body["workers"] for task in w["running"]]


def each_once(fleet, jobs):
    for job in jobs:
        assert fleet.wait_end(job, 90) == "succeeded", fleet.explain(job)
        counts = fleet.counts(job)
        assert counts["succeeded"] == counts["total"]
    assert fleet.one("SELECT count(*) FROM pixelfleet.step WHERE state = 'succeeded' AND attempt = 1") == 10004
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt") == 0
    wait_for(lambda: fleet.held() == 0, 30, "nothing is left in Redis")


def test_flushall_with_10000_queued_and_4_running_loses_and_doubles_nothing(fleet):
    _, jobs = full_queues(fleet)
    fleet.redis.flushall()
    each_once(fleet, jobs)


def test_a_restart_of_redis_without_persistence_loses_nothing(fleet):
    _, jobs = full_queues(fleet)
    fleet.services.redis.stop()
    fleet.services.redis.start()
    each_once(fleet, jobs)


def test_submissions_go_on_after_redis_came_back(running):
    running.services.redis.stop()
    running.services.redis.start()
    job = running.submit([{"id": "a", "tool": "noop"}], names(10), timeout=30)
    assert running.wait_end(job) == "succeeded"


def test_jobs_go_on_after_postgresql_came_back(running):
    job = running.submit([{"id": "a", "tool": "sleep", "params": {"seconds": 2}},
                          {"id": "b", "tool": "noop", "needs": ["a"]}], names(4))
    running.services.postgres.stop()
    running.services.postgres.start()
    running.connection = None
    assert running.wait_end(job, 60) == "succeeded", running.explain(job)


def test_a_task_that_vanished_from_its_queue_is_found_by_the_scan(fleet):
    fleet.start_dispatcher(env={"PIXELFLEET_SCAN_INTERVAL_S": 2})
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(5))
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:io") == 5, what="five tasks queued")
    fleet.redis.lpop("pixelfleet:queue:io")
    fleet.start_worker()
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)


def test_a_push_that_is_owed_does_not_double_what_is_being_pushed(fleet):
    """Steps that changed after the scan began are somebody's to push; here they are said to have changed in an hour."""
    dispatcher = fleet.start_dispatcher(env={"FAULT": "ledger.push=2", "PIXELFLEET_SCAN_INTERVAL_S": 2}, faults=True)
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 found=0 ")
    job = fleet.submit([{"id": "a", "tool": "noop", "queue": "quick"}], names(5))
    wait_for(lambda: fleet.redis.llen("pixelfleet:queue:quick") == 5, what="five tasks queued")
    fleet.sql("UPDATE pixelfleet.step SET changed_at = now() + interval '1 hour' WHERE job = %s AND ordinal < 2", job)
    fleet.redis.delete("pixelfleet:queue:quick")
    owed = fleet.submit([{"id": "a", "tool": "noop", "queue": "quick"}], names(1))
    dispatcher.wait_logged(r"ev=rebuild\.done lost=0 found=0 pushed=4")
    tasks = [json.loads(task) for task in fleet.redis.lrange("pixelfleet:queue:quick", 0, -1)]
    assert sorted((task["job"] == job, task["ordinal"]) for task in tasks) == [(False, 0), (True, 2), (True, 3), (True, 4)]
    fleet.sql("UPDATE pixelfleet.step SET changed_at = now() - interval '1 minute' WHERE job = %s AND ordinal < 2", job)
    fleet.start_worker("quick=2")
    assert {fleet.wait_end(job, 60), fleet.wait_end(owed, 60)} == {"succeeded"}


def test_more_than_the_window_waits_in_postgresql_and_comes_in_order(fleet):
    fleet.settings["PIXELFLEET_QUEUE_WINDOW"] = 100
    fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(1000))
    wait_for(lambda: fleet.backlog() >= 800, 20, "a backlog")
    assert fleet.redis.llen("pixelfleet:queue:io") <= 200
    fleet.start_worker()
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    assert fleet.backlog() == 0


def test_a_second_flush_while_the_queues_are_made_is_noticed(fleet):
    dispatcher = fleet.start_dispatcher()
    job = fleet.submit([{"id": "a", "tool": "noop"}], names(10000))
    lost = fleet.submit({"on_failure": "continue", "steps": [{"id": "a", "tool": "noop", "queue": "other"}]}, names(300))
    wait_for(lambda: fleet.held() == 10300, what="all tasks wait")
    fleet.redis.flushall()
    flush_amid = "return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('FLUSHALL') or false"
    wait_for(lambda: fleet.redis.eval(flush_amid, 1, "pixelfleet:rebuilding"), what="the queues are being made", every=0.001)
    dispatcher.wait_logged(r"emptied again", 30)
    wait_for(lambda: fleet.held() == 10300, 30, "all tasks wait again")
    fleet.start_worker("io=4,other=4")
    assert {fleet.wait_end(job, 60), fleet.wait_end(lost, 60)} == {"succeeded"}
