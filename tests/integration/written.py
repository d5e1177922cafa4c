"""Text that tests write themselves: pages in three scripts, lines over photographs, and how much of it was read."""
import difflib
import io
import unicodedata

import numpy
from PIL import Image, ImageDraw, ImageFont

TRUETYPE = "/usr/share/fonts/truetype/"
OPENTYPE = "/usr/share/fonts/opentype/"
FONTS = {
    "dejavu": TRUETYPE + "dejavu/DejaVuSans.ttf", "liberation": TRUETYPE + "liberation/LiberationSerif-Regular.ttf",
    "mono": TRUETYPE + "dejavu/DejaVuSansMono.ttf", "bold": TRUETYPE + "dejavu/DejaVuSans-Bold.ttf",
    "noto": OPENTYPE + "noto/NotoSansCJK-Regular.ttc", "notoserif": OPENTYPE + "noto/NotoSerifCJK-Regular.ttc",
    "gothic": OPENTYPE + "ipafont-gothic/ipag.ttf", "mincho": OPENTYPE + "ipafont-mincho/ipam.ttf",
}
JAPANESE_FACE, CHINESE_FACE = 0, 2      # of Noto's collections
ENGLISH = [
    ["The lighthouse keeper counted the ships that", "passed before midnight, as he had done every",
     "evening for thirty years. Nobody asked him to.", "In winter the fog came early, and there was", "nothing to count but the hours."],
    ["Invoice 2026-118: seven wooden chairs at 45.50", "each, delivered on 14 March to 9 Harbour Street.",
     "Total due within 30 days: 318.50. Please quote", "the number above when you pay. Questions go to", "the office on the second floor."],
    ["Mix the flour with a little salt and cold water,", "knead the dough until it is smooth, then let it",
     "rest under a damp cloth. Roll it out thin, cut", "it into strips and boil them for four minutes.", "Serve with butter and fresh herbs."],
]
JAPANESE = [
    ["春の朝、川の水は冷たく、山の上にはまだ雪が", "残っていた。村の子どもたちは学校へ行く前に、",
     "橋の下で小さな魚を見つけて喜んだ。その日の", "午後、空は急に暗くなり、雨が降り始めた。"],
    ["図書館は毎週月曜日が休みです。本を借りる時は", "カードを見せてください。一人五冊まで、二週間",
     "借りることができます。返す時は入口の箱に入れ", "てもかまいません。電話での予約もできます。"],
]
CHINESE = [
    ["今天早上天气很好，我们一起去公园散步。湖边有", "很多人在钓鱼，孩子们在草地上放风筝。中午我们",
     "在一家小饭馆吃了面条，下午坐公共汽车回家。", "晚上大家一起看电影，十点钟才睡觉。"],
    ["这台机器使用以前，请先仔细阅读说明书。打开电", "源以后，等待三分钟，让温度升高。如果红灯亮起",
     "来，说明水不够，应该马上加水。使用完毕请关闭", "电源，并且用干净的布擦干表面。"],
]
# text, languages, font, size in pixels, noise, EXIF orientation
PAGES = [
    (ENGLISH[0], "en", "dejavu", 32, 0, 1), (ENGLISH[1], "en", "liberation", 36, 0, 1), (ENGLISH[2], "en", "mono", 30, 0, 6),
    (ENGLISH[0], "en", "liberation", 18, 0, 1), (ENGLISH[1], "en", "dejavu", 15, 0, 3), (ENGLISH[2], "en", "dejavu", 34, 25, 1),
    (ENGLISH[0], "en", "mono", 30, 40, 8), (ENGLISH[1], "eng", "liberation", 60, 0, 1),
    (JAPANESE[0], "ja", "noto", 36, 0, 1), (JAPANESE[1], "ja", "mincho", 38, 0, 1), (JAPANESE[0], "ja", "gothic", 34, 0, 6),
    (JAPANESE[1], "ja", "notoserif", 36, 0, 3), (JAPANESE[1], "jpn", "gothic", 22, 0, 1), (JAPANESE[0], "ja", "noto", 36, 25, 8),
    (CHINESE[0], "ch_sim", "noto", 36, 0, 1), (CHINESE[1], "ch_sim", "notoserif", 38, 0, 1), (CHINESE[0], "ch_sim", "notoserif", 34, 0, 6),
    (CHINESE[1], "ch_sim", "noto", 30, 0, 8), (CHINESE[0], "chi_sim", "noto", 22, 0, 1), (CHINESE[1], "ch_sim", "noto", 36, 25, 1),
]


def font(name, size, lang="en"):
    face = CHINESE_FACE if lang.startswith("ch") else JAPANESE_FACE
    return ImageFont.truetype(FONTS[name], size, index=face if name.startswith("noto") else 0)


def turned(image, orientation):
    """The pixels as a camera held so would store them, with the tag that says it."""
    undo = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return (image.transpose(undo) if undo else image), exif


def page(path, lines, lang, name, size, noise=0, orientation=1):
    """A PNG, or with noise a JPEG; its path."""
    face = font(name, size, lang)
    width = int(max(face.getlength(line) for line in lines)) + 4 * size
    image = Image.new("L", (width, int(size * (1.7 * len(lines) + 3))), 250)
    draw = ImageDraw.Draw(image)
    for n, line in enumerate(lines):
        draw.text((2 * size, size * 1.5 + n * size * 1.7), line, font=face, fill=15)
    if noise:
        values = numpy.asarray(image, dtype=float) + numpy.random.default_rng(7).normal(0, noise, (image.height, image.width))
        image = Image.fromarray(numpy.clip(values, 0, 255).astype(numpy.uint8))
    image, exif = turned(image, orientation)
    path = str(path) + (".jpg" if noise else ".png")
    image.save(path, exif=exif, quality=85)
    return path


WORDS = ["Sphinx of black quartz", "judge my vow 2026", "The quick brown fox", "jumps over the lazy dog"]
WRITING = [("bold", 54), ("bold", 40), ("dejavu", 64), ("liberation", 44)]


def over_photograph(photograph, clean, written, width=1200):
    """Two PNGs: the photograph at that width, and with lines of white, outlined text on it."""
    image = Image.open(photograph).convert("RGB")
    image = image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)
    image.save(clean)
    draw = ImageDraw.Draw(image)
    top = 90
    for (name, size), words in zip(WRITING, WORDS):
        size = size * width // 1200
        draw.text((80, top), words, font=font(name, size), fill=(255, 255, 255), stroke_width=3 * width // 1200, stroke_fill=(0, 0, 0))
        top += 2 * size
    image.save(written)
    return " ".join(WORDS)


# -- how much of it was read

def plain(text):
    """Forms that mean the same, one way; blanks between lines as between words."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def distance(a, b):
    """Levenshtein's."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def accuracy(read, lines, lang):
    """1 - distance / length, where lines of Chinese and Japanese follow each other without a blank."""
    joint = "" if lang[:2] in ("ja", "jp", "ch") else " "
    want = plain(joint.join(lines))
    return 1 - distance(plain(joint.join(read.split("\n"))), want) / len(want)


def found(read, want):
    """The share of the characters that were read, in runs of three and more."""
    blocks = difflib.SequenceMatcher(None, want, plain(read), autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= 3) / len(want)


def psnr(a, b, mask):
    """Of the pixels in the mask."""
    error = ((a[mask].astype(float) - b[mask].astype(float)) ** 2).mean()
    return 10 * numpy.log10(255 ** 2 / max(error, 1e-9))


def pixels(data):
    """Of a file, or of an artifact's bytes."""
    return numpy.asarray(Image.open(io.BytesIO(data) if isinstance(data, bytes) else data))
