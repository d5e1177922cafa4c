"""detect, segment and faces on the small models, against what NumPy and OpenCV make of the same pictures: shapes of known
colours on photographs of odd sizes, some of them turned by EXIF. Through the whole fleet: ONNX Runtime in its own process,
and once a FAKE Triton that computes the same with NumPy.
"""
import io

import cv2
import numpy
import pytest
from PIL import Image, ImageDraw

import preprocessing
import vision
from fake_triton import FakeTriton, Model
from pictures import NATURE

# Not so large that a pixel of the models' input is two of the picture.
SIZES = ((641, 479), (859, 601), (333, 777), (853, 563), (480, 640), (723, 723), (517, 881), (871, 401), (640, 640), (305, 301))
ORIENTATIONS = (1, 6, 1, 3, 8, 1, 5, 2, 7, 4)
STORED = {1: None, 2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE, 6: Image.ROTATE_90,
          7: Image.TRANSVERSE, 8: Image.ROTATE_270}
RED, GREEN, BLUE, MAGENTA, CYAN = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255), (0, 255, 255)


class Scene:
    """A photograph with a red and a blue thing and a green ellipse on it, or two faces; the file, and where they are."""

    def __init__(self, number, size, orientation, folder, names=("red", "blue", "green")):
        rng = numpy.random.RandomState(number)
        photographs = sorted(NATURE.glob("*.jpg"))
        # Very pale and grey: neither it nor what edges mix of it is one of the models' colours, and halves are mixed in the middle.
        grey = Image.open(photographs[number % len(photographs)]).convert("L").resize(size, Image.LANCZOS)
        self.image = grey.point(lambda v: 225 + v * 30 // 255).convert("RGB")
        self.size, self.boxes = size, {}
        width, height = size[0] // 2, size[1] // 2                      # four fields, one thing in each of some
        for field, name in zip(rng.permutation(4), names):
            w, h = rng.randint(width // 3, width - 8), rng.randint(height // 3, height - 8)
            left = field % 2 * width + rng.randint(4, width - w - 3)
            top = field // 2 * height + rng.randint(4, height - h - 3)
            self.boxes[name] = (left, top, w, h)
            self.paint(rng, name)
        stored = self.image if orientation == 1 else self.image.transpose(STORED[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = folder / f"{'-'.join(names)}-{number}.{'png' if number % 3 == 0 else 'jpg'}"
        stored.save(path, exif=exif, **({} if path.suffix == ".png" else {"quality": 97, "subsampling": 0}))
        self.path = str(path)
        self.upright = preprocessing.upright(path)
        assert self.upright.size == size

    def paint(self, rng, name):
        left, top, w, h = self.boxes[name]
        draw = ImageDraw.Draw(self.image)
        if name == "green":
            draw.ellipse((left, top, left + w - 1, top + h - 1), GREEN)
        elif name in ("red", "blue"):
            draw.rectangle((left, top, left + w - 1, top + h - 1), RED if name == "red" else BLUE)
        else:           # a face has tones, but is on and off as its colour is
            tones = cv2.resize(rng.uniform(0, 1, (5, 5, 3)).astype(numpy.float32), (w, h), interpolation=cv2.INTER_CUBIC).clip(0, 1)
            on = numpy.array(MAGENTA if name == "magenta" else CYAN) > 0
            self.image.paste(Image.fromarray(numpy.where(on, 255 - tones * 70, tones * 70).astype(numpy.uint8)), (left, top))


def scenes_of(fleet, *names):
    return [Scene(n, size, orientation, fleet.pictures, names) for n, (size, orientation) in enumerate(zip(SIZES, ORIENTATIONS))]


@pytest.fixture(name="things")
def make_things(fleet):
    return scenes_of(fleet, "red", "blue", "green")


@pytest.fixture(name="people")
def make_people(fleet):
    return scenes_of(fleet, "magenta", "cyan")


@pytest.fixture(name="ready")
def make_ready(with_models):
    with_models.start_dispatcher()
    with_models.start_worker("image=1,infer=2,io=4")
    return with_models


def run(fleet, steps, scenes, **more):
    """{step: [data of each picture]}, and {(step, item): {name: bytes of an artifact}}"""
    job = fleet.submit([{"id": "src", "tool": "fetch"}, *({"needs": ["src"], **step} for step in steps)], [s.path for s in scenes], **more)
    assert fleet.wait_end(job, 60) == "succeeded", fleet.explain(job)
    data = {step["id"]: [None] * len(scenes) for step in steps}
    artifacts = {}
    for row in fleet.job(job)["instances"]:
        if row["step"] == "src":
            continue
        data[row["step"]][row["item"]] = row["data"]
        artifacts[row["step"], row["item"]] = {a["name"]: fleet.http("GET", f"/api/v1/artifacts/{a['digest']}").body
                                               for a in row["artifacts"]}
    return data, artifacts


def off(box, other):
    """How many pixels the farthest of the four edges is off."""
    def edges(b):
        return numpy.array([b[0], b[1], b[0] + b[2], b[1] + b[3]])
    return float(numpy.abs(edges(box) - edges(other)).max())


def test_boxes_of_both_yolo_layouts_are_those_of_numpy_and_of_the_regions(ready, things):
    steps = [{"id": model, "tool": "detect", "params": {"model": model, "draw": True}} for model in ("yolov5", "yolov8")]
    data, artifacts = run(ready, steps, things)
    far, true = 0, 0
    for model in data:
        for item, (scene, got) in enumerate(zip(things, data[model])):
            want = vision.yolo_boxes(vision.yolo_rows(preprocessing.yolo(scene.upright)), scene.size)
            assert (got["width"], got["height"], got["backend"], got["model"]) == (*scene.size, "onnx", model)
            assert [(i["label"], i["score"]) for i in got["items"]] == [("person" if c == 0 else "car", round(s, 4)) for c, s, _ in want]
            assert len(want) == 2, "one of three is left of each"
            for i, (class_, _, box) in zip(got["items"], want):
                far = max(far, off(i["box"], box))
                true = max(true, off(i["box"], scene.boxes["red" if class_ == 0 else "blue"]))
            drawn = Image.open(io.BytesIO(artifacts[model, item]["drawn"]))
            assert (drawn.size, drawn.format) == (scene.size, Image.open(scene.path).format)
    print(f"{len(things)} pictures, YOLOv5 and v8: boxes off by {far:.3f} pixels from NumPy's at most, by {true:.3f} from the regions")
    assert far <= 1 and true <= 1


def compare_faces(scene, got, worst):
    want = vision.scrfd_faces(vision.scrfd(preprocessing.scrfd(scene.upright)), scene.size)
    pixels = numpy.asarray(scene.upright)
    assert len(got["items"]) == len(want)
    for score, box, points in want:
        item = min(got["items"], key=lambda i: off(i["box"], box))      # of equal scores either may come first
        assert (item["label"], item["score"], len(item["embedding"])) == ("face", round(score, 4), 512)
        worst["box"] = max(worst["box"], off(item["box"], box))
        worst["landmark"] = max(worst["landmark"], float(numpy.abs(numpy.array(item["landmarks"]) - points).max()))
        worst["cosine"] = min(worst["cosine"], preprocessing.cosine(item["embedding"], vision.embedding(vision.aligned(pixels, points))))
        worst["length"] = max(worst["length"], abs(float(numpy.linalg.norm(item["embedding"])) - 1))


def test_faces_landmarks_and_embeddings_are_those_of_numpy_and_opencv(ready, people):
    large = Scene(10, (3001, 2003), 6, ready.pictures, ("magenta", "cyan"))
    nobody = Scene(11, (640, 480), 1, ready.pictures, ())
    data, _ = run(ready, [{"id": "faces", "tool": "faces"}], [*people, large, nobody])
    worst = {"box": 0, "landmark": 0, "cosine": 1, "length": 0}
    true = 0
    for scene, got in zip([*people, large], data["faces"]):
        assert (got["width"], got["height"], got["backend"], got["model"]) == (*scene.size, "onnx", "buffalo_l")
        assert len(got["items"]) == 2
        compare_faces(scene, got, worst)
        if scene is not large:
            true = max(true, *(min(off(i["box"], scene.boxes[name]) for i in got["items"]) for name in ("magenta", "cyan")))
    assert data["faces"][-1]["items"] == []
    print(f"{len(people) + 1} pictures: boxes off by {worst['box']:.3f} pixels from NumPy's at most, by {true:.3f} from the regions; "
          f"landmarks by {worst['landmark']:.3f}; least cosine of an embedding {worst['cosine']:.6f}, its length off by "
          f"{worst['length']:.1e}")
    assert worst["box"] <= 1 and worst["landmark"] <= 1 and true <= 1
    assert worst["cosine"] > 0.999 and worst["length"] < 1e-6


def test_masks_are_those_of_numpy_and_opencv(ready, things):
    data, artifacts = run(ready, [{"id": "one", "tool": "segment", "params": {"model": "seg-binary", "overlay": True}},
                                  {"id": "four", "tool": "segment", "params": {"model": "seg-semantic"}}], things)
    least, least_class = 1, 1
    for item, scene in enumerate(things):
        planes = preprocessing.segment(scene.upright)
        mask = numpy.asarray(Image.open(io.BytesIO(artifacts["one", item]["mask"])))
        over = Image.open(io.BytesIO(artifacts["one", item]["overlay"]))
        want = vision.resized(1 / (1 + numpy.exp(-vision.seg_binary(planes))), scene.size) > 0.5
        assert mask.dtype == numpy.uint8 and set(numpy.unique(mask)) == {0, 255}
        assert mask.shape[::-1] == over.size == scene.size and over.format == Image.open(scene.path).format
        least = min(least, vision.overlap(mask == 255, want))
        only, = data["one"][item]["classes"]
        assert only == {"label": "red", "value": 255, "area": int((mask == 255).sum()), "share": round(float((mask == 255).mean()), 6)}
        mask = numpy.asarray(Image.open(io.BytesIO(artifacts["four", item]["mask"])))
        want = vision.resized(vision.seg_semantic(planes).transpose(1, 2, 0), scene.size).argmax(2)
        least_class = min(least_class, *(vision.overlap(mask == c, want == c) for c in range(4)))
        assert [(c["label"], c["value"], c["area"]) for c in data["four"][item]["classes"]] == \
            [(name, c, int((mask == c).sum())) for c, name in enumerate(("background", "red", "green", "blue"))]
    print(f"{len(things)} pictures: least IoU of a mask {least:.5f} (one class), {least_class:.5f} (any of four)")
    assert least > 0.99 and least_class > 0.99


# ---- the same on a model server, which is a FAKE and shows what it was given ----

def planes_of(given, side=640):
    return numpy.frombuffer(given, numpy.float32).reshape(3, side, side)


@pytest.fixture(name="fake")
def make_fake():
    with FakeTriton() as fake:
        fake.crops = []

        def embed(given):
            fake.crops.append(numpy.frombuffer(given["input.1"], numpy.float32).reshape(1, 3, 112, 112))
            return [vision.arcface(fake.crops[-1])]

        picture = [("images", "FP32", [1, 3, 640, 640])]
        fake.models["yolov8"] = Model(picture, [("output0", "FP32", [1, 84, 8400])],
                                      lambda given: [vision.yolov8(planes_of(given["images"]))])
        fake.models["yolov5"] = Model(picture, [("output0", "FP32", [1, 25200, 85])],
                                      lambda given: [vision.yolov5(planes_of(given["images"]))])
        names = ("448", "471", "494", "451", "474", "497", "454", "477", "500")
        shapes = [[n, width] for width in (1, 4, 10) for n in (12800, 3200, 800)]
        fake.models["det_10g"] = Model([("input.1", "FP32", [1, 3, 640, 640])], [(n, "FP32", s) for n, s in zip(names, shapes)],
                                       lambda given: vision.scrfd(planes_of(given["input.1"])))
        fake.models["w600k_r50"] = Model([("input.1", "FP32", [1, 3, 112, 112])], [("683", "FP32", [1, 512])], embed)
        yield fake


def on_both(fleet, tool, models, scenes):
    steps = [{"id": f"{model}-{backend}", "tool": tool, "params": {"model": model, "backend": backend}}
             for backend in ("onnx", "triton") for model in models]
    return run(fleet, steps, scenes)[0]


def test_a_server_gives_the_same_and_gets_crops_as_opencv_makes_them(ready, things, people, fake):
    ready.settings["PIXELFLEET_TRITON_URL"] = fake.url
    ready.programs[-1].stop()
    ready.start_worker("image=1,infer=1,io=4")
    data = on_both(ready, "detect", ("yolov5", "yolov8"), things)
    for model in ("yolov5", "yolov8"):
        for ours, its in zip(data[f"{model}-onnx"], data[f"{model}-triton"]):
            assert ours["items"] == its["items"] and its["backend"] == "triton" and len(its["items"]) == 2
    data = on_both(ready, "faces", ("buffalo_l",), people)
    unmatched, differences, inliers = list(fake.crops), [], []
    for scene, ours, its in zip(people, data["buffalo_l-onnx"], data["buffalo_l-triton"]):
        pixels = numpy.asarray(scene.upright)
        for item, other in zip(ours["items"], its["items"]):
            assert [item[k] for k in ("score", "box", "landmarks")] == [other[k] for k in ("score", "box", "landmarks")]
            assert preprocessing.cosine(item["embedding"], other["embedding"]) > 0.999999
        for _, _, points in vision.scrfd_faces(vision.scrfd(preprocessing.scrfd(scene.upright)), scene.size):
            want = vision.aligned(pixels, points).astype(float).transpose(2, 0, 1)
            distances = [numpy.abs(crop[0] * 127.5 + 127.5 - want) for crop in unmatched]
            best = min(range(len(distances)), key=lambda i: distances[i].mean())
            differences.append((distances[best].mean(), distances[best].max()))
            unmatched.pop(best)
            matrix, _ = cv2.estimateAffinePartial2D(numpy.float32(points), numpy.float32(vision.TEMPLATE), method=cv2.LMEDS)
            other = cv2.warpAffine(pixels, matrix, (112, 112), borderValue=0).astype(float).transpose(2, 0, 1)
            inliers.append(numpy.abs(other - want).mean())
    assert not unmatched
    mean, most = numpy.mean([d[0] for d in differences]), max(d[1] for d in differences)
    print(f"{len(differences)} crops on a FAKE Triton: {mean:.4f} of 255 from cv2.warpAffine's in the mean, {most:.0f} at most "
          f"(OpenCV's own robust estimate of the same points is {numpy.mean(inliers):.2f} from it)")
    assert mean < 0.1
