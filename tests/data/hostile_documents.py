"""Documents that nobody should send: submissions, definitions, reports, tasks and letters."""
import json

ONE = ["http://pictures.invalid/1"]
MIB = 1 << 20


def of(*steps, **more):
    return json.dumps({"pipeline": {"steps": list(steps)}, "images": ONE, **more}).encode()


def step(tool="noop", **more):
    return {"id": more.pop("id", "a"), "tool": tool, **more}


def raw(member, value):
    """A good submission with one member as it stands here, JSON or not."""
    return b'{"pipeline":{"steps":[{"id":"a","tool":"noop"}]},"images":["http://p.invalid/1"],"%s":%s}' % (member, value)


def texts():
    """(name, bytes, words of the reason): no JSON, or JSON of a kind that nobody should have to read."""
    good = of(step())
    return [
        ("empty", b"", r"empty"), ("blank", b" \n\t ", r"JSON"), ("one NUL", b"\0", r"JSON"), ("NULs", bytes(100000), r"JSON"),
        ("bytes 0 to 255", bytes(range(256)), r"JSON"), ("0xff", b"\xff" * 5000, r"JSON|UTF-8"),
        ("a byte order mark", b"\xef\xbb\xbf" + good, r"JSON"), ("UTF-16", good.decode().encode("utf-16"), r"JSON|UTF-8"),
        ("trailing garbage", good + b"x", r"end of file"), ("two documents", good + good, r"end of file"),
        ("a NUL behind", good + b"\0", r"JSON|end of file"), ("cut in the middle", good[:len(good) // 2], r"JSON"),
        ("cut before the last brace", good[:-1], r"JSON"), ("a comment", b"/* hi */" + good, r"JSON"),
        ("a comma too many", good[:-1] + b",}", r"JSON"), ("single quotes", good.replace(b'"', b"'"), r"JSON"),
        ("100,000 lists", b"[" * 100000 + b"]" * 100000, r"deep"), ("100,000 open lists", b"[" * 100000, r"deep"),
        ("100,000 objects", b'{"a":' * 100000 + b"1" + b"}" * 100000, r"deep"),
        ("33 deep params", raw(b"params", b'{"a":' * 33 + b"1" + b"}" * 33), r"deep"),
        ("brackets in a text", raw(b"id", b'"' + b"[" * 100000 + b'"'), r"/id|200"),
        ("a text of 10 MB", raw(b"id", b'"' + b"x" * (10 * MIB) + b'"'), r"1048576|at most"),
        ("a number of 10 MB", raw(b"deadline_s", b"1" * (10 * MIB)), r"1048576|at most"),
        ("10 MB of blanks", good + b" " * (10 * MIB), r"1048576|at most"),
        ("a name of 900 KB", b'{"' + b"n" * 900000 + b'":1}', r"n{60}|known members"),
        ("100,000 unknown members", b"{" + b",".join(b'"m%d":1' % i for i in range(70000)) + b"}", r"m0|known members|problems"),
        ("the same member twice", raw(b"images", b"[]"), r"duplicate"), ("the same deep member twice", raw(b"params", b'{"a":{"x":1,"x":2}}'), r"duplicate"),
        ("bad UTF-8 in a text", raw(b"id", b'"\xc3\x28"'), r"UTF-8|decode"), ("an overlong slash", raw(b"id", b'"\xc0\xaf"'), r"UTF-8|decode"),
        ("a surrogate in UTF-8", raw(b"id", b'"\xed\xa0\x80"'), r"UTF-8|decode"), ("UTF-8 over 10FFFF", raw(b"id", b'"\xf4\x90\x80\x80"'), r"UTF-8|decode"),
        ("a raw NUL in a text", raw(b"id", b'"a\0b"'), r"JSON"), ("an escaped NUL", raw(b"id", b'"a\\u0000b"'), r"u0000"),
        ("an escaped NUL in a name", raw(b"params", b'{"a\\u0000b":{}}'), r"u0000|NUL"),
        ("half a surrogate pair", raw(b"id", b'"\\ud800"'), r"Unicode|JSON"), ("the other half", raw(b"id", b'"\\udc00"'), r"Unicode|JSON"),
        ("a wrong escape", raw(b"id", b'"\\x41"'), r"escape|JSON"), ("a raw line feed", raw(b"id", b'"a\nb"'), r"control|JSON"),
        ("1e400", raw(b"deadline_s", b"1e400"), r"overflow|JSON"), ("-1e400", raw(b"deadline_s", b"-1e400"), r"overflow|JSON"),
        ("1e308 times 1.7", raw(b"deadline_s", b"1.7976931348623157e308"), r"1e308"), ("30 digits", raw(b"deadline_s", b"9" * 30), r"big|JSON"),
        ("NaN", raw(b"deadline_s", b"NaN"), r"JSON"), ("Infinity", raw(b"deadline_s", b"Infinity"), r"JSON"),
        ("-Infinity", raw(b"deadline_s", b"-Infinity"), r"JSON"), ("a leading zero", raw(b"deadline_s", b"007"), r"JSON"),
        ("a hexadecimal number", raw(b"deadline_s", b"0x10"), r"JSON"), ("a plus", raw(b"deadline_s", b"+1"), r"JSON"),
        ("a list", b"[]", r"object"), ("a text", b'"resize"', r"object|JSON"), ("a number", b"42", r"object|JSON"), ("true", b"true", r"object|JSON"),
        ("null", b"null", r"object|JSON"), ("an empty object", b"{}", r"pipeline"), ("a PNG", b"\x89PNG\r\n\x1a\n" + bytes(100), r"JSON"),
        ("HTML", b"<html><script>alert(1)</script></html>", r"JSON"), ("a form", b"pipeline=x&images=y", r"JSON"),
        ("gzip", b"\x1f\x8b\x08\0" + bytes(60), r"JSON"), ("RESP", b"*1\r\n$8\r\nFLUSHALL\r\n", r"JSON"),
        ("SQL", b"'; DROP SCHEMA pixelfleet CASCADE; --", r"JSON"), ("escape sequences", b"\x1b]0;owned\x07\x1b[2J", r"JSON"),
    ]


def wrong_types():
    """Each member of a submission as what it is not."""
    values = {"a number": 7, "a text": "x", "a list": [1], "an object": {"x": 1}, "true": True, "null": None, "a fraction": 0.5,
              "a negative number": -1, "an empty text": ""}
    fine = {("id", "a text"), ("images", "null"), ("deadline_s", "a number"), ("deadline_s", "a fraction"), ("callback_url", "null")}
    for member in ("id", "pipeline", "images", "params", "priority", "deadline_s", "callback_url", "labels"):
        for what, value in values.items():
            if (member, what) in fine or (member == "labels" and what == "an object"):
                continue
            document = json.loads(of(step()))
            document[member] = value
            yield f"{member} is {what}", json.dumps(document).encode(), member


def submissions():
    """What is JSON, and no job."""
    def params(**values):
        return of(step("resize", params=values))

    def image(text):
        return json.dumps({"pipeline": {"steps": [step("fetch")]}, "images": [text]}).encode()

    def callback(url):
        return of(step(), callback_url=url)

    return [
        ("257 steps", of(*[step(id=f"s{i}") for i in range(257)]), r"256"),
        ("10,001 images", json.dumps({"pipeline": {"steps": [step()]}, "images": ONE * 10001}).encode(), r"10,?000"),
        ("a cycle of two", of(step(id="a", needs=["b"]), step(id="b", needs=["a"])), r"cycle|circle"),
        ("a cycle of 256", of(*[step(id=f"s{i}", needs=[f"s{(i + 1) % 256}"]) for i in range(256)]), r"cycle|circle"),
        ("itself as need", of(step(needs=["a"])), r"cycle|itself|not its own"),
        ("a need that is no text", of(step(needs=[7])), r"needs"), ("a need that is not there", of(step(needs=["ghost"])), r"ghost"),
        ("an unknown tool", of(step("rm -rf /")), r"rm -rf"), ("a tool of 100 KB", of(step("t" * 100000)), r"tool"),
        ("a tool with ..", of(step("../../bin/sh")), r"tool"), ("two steps of one id", of(step(), step()), r"duplicate|other step|unique"),
        ("an id of 100 KB", of(step(id="i" * 100000)), r"/id"), ("an id with a quote", of(step(id='a"b')), r"/id"),
        ("an id with a slash", of(step(id="a/b")), r"/id"), ("an id with a line feed", of(step(id="a\nb")), r"/id"),
        ("a client id of 201 bytes", of(step(), id="x" * 201), r"200"), ("a client id with a line feed", of(step(), id="x\r\ny"), r"/id"),
        ("a client id with an escape", of(step(), id="\x1b[2J"), r"/id"),
        ("width 0", params(width=0), r"width"), ("width -1", params(width=-1), r"width"), ("width 1e9", params(width=10 ** 9), r"width"),
        ("width 2 to the 63rd less 1", params(width=2 ** 63 - 1), r"width"), ("width of text", params(width="wide"), r"width"),
        ("width of a fraction", params(width=1.5), r"width"), ("width null", params(width=None), r"width"),
        ("a kernel that is none", params(width=5, kernel="../x"), r"kernel"), ("a kernel of 100 KB", params(width=5, kernel="k" * 100000), r"kernel"),
        ("an unknown parameter", params(width=5, rm=1), r"rm"), ("a format that is none", of(step("convert", params={"format": "pdf"})), r"format"),
        ("1,000 sizes", of(step("thumbnail", params={"sizes": [{"width": 9}] * 1000})), r"sizes"),
        ("a queue with a blank", of(step(queue="a b")), r"queue"), ("a queue with a line feed", of(step(queue="a\nb")), r"queue"),
        ("a queue of 100 KB", of(step(queue="q" * 100000)), r"queue"), ("a queue with a colon", of(step(queue="x:y z")), r"queue"),
        ("no attempt", of(step(retry={"max_attempts": 0})), r"max_attempts"), ("a million attempts", of(step(retry={"max_attempts": 10 ** 6})), r"max_attempts"),
        ("a backoff below 0", of(step(retry={"backoff_s": -1})), r"backoff"), ("a time limit of 0", of(step(timeout_s=0)), r"timeout"),
        ("a time limit of 10 years", of(step(timeout_s=10 * 365 * 86400)), r"timeout"), ("a join of -1", of(step(id="b"), step(needs=["b"], join=-1)), r"join"),
        ("a join of a million", of(step(id="b"), step(needs=["b"], join=10 ** 6)), r"join|number of its needs"),
        ("a deadline of 1e300", of(step(), deadline_s=1e300), r"deadline"), ("params of a step that is not there", of(step(), params={"ghost": {}}), r"ghost"),
        ("labels with numbers", of(step(), labels={"a": 1}), r"labels"), ("33 labels", of(step(), labels={str(i): "x" for i in range(33)}), r"labels"),
        ("a label of 257 bytes", of(step(), labels={"a": "x" * 257}), r"labels"),
        ("file://", image("file:///etc/passwd"), r"http://"), ("FILE:", image("FILE:/etc/passwd"), r"http://"), ("gopher://", image("gopher://127.0.0.1:6379/_FLUSHALL"), r"http://"),
        ("ftp://", image("ftp://example.org/a.jpg"), r"http://"), ("dict://", image("dict://127.0.0.1:6379/info"), r"http://"), ("data:", image("data:image/png;base64,AAAA"), r"http://"),
        ("javascript:", image("javascript:alert(1)"), r"http://"), ("a relative path", image("../../etc/passwd"), r"absolute|http://"),
        ("a path with ..", image("/srv/../etc/passwd"), r"\.\."), ("/etc/passwd", image("/etc/passwd"), r"ALLOWED_ROOTS"), ("/proc/self/environ", image("/proc/self/environ"), r"ALLOWED_ROOTS"),
        ("a user in a URL", image("http://user@example.org/"), r"user and password"), ("a password in a URL", image("http://u:hunter2@example.org/"), r"user and password"),
        ("a good host before an @", image("http://good.example@127.0.0.1/"), r"user and password"), ("no host", image("http:///x"), r"host"), ("only a port", image("http://:80/"), r"host"),
        ("a backslash host", image("http://good.example\\@127.0.0.1/"), r"user|\\\\"), ("a blank in a URL", image("http://example.org/a b"), r"blank"),
        ("a line feed in a URL", image("http://example.org/\r\nX: y"), r"URL|text"), ("an image of 5,000 bytes", image("http://example.org/" + "x" * 5000), r"4096"),
        ("an empty image", image(""), r"images"), ("a callback of file://", callback("file:///etc/passwd"), r"http://"), ("a callback of gopher://", callback("gopher://127.0.0.1:6379/_X"), r"http://"),
        ("a callback with a password", callback("http://u:hunter2@example.org/"), r"user and password"), ("a callback with a line feed", callback("http://example.org/\r\nHost: evil"), r"callback_url"),
        ("a callback of 3,000 bytes", callback("http://example.org/" + "x" * 3000), r"2048"),
    ]


def refused():
    """(name, bytes, words) of every submission that must not become a job."""
    return [*texts(), *wrong_types(), *submissions()]


def tasks(envelope):
    """What lies on a worker's queue and is no task; `envelope` is a good one, as its bytes."""
    seal = envelope.rindex(b',"seal":"')
    body = json.loads(envelope)
    return [
        ("nothing", b""), ("one NUL", b"\0"), ("no JSON", b"garbage"), ("bytes", bytes(range(256)) * 20), ("an object", b"{}"), ("a list", b"[[[["),
        ("100,000 lists", b"[" * 100000), ("100,000 objects", b'{"task":' * 100000), ("1 MB of text", b"x" * MIB), ("5 MB of text", b'{"a":"' + b"x" * (5 * MIB) + b'"}'),
        ("no seal", envelope[:seal] + b"}"), ("an empty seal", envelope[:seal] + b',"seal":""}'), ("a seal of zeros", envelope[:seal] + b',"seal":"' + b"0" * 32 + b'"}'),
        ("a seal in capitals", envelope[:seal] + envelope[seal:].upper().replace(b'"SEAL"', b'"seal"')), ("another tool", envelope.replace(b'"tool":"noop"', b'"tool":"fail"')),
        ("another job", envelope.replace(body["job"].encode(), b"00000000-0000-7000-8000-000000000000")), ("another source", envelope.replace(b'"source":"', b'"source":"/etc/passwd')),
        ("a member more", b'{"x":1,' + envelope[1:]), ("a member behind the seal", envelope[:-1] + b',"x":1}'), ("a blank behind", envelope + b" "),
        ("made anew", json.dumps(body).encode()), ("half of it", envelope[:len(envelope) // 2]), ("twice", envelope * 2), ("in a list", b"[" + envelope + b"]"),
        ("a letter of garbage", b'{"job":"x","task":{"v":1}}'), ("a letter without a seal", b'{"job":"%s","task":%s}' % (body["job"].encode(), envelope[:seal] + b"}")),
        ("a letter in a letter", b'{"task":{"task":{"task":' + envelope + b"}}}"), ("a letter cut off", b'{"job":"x","task":' + envelope[:100]),
    ]


def reports(job):
    """Bodies for /internal/v1/results that no worker sends, and whether the whole is refused (400) or its entries are."""
    good = {"run": "00000000-0000-4000-8000-000000000000", "job": job, "ordinal": 0, "attempt": 1, "worker": "w", "status": "succeeded", "ms": 1}
    odd = [
        {}, [], None, 7, "x", {**good, "job": "no uuid"}, {**good, "job": None}, {**good, "job": "x" * 100000}, {**good, "ordinal": -1}, {**good, "ordinal": 2 ** 40},
        {**good, "ordinal": "0"}, {**good, "attempt": 0}, {**good, "attempt": 99999}, {**good, "run": ""}, {**good, "run": 7}, {**good, "run": "r" * 100000},
        {**good, "status": "great"}, {**good, "status": None}, {**good, "worker": 7}, {**good, "worker": "w" * 100000}, {**good, "data": 7, "artifacts": "x"},
        {**good, "artifacts": [7]}, {**good, "artifacts": [{"digest": "../../etc/passwd", "name": "x"}]}, {**good, "artifacts": [{"digest": "x" * 64}] * 100},
        {**good, "ms": -5}, {**good, "ms": 1e300}, {**good, "ms": "1"}, {**good, "peak_rss_kb": -1}, {**good, "status": "failed"}, {**good, "status": "failed", "error": 7},
        {**good, "status": "failed", "error": {"kind": "shrug", "message": "x"}}, {**good, "status": "failed", "error": {"kind": "reject", "message": 7}},
        {**good, "ordinal": 5, "status": "failed", "error": {"kind": "reject", "message": "m" * 100000}}, {**good, "started_at": "yesterday"},
        {**good, "job": "00000000-0000-7000-8000-000000000000"},
    ]
    return [json.dumps([one]).encode() for one in odd]
