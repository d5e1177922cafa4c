"""The photo queue and the text queue, as a gallery's server uses them: messages LPUSHed by redis-py, results POSTed to a
server in Python or to the dispatcher, failures in the queue's own dead letters."""
import json
import math
import signal

import pytest

from fleet import wait_for
from gallery import Receiver, draw_colour, draw_faces, draw_text

PHOTOS, TEXTS = "photo_tasks", "text_tasks"
DIM = 512


@pytest.fixture(name="receiver")
def make_receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(name="gallery")
def make_gallery(with_models):
    """Its pictures are drawn, under a directory that submissions may not name; nothing is started."""
    fleet = with_models
    fleet.uploads = fleet.folder / "gallery" / "uploads" / "original"
    fleet.uploads.mkdir(parents=True)
    for name, colour in (("red", (220, 20, 20)), ("green", (20, 200, 40)), ("blue", (30, 40, 210))):
        draw_colour(fleet.uploads / f"{name}.png", colour)
    fleet.faces = draw_faces(fleet.uploads / "faces.png")
    draw_text(fleet.uploads / "text.png")
    (fleet.uploads / "notes.jpg").write_text("no picture at all")
    (fleet.uploads / "cut.png").write_bytes((fleet.uploads / "text.png").read_bytes()[:300])
    fleet.settings.update({"PROJECT_ROOT": fleet.folder / "gallery", "PROCESSING_EMBEDDING_DIM": DIM, "CLIP_MODELS": "tiny=clip-tiny",
                           "CLIP_MODEL_NAME": "clip-tiny", "PROCESSING_DEFAULT_MODEL": "usual", "OCR_LANGS": "en",
                           "CAPTION_MODEL_NAME": "blip", "PIXELFLEET_DEAD_AFTER_MS": 500})
    return fleet


def start(fleet, receiver=None, **more):
    if receiver:
        fleet.settings["API_BASE_URL"] = receiver.url
    fleet.settings.update(more)
    fleet.start_dispatcher()
    fleet.start_worker("image=1,infer=2,io=8")


def message(photo, name, *tasks, **more):
    return {"photo_id": photo, "user_id": 1, "path": f"./uploads/original/{name}", "tasks": list(tasks), **more}


def push(fleet, queue, *messages):
    for m in messages:
        fleet.redis.lpush(queue, m if isinstance(m, (str, bytes)) else json.dumps(m))


def letters(fleet, queue=PHOTOS):
    return [json.loads(letter) for letter in fleet.redis.lrange(queue + "_dlq", 0, -1)]


def is_done(fleet):
    return not (fleet.redis.llen(PHOTOS) or fleet.redis.llen(TEXTS) or fleet.redis.keys("pixelfleet:taken:*") or
                fleet.sql("SELECT 1 FROM pixelfleet.job WHERE state = 'running' LIMIT 1") or
                fleet.sql("SELECT 1 FROM pixelfleet.origin_letter WHERE pushed_at IS NULL LIMIT 1"))


def wait_done(fleet, timeout=40):
    wait_for(lambda: is_done(fleet), timeout, lambda: f"all messages are done: {fleet.redis.keys('*')} "
             f"{fleet.sql('SELECT tool, state, count(*) FROM pixelfleet.step_view GROUP BY 1, 2')}")
    assert not fleet.redis.keys("pixelfleet:dlq:*"), "failures are listed nowhere else"


def forget_heartbeats(fleet):
    """Of the dead: they would expire by themselves, some seconds later."""
    for key in fleet.redis.keys("pixelfleet:worker:*") + fleet.redis.keys("pixelfleet:dispatcher:*"):
        fleet.redis.delete(key)


def is_unit(vector):
    return len(vector) == DIM and abs(math.sqrt(sum(x * x for x in vector)) - 1) < 1e-5


def check_headers(fleet, headers):
    assert headers["x-internal-token"] == fleet.token
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"]


def check_image(body, label="tiny"):
    assert list(body) == ["model", "modality", "embedding", "ml_result", "processing_status"]
    assert is_unit(body["embedding"])
    assert {**body, "embedding": 0} == {"model": label, "modality": "image", "embedding": 0, "processing_status": "done",
                                        "ml_result": {"source": "pixelfleet", "model_name": "clip-tiny", "device": "cpu"}}


