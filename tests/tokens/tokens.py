#!/usr/bin/python3
"""tokens.py PROGRAM FOLDER - the tokenizers beside Hugging Face's, on 3,000 lines: every number has to be the same.

PROGRAM is tests/tokens/tokenize.c, built. What it is compared with is fetched into FOLDER (huggingface.py).
"""
import json
import pathlib
import sys

from huggingface import fetch, ours, theirs
from lines import make_lines

# Where the JavaScript goes its own way, and Hugging Face's own library in Rust, which it follows, does as we do: a line that is
# nothing but a special piece in capitals; a byte order mark among other marks; ideographs beyond U+FFFF, which it takes for halves.
QUIRKS = {"clip": ["<|ENDOFTEXT|>", "!\ufeff!"], "zh": ["\U00020000\U00020001", "a\U0002A6A5b"]}
N = 3000
LOAD_MS = 100
SHOWN = 10


def compare(program, folder, kind, lines):
    """How many are the same; says what is not."""
    texts = [json.dumps(line) for line in lines]
    mine, ms = ours(program, folder / kind, texts)
    other = theirs(folder, kind, texts)
    assert len(mine) == len(other) == len(lines)
    different = [(line, a, b) for line, a, b in zip(lines, mine, other) if a != b]
    for line, a, b in different[:SHOWN]:
        print(f"{kind}: {line!r}\n  ours   {a}\n  theirs {b}")
    print(f"tokens: {kind}: {len(lines) - len(different)} of {len(lines)} lines identical, {sum(map(len, other))} numbers; "
          f"loaded in {ms:.0f} ms")
    return not different and ms < LOAD_MS


def tell_quirks(program, folder, kind):
    texts = [json.dumps(line) for line in QUIRKS[kind]]
    pairs = zip(QUIRKS[kind], ours(program, folder / kind, texts)[0], theirs(folder, kind, texts))
    print(f"tokens: {kind}: known to differ, by what the JavaScript does: {[line for line, a, b in pairs if a != b]}")


def compare_decoded(program, folder, kind, lines):
    """Texts from numbers: those of the lines, back again. (JavaScript drops a byte order mark that begins a text.)"""
    numbers = [json.dumps(ids) for ids in theirs(folder, kind, [json.dumps(line) for line in lines if not line.startswith("\ufeff")])]
    mine, _ = ours(program, folder / kind, numbers)
    other = theirs(folder, kind, numbers)
    different = [(n, a, b) for n, a, b in zip(numbers, mine, other) if a != b]
    for n, a, b in different[:SHOWN]:
        print(f"{kind}: {n}\n  ours   {a!r}\n  theirs {b!r}")
    print(f"tokens: {kind}: {len(numbers) - len(different)} of {len(numbers)} texts from numbers identical")
    return not different


def main():
    program, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    fetch(folder)
    lines = make_lines(N)
    same = [check(program, folder, kind, lines) for kind in ("clip", "zh") for check in (compare, compare_decoded)]
    for kind in QUIRKS:
        tell_quirks(program, folder, kind)
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
