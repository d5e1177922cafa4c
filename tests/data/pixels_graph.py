"""What the models of pictures have in common: colours that are "on" (0.5 and more) or "off", and where they are."""
import numpy as np
from onnx_graph import FLOAT

# What CLIP's and BLIP's pictures, and those of networks trained on ImageNet, were normalised by.
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
IMAGENET_MEAN, IMAGENET_STD = [.485, .456, .406], [.229, .224, .225]


def unit_rows(rows, columns, seed):
    """A matrix of random rows of length 1."""
    matrix = np.random.RandomState(seed).randn(rows, columns).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def unnormalised(g, pixels, mean, std):
    """0..1 again."""
    def per_plane(values):
        return g.const(np.reshape(values, (1, 3, 1, 1)))

    return g.op("Add", g.op("Mul", pixels, per_plane(std)), per_plane(mean))


def planes(g, rgb):
    """[N,3,H,W] as its red, green and blue [N,1,H,W]."""
    return [g.slice(rgb, i, i + 1, 1) for i in range(3)]


def where_color(g, rgb_planes, color):
    """[N,1,H,W] of 1 where red, green and blue are on or off as `color` says, and 0 elsewhere."""
    mask = None
    for plane, on in zip(rgb_planes, color):
        fits = g.op("Greater" if on else "Less", plane, g.const(0.5))
        mask = fits if mask is None else g.op("And", mask, fits)
    return g.op("Cast", mask, to=FLOAT)


def counted(g, ones, axis):
    """0, 1, 2, ... along an axis, in the shape of `ones`: the picture's size need not be known."""
    return g.op("Sub", g.op("CumSum", ones, g.ints(axis)), g.const(1))


def bounding_box(g, mask):
    """Of a [1,1,H,W] mask: left, top, right, bottom (edges of pixels) and 1 or 0 for any or none; each is [1]."""
    def least(values, otherwise, kind):
        found = g.op("Where", on, values, otherwise)
        return g.op("Reshape", g.op(kind, found, keepdims=0), g.ints([1]))

    ones = g.op("Add", g.op("Mul", mask, g.const(0)), g.const(1))
    xs, ys = counted(g, ones, 3), counted(g, ones, 2)
    far = g.const(1e6)
    on = g.op("Greater", mask, g.const(0.5))
    left, top = least(xs, far, "ReduceMin"), least(ys, far, "ReduceMin")
    nowhere = g.const(-1)
    right = g.op("Add", least(xs, nowhere, "ReduceMax"), g.const(1))
    bottom = g.op("Add", least(ys, nowhere, "ReduceMax"), g.const(1))
    any_ = g.op("Reshape", g.op("ReduceMax", mask, keepdims=0), g.ints([1]))
    return left, top, right, bottom, any_