def check_faces(body, boxes):
    assert list(body) == ["faces"] and len(body["faces"]) == len(boxes)
    for face, box in zip(sorted(body["faces"], key=lambda f: f["bbox"]["x1"]), boxes):
        assert list(face) == ["embedding", "model", "bbox"] and face["model"] == "arcface-buffalo_l"
        assert is_unit(face["embedding"])
        assert list(face["bbox"]) == ["x1", "y1", "x2", "y2"] and all(isinstance(v, float) for v in face["bbox"].values())
        assert list(face["bbox"].values()) == pytest.approx(box, abs=1)


def check_text(body, text):
    if not text:
        assert body == {"ml_result": {"ocr_text": ""}, "processing_status": "done"}
        return
    assert list(body) == ["ml_result", "processing_status"] and body["processing_status"] == "done"
    assert list(body["ml_result"]) == ["ocr_text", "ocr"] and body["ml_result"]["ocr_text"] == text
    ocr = body["ml_result"]["ocr"]
    assert list(ocr) == ["text", "items", "lang", "source"]
    assert (ocr["text"], ocr["lang"], ocr["source"]) == (text, ["en"], "tesseract")
    assert " ".join(item["text"] for item in ocr["items"]) == text
    for item in ocr["items"]:
        assert list(item) == ["text", "conf", "bbox"] and 0.3 <= item["conf"] <= 1
        assert len(item["bbox"]) == 4 and all(len(point) == 2 for point in item["bbox"])


def good_messages():
    """150 of them, and what is to be heard of each: {path: check}."""
    messages, heard = [], {}
    for photo in range(1, 151):
        name = ("red.png", "green.png", "blue.png")[photo % 3]
        tasks, has_faces, has_text = ["clip"], photo % 25 == 0, photo % 30 == 1
        if photo % 5 == 0:
            tasks += ["thumbnail", "unheard-of"]
        if has_faces:
            tasks, name = [*tasks, "face" if photo % 2 else "faces"], "faces.png" if photo % 50 else name
        if has_text:
            tasks, name = [*tasks, "ocr"], "text.png" if photo % 60 == 1 else name
        base = f"/api/internal/photos/{photo}/"
        text = "HELLO WORLD" if name == "text.png" else ""
        heard[base + "ml_result"] = [check_image] + [lambda body, t=text: check_text(body, t)] * has_text
        if has_faces:
            heard[base + "faces"] = [lambda body, n=name: check_faces(body, FACES if n == "faces.png" else [])]
        messages.append(message(photo if photo % 7 else str(photo), name, *tasks, extra=[photo]))
    return messages, heard


FACES = [(20, 30, 100, 130), (190, 60, 260, 150)]

REFUSED = [     # as they are pushed, and a word of the error
    ('{"photo_id": 1000, "path": "x', "JSON"), ("nonsense", "JSON"), (b"\xff\xfe", "JSON"), ("[1, 2]", "an object"), ("", "empty"),
    ({"photo_id": "abc", "path": "a.png", "tasks": ["clip"]}, "/photo_id"), ({"path": "a.png", "tasks": ["clip"]}, "/photo_id: missing"),
    ({"photo_id": 1001, "tasks": ["clip"]}, "/path: missing"), ({"photo_id": 1002, "path": 5, "tasks": ["clip"]}, "/path: found 5"),
    ({"photo_id": 1003, "path": "a.png", "tasks": "clip"}, '/tasks: found "clip"'),
    ({"photo_id": 1004, "path": "a.png", "tasks": [1]}, "/tasks/0"),
    ({"photo_id": 1005.5, "path": "a.png", "tasks": []}, "/photo_id"), ({"photo_id": 1006, "user_id": {}, "path": "a.png"}, "/user_id"),
]
FAILING = [     # of which nothing comes
    (message(2000, "gone.png", "clip", "face", extra={"kept": [1, 0.5, None]}), "source: there is no file"),
    (message(2001, "notes.jpg", "clip"), "source: "), (message(2002, "cut.png", "thumbnail", "clip"), "clip: "),
    ({"photo_id": 2003, "user_id": 1, "path": "/etc/hostname", "tasks": ["ocr"]}, "source: '/etc/hostname' is not under"),
    ({"photo_id": 2004, "user_id": 1, "path": "../../../etc/hostname", "tasks": ["ocr"]}, "source: "),
    (message(2005, "", "clip"), "source: "), (message(2006, "gone.png", "thumbnail", error="what it was the last time"), "source: "),
]
NOTHING = [message(3000, "red.png"), message(3001, "gone.png", "dance"), {"photo_id": 3002, "user_id": 1, "path": "x"},
           {"photo_id": 3003, "user_id": 1, "path": "x", "tasks": None}]


