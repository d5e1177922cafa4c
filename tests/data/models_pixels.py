"""Models whose answer is a picture: LaMa's filling, and segmentation into two classes or four.

LaMa: what is masked becomes the mean of what is not. Segmentation: red, or the background and red, green and blue.
"""
from onnx_graph import Graph, floats
from pixels_graph import IMAGENET_MEAN, IMAGENET_STD, planes, unnormalised, where_color

CLASSES = {"background": None, "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
SIDE = 256


def lama(path):
    """From 0..1 to 0..255."""
    g = Graph("lama")
    keep = g.op("Sub", g.const(1), "mask")
    total = g.op("ReduceSum", g.op("Mul", "image", keep), g.ints([2, 3]), keepdims=1)
    pixels = g.op("Max", g.op("ReduceSum", keep, g.ints([2, 3]), keepdims=1), g.const(1))
    fill = g.op("Div", total, pixels)
    filled = g.op("Add", g.op("Mul", "image", keep), g.op("Mul", fill, "mask"))
    g.op("Mul", filled, g.const(255), out="output")
    g.save(path, [floats("image", [1, 3, 512, 512]), floats("mask", [1, 1, 512, 512])], [floats("output", [1, 3, 512, 512])])


def segmentation(g):
    return planes(g, unnormalised(g, "input", IMAGENET_MEAN, IMAGENET_STD))


def save(g, path, classes):
    g.save(path, [floats("input", [1, 3, SIDE, SIDE])], [floats("output", [1, classes, SIDE, SIDE])])


def seg_binary(path):
    """Logits: 6 where it is red, -6 elsewhere."""
    g = Graph("seg_binary")
    mask = where_color(g, segmentation(g), CLASSES["red"])
    g.op("Sub", g.op("Mul", mask, g.const(12)), g.const(6), out="output")
    save(g, path, 1)


def seg_semantic(path):
    """Logits: 8 for the class that it is, 0 for the others."""
    g = Graph("seg_semantic")
    rgb = segmentation(g)
    masks = [where_color(g, rgb, color) for color in CLASSES.values() if color]
    background = g.op("Sub", g.const(1), g.op("Sum", *masks))
    g.op("Mul", g.op("Concat", background, *masks, axis=1), g.const(8), out="output")
    save(g, path, len(CLASSES))
