import sys, time
sys.path.insert(0, "/work/main/tests/integration")
from test_breaker import *
def test_scale(caller, host):
    d = caller.start_dispatcher()
    caller.start_worker("io=8")
    import resource, pathlib
    began = time.monotonic()
    jobs = [calls(caller, host, 240) for _ in range(80)]
    n = 240*80
    wait_for(lambda: caller.one("SELECT count(*) FROM pixelfleet.retry WHERE backend = %s", host.backend) >= n - 1, 200, "all wait")
    print(f"{n} put off after {time.monotonic()-began:.1f} s")
    def cpu():
        f = pathlib.Path(f"/proc/{d.pid}/stat").read_text().rsplit(")",1)[1].split(); return (int(f[11])+int(f[12]))/100
    c0, t0 = cpu(), time.monotonic()
    probes(caller, 4)
    print(f"dispatcher cpu while waiting: {(cpu()-c0)/(time.monotonic()-t0)*100:.1f} %")
    t=time.monotonic(); caller.http("GET", "/api/v1/queues"); print(f"GET queues {1000*(time.monotonic()-t):.0f} ms")
    before = attempts(caller)
    t=time.monotonic(); host.is_("answers")
    for j in jobs: assert caller.wait_end(j, 200) == "succeeded"
    print(f"all done {time.monotonic()-t:.1f} s after return; attempts {before} {attempts(caller)}")
