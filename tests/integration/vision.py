"""What the small models of tests/data/models_boxes.py and models_pixels.py compute, and what the published programs make of
such answers, written with NumPy and OpenCV: what the fleet's boxes, landmarks, crops, embeddings and masks are compared
with. Nothing of the program's is used here.
"""
import sys

import cv2
import numpy

from preprocessing import IMAGENET_MEAN, IMAGENET_STD
from services import ROOT

sys.path.insert(0, str(ROOT / "tests" / "data"))
import models_boxes  # noqa: E402 pylint: disable=wrong-import-position
from pixels_graph import unit_rows  # noqa: E402 pylint: disable=wrong-import-position

TEMPLATE = models_boxes.TEMPLATE.reshape(5, 2)
STRIDES = (8, 16, 32)


# ---- the models: planes in, tensors out ----

def where(planes, color):
    mask = numpy.ones(planes.shape[1:], bool)
    for plane, on in zip(planes, color):
        mask &= (plane > 0.5) if on else (plane < 0.5)
    return mask


def bounds(mask):
    """left, top, right, bottom as edges of pixels, or None."""
    if not mask.any():
        return None
    ys, xs = numpy.nonzero(mask)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def yolo_rows(planes):
    """(cx, cy, w, h, score, class)"""
    rows = []
    for class_, color in models_boxes.OBJECTS.items():
        box = bounds(where(planes, color))
        if box is None:
            continue
        left, top, right, bottom = box
        for shift, score in models_boxes.SHIFTS:
            rows.append(((left + right) / 2 + shift, (top + bottom) / 2, right - left, bottom - top, score, class_))
    return rows


def yolov5(planes):
    out = numpy.zeros((1, 25200, 85), numpy.float32)
    for i, (cx, cy, w, h, score, class_) in enumerate(yolo_rows(planes)):
        out[0, i, :5] = cx, cy, w, h, score
        out[0, i, 5 + class_] = 1
    return out


def yolov8(planes):
    out = numpy.zeros((1, 84, 8400), numpy.float32)
    for i, (cx, cy, w, h, score, class_) in enumerate(yolo_rows(planes)):
        out[0, :4, i] = cx, cy, w, h
        out[0, 4 + class_, i] = score
    return out


