"""Several dispatchers and workers are as one."""
import re

from fleet import wait_for
from pictures import names

WIDE = [
    {"id": "a", "tool": "noop"},
    {"id": "b", "tool": "noop", "needs": ["a"]},
    {"id": "c", "tool": "noop", "needs": ["a"]},
    {"id": "d", "tool": "noop", "needs": ["b", "c"]},
    {"id": "all", "tool": "aggregate", "needs": ["d"]},
    {"id": "rest", "tool": "aggregate", "needs": ["b", "all"]}]


def test_two_dispatchers_and_three_workers_end_wide_fan_ins_as_one(fleet):
    dispatchers = [fleet.start_dispatcher(), fleet.start_dispatcher()]
    fleet.start_worker("io=8", dispatchers=dispatchers)
    fleet.start_worker("io=8", dispatchers=dispatchers[::-1])
    fleet.start_worker("io=8", dispatchers=dispatchers)
    for i in range(20):
        fleet.push({"id": f"wide-{i}", "pipeline": {"steps": WIDE}, "images": names(250)})
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state <> 'running'") == 20, 120,
             lambda: f"all end; {fleet.sql('SELECT state::text, succeeded, total FROM pixelfleet.job')}")
    assert fleet.sql("SELECT DISTINCT state::text FROM pixelfleet.job") == ["succeeded"]
    assert fleet.one("SELECT sum(succeeded) FROM pixelfleet.job") == 20 * (4 * 250 + 2)
    assert fleet.one("SELECT count(*) FROM pixelfleet.step WHERE state = 'succeeded' AND attempt = 1") == 20 * (4 * 250 + 2)
    assert fleet.one("SELECT count(*) FROM pixelfleet.attempt") == 0
    for program in fleet.programs:
        assert not re.search(r"level=(error|bug).*deadlock", program.text())
    both = [int(re.search(r"^pixelfleet_reports_total (\d+)", fleet.http("GET", "/metrics", dispatcher=d).body.decode(), re.M)[1])
            for d in dispatchers]
    assert all(both), f"both dispatchers took results: {both}"
