"""Classifiers in the manner of ImageNet's: [N,3,224,224] in, logits out, of grey, red, green and blue, from the mean colour. One
counts in floats, one in halves; one takes bytes as they are, and gives doubles."""
import numpy as np
from onnx import TensorProto
from onnx_graph import FLOAT, Graph, floats, tensor
from pixels_graph import IMAGENET_MEAN, IMAGENET_STD, unnormalised

LABELS = ["grey", "red", "green", "blue"]
SIDE = 224


def logits(colour):
    """NumPy's word for what the models give for a mean colour in 0..1."""
    colour = np.asarray(colour, np.float64)
    return 8 * np.array([2 * colour.min(), *(colour - colour.mean())])


def classify(g, rgb):
    """8 times: twice the darkest channel, and by how much each channel is over the mean of the three."""
    colour = g.reshape(g.op("GlobalAveragePool", rgb), [-1, 3])
    grey = g.op("Mul", g.op("ReduceMin", colour, axes=[1], keepdims=1), g.const(2))
    over = g.op("Sub", colour, g.op("ReduceMean", colour, axes=[1], keepdims=1))
    return g.op("Mul", g.op("Concat", grey, over, axis=1), g.const(8))


def of_floats(path):
    g = Graph("colours")
    g.op("Identity", classify(g, unnormalised(g, "input", IMAGENET_MEAN, IMAGENET_STD)), out="logits")
    g.save(path, [floats("input", ["N", 3, SIDE, SIDE])], [floats("logits", ["N", 4])])


def of_halves(path):
    g = Graph("colours_fp16")
    rgb = unnormalised(g, g.op("Cast", "input", to=FLOAT), IMAGENET_MEAN, IMAGENET_STD)
    g.op("Cast", classify(g, rgb), to=TensorProto.FLOAT16, out="logits")
    g.save(path, [tensor("input", TensorProto.FLOAT16, ["N", 3, SIDE, SIDE])], [tensor("logits", TensorProto.FLOAT16, ["N", 4])])


def of_bytes(path):
    g = Graph("colours_uint8")
    rgb = g.op("Div", g.op("Cast", "input", to=FLOAT), g.const(255))
    g.op("Cast", classify(g, rgb), to=TensorProto.DOUBLE, out="logits")
    g.save(path, [tensor("input", TensorProto.UINT8, ["N", 3, SIDE, SIDE])], [tensor("logits", TensorProto.DOUBLE, ["N", 4])])
