"""Text read inside the sandbox, by the fleet: pages that were written here, in English, Japanese and Chinese.

All pages and photographs, and figures: make test-ocr.
"""
import pathlib
import shutil

import written
from fleet import wait_for
from pictures import png

TESSDATA = pathlib.Path("/usr/share/tesseract-ocr/5/tessdata")
SOME = [3, 8, 16, 13]       # small English, Japanese, Chinese on its side, Japanese with noise on its side


def ocr(**params):
    return [{"id": "src", "tool": "fetch"}, {"id": "read", "tool": "ocr", "needs": ["src"], "params": params}]


def data_of(fleet, job):
    return fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = 'read'", job)


def write(fleet, n, name=None):
    lines, lang, font, size, noise, orientation = written.PAGES[n]
    return written.page(fleet.pictures / (name or f"page{n}"), lines, lang, font, size, noise, orientation), lines, lang


def test_pages_in_three_scripts_are_read_in_the_sandbox(running):
    jobs = []
    for n in SOME:
        path, lines, lang = write(running, n)
        jobs.append((n, running.submit(ocr(langs=[lang]), [path]), lines, lang))
    for n, job, lines, lang in jobs:
        assert running.wait_end(job, 60) == "succeeded", running.explain(job)
        assert running.sql("SELECT message FROM pixelfleet.attempt WHERE job = %s", job) == []
        data = data_of(running, job)
        accuracy = written.accuracy(data["text"], lines, lang)
        print(f"page {n}, {lang}: {accuracy:.3f}")
        assert accuracy > 0.95, data["text"]
        assert len(data["items"]) == len(lines) and [item["line"] for item in data["items"]] == list(range(len(lines)))
        for item in data["items"]:
            left, top, width, height = item["box"]
            assert left >= 0 and top >= 0 and left + width <= data["width"] and top + height <= data["height"]
            assert len(item["points"]) == 4 and 0.3 <= item["score"] <= 1
    assert running.programs[1].logged(r"ev=runner\.sandbox .*seccomp=yes")


def test_a_folder_of_data_of_ones_own_is_read_from_within_the_sandbox(fleet, tmp_path):
    own = tmp_path / "own" / "tessdata"
    own.mkdir(parents=True)
    shutil.copy(TESSDATA / "eng.traineddata", own / "mine.traineddata")
    fleet.start_dispatcher()
    fleet.start_worker(env={"TESSDATA_PREFIX": own.parent})
    path, lines, _ = write(fleet, 1)
    job = fleet.submit(ocr(langs=["mine"]), [path])
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    assert written.accuracy(data_of(fleet, job)["text"], lines, "en") > 0.95


def test_a_language_without_data_is_a_dead_letter_that_says_what_to_install(running):
    job = running.submit(ocr(langs=["en", "tlh"]), [png(running.pictures / "a.png", 60, 40)])
    assert running.wait_end(job, 30) == "failed"
    letter = wait_for(lambda: running.dead("infer"), what="a dead letter")[0]
    assert letter["error"]["kind"] == "reject" and len(letter["attempts"]) == 1
    for word in ("'tlh'", str(TESSDATA), "tesseract-ocr-tlh"):
        assert word in letter["error"]["message"], letter["error"]


def test_parameters_that_make_no_sense_are_refused_at_submission(fleet):
    fleet.start_dispatcher()
    for params, found in (({"langs": []}, "langs"), ({"psm": "guess"}, "psm"), ({"min_conf": 2}, "min_conf"), ({"langs": "en"}, "langs")):
        answer = fleet.http("POST", "/api/v1/pipelines/validate", {"steps": ocr(**params)}, check=False)
        assert answer.status == 400 and found in str(answer.body), answer
