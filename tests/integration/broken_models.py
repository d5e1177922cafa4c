"""Models that a person might install by mistake, made with python3-onnx: each looks like YOLOv8 (64 x 64, 100 boxes)."""
import json

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy

INPUT = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
OUTPUT = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 84, 100])


def constant(name, values, kind=numpy.int64):
    return numpy_helper.from_array(numpy.asarray(values, dtype=kind), name)


def save(folder, name, nodes, constants, card=None):
    graph = helper.make_graph(nodes, name, [INPUT], [OUTPUT], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    (folder / name).mkdir(parents=True)
    onnx.save(model, str(folder / name / "model.onnx"))
    if card is not None:
        (folder / name / "model.json").write_text(json.dumps(card))


def spread(from_name):
    """A number of any shape as the output: all boxes the same, and none of a score that counts."""
    return [helper.make_node("ReduceMean", [from_name], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Expand", ["nothing", "shape"], ["output0"])]


SHARED = [constant("shape", [1, 84, 100]), constant("zero", 0., numpy.float32)]


def harmless(folder, name, card=None):
    save(folder, name, spread("images"), SHARED, card)


def loops(folder, name):
    """Counts to nine quintillion."""
    body = helper.make_graph(
        [helper.make_node("Add", ["x", "step"], ["y"]), helper.make_node("Identity", ["go_on"], ["go_on_too"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x", TensorProto.FLOAT, [])],
        [helper.make_tensor_value_info("go_on_too", TensorProto.BOOL, []), helper.make_tensor_value_info("y", TensorProto.FLOAT, [])])
    nodes = [helper.make_node("ReduceMean", ["images"], ["start"], keepdims=0),
             helper.make_node("Loop", ["times", "yes", "start"], ["counted"], body=body)]
    save(folder, name, nodes + spread("counted"),
         SHARED + [constant("times", 9 * 10 ** 18), constant("yes", True, bool), constant("step", 1e-9, numpy.float32)])


def greedy(folder, name, gigabytes):
    """Wants so much memory at once."""
    nodes = [helper.make_node("ReduceMean", ["images"], ["one"], keepdims=0),
             helper.make_node("Expand", ["one", "many"], ["much"])]
    save(folder, name, nodes + spread("much"), SHARED + [constant("many", [gigabytes << 28])])


def garbage(folder, name):
    (folder / name).mkdir(parents=True)
    (folder / name / "model.onnx").write_bytes(b"this is no model, whatever its name says\n" * 100)
