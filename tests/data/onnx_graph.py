"""Writing an ONNX graph one operation after the other (IR 8, opset 13: what Debian 12's python3-onnx knows).

    g = Graph("double")
    g.op("Mul", "x", g.const(2), out="y")
    g.save(path, [floats("x", ["N", 3])], [floats("y", ["N", 3])])

A value is the name of a tensor. `const` makes one of a number or an array, `op` gives the name of its result.
"""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def tensor(name, datatype, shape):
    """Describes an input or output; a dimension that is a text is free."""
    return helper.make_tensor_value_info(name, datatype, shape)


def floats(name, shape):
    return tensor(name, FLOAT, shape)


def integers(name, shape):
    return tensor(name, INT64, shape)


class Graph:
    def __init__(self, name):
        self.name = name
        self.nodes, self.constants = [], []
        self.count = 0

    def const(self, value, dtype=np.float32):
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def ints(self, value):
        return self.const(value, np.int64)

    def op(self, kind, *inputs, out=None, **attributes):
        self.count += 1
        out = out or f"t{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def reshape(self, value, shape):
        return self.op("Reshape", value, self.ints(shape))

    def slice(self, value, begin, end, axis):
        return self.op("Slice", value, self.ints([begin]), self.ints([end]), self.ints([axis]))

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, self.name, inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="fixture")
        model.ir_version = 8
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(path))
