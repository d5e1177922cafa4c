"""PNG and GIF files that nobody should trust, written byte by byte."""
import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
MIB = 1 << 20


def chunk(kind, data, crc=None, length=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data) if length is None else length) + kind + data + struct.pack(">I", crc & 0xFFFFFFFF)


def ihdr(width=16, height=16, depth=8, color=2, compression=0, filter_=0, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width & 0xFFFFFFFF, height & 0xFFFFFFFF, depth, color, compression, filter_,
                                      interlace))


def idat(rows):
    return chunk(b"IDAT", zlib.compress(rows))


END = chunk(b"IEND", b"")
ROWS = b"".join(b"\0" + b"".join(bytes([x * 16, y * 16, 99]) for x in range(16)) for y in range(16))


def png(*chunks, head=None, rows=ROWS):
    """A 16 x 16 picture with `chunks` between its header and its pixels."""
    return PNG + (head or ihdr()) + b"".join(chunks) + idat(rows) + END


def zeros(n):
    """n zero bytes in zlib's form: one packed piece, over and over, and the checksum that follows from n."""
    def packed(size):
        packer = zlib.compressobj(9, wbits=-15)
        return packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)

    return b"\x78\x9c" + packed(MIB) * (n // MIB) + packed(n % MIB) + b"\x03\0" + struct.pack(">I", n % 65521 << 16 | 1)


def pngs():
    """(name, bytes, expectation, words of the error)"""
    pixels = r"pixels, at most \d+ are allowed"
    decode = r"cannot decode"
    half = chunk(b"IDAT", zlib.compress(ROWS)[:40])
    return [
        ("bomb-50000-square.png", PNG + ihdr(50000, 50000, 1, 0) + chunk(b"IDAT", zeros(6251 * 50000)) + END, "fail", pixels),
        ("bomb-header-only-50000.png", PNG + ihdr(50000, 50000) + chunk(b"IDAT", zeros(MIB)) + END, "fail", pixels),
        ("bomb-wide.png", PNG + ihdr(0x7FFFFFFF, 1, 1, 0) + chunk(b"IDAT", zeros(MIB)) + END, "fail", pixels + "|" + decode),
        ("bomb-tall.png", PNG + ihdr(1, 0x7FFFFFFF, 1, 0) + chunk(b"IDAT", zeros(MIB)) + END, "fail", pixels + "|" + decode),
        ("bomb-both-2-31.png", PNG + ihdr(0x7FFFFFFF, 0x7FFFFFFF) + chunk(b"IDAT", zeros(MIB)) + END, "fail", pixels + "|" + decode),
        ("bomb-idat-longer-than-said.png", PNG + ihdr() + chunk(b"IDAT", zeros(256 * MIB)) + END, "any", decode),
        ("bomb-iccp.png", png(chunk(b"iCCP", b"x\0\0" + zeros(512 * MIB))), "any", decode),
        ("bomb-ztxt.png", png(chunk(b"zTXt", b"Comment\0\0" + zeros(512 * MIB))), "any", decode),
        ("bomb-itxt.png", png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros(512 * MIB))), "any", decode),
        ("bomb-many-ztxt.png", png(*[chunk(b"zTXt", b"k%d\0\0" % i + zeros(4 * MIB)) for i in range(200)]), "any", decode),
        ("many-text-chunks.png", png(*[chunk(b"tEXt", b"k%d\0v" % i) for i in range(30000)]), "any", decode),
        ("large-but-allowed.png", PNG + ihdr(9000, 9000, 1, 0) + chunk(b"IDAT", zeros(1126 * 9000)) + END, "any", decode),
        ("idat-short.png", PNG + ihdr() + half + END, "any", decode),
        ("idat-missing.png", PNG + ihdr() + END, "fail", decode),
        ("idat-empty.png", PNG + ihdr() + chunk(b"IDAT", b"") + END, "fail", decode),
        ("idat-not-zlib.png", PNG + ihdr() + chunk(b"IDAT", b"this is no zlib stream at all") + END, "fail", decode),
        ("idat-before-ihdr.png", PNG + idat(ROWS) + ihdr() + END, "fail", decode),
        ("only-signature.png", PNG, "fail", decode),
        ("only-header.png", PNG + ihdr(), "fail", decode),
        ("iend-missing.png", PNG + ihdr() + idat(ROWS), "any", decode),
        ("ihdr-twice.png", PNG + ihdr() + ihdr(64, 64) + idat(ROWS) + END, "any", decode),
        ("ihdr-bad-crc.png", PNG + ihdr()[:-4] + b"\0\0\0\0" + idat(ROWS) + END, "fail", decode),
        ("chunk-length-4g.png", PNG + ihdr() + chunk(b"tEXt", b"a\0b", length=0xFFFFFFFF) + idat(ROWS) + END, "fail", decode),
        ("chunk-critical-unknown.png", png(chunk(b"ABCD", b"x")), "any", decode),
        ("chunk-kind-not-letters.png", png(chunk(b"\0\xff\0\xff", b"x")), "any", decode),
        ("width-0.png", png(head=ihdr(0, 16)), "fail", decode),
        ("height-0.png", png(head=ihdr(16, 0)), "fail", decode),
        ("width-over-2-31.png", png(head=ihdr(0xFFFFFFFF, 16)), "fail", decode),
        ("depth-3.png", png(head=ihdr(depth=3)), "fail", decode),
        ("color-5.png", png(head=ihdr(color=5)), "fail", decode),
        ("compression-7.png", png(head=ihdr(compression=7)), "fail", decode),
        ("interlace-9.png", png(head=ihdr(interlace=9)), "fail", decode),
        ("row-filter-9.png", png(rows=b"\x09" + ROWS[1:]), "any", decode),
        ("palette-missing.png", png(head=ihdr(color=3), rows=b"\0" * (17 * 16)), "fail", decode),
        ("palette-index-beyond.png", png(chunk(b"PLTE", b"\1\2\3"), head=ihdr(color=3), rows=(b"\0" + b"\xfe" * 16) * 16), "any",
         decode),
        ("palette-not-threes.png", png(chunk(b"PLTE", b"\1\2\3\4"), head=ihdr(color=3), rows=b"\0" * (17 * 16)), "any", decode),
        ("transparency-too-long.png", png(chunk(b"tRNS", bytes(4000))), "any", decode),
        ("exif-garbage.png", png(chunk(b"eXIf", bytes(range(256)) * 40)), "ok", None),
        ("icc-garbage.png", png(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(range(256)) * 8))), "ok", None),
        ("icc-not-zlib.png", png(chunk(b"iCCP", b"x\0\0nonsense")), "any", decode),
        ("gamma-0.png", png(chunk(b"gAMA", bytes(4)), chunk(b"cHRM", bytes(32))), "any", decode),
        ("resolution-absurd.png", png(chunk(b"pHYs", b"\xff" * 8 + b"\1")), "any", decode),
        ("animated-4g-frames.png", png(chunk(b"acTL", b"\xff" * 8)), "any", decode),
        ("one-pixel.png", png(head=ihdr(1, 1), rows=b"\0\1\2\3"), "ok", None),
        ("one-pixel-grey-alpha.png", png(head=ihdr(1, 1, 8, 4), rows=b"\0\1\2"), "ok", None),
        ("one-bit.png", png(head=ihdr(16, 16, 1, 0), rows=b"\0\xaa\x55" * 16), "ok", None),
        ("two-bit-palette.png", png(chunk(b"PLTE", bytes(range(12))), head=ihdr(16, 16, 2, 3), rows=b"\0\x1b\x1b\x1b\x1b" * 16), "ok",
         None),
        ("sixteen-bit.png", png(head=ihdr(16, 16, 16, 2), rows=(b"\0" + bytes(range(96))) * 16), "ok", None),
        ("sixteen-bit-grey-alpha.png", png(head=ihdr(16, 16, 16, 4), rows=(b"\0" + bytes(range(64))) * 16), "ok", None),
        ("script-behind.png", png() + b"<script>alert(document.cookie)</script><?php system($_GET[0]); ?>", "ok", None),
        ("script-in-text.png", png(chunk(b"tEXt", b"Comment\0<script>alert(1)</script>")), "ok", None),
        ("zip-behind.png", png() + b"PK\x03\x04" + bytes(60) + b"PK\x05\x06" + bytes(18), "ok", None),
        ("gap-of-zeros-behind.png", png() + bytes(3 * MIB), "ok", None),
    ]


