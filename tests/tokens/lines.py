"""Lines of text in many languages and in none, the same ones each time: what people search pictures for, and what breaks
tokenizers. No character is newer than Unicode 13."""
import random

LATIN = """the of and a to in is you that it photo picture sunset beach mountain dog cat child's she'll we've they're I'm can't won't
it'd rock'n'roll O'Brien l'été aujourd'hui naïve café façade coöperate über Straße Größe Äpfel señor niño mañana corazón São
ação pão Łódź źdźbło żółć čeština řeka ďábel Ţara şehir İstanbul ılık ÇIĞ ångström Ærø smørrebrød Þingvellir tiếng Việt phở
đường Hà Nội ők Győr NASA iPhone McDonald HTML5 U.S.A. e.g. co-operate well-known state-of-the-art snake_case C++ C# .NET
supercalifragilisticexpialidocious Donaudampfschifffahrtsgesellschaft""".split()
JAPANESE = """夕日 海岸 猫が窓辺で寝ている 犬 と 子供たち が 公園で遊ぶ 写真 コンピュータ カメラ ラーメン を食べる 桜の花見 東京タワー ｶﾀｶﾅ ﾊﾟﾋﾟﾌﾟ がぎぐげご
きゃりーぱみゅぱみゅ スーパーマーケット ヴァイオリン 々仝〆ヶ 株式会社㈱ ㌔㍍ 令和㋿ 「引用」、 終わり。 えー… 〜100円～ １２３ ＡＢＣ ｇａｓ 葛󠄀城 神 福""".split()
CHINESE = """一只猫 坐在窗台上 海边的日落 两个孩子 在公园里 玩耍 红色的 汽车 蓝天白云 雪山 北京 天安門廣場 臺灣 香港夜景 中华人民共和国 的 了 是 不 我
龍 龜 鬱 《红楼梦》 “你好”， 世界！ 吗？ 、；： （图片） 三百六十五 〇 兀嗀 㐀㒵 更 龥鿿""".split()
KOREAN = """고양이가 창가에서 자고 있다 해변의 노을 두 아이가 공원에서 논다 빨간 자동차 파란 하늘 서울 한국어 사진 김치찌개 뷁 쀍 ㄱㄴㄷ ㅋㅋㅋ ㅠㅠ 한글 값 닭""".split()
EMOJI = """😀 😂 ❤ ❤️ 👍 👍🏽 👩‍👩‍👧‍👦 👨🏿‍🚀 🏳️‍🌈 🏴‍☠️ 🇯🇵 🇰🇷 🇨🇳🇺🇸 1️⃣ #️⃣ *️⃣ ☺ ☺️ ✈︎ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🧑‍🤝‍🧑 👁️‍🗨️ 🥲 🫀 ♀ ♂️ ⌚ ™ © 🅰 Ⓜ️ ㊗️
〰""".split()
OTHERS = """Привет мир Ёлка щёки красный ΚΑΛΗΜΕΡΑ ΟΔΥΣΣΕΥΣ Σίσυφος ΣΑΣ. άέή שָׁלוֹם עולם ירושלים مرحبا بالعالم العَرَبِيَّة
كتــاب فارسی नमस्ते दुनिया क्षत्रिय ภาษาไทย
น้ำ தமிழ் বাংলা ქართული ᲗᲑᲘᲚᲘᲡᲘ Հայերեն አማርኛ ខ្មែរ မြန်မာ བོད ᏣᎳᎩ""".split()
NUMBERS = """0 7 42 1999 2024年 3.14 1,000,000 50% $9.99 €20 ½ ¾ x² H₂O ⅓ Ⅳ ⅷ ① ⑳ ٣٤٥ १२३ 10:30 1/2 2026-11-22 +49-30 007 1e10
0xFF""".split()
MARKS = list("!?.,;:'\"()[]{}<>/\\|@#$%^&*-_=+`~") + """... ?! -- => :-) ;) <3 &amp; </w> <|x|> ' '' 's 'S '' ' ‘ ’ “ ” « » –
— … • · ¿ ¡ § ¶ † ‰ ′ ″ 。 、 ・ ： ！ ？ ￥ ～ ＂
# ## ##s @user http://example.org/a?b=c&d=%20 a@b.c C:\\dir [UNK] [cls] [X]""".split()
COMBINED = ["e\u0301", "n\u0303o", "A\u030A", "u\u0308ber", "q\u0307\u0323", "o\u0302\u0301", "\u1112\u1161\u11ab",
          "か\u3099", "ハ\u309a", "Ǻ", "ﬁn", "ﬀ",
            "\u212b", "\u2126", "x\u0336y\u0336", "Z\u0351\u036b\u0343a\u0360l\u0321g\u0334o\u0337", "i\u0307", "I\u0307",
          "ǅ", "ẞ", "ﬆ"]