def test_200_photo_messages_are_exactly_the_documented_requests_and_letters(gallery, receiver):
    good, heard = good_messages()
    more = 200 - len(good) - len(REFUSED) - len(FAILING) - len(NOTHING)
    failing = FAILING + [(message(2100 + n, "gone.png", "clip"), "source: ") for n in range(more)]
    start(gallery, receiver)
    messages = [*good, *(m for m, _ in REFUSED), *(m for m, _ in failing), *NOTHING]
    assert len(messages) == 200
    push(gallery, PHOTOS, *messages)
    wait_done(gallery, 60)

    assert sorted(receiver.paths()) == sorted(path for path, checks in heard.items() for _ in checks), "each once, and nothing else"
    for path, checks in heard.items():
        requests = receiver.of(path)
        for headers, body in requests:
            check_headers(gallery, headers)
            (checks[0] if "faces" in body or "embedding" in body else checks[-1])(body)
    assert len({headers["Idempotency-Key"] for _, headers, _ in receiver.seen}) == len(receiver.seen)

    got = letters(gallery)
    assert len(got) == len(REFUSED) + len(failing)
    for m, word in [*REFUSED, *failing]:
        if isinstance(m, bytes):
            m = "\\xff\\xfe"
        want = {**m} if isinstance(m, dict) else {"message": m}
        want.pop("error", None)
        of = [letter for letter in got if {k: v for k, v in letter.items() if k != "error"} == want]
        assert len(of) == 1, f"{m}: {of}"
        assert word in of[0]["error"], of[0]

    assert gallery.one("SELECT count(*) FROM pixelfleet.definition") <= 10, "many messages, few definitions"
    assert gallery.one("SELECT count(*) FROM pixelfleet.artifact a JOIN pixelfleet.step_view v USING (job, ordinal) "
                       "WHERE v.tool = 'thumbnail'") == 30
    assert len(gallery.http("GET", "/api/v1/jobs?label=photo_id:25").body["jobs"]) == 1
    assert gallery.http("GET", "/api/v1/queues").body["lists"] == [
        {"list": PHOTOS, "dead_letters": PHOTOS + "_dlq", "waiting": 0, "dead": len(got)},
        {"list": TEXTS, "dead_letters": TEXTS + "_dlq", "waiting": 0, "dead": 0}]
    assert f'pixelfleet_list_depth{{list="photo_tasks_dlq"}} {len(got)}\n' in gallery.http("GET", "/metrics").body.decode()
    assert PHOTOS + "_dlq" in gallery.cli("queues")


def test_with_two_models_and_captions_each_is_told(gallery, receiver):
    start(gallery, receiver, CLIP_MODELS="one=clip-tiny, two=clip-tiny", CAPTION_ENABLED=1)
    push(gallery, PHOTOS, message(1, "red.png", "clip"), message(2, "blue.png", "clip"))
    push(gallery, TEXTS, {"type": "text_embed", "request_id": 9, "query": "a picture of red", "model": "one"})
    wait_done(gallery)
    vectors = {}
    for photo, colour in ((1, "red"), (2, "blue")):
        bodies = [body for _, body in receiver.of(f"/api/internal/photos/{photo}/ml_result")]
        assert sorted((body["model"], body["modality"]) for body in bodies) == [("one", "caption"), ("one", "image"), ("two", "image")]
        caption = next(body for body in bodies if body["modality"] == "caption")
        assert list(caption) == ["model", "modality", "embedding", "ml_result", "processing_status"] and is_unit(caption["embedding"])
        assert caption["ml_result"] == {"source": "pixelfleet", "model_name": "blip", "device": "cpu", "caption": f"a picture of {colour}"}
        for body in bodies:
            if body is not caption:
                check_image(body, body["model"])
        vectors[colour] = caption["embedding"]
    assert len(receiver.seen) == 7 and not letters(gallery)
    (_, text), = receiver.of("/api/internal/text_queries/9")
    assert text["embedding"] == pytest.approx(vectors["red"], abs=1e-6) != vectors["blue"]


