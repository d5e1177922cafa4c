"""Many submissions at once: several batches are in hand while the next is taken, and known definitions are not read again."""
import json

from fleet import wait_for
from pictures import names

NOOP = {"steps": [{"id": "a", "tool": "noop"}]}
MANY = 1500


def push_many(fleet, bodies):
    """All at once: whoever takes finds all of them there."""
    fleet.redis.lpush("pixelfleet:jobs", *[body if isinstance(body, str) else json.dumps(body) for body in bodies])


def numbered(first, last, pipeline=None):
    return [{"id": f"n-{i}", "pipeline": pipeline or NOOP, "images": names(1), "labels": {"n": str(i)}} for i in range(first, last)]


def taken(fleet):
    return sum(fleet.redis.hlen(key) for key in fleet.redis.keys("pixelfleet:taken:*"))


def accepted(fleet):
    return fleet.one("SELECT count(*) FROM pixelfleet.job")


def all_accepted(fleet, n, timeout=40):
    wait_for(lambda: accepted(fleet) >= n, timeout, lambda: f"{n} jobs, there are {accepted(fleet)}; refused: {fleet.refused()[:1]}")
    wait_for(lambda: not taken(fleet) and not fleet.redis.llen("pixelfleet:jobs"), what="nothing is left taken")
    assert accepted(fleet) == n
    assert fleet.one("SELECT count(DISTINCT labels ->> 'n') FROM pixelfleet.job") == n
    assert fleet.refused() == []


class Blocked:
    """While this is open the ledger waits for a table, as for a slow database."""

    def __init__(self, fleet, table):
        self.fleet, self.table = fleet, table

    def __enter__(self):
        self.connection = self.fleet.services.postgres.connect(self.fleet.database)
        self.connection.autocommit = False
        self.connection.cursor().execute(f"LOCK TABLE pixelfleet.{self.table} IN ACCESS EXCLUSIVE MODE")
        return self

    def __exit__(self, *_):
        self.connection.rollback()
        self.connection.close()


def test_the_next_batches_are_taken_while_one_is_at_the_database_and_not_more_than_a_few(fleet):
    fleet.start_dispatcher()
    with Blocked(fleet, "definition"):
        push_many(fleet, numbered(0, MANY))
        wait_for(lambda: taken(fleet) == 32 + 3 * 256, what=lambda: f"four batches in hand, there are {taken(fleet)} submissions")
        assert fleet.redis.llen("pixelfleet:jobs") == MANY - taken(fleet)
    all_accepted(fleet, MANY)


