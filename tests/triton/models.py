"""The models that the real Triton runs in tests: a repository of models for its Python backend. model.py of each is
code_MODEL.py of this folder, or MODELS names another one; NumPy is all that they need.

    write_repository(folder)
"""
import pathlib
import shutil

HERE = pathlib.Path(__file__).resolve().parent

# name: (code, inputs, outputs, labels of the first output, most pictures at once: 0: the first dimension is the model's own)
MODELS = {
    "boxes": ("boxes", [("images", "FP32", [1, 3, 640, 640])], [("output0", "FP32", [1, 84, 8400])], None, 0),
    "boxes_fp16": ("boxes", [("images", "FP16", [1, 3, 640, 640])], [("output0", "FP16", [1, 84, 8400])], None, 0),
    "boxes_bf16": ("boxes", [("images", "BF16", [1, 3, 640, 640])], [("output0", "BF16", [1, 84, 8400])], None, 0),
    "boxes_uint8": ("boxes", [("images", "UINT8", [1, 3, 640, 640])], [("output0", "FP64", [1, 84, 8400])], None, 0),
    "colours": ("colours", [("input", "FP32", [3, 224, 224])], [("logits", "FP32", [4])], ["grey", "red", "green", "blue"], 8),
    "plain_colours": ("colours", [("input", "FP32", [3, 224, 224])], [("logits", "FP32", [4])], None, 8),
    "slow": ("slow", [("images", "FP32", [1, 3, 640, 640])], [("output0", "FP32", [1, 84, 8400])], None, 0),
    "raises": ("raises", [("images", "FP32", [1, 3, 640, 640])], [("output0", "FP32", [1, 84, 8400])], None, 0),
    **{f"same_{kind.lower()}": ("same", [("given", kind, [-1])], [("taken", kind, [-1])], None, 0)
       for kind in ("BOOL", "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64", "FP16", "BF16", "FP32",
                    "FP64", "BYTES")},
}


def tensors(what, list_):
    def one(name, kind, shape):
        kind = "STRING" if kind == "BYTES" else kind
        return f'  {{ name: "{name}" data_type: TYPE_{kind} dims: [ {", ".join(map(str, shape))} ] LABELS }}'
    return f"{what} [\n" + ",\n".join(one(*t) for t in list_) + "\n]\n"


def write_model(folder, name, version="1"):
    code, inputs, outputs, labels, most = MODELS[name]
    (folder / name / version).mkdir(parents=True)
    shutil.copy(HERE / f"code_{code}.py", folder / name / version / "model.py")
    text = f'name: "{name}"\nbackend: "python"\nmax_batch_size: {most}\n' + tensors("input", inputs).replace(" LABELS", "")
    text += tensors("output", outputs).replace("LABELS", 'label_filename: "labels.txt"' if labels else "")
    text += "instance_group [ { kind: KIND_CPU } ]\n"
    if labels:
        (folder / name / "labels.txt").write_text("\n".join(labels) + "\n")
    (folder / name / "config.pbtxt").write_text(text)


def write_repository(folder, names=None):
    for name in names or MODELS:
        write_model(pathlib.Path(folder), name)
