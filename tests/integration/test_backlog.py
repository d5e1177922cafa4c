"""Steps over the window that Redis holds wait in PostgreSQL, a row for a series of them: what is fed of it, in which order,
and what dispatchers that feed at the same time, die of it, or are new to its rows, make of it."""
import json
import uuid

import pytest

from fleet import wait_for
from pictures import names
from services import ROOT

IO = "pixelfleet:queue:io"
NOOP = [{"id": "a", "tool": "noop"}]
CHAIN = [{"id": "a", "tool": "noop"}, {"id": "b", "tool": "noop", "needs": ["a"]}]


def windows(fleet, steps):
    fleet.settings["PIXELFLEET_QUEUE_WINDOW"] = steps


def rows(fleet):
    return fleet.one("SELECT count(*) FROM pixelfleet.backlog")


def full(fleet, window, steps):
    """Redis has its fill, and so many steps wait behind it."""
    wait_for(lambda: fleet.redis.llen(IO) == window and fleet.backlog() == steps - window, 20,
             lambda: f"{window} of {steps} in Redis: {fleet.redis.llen(IO)}, and {fleet.backlog()} in the backlog")


def tell(fleet, job, ordinals):
    """Successes, in one POST, so that one batch of the ledger has them all."""
    reports = [{"run": str(uuid.uuid4()), "job": job, "ordinal": ordinal, "attempt": 1, "worker": "nobody-1-000000",
                "started_at": "2026-01-02T03:04:05.678901Z", "ms": 1.5, "status": "succeeded"} for ordinal in ordinals]
    answers = fleet.http("POST", "/internal/v1/results", reports, {"x-internal-token": fleet.token}).body["answers"]
    assert set(answers) <= {"accepted", "duplicate"}


def drain(fleet, n):
    """Takes n tasks out of the queue, as they come."""
    taken = []

    def take():
        taken.extend(json.loads(raw) for raw in fleet.redis.lpop(IO, 1000) or [])
        return len(taken) >= n

    wait_for(take, 30, lambda: f"{n} tasks: {len(taken)}")
    wait_for(lambda: fleet.backlog() == 0, 20, "the backlog is empty")
    return taken + [json.loads(raw) for raw in fleet.redis.lpop(IO, 1000) or []]


# -- rows

def test_a_large_job_waits_in_a_few_rows_and_is_counted_by_steps(fleet):
    windows(fleet, 10)
    fleet.start_dispatcher()
    fleet.submit(NOOP, names(3000))
    full(fleet, 10, 3000)
    assert rows(fleet) <= 4
    queue = next(q for q in fleet.http("GET", "/api/v1/queues").body["queues"] if q["queue"] == "io")
    assert (queue["queued"], queue["backlog"]) == (10, 2990)
    assert "2990" in fleet.cli("queues")
    assert 'pixelfleet_queue_backlog{queue="io"} 2990' in fleet.http("GET", "/metrics").body.decode()


def test_steps_of_all_pictures_of_a_chain_wait_in_a_few_rows(fleet):
    windows(fleet, 10)
    fleet.start_dispatcher()
    job = fleet.submit(CHAIN, names(200))
    full(fleet, 10, 200)
    assert rows(fleet) <= 2
    before = rows(fleet)
    tell(fleet, job, range(100, 200, 2))                # pictures that wait: their second steps are ready now, behind the others
    assert fleet.backlog() == 240
    assert rows(fleet) == before + 1
    tasks = drain(fleet, 190)
    assert [task["ordinal"] for task in tasks[10:]] == [*range(20, 100, 2), *range(200, 400, 2), *range(101, 200, 2)]


def test_what_waits_is_fed_in_order_and_once(fleet):
    windows(fleet, 107)
    fleet.start_dispatcher()
    jobs = [fleet.submit(NOOP, names(n)) for n in (1, 150, 1, 1, 900, 30)]
    full(fleet, 107, 1083)
    tasks = [(jobs.index(task["job"]), task["ordinal"]) for task in drain(fleet, 1083)]
    assert tasks == [(k, ordinal) for k, n in enumerate((1, 150, 1, 1, 900, 30)) for ordinal in range(n)]


