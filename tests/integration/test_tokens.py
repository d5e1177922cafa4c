"""The tokenizers beside a small independent one, on lines of many languages and the small models' vocabularies. Beside Hugging
Face's, on 3,000 lines and the real vocabularies: make test-tokens.
"""
import json
import os
import subprocess
import sys
import unicodedata

import pytest

from services import ROOT, built

sys.path.insert(0, str(ROOT / "tests" / "tokens"))

from lines import make_lines  # noqa: E402 pylint: disable=wrong-import-position
from reference import Clip, WordPiece  # noqa: E402 pylint: disable=wrong-import-position

N = 400


def bert_pieces():
    """Enough that words are whole, in pieces, or not known: every third character, the rest of them as ends only."""
    chars = sorted({char for line in make_lines(N, 5) for char in unicodedata.normalize("NFD", line.lower())
                    if unicodedata.category(char)[0] not in "CZ"})
    return [*WordPiece.SPECIAL, *chars[::3], *("##" + char for char in chars if ord(char) % 5), "photo", "##hoto", "cat", "##at"]


@pytest.fixture(scope="module", name="vocabularies")
def make_vocabularies(models_dir, tmp_path_factory):
    zh = tmp_path_factory.mktemp("zh")
    (zh / "vocab.txt").write_text("".join(piece + "\n" for piece in bert_pieces()), encoding="utf-8")
    return {"clip": (models_dir / "clip-tiny", Clip), "wordpiece": (zh, WordPiece)}


@pytest.mark.parametrize("kind", ["clip", "wordpiece"])
def test_tokens_are_those_of_an_independent_tokenizer(vocabularies, kind):
    assert os.access(built("tokenize"), os.X_OK), f"{built('tokenize')} is not built: run make integration"
    folder, independent = vocabularies[kind]
    lines = make_lines(N, 5)
    done = subprocess.run([built("tokenize"), str(folder)], input="".join(json.dumps(line) + "\n" for line in lines),
                          capture_output=True, text=True, check=True)
    ours = [json.loads(answer) for answer in done.stdout.splitlines()[1:]]
    reference = independent(folder)
    theirs = [reference.encode(line) for line in lines]
    different = [(line, a, b) for line, a, b in zip(lines, ours, theirs) if a != b]
    assert len(ours) == len(lines) and not different, different[:3]
    assert len({token for ids in ours for token in ids}) > 100, "the lines are many-sided"
