"""The dispatcher as the photo gallery's back end: what it keeps, and what it refuses."""
import json
import math
import random

import pytest

DIM, FACE_DIM = 6, 4


@pytest.fixture(name="gallery")
def make_gallery(fleet):
    fleet.settings.update({"PROCESSING_EMBEDDING_DIM": DIM, "PROCESSING_FACE_EMBEDDING_DIM": FACE_DIM,
                           "PROCESSING_DEFAULT_MODEL": "clip14", "PROCESSING_DEFAULT_FACE_MODEL": "arc"})
    fleet.start_dispatcher()
    return fleet


def post(fleet, path, body, token=True, check=True):
    headers = {"x-internal-token": fleet.token} if token else {}
    return fleet.http("POST", f"/api/internal/{path}", body, headers=headers, check=check)


def vector(seed, size=DIM):
    numbers = [random.Random(seed * 100 + k).uniform(-1, 1) for k in range(size)]
    return [x / math.sqrt(sum(y * y for y in numbers)) for x in numbers]


def kept(fleet, table, where):
    return fleet.one(f"SELECT pixelfleet.numbers_of(embedding) FROM pixelfleet.{table} WHERE {where}")


def test_what_clip_caption_and_ocr_report_of_a_photo_is_one_row_and_its_vectors(gallery):
    result = {"source": "pixelfleet", "model_name": "openai/clip", "device": "cpu"}
    for _ in range(2):                  # an identical resend does no harm
        post(gallery, "photos/7/ml_result", {"model": "clip14", "modality": "image", "embedding": vector(1), "ml_result": result,
                                             "processing_status": "done"})
    post(gallery, "photos/7/ml_result", {"model": "clip14", "modality": "caption", "embedding": vector(2), "processing_status": "done"})
    answer = post(gallery, "photos/7/ml_result", {"ml_result": {"ocr_text": "EXIT", "ocr": {"items": []}}})
    assert (answer.status, answer.body) == (200, {"id": 7, "processing_status": "done"})
    row = gallery.sql("SELECT ml_result, ml_status, processing_status FROM pixelfleet.photo")
    assert row == [({**result, "ocr_text": "EXIT", "ocr": {"items": []}}, {"clip": "done", "caption": "done", "ocr": "done"}, "done")]
    assert gallery.one("SELECT count(*) FROM pixelfleet.photo_embedding") == 2
    assert kept(gallery, "photo_embedding", "modality = 'image'") == pytest.approx(vector(1), abs=1e-7)
    assert kept(gallery, "photo_embedding", "modality = 'caption'") == pytest.approx(vector(2), abs=1e-7)


def test_faces_replace_those_of_their_models(gallery):
    faces = [{"embedding": vector(k, FACE_DIM), "model": "arc", "bbox": {"x1": 1.5, "y1": k, "x2": 9, "y2": 9}} for k in range(3)]
    for _ in range(2):
        assert post(gallery, "photos/3/faces", {"faces": faces}).status == 200
    post(gallery, "photos/3/faces", {"faces": [{"embedding": vector(9, FACE_DIM), "model": "other"}]})
    assert gallery.sql("SELECT model, idx, bbox->>'y1' FROM pixelfleet.photo_face ORDER BY 1, 2") == [
        ("arc", 0, "0"), ("arc", 1, "1"), ("arc", 2, "2"), ("other", 0, None)]
    post(gallery, "photos/3/faces", {"faces": faces[1:2]})
    assert gallery.sql("SELECT bbox->>'y1' FROM pixelfleet.photo_face WHERE model = 'arc'") == ["1"]
    post(gallery, "photos/3/faces", {"faces": []})
    assert gallery.sql("SELECT model FROM pixelfleet.photo_face") == ["other"]
    assert gallery.one("SELECT ml_status FROM pixelfleet.photo") == {"face": "done"}


def test_the_embedding_of_a_query_is_kept_under_its_request(gallery):
    for seed in (1, 2):
        assert post(gallery, "text_queries/41", {"embedding": vector(seed), "model": "zh"}).status == 200
    post(gallery, "text_queries/42", {"embedding": vector(3)})
    assert gallery.sql("SELECT id, model FROM pixelfleet.text_query ORDER BY id") == [(41, "zh"), (42, "clip14")]
    assert kept(gallery, "text_query", "id = 41") == pytest.approx(vector(2), abs=1e-7)