def test_urgent_steps_pass_a_backlog_by(fleet):
    windows(fleet, 5)
    fleet.start_dispatcher()
    fleet.submit(NOOP, names(50))
    full(fleet, 5, 50)
    urgent = fleet.submit(NOOP, names(3), priority="high")
    wait_for(lambda: fleet.redis.llen(IO) == 8, 20, "the urgent ones are there, too")
    assert [json.loads(raw)["job"] for raw in fleet.redis.lrange(IO, 0, 2)] == [urgent] * 3
    assert fleet.backlog() == 45


def test_a_step_that_ended_while_it_waited_is_left_out_of_its_series(fleet):
    windows(fleet, 10)
    fleet.start_dispatcher()
    job = fleet.submit(NOOP, names(300))
    full(fleet, 10, 300)
    tell(fleet, job, range(12, 300, 3))
    tasks = drain(fleet, 204)
    assert [task["ordinal"] for task in tasks] == [k for k in range(300) if k < 12 or k % 3]


def test_queues_that_are_made_anew_know_what_waits_in_a_series(fleet):
    windows(fleet, 10)
    dispatcher = fleet.start_dispatcher()
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 found=0 ")
    fleet.submit(CHAIN, names(100))
    full(fleet, 10, 100)
    fleet.redis.flushall()
    dispatcher.wait_logged(r"ev=rebuild\.done lost=1 found=90 pushed=10", 30)
    tasks = drain(fleet, 100)
    assert sorted(task["ordinal"] for task in tasks) == list(range(0, 200, 2))


def test_a_series_over_all_of_a_wide_job_is_fed(fleet):
    """As when all is pushed that may be owed of it: the last ordinal is farther from the first than a smallint goes."""
    windows(fleet, 10)
    first = fleet.start_dispatcher()
    long = [{"id": "s0", "tool": "noop"}, *({"id": f"s{k}", "tool": "noop", "needs": [f"s{k - 1}"]} for k in range(1, 40))]
    job = fleet.submit(long, names(1000))
    wait_for(lambda: fleet.one("SELECT made FROM pixelfleet.job") == 40000, 30, "it is made")
    full(fleet, 10, 1000)
    first.stop()
    fleet.sql("DELETE FROM pixelfleet.backlog")
    fleet.sql("INSERT INTO pixelfleet.backlog (queue, job, ordinal, stride, steps) VALUES ('io', %s, 400, 40, 990)", job)
    windows(fleet, 500)
    fleet.start_dispatcher()
    assert [task["ordinal"] for task in drain(fleet, 1000)] == list(range(0, 40000, 40))


def test_rows_of_the_version_before_are_series_of_one(fleet):
    windows(fleet, 10)
    fleet.start_dispatcher().stop()
    statements = (ROOT / "sql" / "0006_backlog_ranges.sql").read_text()
    first = fleet.start_dispatcher()
    fleet.submit(CHAIN, names(100))
    full(fleet, 10, 100)
    first.stop()
    fleet.sql("""WITH old AS (DELETE FROM pixelfleet.backlog RETURNING *)
                 INSERT INTO pixelfleet.backlog (queue, job, ordinal)
                 SELECT queue, job, ordinal + k * stride FROM old, generate_series(0, steps - 1) k ORDER BY seq, k""")
    fleet.sql("ALTER TABLE pixelfleet.backlog DROP COLUMN stride, DROP COLUMN steps")
    fleet.sql("SET search_path = pixelfleet")
    fleet.sql(statements)
    assert rows(fleet) == fleet.backlog() == 90
    fleet.start_dispatcher()
    tasks = drain(fleet, 100)
    assert [task["ordinal"] for task in tasks] == list(range(0, 200, 2))


# -- several dispatchers, and one that dies

