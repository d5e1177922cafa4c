"""POST /embed_text: a text in, its vector out, made by the fleet."""
import math
import threading
import time

import pytest

from fleet import wait_for


@pytest.fixture(name="embedding")
def make_embedding(with_models):
    with_models.settings.update({"CLIP_MODELS": "gone=no-such-model,tiny=clip-tiny", "PROCESSING_DEFAULT_MODEL": "tiny",
                                 "PIXELFLEET_INFER_CALLERS": 1})
    with_models.start_dispatcher()
    return with_models


def embed(fleet, text, check=True, dispatcher=None, **more):
    return fleet.http("POST", "/embed_text", {"text": text, **more}, check=check, timeout=70, dispatcher=dispatcher)


def test_a_text_is_answered_with_its_vector_of_length_one(embedding):
    embedding.start_worker()
    answer = embed(embedding, "a photo of red")
    assert set(answer.body) == {"embedding"}
    vector = answer.body["embedding"]
    assert len(vector) == 512 and math.sqrt(sum(x * x for x in vector)) == pytest.approx(1, abs=1e-5)
    assert embed(embedding, "a photo of red", model="tiny").body["embedding"] == vector
    assert embed(embedding, "a photo of red", model="not a label").body["embedding"] == vector, "that of PROCESSING_DEFAULT_MODEL, as of no label"
    assert embed(embedding, "a photo of blue").body["embedding"] != vector
    assert embedding.one("SELECT count(*) FROM pixelfleet.definition") == 1, "texts are parameters of a job"
    begin = time.monotonic()
    for k in range(20):
        embed(embedding, f"green {k}")
    print(f"a warm call takes {(time.monotonic() - begin) / 20 * 1000:.1f} ms")


def test_what_cannot_be_embedded_says_why(embedding):
    embedding.start_worker()
    for body in ({}, {"text": ""}, {"text": 5}, {"text": "x" * 9000}, {"text": "x", "model": 7}, [], {"text": "a\0b"}):
        assert embedding.http("POST", "/embed_text", body, check=False).status == 400, body
    answer = embed(embedding, "a", model="gone", check=False)
    assert answer.status == 422 and "no-such-model" in answer.body["error"]["message"], answer.body


def test_a_call_waits_for_a_worker_and_another_dispatcher_may_hear_of_the_end(embedding):
    first, second = embedding.dispatchers[0], embedding.start_dispatcher()
    answers = []
    threads = [threading.Thread(target=lambda d=d: answers.append(embed(embedding, "red", dispatcher=d))) for d in (first, second)]
    for thread in threads:
        thread.start()
    wait_for(lambda: embedding.one("SELECT count(*) FROM pixelfleet.job") == 2, 20, "both are jobs")
    embedding.start_worker(dispatchers=[second])        # who reports to the second only
    for thread in threads:
        thread.join(60)
    assert [answer.status for answer in answers] == [200, 200] and answers[0].body == answers[1].body


def test_who_hangs_up_or_stops_while_it_waits_breaks_nothing(embedding):
    with pytest.raises(OSError):
        embedding.http("POST", "/embed_text", {"text": "red"}, timeout=0.3)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(embed(embedding, "red", check=False)))
    thread.start()
    wait_for(lambda: embedding.one("SELECT count(*) FROM pixelfleet.job") == 2, 20, "both are jobs")
    begin = time.monotonic()
    embedding.dispatchers[0].stop()
    thread.join(60)
    assert answers[0].status == 503 and "is stopping; job " in answers[0].body["error"]["message"], answers[0].body
    assert time.monotonic() - begin < 8, "nobody waits until the server's patience is over"