def test_a_server_in_trouble_is_told_again_and_one_that_refuses_makes_a_letter(gallery, receiver):
    paths = {photo: f"/api/internal/photos/{photo}/ml_result" for photo in (1, 2, 3)}
    receiver.answers = {paths[1]: [500, 500], paths[2]: [404], paths[3]: [503]}
    start(gallery, receiver)
    messages = [message(photo, "red.png", "clip") for photo in paths]
    push(gallery, PHOTOS, *messages)
    wait_done(gallery)
    assert [len(receiver.of(paths[photo])) for photo in paths] == [3, 1, 2]
    for photo in paths:
        assert len({headers["Idempotency-Key"] for headers, _ in receiver.of(paths[photo])}) == 1
        assert all(body == receiver.of(paths[photo])[0][1] for _, body in receiver.of(paths[photo])), "the same bytes each time"
    letter, = letters(gallery)
    assert letter == {**messages[1], "error": f"deliver-clip: '{receiver.url}{paths[2]}' answers 404: {{}}"}

    assert gallery.redis.rpoplpush(PHOTOS + "_dlq", PHOTOS)         # as it is: its error is not looked at
    wait_done(gallery)
    assert len(receiver.of(paths[2])) == 2 and not letters(gallery)
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.of(paths[2])}) == 2, "another job"


def test_an_embedding_of_another_length_and_a_missing_model_make_letters_while_the_rest_is_told(gallery, receiver):
    start(gallery, receiver, PROCESSING_EMBEDDING_DIM=768, FACE_MODEL_NAME="nobodys")
    push(gallery, PHOTOS, message(1, "text.png", "clip", "face", "ocr"))
    wait_done(gallery)
    (_, body), = receiver.of("/api/internal/photos/1/ml_result")
    check_text(body, "HELLO WORLD")
    letter, = letters(gallery)
    assert "deliver-clip: deliver: the embedding of model 'clip-tiny' has 512 numbers, PROCESSING_EMBEDDING_DIM is 768" in letter["error"]
    assert "faces: " in letter["error"] and "nobodys" in letter["error"]
    assert gallery.sql("SELECT state::text FROM pixelfleet.job") == ["partial"]


def test_text_messages_are_embedded_and_told_and_broken_ones_are_letters(gallery, receiver):
    broken = [("{", "JSON"), ({"type": "text_embed", "request_id": "x", "query": "q"}, "/request_id"),
              ({"type": "text_embed", "request_id": 8}, "/query"), ({"type": "photo", "request_id": 8, "query": "q"}, "/type"),
              ({"type": "text_embed", "request_id": 8, "query": " "}, "text: ")]
    start(gallery, receiver)
    receiver.answers = {"/api/internal/text_queries/5": [410]}
    good = [{"type": "text_embed", "request_id": n, "query": f"photo of the red {n}", "model": model} if model else
            {"type": "text_embed", "request_id": str(n), "query": "猫とa dog"}
            for n, model in ((1, "tiny"), (2, "usual"), (3, "nobody's"), (4, None), (5, "tiny"))]
    push(gallery, TEXTS, *good, *(m for m, _ in broken))
    wait_done(gallery)
    assert sorted(receiver.paths()) == [f"/api/internal/text_queries/{n}" for n in range(1, 6)]
    for n, label in ((1, "tiny"), (2, "usual"), (3, "nobody's"), (4, "usual"), (5, "tiny")):
        (headers, body), = receiver.of(f"/api/internal/text_queries/{n}")
        check_headers(gallery, headers)
        assert list(body) == ["embedding", "model"] and body["model"] == label and is_unit(body["embedding"])
    got = letters(gallery, TEXTS)
    assert len(got) == len(broken) + 1 and not letters(gallery)
    for m, word in [*broken, (good[4], "deliver-text: ")]:
        want = m if isinstance(m, dict) else {"message": m}
        of, = [letter for letter in got if {k: v for k, v in letter.items() if k != "error"} == want]
        assert word in of["error"], of


