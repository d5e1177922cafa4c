"""clip-tiny: a picture and a text of the same colour have nearly the same embedding.

The picture's embedding is its mean colour, and a little of its layout on a 4 x 4 grid; the text's is the sum of the
colours that its words are, projected by the same matrix. Neither is of length 1, as the real ones are not.

The tokenizer has the real one's pieces for single bytes under the real ids, and of its 48,894 merges those that
make the WORDS; these have the real ids too, the pieces on the way to them have ids of ours.
"""
import json

import numpy as np
from onnx_graph import FLOAT, Graph, floats, integers
from pixels_graph import CLIP_MEAN, CLIP_STD, unit_rows, unnormalised

VOCABULARY, START, END, LENGTH, DIM = 49408, 49406, 49407, 77, 512
COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}
WORDS = {"red": 736, "green": 1901, "blue": 1746, "yellow": 4481, "white": 1579, "photo": 1125, "of": 539, "the": 518,
         "picture": 1674, "and": 537, "cat": 2368, "dog": 1929, "'s": 568, "'t": 713}
TO_EMBEDDING = 10 * unit_rows(3, DIM, 7)
LAYOUT_TO_EMBEDDING = 0.1 * unit_rows(48, DIM, 8)


def token_colors():
    """[49408,3]: a colour word its colour, in hundredths; every other piece a little of something."""
    table = np.zeros((VOCABULARY, 3), np.int8)
    ids = np.arange(VOCABULARY)
    table[:, 0], table[:, 1], table[:, 2] = ids % 3, ids // 3 % 3, ids // 9 % 3
    table[START] = table[END] = table[0] = 0
    for word, color in COLORS.items():
        table[WORDS[word]] = np.array(color) * 100
    return table


def image_model(path):
    g = Graph("clip_image")
    rgb = unnormalised(g, "pixel_values", CLIP_MEAN, CLIP_STD)
    color = g.reshape(g.op("GlobalAveragePool", rgb), [-1, 3])
    layout = g.op("Flatten", g.op("AveragePool", rgb, kernel_shape=[56, 56], strides=[56, 56]))
    both = g.op("Add", g.op("MatMul", color, g.const(TO_EMBEDDING)), g.op("MatMul", layout, g.const(LAYOUT_TO_EMBEDDING)))
    g.op("Identity", both, out="image_embeds")
    g.save(path, [floats("pixel_values", ["N", 3, 224, 224])], [floats("image_embeds", ["N", DIM])])


def text_model(path):
    g = Graph("clip_text")
    colors = g.op("Cast", g.op("Gather", g.const(token_colors(), np.int8), "input_ids"), to=FLOAT)
    color = g.op("Mul", g.op("ReduceSum", colors, g.ints([1]), keepdims=0), g.const(0.01))
    g.op("MatMul", color, g.const(TO_EMBEDDING), out="text_embeds")
    g.save(path, [integers("input_ids", ["N", LENGTH])], [floats("text_embeds", ["N", DIM])])


def byte_letters():
    """The letter that stands for each byte: itself where it can be seen, else one from U+0100 on. In the order of the ids."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in seen}
    for byte in range(256):
        letters.setdefault(byte, chr(0x100 + len(letters) - len(seen)))
    return letters


def tokenizer(folder):
    """vocab.json and merges.txt: each of the WORDS is put together from its left to its right."""
    pieces = list(byte_letters().values())
    pieces += [piece + "</w>" for piece in pieces]
    ids = {piece: i for i, piece in enumerate(pieces)}
    free = (i for i in range(512, VOCABULARY) if i not in WORDS.values())
    merges = []
    for word, id_ in WORDS.items():
        for n in range(2, len(word) + 1):
            ending = "</w>" if n == len(word) else ""
            piece, pair = word[:n] + ending, f"{word[:n - 1]} {word[n - 1]}{ending}"
            if pair not in merges:
                merges.append(pair)
                ids[piece] = id_ if ending else next(free)
    ids["<|startoftext|>"], ids["<|endoftext|>"] = START, END
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{pair}\n" for pair in merges), encoding="utf-8")
