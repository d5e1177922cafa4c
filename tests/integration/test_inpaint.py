"""Text over photographs: read, taken out, and not found any more; beside OpenCV's fill of the same hole.

All photographs, and figures: make test-ocr.
"""
import cv2
import numpy

import written
from pictures import nature

STEPS = [{"id": "src", "tool": "fetch"}, {"id": "read", "tool": "ocr", "needs": ["src"]},
         {"id": "clean", "tool": "inpaint", "needs": ["read"], "params": {"save_mask": True, "format": "png"}},
         {"id": "again", "tool": "ocr", "needs": ["clean"], "params": {"psm": "photo"}}]


def step(fleet, job, name):
    return fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND step = %s", job, name)


def artifact(fleet, job, name, of="clean"):
    """Its pixels."""
    for instance in fleet.job(job)["instances"]:
        for made in instance["artifacts"] if instance["step"] == of else []:
            if made["name"] == name:
                return written.pixels(fleet.http("GET", f"/api/v1/artifacts/{made['digest']}").body)
    raise AssertionError(f"{of} made no {name}")


def test_text_over_photographs_is_taken_out_better_than_telea_and_not_read_again(running, tmp_path):
    photographs = nature(tmp_path)
    jobs = []
    for n in (1, 8):
        clean, path = tmp_path / f"clean{n}.png", running.pictures / f"written{n}.png"
        want = written.over_photograph(photographs[n], clean, path, width=800)
        jobs.append((running.submit(STEPS, [str(path)]), clean, path, want))
    for job, clean, path, want in jobs:
        assert running.wait_end(job, 90) == "succeeded", running.explain(job)
        was, now, mask = written.pixels(path), artifact(running, job, "image"), artifact(running, job, "mask") > 0
        before, after = (written.found(step(running, job, of)["text"], want) for of in ("read", "again"))
        telea = cv2.inpaint(was, mask.astype(numpy.uint8), 5, cv2.INPAINT_TELEA)
        ours, theirs = (written.psnr(picture, written.pixels(clean), mask) for picture in (now, telea))
        print(f"{path.name}: read {before:.0%} before, {after:.0%} after; {ours:.2f} dB, OpenCV's Telea {theirs:.2f} dB")
        assert before > 0.7 and after < 0.05
        assert ours >= theirs
        assert (now[~mask] == was[~mask]).all()
        assert step(running, job, "clean")["filled"] == mask.sum()


def squares(path):
    """Grey, with a red square at 40, 30 of 30 x 20."""
    image = numpy.full((120, 160, 3), (90, 120, 140), numpy.uint8)
    image[30:50, 40:70] = (250, 8, 8)
    written.Image.fromarray(image).save(path)
    return str(path)


def test_what_a_model_segments_is_filled_by_another_model(with_models):
    fleet = with_models
    path = squares(fleet.pictures / "a.png")
    fleet.start_dispatcher()
    fleet.start_worker()
    steps = [{"id": "src", "tool": "fetch"}, {"id": "what", "tool": "segment", "needs": ["src"], "params": {"model": "seg-binary"}}]
    for name, params in (("lama", {"model": "lama"}), ("whole", {"model": "lama", "strategy": "resize"}),
                         ("as-is", {"model": "lama", "strategy": "original"}), ("none", {})):
        steps.append({"id": name, "tool": "inpaint", "needs": ["what"], "params": {**params, "format": "png", "save_mask": True}})
    job = fleet.submit({"on_failure": "continue", "steps": steps}, [path])
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    was = written.pixels(path)
    for name, method in (("lama", "lama"), ("whole", "lama"), ("as-is", "lama"), ("none", "fast_marching")):
        now, mask, data = artifact(fleet, job, "image", name), artifact(fleet, job, "mask", name) > 0, step(fleet, job, name)
        assert data["method"] == method and data["filled"] == mask.sum() > 600
        assert (now[~mask] == was[~mask]).all()
        assert numpy.abs(now[33:47, 43:67].astype(int) - (90, 120, 140)).max() <= 3, name
        assert (data.get("model"), data.get("backend")) == (("lama", "onnx") if method == "lama" else (None, None))
