"""What the tokenizers are compared with: Hugging Face's, and the vocabularies that people use. All of it comes from npm and
PyPI, once, into a folder of the build.

    folder/clip/  vocab.json merges.txt     of OpenAI's CLIP, made of the table in open_clip_torch
    folder/zh/    vocab.txt                 the BERT vocabulary of Chinese-CLIP, from cn_clip
    each with a tokenizer.json as Hugging Face publishes it, for theirs
"""
import gzip
import json
import pathlib
import subprocess
import sys
import zipfile

TOKENIZERS, CLIP_WHEEL, ZH_WHEEL = "@huggingface/tokenizers@0.2.0", "open_clip_torch==3.3.0", "cn_clip==1.6.0"
CLIP_TABLE, ZH_TABLE = "open_clip/bpe_simple_vocab_16e6.txt.gz", "cn_clip/clip/vocab.txt"
CLIP_MERGES = 49152 - 256 - 2
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def run(words, **more):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def wheel(folder, requirement, member):
    """The bytes of one file of a wheel."""
    run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement])
    found, = folder.glob(requirement.replace("==", "-") + "*.whl")
    with zipfile.ZipFile(found) as archive:
        return archive.read(member)


def byte_letters():
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return [chr(byte) for byte in seen] + [chr(0x100 + i) for i in range(len(hidden))]


def added(tokens, normalized=()):
    return [{"id": id_, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": content in normalized, "special": True} for content, id_ in tokens.items()]


def clip_files(folder, table):
    """Of the table's 262,000 merges CLIP uses the first 48,894."""
    merges = [tuple(line.split()) for line in gzip.decompress(table).decode().split("\n")[1:CLIP_MERGES + 1]]
    letters = byte_letters()
    pieces = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
    special = {"<|startoftext|>": len(pieces), "<|endoftext|>": len(pieces) + 1}
    vocabulary = {**{piece: i for i, piece in enumerate(pieces)}, **special}
    lines = [" ".join(merge) for merge in merges]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text('{"kind":"clip"}\n')
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / "huggingface.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added(special, ["<|startoftext|>"]),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": CLIP_WORDS}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}]},
        "post_processor": {"type": "RobertaProcessing", "sep": ["<|endoftext|>", special["<|endoftext|>"]],
                           "cls": ["<|startoftext|>", special["<|startoftext|>"]], "trim_offsets": False, "add_prefix_space": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<|endoftext|>", "continuing_subword_prefix": "",
                  "end_of_word_suffix": "</w>", "fuse_unk": False, "vocab": vocabulary, "merges": lines}}))


def zh_files(folder, table):
    pieces = table.decode().removesuffix("\n").split("\n")      # some pieces are line ends of other kinds
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    special = {piece: vocabulary[piece] for piece in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text('{"kind":"clip","tokenizer":{"type":"wordpiece"}}\n')
    (folder / "vocab.txt").write_bytes(table)
    (folder / "huggingface.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added(special),
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                       "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                      {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                           "pair": [],
                           "special_tokens": {name: {"id": name, "ids": [special[name]], "tokens": [name]} for name in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": vocabulary}}))


def fetch(folder):
    """Once; what is there is not asked for again."""
    if (folder / "complete").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(folder), TOKENIZERS])
    clip_files(folder / "clip", wheel(folder, CLIP_WHEEL, CLIP_TABLE))
    zh_files(folder / "zh", wheel(folder, ZH_WHEEL, ZH_TABLE))
    (folder / "complete").touch()


def theirs(folder, kind, lines):
    """The answers to JSON lines."""
    answers = run(["node", str(pathlib.Path(__file__).with_name("huggingface.mjs").resolve()), f"{kind}/huggingface.json"],
                  input="".join(f"{line}\n" for line in lines), cwd=folder)
    return [json.loads(answer) for answer in answers.splitlines()]


def ours(program, directory, lines):
    """The answers, and how long the processor was busy loading the tokenizer, in milliseconds."""
    first, *answers = run([str(program), str(directory)], input="".join(f"{line}\n" for line in lines)).splitlines()
    return [json.loads(answer) for answer in answers], json.loads(first)["load_ms"]
