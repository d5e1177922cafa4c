#!/usr/bin/python3
"""make_broken_models.py FOLDER - writes models that misbehave, and small ones to see what a server of models does with them:

  double.onnx       y = 2 x + 1, of any number of rows of 4
  narrow.onnx       the same of exactly one row
  nearly.onnx       takes any number of rows of 4, and says that it gives as many; they are twice as many
  table_a, _b, _c   24 MiB each: row i of a table, for any number of i; another i is an error of the run
  types.onnx        gives back a tensor of each type that has so many bytes
  two_axes.onnx     two inputs whose numbers of rows have different names
  text.onnx         a text for a number
  count.onnx        counts to n in a loop; with a large n it does not end, and can be told to
  boxes.onnx        one operation over n boxes that takes n * n steps, and cannot be told anything
  huge.onnx         the sum of n zeros: as much memory as is asked for
  crowd.onnx        40 inputs
  deep.onnx         a tensor of 9 dimensions
  outside.onnx      its numbers are in another file, which is not there
  garbage.onnx, empty.onnx, cut.onnx    no models
The same files each time.
"""
import pathlib
import random
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

from onnx_graph import Graph, floats, integers

TYPES = {"FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE, "FP16": TensorProto.FLOAT16, "BOOL": TensorProto.BOOL,
         "BF16": TensorProto.BFLOAT16, "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16, "UINT32": TensorProto.UINT32,
         "UINT64": TensorProto.UINT64, "INT8": TensorProto.INT8, "INT16": TensorProto.INT16, "INT32": TensorProto.INT32,
         "INT64": TensorProto.INT64}
ROWS, COLUMNS = 98304, 64       # of a table


def affine(path, rows, outside=None):
    g = Graph("double")
    g.op("Add", g.op("Mul", "x", g.const(2)), g.const(1), out="y")
    g.save(path, [floats("x", [rows, 4])], [floats("y", [outside or rows, 4])])


def nearly(path):
    g = Graph("nearly")
    g.op("Concat", "x", "x", out="y", axis=0)
    g.save(path, [floats("x", ["N", 4])], [floats("y", ["N", 4])])


def table(path, seed):
    g = Graph("table")
    g.op("Gather", g.const(np.random.RandomState(seed).rand(ROWS, COLUMNS)), "i", out="row")
    g.save(path, [integers("i", ["N"])], [floats("row", ["N", COLUMNS])])


def types(path):
    g = Graph("types")
    inputs, outputs = [], []
    for name, kind in TYPES.items():
        g.op("Identity", name.lower(), out=f"{name.lower()}_again")
        inputs.append(helper.make_tensor_value_info(name.lower(), kind, [2, "K"]))
        outputs.append(helper.make_tensor_value_info(f"{name.lower()}_again", kind, [2, "K"]))
    g.save(path, inputs, outputs)


def two_axes(path):
    g = Graph("two axes")
    g.op("MatMul", "image", g.op("Transpose", "text", perm=[1, 0]), out="logits")
    g.save(path, [floats("image", ["images", 4]), floats("text", ["texts", 4])], [floats("logits", ["images", "texts"])])


def text(path):
    g = Graph("text")
    g.op("Cast", "x", out="words", to=TensorProto.STRING)
    g.op("Identity", "x", out="y")
    g.save(path, [floats("x", ["N"])], [helper.make_tensor_value_info("words", TensorProto.STRING, ["N"]), floats("y", ["N"])])


def count(path):
    body = helper.make_graph(
        [helper.make_node("Add", ["so_far", "one"], ["next"]), helper.make_node("Identity", ["go"], ["go_on"])], "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("so_far", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), helper.make_tensor_value_info("next", TensorProto.INT64, [1])],
        [helper.make_tensor("one", TensorProto.INT64, [1], [1])])
    g = Graph("count")
    g.op("Loop", "n", g.const(True, bool), g.op("Mul", "n", g.ints([0])), out="counted", body=body)
    g.save(path, [integers("n", [1])], [integers("counted", [1])])


def boxes(path):
    """Boxes that do not overlap: each is compared with all that were kept before it, which are all."""
    g = Graph("boxes")
    n = g.op("Squeeze", "n")
    x = g.op("Cast", g.op("Range", g.ints(0), n, g.ints(1)), to=TensorProto.FLOAT)
    left = g.op("Unsqueeze", g.op("Mul", x, g.const(10)), g.ints([1]))
    zero = g.op("Mul", left, g.const(0))
    one = g.op("Add", zero, g.const(1))
    all_boxes = g.op("Unsqueeze", g.op("Concat", zero, left, one, g.op("Add", left, one), axis=1), g.ints([0]))
    scores = g.op("Unsqueeze", g.op("Add", g.op("Mul", x, g.const(0)), g.const(1)), g.ints([0, 1]))
    g.op("NonMaxSuppression", all_boxes, scores, g.ints([1 << 30]), g.const([0.5]), out="kept")
    g.save(path, [integers("n", [1])], [integers("kept", ["K", 3])])


def huge(path):
    g = Graph("huge")
    g.op("ReduceSum", g.op("ConstantOfShape", "n", value=helper.make_tensor("zero", TensorProto.FLOAT, [1], [0])), out="sum",
         keepdims=0)
    g.save(path, [integers("n", [1])], [floats("sum", [])])


def crowd(path):
    g = Graph("crowd")
    g.op("Sum", *(f"x{i}" for i in range(40)), out="y")
    g.save(path, [floats(f"x{i}", [1]) for i in range(40)], [floats("y", [1])])


def deep(path):
    g = Graph("deep")
    g.op("Identity", "x", out="y")
    g.save(path, [floats("x", [1] * 9)], [floats("y", [1] * 9)])


def foreign(path):
    """Its input's name is no UTF-8, which protobuf takes as it is."""
    g = Graph("foreign")
    g.op("Identity", "xxxxxxxx", out="y")
    g.save(path, [floats("xxxxxxxx", [1])], [floats("y", [1])])
    path.write_bytes(path.read_bytes().replace(b"xxxxxxxx", b"na\xefve\xff\xfe!"))


def outside(path):
    table(path, 1)
    model = onnx.load(str(path))
    onnx.save_model(model, str(path), save_as_external_data=True, location="outside.data")
    (path.parent / "outside.data").unlink()


def make_broken_models(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    affine(folder / "double.onnx", "N")
    affine(folder / "narrow.onnx", 1)
    nearly(folder / "nearly.onnx")
    for seed, name in enumerate("abc"):
        table(folder / f"table_{name}.onnx", seed)
    types(folder / "types.onnx")
    two_axes(folder / "two_axes.onnx")
    text(folder / "text.onnx")
    count(folder / "count.onnx")
    boxes(folder / "boxes.onnx")
    huge(folder / "huge.onnx")
    crowd(folder / "crowd.onnx")
    deep(folder / "deep.onnx")
    foreign(folder / "foreign.onnx")
    outside(folder / "outside.onnx")
    (folder / "garbage.onnx").write_bytes(random.Random(1).randbytes(5000))
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "cut.onnx").write_bytes((folder / "types.onnx").read_bytes()[:900])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make_broken_models(sys.argv[1])