BLANKS = [" "] * 40 + ["  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u2009", "\u202f", "\u2028", "\u1680",
          "\u205f", "\v", "\f", "\u0085"]
HIDDEN = ["\u200b", "\u200d", "\u200c", "\u00ad", "\u2060", "\u200e", "\u202a", "\u0001", "\u0007", "\u001b", "\u007f",
          "\u009f", "\ufffd", "\ue000",
          "\ufe0f", "\u180e", "\u061c", "\u2066"]
BLOCKS = ((0x21, 0x7E), (0xA1, 0x24F), (0x1E00, 0x1EFF), (0x370, 0x377), (0x400, 0x4FF), (0x3041, 0x3096), (0x30A0, 0x30FF),
          (0x4E00, 0x9FEF),
          (0xAC00, 0xD7A3), (0x1F300, 0x1F64F), (0x1F900, 0x1F9FF), (0x2190, 0x23FF), (0x2460, 0x27BF), (0xFF01, 0xFFEE),
          (0x3400, 0x4DB5))
LANGUAGES = (LATIN, LATIN, JAPANESE, CHINESE, KOREAN, EMOJI)


def case(random_, word):
    return random_.choice((word, word, word, word.upper(), word.capitalize(), word.swapcase()))


def scattered(random_):
    """Characters from anywhere."""
    return "".join(chr(random_.randint(*random_.choice(BLOCKS))) for _ in range(random_.randint(1, 8)))


def one_language(random_, words):
    """A line as somebody might have written it."""
    n = random_.randint(1, 14)
    text = "".join(case(random_, random_.choice(words)) + random_.choice((" ", " ", " ", ", ", "", "! ", ". ", "、"))
                   for _ in range(n))
    return text.strip() if random_.random() < 0.7 else text


def mixture(random_):
    """Anything beside anything."""
    every = LANGUAGES + (OTHERS, NUMBERS, MARKS, COMBINED)
    text = ""
    for _ in range(random_.randint(1, 20)):
        piece = scattered(random_) if random_.random() < 0.15 else case(random_, random_.choice(random_.choice(every)))
        text += piece + random_.choice(("", "", random_.choice(BLANKS), random_.choice(BLANKS), " "))
        if random_.random() < 0.06:
            text += random_.choice(HIDDEN)
    return text


def long_word(random_):
    """Around the hundred characters that a word of BERT's may have, and far beyond."""
    piece = random_.choice(("a", "ab", "Ä", "é", "한", "ア", "!", "7", "👍", "photo", "x\u0301"))
    return piece * random_.choice((49, 50, 99, 100, 101, 200, 1000))


EDGES = ["", " ", "\t\n", "'", "''", "'s", "'S", "''s", "don't", "DON'T", "'tis", "it's's", "she'LL'd've", "'re're",
         "\u00a0", "\u3000\u3000", "\ufeffbom",
         "ΣΑΣ ΑΣ. Σ", "ΌΣΟΣ!", "İIıi", "ẞß", "a\u0001b", "##a", "[CLS]", "[SEP] x [MASK]",
         "[PAD][PAD]", "a[UNK]b", "[ CLS ]",
         "<|endoftext|>", "a<|endoftext|>b", "<|startoftext|>x", "!!<|STARTOFTEXT|>??", "<|endoftext|", "\u0301", "a\u0301\u0301",
         "\u200d", "👩\u200d", "🇯", "🇯🇵🇯", "\ud55c\uae00", "㈱①Ⅳ", "x" * 100, "x" * 101, "中" * 120, "1234567890" * 5, "a1b2c3",
         "１２３ＡＢＣ", "\ue000\uf8ff"]


def make_lines(n, seed=2026):
    """n lines, of which the first are the EDGES."""
    random_ = random.Random(seed)
    kinds = [lambda: one_language(random_, random_.choice(LANGUAGES))] * 5 + [lambda: mixture(random_)] * 4 + \
        [lambda: one_language(random_, random_.choice((OTHERS, NUMBERS, MARKS, COMBINED)))] + [lambda: scattered(random_)]
    lines = list(EDGES)
    while len(lines) < n:
        lines.append(long_word(random_) if random_.random() < 0.01 else random_.choice(kinds)())
    return lines[:n]
