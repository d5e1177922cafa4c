"""Models that find things: objects as YOLO says them (v5 and v8), and faces as SCRFD and ArcFace do.

YOLO: red is a thing of class 0, blue one of class 2; the box is that of all pixels of the colour, exactly, and each
comes three times, shifted and less certain, for the suppression of what overlaps. Faces are the magenta region
and the cyan one, with landmarks where ArcFace's template has them. ArcFace gives a face's colours on a 4 x 4 grid.
"""
import numpy as np
from onnx_graph import Graph, floats
from pixels_graph import bounding_box, counted, planes, unit_rows, where_color

LABELS = ("person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
          "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,"
          "frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,"
          "wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,"
          "chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,"
          "toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush").split(",")
OBJECTS = {0: (1, 0, 0), 2: (0, 0, 1)}          # class: colour
SHIFTS = ((0, .95), (2, .90), (-2, .85))        # pixels to the right, score
FACES = ((1, 0, 1), (0, 1, 1))
FACE_SCORE = 0.9
# Of a face of 112 x 112: x and y of the eyes, the nose, the corners of the mouth.
TEMPLATE = np.array([38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041])
HEADS = {8: ("448", "451", "454"), 16: ("471", "474", "477"), 32: ("494", "497", "500")}    # stride: score, box, landmarks


def objects(g, with_objectness):
    """[6, 84 or 85]: centre, size, then v5's objectness, and the classes."""
    rgb = planes(g, "images")
    rows = []
    for class_, color in OBJECTS.items():
        left, top, right, bottom, any_ = bounding_box(g, where_color(g, rgb, color))
        half = g.const(0.5)
        x = g.op("Mul", g.op("Add", left, right), half)
        y = g.op("Mul", g.op("Add", top, bottom), half)
        width, height = g.op("Sub", right, left), g.op("Sub", bottom, top)
        for shift, certain in SHIFTS:
            score = g.op("Mul", any_, g.const([certain]))
            nothing = g.const([0.])
            classes = [nothing] * len(LABELS)
            classes[class_] = any_ if with_objectness else score
            box = [g.op("Mul", value, any_) for value in (g.op("Add", x, g.const([float(shift)])), y, width, height)]
            objectness = [score] if with_objectness else []
            rows.append(g.op("Unsqueeze", g.op("Concat", *box, *objectness, *classes, axis=0), g.ints([0])))
    return g.op("Concat", *rows, axis=0)


def yolov5(path):
    g = Graph("yolov5")
    g.op("Pad", g.op("Unsqueeze", objects(g, True), g.ints([0])), g.ints([0, 0, 0, 0, 25194, 0]), out="output0")
    g.save(path, [floats("images", [1, 3, 640, 640])], [floats("output0", [1, 25200, 85])])


def yolov8(path):
    g = Graph("yolov8")
    columns = g.op("Transpose", objects(g, False), perm=[1, 0])
    g.op("Pad", g.op("Unsqueeze", columns, g.ints([0])), g.ints([0, 0, 0, 0, 0, 8394]), out="output0")
    g.save(path, [floats("images", [1, 3, 640, 640])], [floats("output0", [1, 84, 8400])])


def write_head(g, stride, masks, boxes):
    """A cell has the score of how much of it is a face; its box and landmarks are distances from its corner, in strides."""
    def flat(value):
        return g.reshape(value, [-1, 1])

    def twice(value, width, out):
        """Two anchors a cell, one after the other."""
        g.op("Reshape", g.op("Concat", value, value, axis=1), g.ints([-1, width]), out=out)

    shares = [g.op("AveragePool", mask, kernel_shape=[stride, stride], strides=[stride, stride]) for mask in masks]
    ones = g.op("Add", g.op("Mul", shares[0], g.const(0)), g.const(1))
    x = flat(g.op("Mul", counted(g, ones, 3), g.const(float(stride))))
    y = flat(g.op("Mul", counted(g, ones, 2), g.const(float(stride))))
    first, second = flat(shares[0]), flat(shares[1])
    is_first = g.op("Not", g.op("Less", first, second))
    left, top, right, bottom = [g.op("Where", is_first, boxes[0][i], boxes[1][i]) for i in range(4)]
    score = g.op("Mul", g.op("Max", first, second), g.const(FACE_SCORE))
    strides = g.const(1. / stride)
    sides = [g.op("Sub", x, left), g.op("Sub", y, top), g.op("Sub", right, x), g.op("Sub", bottom, y)]
    box = g.op("Mul", g.op("Concat", *sides, axis=1), strides)
    width, height = g.op("Sub", right, left), g.op("Sub", bottom, top)
    points = []
    for i, share in enumerate(TEMPLATE / 112):
        size, begin, corner = (width, left, x) if i % 2 == 0 else (height, top, y)
        points.append(g.op("Sub", g.op("Add", begin, g.op("Mul", size, g.const(share))), corner))
    landmarks = g.op("Mul", g.op("Concat", *points, axis=1), strides)
    for value, columns, name in zip((score, box, landmarks), (1, 4, 10), HEADS[stride]):
        twice(value, columns, name)


def scrfd(path):
    g = Graph("det_10g")
    rgb = planes(g, g.op("Add", g.op("Mul", "input.1", g.const(128 / 255.)), g.const(0.5)))
    masks = [where_color(g, rgb, color) for color in FACES]
    boxes = [bounding_box(g, mask) for mask in masks]
    for stride in HEADS:
        write_head(g, stride, masks, boxes)
    names = [heads[i] for i in range(3) for heads in HEADS.values()]
    widths = [1] * 3 + [4] * 3 + [10] * 3
    g.save(path, [floats("input.1", [1, 3, "H", "W"])],
           [floats(name, [f"A{i}", width]) for i, (name, width) in enumerate(zip(names, widths))])


def arcface(path):
    g = Graph("w600k_r50")
    grid = g.op("Flatten", g.op("AveragePool", "input.1", kernel_shape=[28, 28], strides=[28, 28]))
    g.op("MatMul", grid, g.const(unit_rows(48, 512, 9) * 5), out="683")
    g.save(path, [floats("input.1", ["N", 3, 112, 112])], [floats("683", ["N", 512])])
