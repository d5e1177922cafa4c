"""CLIP's byte pairs and BERT's word pieces once more, in few lines and no hurry, to compare the C with."""
import json
import unicodedata


def is_space(char):
    return char in "\t\n\v\f\r\x85" or unicodedata.category(char) in ("Zs", "Zl", "Zp")


class Clip:
    START, END = "<|startoftext|>", "<|endoftext|>"
    SHORT = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")

    def __init__(self, folder):
        self.ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
        self.ranks = {tuple(line.split(" ")): rank for rank, line in enumerate(line for line in lines[1:] if line)}
        seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        hidden = iter(range(0x100, 0x200))
        self.letters = [chr(byte) if byte in seen else chr(next(hidden)) for byte in range(256)]

    @staticmethod
    def kind(char):
        return "space" if is_space(char) else {"L": "letter", "N": "digit"}.get(unicodedata.category(char)[0], "other")

    def words(self, text):
        while text:
            short = [ending for ending in self.SHORT if text.startswith(ending)]
            kind, n = self.kind(text[0]), 1
            if short:
                n = len(short[0])
            elif kind != "digit":
                while n < len(text) and self.kind(text[n]) == kind:
                    n += 1
            if kind != "space":
                yield text[:n]
            text = text[n:]

    def pieces(self, word):
        parts = [self.letters[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while True:
            pairs = [(self.ranks[pair], i) for i, pair in enumerate(zip(parts, parts[1:])) if pair in self.ranks]
            if not pairs:
                return parts
            _, i = min(pairs)
            parts[i:i + 2] = [parts[i] + parts[i + 1]]

    def section(self, text):
        text = unicodedata.normalize("NFC", text).lower()
        found = []
        for i, part in enumerate(text.split(self.START)):
            found += [self.ids[self.START]] * (i > 0)
            found += [self.ids[piece] for word in self.words(part) for piece in self.pieces(word)]
        return found

    def encode(self, text):
        found = []
        for i, part in enumerate(text.split(self.END)):
            found += [self.ids[self.END]] * (i > 0) + self.section(part)
        return [self.ids[self.START], *found, self.ids[self.END]]


class WordPiece:
    SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    IDEOGRAPHS = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))

    def __init__(self, folder):
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        self.ids = {line: i for i, line in enumerate(lines) if line}

    def cleaned(self, text):
        for char in text:
            if char == "\ufffd" or (unicodedata.category(char) in ("Cc", "Cf", "Co") and char not in "\t\n\r"):
                continue
            if is_space(char):
                yield " "
            elif any(low <= ord(char) <= high for low, high in self.IDEOGRAPHS):
                yield f" {char} "
            else:
                yield char

    @staticmethod
    def is_mark(char):
        return unicodedata.category(char)[0] == "P" or (char.isascii() and char.isprintable() and not char.isalnum() and char != " ")

    def words(self, text):
        text = unicodedata.normalize("NFD", "".join(self.cleaned(text)).lower())
        text = "".join(char for char in text if unicodedata.category(char) != "Mn")
        return "".join(f" {char} " if self.is_mark(char) else char for char in text).split(" ")

    def pieces(self, word):
        found, begin = [], 0
        if len(word) > 100:
            return ["[UNK]"]
        while begin < len(word):
            ends = [end for end in range(len(word), begin, -1) if "##" * (begin > 0) + word[begin:end] in self.ids]
            if not ends:
                return ["[UNK]"]
            found.append("##" * (begin > 0) + word[begin:ends[0]])
            begin = ends[0]
        return found

    def section(self, text):
        at = min(((text.find(piece), piece) for piece in self.SPECIAL if piece in text), default=None)
        if at:
            return self.section(text[:at[0]]) + [self.ids[at[1]]] + self.section(text[at[0] + len(at[1]):])
        return [self.ids[piece] for word in self.words(text) if word for piece in self.pieces(word)]

    def encode(self, text):
        return [self.ids["[CLS]"], *self.section(text), self.ids["[SEP]"]]