def test_the_dispatcher_as_the_server_keeps_all_of_it(gallery):
    start(gallery, CAPTION_ENABLED=1)
    push(gallery, PHOTOS, message(1, "faces.png", "clip", "face"), message(2, "text.png", "ocr"), message(3, "red.png", "faces", "clip"))
    push(gallery, TEXTS, {"type": "text_embed", "request_id": 4, "query": "red", "model": "tiny"})
    wait_done(gallery)
    assert not letters(gallery) and not letters(gallery, TEXTS), letters(gallery)
    vectors = gallery.sql("SELECT photo, model, modality, pixelfleet.numbers_of(embedding) FROM pixelfleet.photo_embedding "
                          "ORDER BY 1, 3 DESC")
    assert [row[:3] for row in vectors] == [(photo, "tiny", modality) for photo in (1, 3) for modality in ("image", "caption")]
    assert all(is_unit(row[3]) for row in vectors)
    faces = gallery.sql("SELECT photo, model, idx, bbox, pixelfleet.numbers_of(embedding) FROM pixelfleet.photo_face ORDER BY 1, 3")
    assert [row[:3] for row in faces] == [(1, "arcface-buffalo_l", 0), (1, "arcface-buffalo_l", 1)]
    assert all(is_unit(row[4]) for row in faces)
    corners = sorted([row[3][name] for name in ("x1", "y1", "x2", "y2")] for row in faces)
    assert corners[0] == pytest.approx(FACES[0], abs=1) and corners[1] == pytest.approx(FACES[1], abs=1)
    results = dict(gallery.sql("SELECT id, ml_result FROM pixelfleet.photo"))
    assert results[2]["ocr_text"] == "HELLO WORLD" and results[3]["caption"] == "a picture of red"
    statuses = dict(gallery.sql("SELECT id, ml_status FROM pixelfleet.photo"))
    assert statuses == {1: {"clip": "done", "caption": "done", "face": "done"}, 2: {"ocr": "done"},
                        3: {"clip": "done", "caption": "done", "face": "done"}}
    (query, model, numbers), = gallery.sql("SELECT id, model, pixelfleet.numbers_of(embedding) FROM pixelfleet.text_query")
    assert (query, model) == (4, "tiny") and is_unit(numbers)
    nearest = gallery.sql("SELECT photo FROM pixelfleet.nearest_photos(%s::real[], 'tiny')", numbers)
    assert nearest == [3, 1], "the red one is nearest to \"red\""


def test_killed_in_the_middle_all_is_told_and_each_letter_comes_once(gallery, receiver):
    gallery.settings["PIXELFLEET_LISTEN"] = f"127.0.0.1:{gallery.services.free_port()}"
    start(gallery, receiver)
    push(gallery, PHOTOS, message(40, "red.png", "clip"))   # so that nobody has to get ready any more
    wait_done(gallery, 30)
    good = [message(photo, "red.png", "clip", "thumbnail") for photo in range(40)]
    bad = [message(100 + n, "gone.png", "clip") for n in range(10)]
    push(gallery, PHOTOS, *(m for n, b in enumerate(bad) for m in [*good[4 * n:4 * n + 4], b, "{"]))
    wait_for(lambda: len(receiver.seen) >= 6, 20, "some are told", every=0.001)
    for program in gallery.programs:        # all at once: a worker alone would go on telling
        program.process.send_signal(signal.SIGSTOP)
    for program in gallery.programs:
        program.kill9()
    told_before = len(receiver.seen)
    forget_heartbeats(gallery)
    start(gallery, receiver)
    wait_done(gallery, 60)
    wanted = {f"/api/internal/photos/{photo}/ml_result" for photo in range(41)}
    assert set(receiver.paths()) == wanted
    again = len(receiver.seen) - len(wanted)
    print(f"killed after {told_before} requests; {again} were made again")
    assert again <= 16, "what the dead worker had in hand, and no more"
    got = letters(gallery)
    assert sorted(letter["photo_id"] for letter in got if "photo_id" in letter) == list(range(100, 110))
    assert sum(letter.get("message") == "{" for letter in got) == 10 and len(got) == 20