def test_two_dispatchers_feed_the_same_series_and_lose_or_double_none(fleet):
    windows(fleet, 300)
    fleet.start_dispatcher()
    fleet.start_dispatcher()
    kept = [fleet.submit(NOOP, names(6000)), fleet.submit(CHAIN, names(3000))]
    cancelled = fleet.submit(NOOP, names(4500))
    late = fleet.submit(NOOP, names(1500))
    wait_for(lambda: fleet.one("SELECT sum(made) FROM pixelfleet.job") == 18000, 30, "all of them are made")
    tasks = []

    def take():
        tasks.extend(json.loads(raw) for raw in fleet.redis.lpop(IO, 200) or [])
        return len(tasks) >= 4000

    wait_for(take, 30, "some of them have come")
    fleet.http("POST", f"/api/v1/jobs/{cancelled}/cancel")
    others = 6000 + 3000 + 1500
    wait_for(lambda: take() and sum(task["job"] != cancelled for task in tasks) >= others, 60,
             lambda: f"all tasks that are left: {len(tasks)}, backlog {fleet.backlog()}")
    wait_for(lambda: fleet.backlog() == 0, 20, "the backlog is empty")
    take()
    come = {job: [task["ordinal"] for task in tasks if task["job"] == job] for job in (*kept, late)}
    assert sorted(come[kept[0]]) == list(range(6000))
    assert sorted(come[kept[1]]) == list(range(0, 6000, 2))
    assert sorted(come[late]) == list(range(1500))
    assert fleet.counts(cancelled)["cancelled"] == 4500


def test_two_dispatchers_and_workers_run_all_that_waits_once(fleet):
    windows(fleet, 50)
    fleet.start_dispatcher()
    fleet.start_dispatcher()
    jobs = [fleet.submit(CHAIN, names(1000)), fleet.submit(NOOP, names(1)), fleet.submit(CHAIN, names(500))]
    fleet.start_worker("io=8")
    fleet.start_worker("io=8")
    assert [fleet.wait_end(job, 90) for job in jobs] == ["succeeded"] * 3
    assert fleet.one("SELECT sum(succeeded) FROM pixelfleet.job") == 3001
    assert rows(fleet) == 0


@pytest.mark.parametrize("point", ["feed.pushed", "ledger.committed"])
@pytest.mark.parametrize("hit", [1, 2, 5])
@pytest.mark.parametrize("healthy", [0, 1])
def test_a_dispatcher_that_dies_over_a_part_of_a_series_loses_none_of_it(fleet, point, hit, healthy):
    windows(fleet, 20)
    fleet.settings.update(PIXELFLEET_DEAD_AFTER_MS=2500, PIXELFLEET_SCAN_INTERVAL_S=2)
    doomed = fleet.start_dispatcher(env={"FAULT": f"{point}={hit}", "PIXELFLEET_LISTEN": f"127.0.0.1:{fleet.services.free_port()}"},
                                    faults=True)
    others = [fleet.start_dispatcher() for _ in range(healthy)]
    fleet.start_worker("io=2", dispatchers=[doomed, *others])
    jobs = []
    while doomed.process.poll() is None and len(jobs) < 50:
        jobs.append(str(uuid.uuid4()))
        fleet.push({"id": jobs[-1], "pipeline": {"steps": CHAIN}, "images": names(100)})
        wait_for(lambda: fleet.sql("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == [len(jobs)]
                 or doomed.process.poll() is not None, 60, "it has succeeded, or the fault struck")
    wait_for(lambda: doomed.process.poll() is not None, 30, "the fault ends it")
    doomed.ended = True
    if not others:
        fleet.start_dispatcher(env={"PIXELFLEET_LISTEN": doomed.url.rsplit("/", 1)[1]})
    wait_for(lambda: fleet.sql("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == [len(jobs)], 60, "all succeed")
    assert fleet.one("SELECT sum(succeeded) FROM pixelfleet.job") == 200 * len(jobs)
    wait_for(lambda: fleet.held() == 0 and fleet.backlog() == 0, 30, "nothing is left behind")