VECTORS = [
    (vector(1)[:-1], f"has {DIM - 1} numbers, allowed are {DIM} (PROCESSING_EMBEDDING_DIM)"),
    (vector(1) + [0.5], f"has {DIM + 1} numbers, allowed are {DIM}"),
    ([0.0] * DIM, f"all {DIM} numbers of the embedding are 0"),
    (vector(1)[:-1] + [math.nan], f"number {DIM - 1} of {DIM} of the embedding is NaN, infinite or null"),
    ([math.inf] + vector(1)[1:], f"number 0 of {DIM} of the embedding is NaN, infinite or null"),
    ([1e300] + vector(1)[1:], "too large"),
    (["1"] + vector(1)[1:], "no number"),
    ("0.1,0.2", "no list of numbers"),
]


def test_a_vector_that_cannot_be_one_is_refused_with_the_numbers(gallery):
    for embedding, says in VECTORS:
        for path in ("photos/1/ml_result", "text_queries/1"):
            answer = post(gallery, path, {"embedding": embedding, "model": "a \"NaN\" b"}, check=False)
            assert (answer.status, says in answer.body["error"]["message"]) == (422, True), answer.body
        face = [{"embedding": vector(1, FACE_DIM)}, {"embedding": embedding}]
        answer = post(gallery, "photos/1/faces", {"faces": face}, check=False)
        assert answer.status == 422 and answer.body["error"]["message"].startswith("face 1: "), answer.body
    assert [gallery.one(f"SELECT count(*) FROM pixelfleet.{table}") for table in ("photo", "photo_embedding", "photo_face", "text_query")] == [0] * 4


MALFORMED = [
    ("photos/abc/ml_result", {}, 400), ("photos/-1/ml_result", {}, 400), ("photos/1/ml_result", {"ml_result": []}, 400),
    ("photos/1/ml_result", {"model": 5}, 400), ("photos/1/faces", {}, 400), ("photos/1/faces", {"faces": [7]}, 400),
    ("text_queries/99999999999999999999", {"embedding": vector(1)}, 400), ("text_queries/1", {"model": "m"}, 422), ("photos/1/nothing", {}, 404)]


def test_what_is_malformed_is_refused_and_nothing_is_kept(gallery):
    for path, body, status in MALFORMED:
        assert post(gallery, path, body, check=False).status == status, (path, body)
    assert gallery.one("SELECT (SELECT count(*) FROM pixelfleet.photo) + (SELECT count(*) FROM pixelfleet.text_query)") == 0


def test_only_who_has_the_internal_token_reports(gallery):
    for path in ("photos/1/ml_result", "photos/1/faces", "text_queries/1"):
        assert post(gallery, path, {"faces": [], "embedding": vector(1)}, token=False, check=False).status == 401


def test_functions_find_the_nearest_photos_and_faces(gallery):
    for k in range(12):
        post(gallery, f"photos/{k}/ml_result", {"embedding": vector(k)})
        post(gallery, f"photos/{k}/faces", {"faces": [{"embedding": vector(k, FACE_DIM)}, {"embedding": vector(50 + k, FACE_DIM)}]})
    query = vector(99)
    expected = sorted(range(12), key=lambda k: -sum(x * y for x, y in zip(query, vector(k))))
    rows = gallery.sql("SELECT * FROM pixelfleet.nearest_photos(%s::real[], 'clip14', most => 5)", query)
    assert [photo for photo, _ in rows] == expected[:5]
    assert rows[0][1] == pytest.approx(1 - sum(x * y for x, y in zip(query, vector(expected[0]))), abs=1e-6)
    near = gallery.sql("SELECT photo, idx FROM pixelfleet.nearest_faces(%s::real[], 'arc', 2)", vector(54, FACE_DIM))
    assert near[0] == (4, 1)
    print(json.dumps({"kept as": gallery.one("SELECT pixelfleet.use_pgvector()")}))