def scrfd(planes):
    """The nine tensors, in the documented order."""
    planes = planes * 128 / 255 + 0.5
    masks = [where(planes, color) for color in models_boxes.FACES]
    none = (1e6, 1e6, 0, 0)         # as the model says it: the greatest of nothing is -1, and its edge 0
    boxes = [bounds(mask) or none for mask in masks]
    scores, sides, points = [], [], []
    for stride in STRIDES:
        height, width = masks[0].shape
        shares = [mask.reshape(height // stride, stride, width // stride, stride).mean((1, 3)).astype(numpy.float32) for mask in masks]
        ys, xs = numpy.mgrid[0:height // stride, 0:width // stride] * stride
        first = shares[0] >= shares[1]
        left, top, right, bottom = (numpy.where(first, boxes[0][i], boxes[1][i]) for i in range(4))
        values = [xs - left, ys - top, right - xs, bottom - ys]
        marks = []
        for x, y in TEMPLATE / 112:
            marks += [left + (right - left) * x - xs, top + (bottom - top) * y - ys]
        for to, columns in ((scores, [numpy.maximum(*shares) * models_boxes.FACE_SCORE]), (sides, [v / stride for v in values]),
                            (points, [v / stride for v in marks])):
            of_cells = numpy.stack([c.ravel() for c in columns], 1).astype(numpy.float32)
            to.append(of_cells.repeat(2, 0))        # two anchors a cell
    return scores + sides + points


def arcface(crops):
    """[n,3,112,112] to [n,512]"""
    grid = crops.reshape(-1, 3, 4, 28, 4, 28).mean((3, 5)).reshape(-1, 48)
    return (grid @ (unit_rows(48, 512, 9) * 5)).astype(numpy.float32)


def unnormalised(planes):
    return planes * numpy.reshape(IMAGENET_STD, (3, 1, 1)) + numpy.reshape(IMAGENET_MEAN, (3, 1, 1))


def seg_binary(planes):
    return (where(unnormalised(planes), (1, 0, 0)) * 12. - 6).astype(numpy.float32)


def seg_semantic(planes):
    rgb = unnormalised(planes)
    masks = [where(rgb, color) for color in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    return (numpy.stack([~(masks[0] | masks[1] | masks[2]), *masks]) * 8).astype(numpy.float32)


# ---- what is made of them ----

def suppress(boxes, scores, iou, more=0):
    """Greedy; boxes of left, top, right, bottom. `more`: by how much a side is longer than the difference of its ends."""
    order, kept = list(numpy.argsort(-scores, kind="stable")), []
    areas = (boxes[:, 2] - boxes[:, 0] + more) * (boxes[:, 3] - boxes[:, 1] + more)
    while order:
        best = order.pop(0)
        kept.append(best)
        both = [max(0, min(boxes[best, 2], boxes[i, 2]) - max(boxes[best, 0], boxes[i, 0]) + more) *
                max(0, min(boxes[best, 3], boxes[i, 3]) - max(boxes[best, 1], boxes[i, 1]) + more) for i in order]
        order = [i for i, b in zip(order, both) if b / (areas[best] + areas[i] - b) <= iou]
    return kept


def letterbox_numbers(size, side=640):
    width, height = size
    scale = min(side / width, side / height)
    inner = round(width * scale), round(height * scale)
    return inner, tuple(round((side - n) / 2 - 0.1) for n in inner)


def yolo_boxes(rows, size, side=640, iou=0.45):
    """Ultralytics' non_max_suppression and scale_boxes: [(class, score, [left, top, width, height])], best first."""
    corners = numpy.array([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2] for cx, cy, w, h, _, _ in rows])
    scores, classes = numpy.array([r[4] for r in rows]), numpy.array([r[5] for r in rows])
    kept = suppress(corners + classes[:, None] * 7680, scores, iou)         # classes are far from each other
    inner, bars = letterbox_numbers(size, side)
    scale = numpy.array(size, float) / inner
    found = []
    for i in kept:
        left, top = numpy.clip((corners[i, :2] - bars) * scale, 0, size)
        right, bottom = numpy.clip((corners[i, 2:] - bars) * scale, 0, size)
        found.append((int(classes[i]), float(scores[i]), [left, top, right - left, bottom - top]))
    return found


def scrfd_faces(outs, size, side=640, threshold=0.5, iou=0.4):
    """insightface's SCRFD.detect: [(score, [left, top, width, height], points [5,2])]. But it divides both axes by the scale of the
    one, which is some pixels off at the far end of a wide picture; here each is divided by its own."""
    boxes, scores, points = [], [], []
    for i, stride in enumerate(STRIDES):
        ys, xs = numpy.mgrid[0:side // stride, 0:side // stride]
        middles = numpy.stack([xs, ys], -1).reshape(-1, 2).repeat(2, 0) * stride
        score, sides, marks = outs[i].ravel(), outs[3 + i] * stride, outs[6 + i] * stride
        good = score >= threshold
        boxes.append(numpy.hstack([middles - sides[:, :2], middles + sides[:, 2:]])[good])
        points.append((middles[:, None] + marks.reshape(-1, 5, 2))[good])
        scores.append(score[good])
    width, height = size
    inner = (int(side / (height / width)), side) if height > width else (side, int(side * (height / width)))
    scale = numpy.array(inner) / size
    boxes, points, scores = numpy.concatenate(boxes) / numpy.tile(scale, 2), numpy.concatenate(points) / scale, numpy.concatenate(scores)
    found = []
    for i in suppress(boxes, scores, iou, 1):
        left, top, right, bottom = boxes[i]
        found.append((float(scores[i]), [left, top, right - left, bottom - top], points[i]))
    return found


def umeyama(points):
    """The similarity of the five points to the template, by singular values as in the paper: [2,3]."""
    source, target = numpy.asarray(points, numpy.float64), TEMPLATE
    mean_s, mean_t = source.mean(0), target.mean(0)
    covariance = (target - mean_t).T @ (source - mean_s) / 5
    u, d, vt = numpy.linalg.svd(covariance)
    sign = numpy.array([1, numpy.sign(numpy.linalg.det(u @ vt))])
    turn = u @ numpy.diag(sign) @ vt
    scale = (d * sign).sum() / (source - mean_s).var(0).sum()
    return numpy.hstack([scale * turn, (mean_t - scale * turn @ mean_s)[:, None]])


def aligned(pixels, points):
    """OpenCV's crop of an upright RGB picture."""
    return cv2.warpAffine(pixels, umeyama(points), (112, 112), borderValue=0)


def embedding(crop):
    planes = (crop.astype(numpy.float32).transpose(2, 0, 1)[None] - 127.5) / 127.5
    vector = arcface(planes)[0]
    return vector / numpy.linalg.norm(vector)


def resized(scores, size):
    """Bilinear, to the picture's (width, height)."""
    return cv2.resize(scores, size, interpolation=cv2.INTER_LINEAR)


def overlap(a, b):
    return float((a & b).sum() / max((a | b).sum(), 1))
