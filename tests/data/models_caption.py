"""blip: "a picture of red", green or blue, whichever there is most of.

The encoder gives the mean colour as the first three of 768 features, for each of 577 patches. The decoder knows from
the last token which one follows: it is an automaton, of logits 10 and -5.
"""
from onnx_graph import FLOAT, Graph, floats, integers
from pixels_graph import CLIP_MEAN, CLIP_STD, unnormalised

VOCABULARY, PATCHES, FEATURES = 30524, 577, 768
PAD, SEP, START = 0, 102, 30522
A, OF, PICTURE = 1037, 1997, 3861
COLORS = {"red": 2417, "green": 2665, "blue": 2630}
PIECES = {PAD: "[PAD]", 100: "[UNK]", 101: "[CLS]", SEP: "[SEP]", 103: "[MASK]", A: "a", OF: "of", PICTURE: "picture",
          START: "[DEC]", 30523: "[ENC]", **{id_: word for word, id_ in COLORS.items()}}


def encoder(path):
    g = Graph("blip_encoder")
    rgb = unnormalised(g, "pixel_values", CLIP_MEAN, CLIP_STD)
    color = g.reshape(g.op("GlobalAveragePool", rgb), [-1, 1, 3])
    features = g.op("Pad", color, g.ints([0, 0, 0, 0, 0, FEATURES - 3]))
    g.op("Tile", features, g.ints([1, PATCHES, 1]), out="last_hidden_state")
    g.save(path, [floats("pixel_values", ["N", 3, 384, 384])], [floats("last_hidden_state", ["N", PATCHES, FEATURES])])


def next_tokens(g):
    """[N,T]: after each token of input_ids, the one that follows; after the last word, [SEP]."""
    color = g.slice(g.op("ReduceMean", "encoder_hidden_states", axes=[1], keepdims=0), 0, 3, 1)
    word = g.op("Gather", g.ints(list(COLORS.values())), g.op("ArgMax", color, axis=1, keepdims=1))
    zeros = g.op("Mul", "input_ids", g.ints(0))
    following = g.op("Add", zeros, g.ints(SEP))
    for token, then in ((START, A), (A, PICTURE), (PICTURE, OF)):
        following = g.op("Where", g.op("Equal", "input_ids", g.ints(token)), g.ints(then), following)
    return g.op("Where", g.op("Equal", "input_ids", g.ints(OF)), g.op("Add", zeros, word), following)


def decoder(path):
    g = Graph("blip_decoder")
    following = next_tokens(g)
    # The masks change nothing of note, but are taken: real decoders need them.
    mask = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=FLOAT), g.ints([2]))
    nothing = g.op("Mul", g.op("ReduceMean", g.op("Cast", "encoder_attention_mask", to=FLOAT), keepdims=0), g.const(0))
    logits = g.op("OneHot", following, g.ints(VOCABULARY), g.const([-5, 10]), axis=-1)
    g.op("Add", g.op("Mul", logits, mask), nothing, out="logits")
    g.save(path, [integers("input_ids", ["N", "T"]), integers("attention_mask", ["N", "T"]),
                  floats("encoder_hidden_states", ["N", PATCHES, FEATURES]), integers("encoder_attention_mask", ["N", PATCHES])],
           [floats("logits", ["N", "T", VOCABULARY])])


def vocabulary(path):
    """One piece a line; nobody says those that have no name."""
    path.write_text("".join(PIECES.get(i, f"[unused{i}]") + "\n" for i in range(VOCABULARY)), encoding="utf-8")
