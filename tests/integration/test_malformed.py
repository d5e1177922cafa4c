"""Submissions that cannot be accepted: each is kept, with a reason that a person understands."""
import json
import re

import pytest

from fleet import wait_for

ONE = ["http://pictures.invalid/1"]


def of_steps(*steps, **more):
    return {"pipeline": {"steps": list(steps), **more}, "images": ONE}


def step(tool="noop", **more):
    return {"id": more.pop("id", "a"), "tool": tool, **more}


# (what is wrong, the submission, words that the reason must have)
MALFORMED = [
    ("not JSON at all", "please resize my photos", r"JSON"),
    ("nothing", "", r"JSON|empty"),
    ("JSON that breaks off", '{"pipeline": {"steps": [', r"JSON|end of file"),
    ("JSON with something behind it", '{"pipeline": "x", "images": []} and more', r"JSON|end of file"),
    ("bytes that are not UTF-8", b'{"pipeline": "\xff\xfe"}', r"UTF-8|decode byte"),
    ("a NUL in a text", '{"pipeline": "a\\u0000b", "images": ["x"]}', r"u0000|NUL|not a pipeline|JSON|no pipeline"),
    ("the same member twice", '{"images": [], "images": [], "pipeline": "x"}', r"duplicate|images|pipeline"),
    ("nested too deep", "[" * 5000 + "]" * 5000, r"deep|depth|nest"),
    ("over a mebibyte", json.dumps({"pipeline": "x" * (1 << 20), "images": ONE}), r"1048576|1 MiB|large|big|bytes"),
    ("a list", "[1, 2, 3]", r"object"),
    ("a number", "42", r"object|JSON"),
    ("null", "null", r"object|JSON"),
    ("no pipeline", {"images": ONE}, r"pipeline"),
    ("a pipeline that is a number", {"pipeline": 7, "images": ONE}, r"pipeline"),
    ("a pipeline that nobody stored", {"pipeline": "no-such-pipeline", "images": ONE}, r"no-such-pipeline"),
    ("an unknown member", {**of_steps(step()), "imges": []}, r"imges"),
    ("a definition without steps", {"pipeline": {"name": "x"}, "images": ONE}, r"steps"),
    ("no step in steps", of_steps(), r"steps"),
    ("steps that are a text", {"pipeline": {"steps": "resize"}, "images": ONE}, r"/steps"),
    ("a step that is a text", of_steps("resize"), r"/steps/0"),
    ("a step without a tool", of_steps({"id": "a"}), r"tool"),
    ("a tool that is a number", of_steps(step(7)), r"/steps/0/tool"),
    ("an unknown tool", of_steps(step("resise")), r"resise"),
    ("an unknown parameter", of_steps(step("resize", params={"widht": 5})), r"widht"),
    ("a parameter of the wrong type", of_steps(step("resize", params={"width": "wide"})), r"width"),
    ("a parameter out of range", of_steps(step("resize", params={"width": 0})), r"32767"),
    ("a word that is no option", of_steps(step("resize", params={"width": 5, "kernel": "best"})), r"lanczos3"),
    ("a required parameter left out", of_steps(step("crop", params={"width": 5})), r"height"),
    ("a wrong member in a list of sizes", of_steps(step("thumbnail", params={"sizes": [{"width": 5, "hight": 5}]})), r"hight"),
    ("two steps of the same id", of_steps(step(), step()), r"duplicate|twice|already|unique|no other step"),
    ("a need that is no step", of_steps(step(needs=["ghost"])), r"ghost"),
    ("a cycle", of_steps(step(id="a", needs=["b"]), step(id="b", needs=["a"])), r"cycle|circle"),
    ("a step that needs itself", of_steps(step(needs=["a"])), r"cycle|itself|not its own"),
    ("an unknown policy", of_steps(step(), on_failure="shrug"), r"fail_fast"),
    ("a join over the number of needs", of_steps(step(), step(id="b", needs=["a"], join=2)), r"number of its needs"),
    ("a join of a wrong word", of_steps(step(), step(id="b", needs=["a"], join="most")), r"any"),
    ("no attempt allowed", of_steps(step(retry={"max_attempts": 0})), r"max_attempts"),
    ("an unknown priority", {**of_steps(step()), "priority": "urgent"}, r"urgent"),
    ("a deadline in the past", {**of_steps(step()), "deadline_s": -5}, r"deadline_s"),
    ("an id that is a number", {**of_steps(step()), "id": 7}, r"/id|\bid\b"),
    ("images that are a text", {"pipeline": {"steps": [step()]}, "images": "a.jpg"}, r"images"),
    ("an image that is a number", {"pipeline": {"steps": [step()]}, "images": [7]}, r"images/0"),
    ("an image by ftp", {"pipeline": {"steps": [step("fetch")]}, "images": ["ftp://example.org/a.jpg"]}, r"ftp"),
    ("a path outside the allowed folders", {"pipeline": {"steps": [step("fetch")]}, "images": ["/etc/passwd"]}, r"/etc/passwd|allowed"),
    ("a path that climbs out", {"pipeline": {"steps": [step("fetch")]}, "images": ["PICTURES/../../../etc/passwd"]}, r"passwd|\.\.|allowed"),
    ("257 steps", of_steps(*[step(id=f"s{i}") for i in range(257)]), r"256"),
    ("10,001 images", {"pipeline": {"steps": [step()]}, "images": [f"http://p.invalid/{i}" for i in range(10001)]}, r"10,?000"),
    ("over 200,000 instances", {"pipeline": {"steps": [step(id=f"s{i}") for i in range(21)]},
                                "images": [f"http://p.invalid/{i}" for i in range(10000)]}, r"200,?000"),
]