# ---- GIF

def lzw(n, color=1):
    """n pixels of one colour for a code size of 2: a clear before the codes would get longer."""
    bits, out, codes = 0, bytearray(), []
    for i in range(n):
        if i % 2 == 0:
            codes.append(4)
        codes.append(color)
    codes.append(5)
    value = 0
    for code in codes:
        value |= code << bits
        bits += 3
        while bits >= 8:
            out.append(value & 255)
            value >>= 8
            bits -= 8
    out.append(value & 255)
    return blocks(bytes(out))


def blocks(data):
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


COLORS = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])


def canvas(width=8, height=8, flags=0x81, colors=COLORS):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0) + (colors if flags & 0x80 else b"")


def frame(width=8, height=8, left=0, top=0, data=None, delay=None, flags=0, code_size=2):
    control = b"" if delay is None else b"\x21\xf9\x04" + struct.pack("<BHBB", 4, delay, 0, 0)
    return control + b"," + struct.pack("<HHHHB", left, top, width, height, flags) + bytes([code_size]) + \
        (lzw(width * height) if data is None else data)


def gifs():
    pixels = r"pixels, at most \d+ are allowed"
    decode = r"cannot decode"
    one = frame(1, 1)
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    html = canvas() + b"\x21\xfe" + blocks(b"--><script>alert(1)</script><html>") + frame() + b";"
    return [
        ("bomb-65535-square.gif", canvas(65535, 65535) + frame(65535, 65535, data=lzw(4)) + b";", "fail", pixels + "|" + decode),
        ("canvas-larger-than-frame.gif", canvas(65535, 65535) + one + b";", "any", pixels + "|" + decode),
        ("bomb-frames-10000.gif", canvas(5000, 5000) + b"".join(frame(5000, 5000, delay=0, data=lzw(4)) for _ in range(10000)) + b";", "fail", pixels),
        ("bomb-frames-20-large.gif", canvas(4000, 4000) + b"".join(frame(4000, 4000, delay=0, data=lzw(4)) for _ in range(20)) + b";", "fail", pixels),
        ("large-but-allowed.gif", canvas(6000, 6000) + one + b";", "any", decode),
        ("frames-2000-small.gif", canvas(4, 4) + loop + b"".join(frame(4, 4, delay=0) for _ in range(2000)) + b";", "any", decode),
        ("delay-zero.gif", canvas() + loop + frame(delay=0) + frame(delay=0) + b";", "ok", None),
        ("frame-larger-than-canvas.gif", canvas(4, 4) + frame(64, 64) + b";", "any", decode),
        ("frame-outside.gif", canvas(4, 4) + frame(4, 4, 60000, 60000) + b";", "any", decode + "|" + pixels),
        ("frame-65535-in-small.gif", canvas(4, 4) + frame(65535, 65535, data=lzw(16)) + b";", "any", decode + "|" + pixels),
        ("no-frame.gif", canvas() + b";", "fail", decode),
        ("only-signature.gif", b"GIF89a", "fail", decode),
        ("only-header.gif", canvas(), "fail", decode),
        ("zero-canvas.gif", canvas(0, 0) + frame() + b";", "any", decode),
        ("zero-frame.gif", canvas() + frame(0, 0, data=b"\0") + b";", "any", decode),
        ("no-colours.gif", canvas(flags=0) + frame() + b";", "any", decode),
        ("colours-cut.gif", canvas(flags=0x87) + frame() + b";", "any", decode),
        ("code-size-0.gif", canvas() + frame(code_size=0) + b";", "any", decode),
        ("code-size-13.gif", canvas() + frame(code_size=13) + b";", "any", decode),
        ("code-size-255.gif", canvas() + frame(code_size=255) + b";", "any", decode),
        ("lzw-garbage.gif", canvas() + frame(data=blocks(bytes(range(256)))) + b";", "any", decode),
        ("lzw-empty.gif", canvas() + frame(data=b"\0") + b";", "any", decode),
        ("lzw-too-long.gif", canvas() + frame(data=lzw(100000)) + b";", "any", decode),
        ("no-trailer.gif", canvas() + frame(), "any", decode),
        ("interlaced.gif", canvas() + frame(flags=0x40) + b";", "ok", None),
        ("comment-of-4-mib.gif", canvas() + b"\x21\xfe" + blocks(bytes([65]) * (4 * MIB)) + frame() + b";", "any", decode),
        ("extension-never-ends.gif", canvas() + b"\x21\xff" + b"\xff" + b"A" * 255 + b"\xff" * 4000, "fail", decode),
        ("html-inside.gif", html, "ok", None),
        ("html-behind.gif", canvas() + frame() + b";<html><script>alert(1)</script></html>", "ok", None),
        ("javascript-header.gif", b"GIF89a/*" + canvas()[8:] + frame() + b";*/=1;alert(1);", "any", decode + "|" + pixels),
        ("one-pixel.gif", canvas(1, 1) + one + b";", "ok", None),
        ("version-87a.gif", b"GIF87a" + canvas()[6:] + frame() + b";", "ok", None),
        ("version-00z.gif", b"GIF00z" + canvas()[6:] + frame() + b";", "fail", "not a picture"),
    ]