def test_a_dispatcher_killed_with_several_batches_in_hand_loses_and_doubles_none(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    doomed = fleet.start_dispatcher()
    push_many(fleet, numbered(0, 40))                   # some of them are committed, perhaps not pushed
    wait_for(lambda: accepted(fleet), what="it accepts")
    with Blocked(fleet, "job"):
        push_many(fleet, numbered(40, MANY))
        wait_for(lambda: taken(fleet) >= 513, what=lambda: f"three batches in hand, there are {taken(fleet)} submissions")
        doomed.kill9()
    fleet.start_dispatcher()
    all_accepted(fleet, MANY)
    fleet.start_worker("io=4")
    wait_for(lambda: fleet.one("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == MANY, 40, "all of them run")


def test_a_dispatcher_told_to_stop_while_the_database_hangs_leaves_what_it_has_in_hand_to_the_next(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    first = fleet.start_dispatcher()
    with Blocked(fleet, "definition"):
        push_many(fleet, numbered(0, MANY))
        wait_for(lambda: taken(fleet) >= 513, what="three batches in hand")
        first.stop()
        assert taken(fleet) >= 513
    fleet.start_dispatcher()
    all_accepted(fleet, MANY)


def test_what_was_submitted_first_is_accepted_first_also_when_a_commit_fails(fleet):
    fleet.start_dispatcher(env={"FAULT": "ledger.commit=1"}, faults=True)
    with Blocked(fleet, "definition"):
        push_many(fleet, numbered(0, MANY))
        wait_for(lambda: taken(fleet) >= 513, what="three batches in hand")
    all_accepted(fleet, MANY)
    order = [int(n) for n in fleet.sql("SELECT labels ->> 'n' FROM pixelfleet.job ORDER BY created_at, id")]
    assert order == list(range(MANY))
    assert order == [int(n) for n in fleet.sql("SELECT labels ->> 'n' FROM pixelfleet.job ORDER BY id")]


def test_a_reply_that_was_lost_is_made_up_for_while_others_go_on(fleet):
    fleet.start_dispatcher(env={"FAULT": "intake.reply=4"}, faults=True)
    pushed = 0
    while pushed < 3000 or not fleet.programs[0].logged(r"ev=intake\.adopt "):
        push_many(fleet, numbered(pushed, pushed + 100))
        pushed += 100
        wait_for(lambda: accepted(fleet) >= pushed - 600, what="it goes on")
    all_accepted(fleet, pushed)


def test_jobs_get_their_own_definitions_though_more_are_in_use_than_are_kept(fleet):
    fleet.start_dispatcher()
    kinds = 300                                         # see definition_cache.h
    bodies = []
    for i in range(kinds * 3):
        step = f"s{i % kinds}"
        bodies += numbered(2 * i, 2 * i + 1, {"steps": [{"id": step, "tool": "noop"}]}) + numbered(2 * i + 1, 2 * i + 2)
    push_many(fleet, bodies)
    all_accepted(fleet, len(bodies))
    rows = dict(fleet.sql("SELECT (labels ->> 'n')::int, d.body -> 'steps' -> 0 ->> 'id' FROM pixelfleet.job j "
                           "JOIN pixelfleet.definition d ON d.id = j.definition"))
    assert all(rows[n] == ("a" if n % 2 else f"s{n // 2 % kinds}") for n in range(len(bodies)))


def test_a_pipeline_that_is_replaced_is_the_new_one_for_what_comes_after(fleet):
    fleet.start_dispatcher()
    for version in ("one", "two", "one"):
        fleet.http("POST", "/api/v1/pipelines", {"name": "changing", "steps": [{"id": version, "tool": "noop"}]})
        job = fleet.submit("changing", names(1))
        assert fleet.one("SELECT d.body -> 'steps' -> 0 ->> 'id' FROM pixelfleet.job j JOIN pixelfleet.definition d "
                         f"ON d.id = j.definition WHERE j.id = '{job}'") == version
    push_many(fleet, [{"pipeline": "changing"}, {"pipeline": "none"}, {"pipeline": "changing"}])
    letter = wait_for(fleet.refused, what="a letter")[0]
    assert letter["error"]["problems"] == [{"at": "/pipeline", "found": "none", "allowed": "the name or id of a stored pipeline"}]
    wait_for(lambda: accepted(fleet) == 5, what="the others are accepted")


def test_submissions_of_several_lines_that_a_dead_dispatcher_had_taken_are_read_whole(fleet):
    fleet.settings["PIXELFLEET_DEAD_AFTER_MS"] = 2500
    doomed = fleet.start_dispatcher(env={"FAULT": "intake.taken=1"}, faults=True)
    push_many(fleet, [json.dumps(body, indent=2) for body in numbered(0, 3)] + ["queue\nis not a list of ours", "nonsense"])
    wait_for(lambda: doomed.process.poll() is not None, what="it dies with what it took")
    doomed.ended = True
    fleet.start_dispatcher()
    wait_for(lambda: accepted(fleet) == 3 and len(fleet.refused()) == 2, 40, "three jobs and two letters")
    assert not fleet.redis.exists("queue")
    assert {letter["submission"] for letter in fleet.refused()} == {"queue\nis not a list of ours", "nonsense"}