def test_there_are_at_least_thirty_of_them():
    assert len(MALFORMED) >= 30


def test_each_malformed_submission_becomes_a_letter_with_a_reason(fleet):
    fleet.start_dispatcher()
    wrong, seen = [], set()

    def new_letter():
        return next((letter for letter in fleet.refused() if letter["id"] not in seen), None)

    for what, submission, words in MALFORMED:
        if isinstance(submission, dict):
            submission = json.loads(json.dumps(submission).replace("PICTURES", str(fleet.pictures)))
        fleet.push(submission)
        try:
            letter = wait_for(new_letter, 5, "a letter")
        except AssertionError:
            wrong.append(f"{what}: there is no letter")
            continue
        seen.add(letter["id"])
        error = letter["error"]
        if not re.search(words, json.dumps(error, ensure_ascii=False)):
            wrong.append(f"{what}: the reason has no {words!r}: {json.dumps(error)[:300]}")
        if len(error["message"]) < 12:
            wrong.append(f"{what}: too short a reason: {error['message']!r}")
        if not letter.get("at") or not ("submission" in letter or "head" in letter):
            wrong.append(f"{what}: the letter has only {sorted(letter)}")
    assert not wrong, "\n".join(wrong)
    assert fleet.redis.llen("pixelfleet:jobs") == 0
    assert not fleet.redis.keys("pixelfleet:taken:*")
    assert not fleet.redis.keys("pixelfleet:queue:*")
    for table in ("job", "step", "job_key"):
        assert fleet.one(f"SELECT count(*) FROM pixelfleet.{table}") == 0
    assert fleet.one("SELECT count(*) FROM pixelfleet.refused") == len(MALFORMED)


def test_every_problem_is_listed_at_once_with_where_what_and_what_is_allowed(fleet):
    fleet.start_dispatcher()
    answer = fleet.http("POST", "/api/v1/jobs", {"pipeline": {"on_failure": "shrug", "steps": [
        {"id": "a", "tool": "resise"},
        {"id": "b", "tool": "resize", "needs": ["ghost"], "params": {"width": -1, "kernel": "best"}}]},
        "images": ONE, "priority": 3}, check=False)
    assert answer.status == 400
    problems = answer.body["error"]["problems"]
    places = {problem["at"] for problem in problems}
    for place in ("/on_failure", "/steps/0/tool", "/steps/1/needs/0", "/steps/1/params/width", "/steps/1/params/kernel",
                  "/priority"):
        assert any(found.endswith(place) for found in places), f"{place} is not among {places}"
    assert all("allowed" in problem for problem in problems)


@pytest.mark.parametrize("n", [500])
def test_malformed_and_good_ones_do_not_hinder_each_other(fleet, n):
    fleet.start_dispatcher()
    fleet.start_worker()
    pipe = fleet.redis.pipeline()
    for i in range(n):
        pipe.lpush("pixelfleet:jobs", json.dumps({**of_steps(step()), "id": f"good-{i}"}))
        pipe.lpush("pixelfleet:jobs", f"bad {i}")
    pipe.execute()
    wait_for(lambda: fleet.sql("SELECT count(*) FROM pixelfleet.job WHERE state = 'succeeded'") == [n], 60, "good ones end")
    wait_for(lambda: fleet.redis.llen("pixelfleet:dlq:jobs") == n, 30, "bad ones are letters")