@pytest.mark.parametrize("fault, is_lost", [("letters.pushed=1", False), ("ledger.committed=1", False), ("ledger.committed=1", True)])
def test_where_a_dispatcher_dies_before_it_marked_or_pushed_a_letter_it_comes_once(gallery, receiver, fault, is_lost):
    port = gallery.services.free_port()
    gallery.settings.update({"PIXELFLEET_LISTEN": f"127.0.0.1:{port}", "API_BASE_URL": receiver.url})
    doomed = gallery.start_dispatcher(env={"FAULT": fault}, faults=True)
    gallery.start_worker("image=1,infer=1,io=2")
    bad = [message(n, "gone.png", "clip") for n in range(3)]
    for m in bad:
        push(gallery, PHOTOS, m, "nonsense")
    wait_for(lambda: doomed.process.poll() is not None, 20, "the fault ends it")
    doomed.ended = True
    assert gallery.one("SELECT count(*) FROM pixelfleet.origin_letter WHERE pushed_at IS NOT NULL") == 0
    forget_heartbeats(gallery)
    if is_lost:             # what Redis knew is gone, and with it what was not taken yet
        gallery.redis.flushall()
    gallery.start_dispatcher()
    wait_done(gallery, 60)
    got = letters(gallery)
    if is_lost:
        assert len(got) == gallery.one("SELECT count(*) FROM pixelfleet.origin_letter") > 0
    else:
        assert sorted(letter["photo_id"] for letter in got if "photo_id" in letter) == [0, 1, 2]
        assert sum(letter.get("message") == "nonsense" for letter in got) == 3


def test_a_key_that_is_no_list_keeps_its_own_letters_back_and_no_others(gallery):
    gallery.start_dispatcher()
    gallery.redis.set(PHOTOS + "_dlq", "somebody else's")
    push(gallery, PHOTOS, *["nonsense"] * 250)          # more than are pushed at once
    wait_for(lambda: gallery.one("SELECT count(*) FROM pixelfleet.origin_letter") == 250, 20, "all are owed")
    push(gallery, TEXTS, "{")
    wait_for(lambda: len(letters(gallery, TEXTS)) == 1, 20, "the letter of the other list")
    assert gallery.redis.get(PHOTOS + "_dlq") == "somebody else's"
    gallery.redis.delete(PHOTOS + "_dlq")
    wait_done(gallery)
    assert len(letters(gallery)) == 250 and len(letters(gallery, TEXTS)) == 1


def test_lists_that_the_settings_do_not_name_are_left_alone_and_a_cancelled_job_sends_its_message_back(gallery):
    gallery.settings.update({"TEXT_EMBED_QUEUE_NAME": "", "REDIS_QUEUE_NAME": "mine", "REDIS_DLQ_NAME": "back"})
    m = message(1, "red.png", "clip")
    entry = json.dumps(m)           # a dispatcher that has died had other settings: what it took goes back where it was
    gallery.redis.sadd("pixelfleet:dispatchers", "gone-1-aaaaaa")
    gallery.redis.hset("pixelfleet:taken:gone-1-aaaaaa", "01890a5d-ac96-774b-bcce-b302099a8057", "old_photo_tasks\n" + entry)
    gallery.start_dispatcher()
    push(gallery, "mine", m)
    push(gallery, PHOTOS, m)
    push(gallery, TEXTS, "{")
    job = wait_for(lambda: gallery.sql("SELECT id::text FROM pixelfleet.job"), 20, "it is accepted")[0]
    gallery.http("POST", f"/api/v1/jobs/{job}/cancel")
    letter, = wait_for(lambda: gallery.redis.lrange("back", 0, -1), 20, "the letter")
    assert json.loads(letter) == {**m, "error": "the job was cancelled"}
    wait_for(lambda: gallery.redis.lrange("old_photo_tasks", 0, -1) == [entry], 20, "it is back")
    wait_for(lambda: not gallery.redis.keys("pixelfleet:taken:*"), 20, "and taken by nobody")
    assert gallery.redis.llen(PHOTOS) == 1 and gallery.redis.llen(TEXTS) == 1
    assert gallery.one("SELECT count(*) FROM pixelfleet.job") == 1
