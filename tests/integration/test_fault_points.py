"""A dispatcher that dies, or loses a server, at exactly the worst places."""
import subprocess

import pytest

from fleet import wait_for
from pictures import names, small
from services import built

CHAIN = [{"id": "a", "tool": "noop"}, {"id": "b", "tool": "noop", "needs": ["a"]},
         {"id": "c", "tool": "noop", "needs": ["b"]}, {"id": "all", "tool": "aggregate", "needs": ["c"]}]

DEADLY = [("intake.taken", 1), ("ledger.committed", 1), ("ledger.committed", 2), ("ledger.committed", 3),
          ("ledger.committed", 5), ("ledger.pushed", 1), ("ledger.pushed", 3)]


def submit_some(fleet, n):
    for i in range(n):
        fleet.push({"id": f"job-{i}", "pipeline": {"steps": CHAIN}, "images": names(5)})


def all_end(fleet, n):
    wait_for(lambda: fleet.sql("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == [n], 60,
             lambda: f"{n} jobs succeed; {fleet.sql('SELECT client_id, state::text, succeeded, total FROM pixelfleet.job')}; "
                     f"{fleet.redis.keys('*')}")
    assert fleet.one("SELECT count(*) FROM pixelfleet.job") == n
    assert fleet.one("SELECT sum(succeeded) FROM pixelfleet.job") == n * 16
    wait_for(lambda: fleet.held() == 0 and not fleet.redis.keys("pixelfleet:taken:*"), 30, "nothing is left behind")


def died(program):
    return wait_for(lambda: program.process.poll() is not None, 30, f"the fault ends it; see {program.log}")


@pytest.mark.parametrize("point, hit", DEADLY)
def test_when_a_dispatcher_dies_there_another_one_carries_on(fleet, point, hit):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    doomed = fleet.start_dispatcher(env={"FAULT": f"{point}={hit}"}, faults=True)
    healthy = fleet.start_dispatcher()
    fleet.start_worker("io=2", dispatchers=[doomed, healthy])
    n = 0
    while doomed.process.poll() is None and n < 200:    # until it was the one that met the fault
        fleet.push({"id": f"job-{n}", "pipeline": {"steps": CHAIN}, "images": names(5)})
        n += 1
        wait_for(lambda: fleet.sql("SELECT count(*) FROM pixelfleet.job") == [n] or doomed.process.poll() is not None,
                 20, "the next one is accepted")
    died(doomed)
    doomed.ended = True
    all_end(fleet, n)


@pytest.mark.parametrize("point, hit", DEADLY)
def test_when_the_only_dispatcher_dies_there_its_restart_carries_on(fleet, point, hit):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    port = fleet.services.free_port()
    fleet.settings["PIXELFLEET_LISTEN"] = f"127.0.0.1:{port}"
    doomed = fleet.start_dispatcher(env={"FAULT": f"{point}={hit}"}, faults=True)
    fleet.start_worker("io=2")
    submit_some(fleet, 3)
    died(doomed)
    doomed.ended = True
    fleet.start_dispatcher()
    all_end(fleet, 3)


@pytest.mark.parametrize("point", ["ledger.commit", "ledger.push"])
@pytest.mark.parametrize("hit", [1, 2, 4])
def test_when_a_server_is_gone_there_nothing_is_lost_or_doubled(fleet, point, hit):
    fleet.settings["PIXELFLEET_SCAN_INTERVAL_S"] = 2
    fleet.start_dispatcher(env={"FAULT": f"{point}={hit}"}, faults=True)
    fleet.start_worker("io=2")
    submit_some(fleet, 3)
    all_end(fleet, 3)


@pytest.mark.parametrize("point", ["worker.claim", "worker.report", "worker.answer", "worker.die", "worker.ack"])
@pytest.mark.parametrize("hit", [1, 3])
def test_when_a_worker_is_cut_off_there_nothing_is_lost_or_doubled(fleet, point, hit):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    fleet.start_dispatcher()
    doomed = fleet.start_worker("io=2", env={"FAULT": f"{point}={hit}"}, faults=True)
    submit_some(fleet, 3)
    if point == "worker.die":
        died(doomed)
        doomed.ended = True
        fleet.start_worker("io=2")
    all_end(fleet, 3)


def test_a_runner_that_cannot_be_started_is_tried_again(fleet):
    fleet.start_dispatcher()
    fleet.start_worker("image=1,io=1", env={"FAULT": "worker.spawn=1"}, faults=True)
    job = fleet.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]}],
                       small(fleet.pictures, 3))
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)


SMALL = [{"id": "src", "tool": "fetch"}, {"id": "small", "tool": "resize", "params": {"width": 9}, "needs": ["src"]}]


def small_ones(fleet, n):
    """A job whose outputs are all different, and what a look at each of them says."""
    job = fleet.submit(SMALL, small(fleet.pictures, n))

    def all_are_there():
        artifacts = fleet.sql("SELECT artifacts FROM pixelfleet.step_view WHERE job = %s AND step = 'small'", job)
        return len(artifacts) == n and all(
            len(fleet.http("GET", f"/api/v1/artifacts/{a['digest']}").body) == a["bytes"] for made in artifacts for a in made)

    return job, all_are_there


@pytest.mark.parametrize("hit", [1, 2])
def test_a_worker_that_dies_before_outputs_are_on_the_disk_has_reported_none_of_them(fleet, hit):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    fleet.start_dispatcher()
    doomed = fleet.start_worker("image=2,io=1", env={"FAULT": f"worker.sync={hit}"}, faults=True)
    job, all_are_there = small_ones(fleet, 12)
    died(doomed)
    doomed.ended = True
    fleet.start_worker("image=2,io=1")
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    assert all_are_there()


def test_an_output_that_the_disk_does_not_take_is_made_again(fleet):
    fleet.start_dispatcher()
    worker = fleet.start_worker("image=1,io=1", env={"FAULT": "worker.keep=1"}, faults=True)
    job, all_are_there = small_ones(fleet, 3)
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    assert all_are_there()
    assert worker.logged(r"ev=step\.unkept .*No space left")
    assert fleet.sql("SELECT kind FROM pixelfleet.attempt WHERE job = %s", job) == ["retry"]


def test_every_fault_point_is_listed_with_what_happens_there(fleet):
    listed = subprocess.run([built("pixelfleet-dispatcher", faults=True), "--faults"], capture_output=True, text=True,
                            check=True, env=fleet.environment()).stdout
    for point in {point for point, _ in DEADLY} | {"ledger.commit", "ledger.push"}:
        assert point in listed
