"""TIFF files that nobody should trust."""
import struct

BYTE, TEXT, SHORT, LONG, RATIO = 1, 2, 3, 4, 5
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, ORIENTATION, SAMPLES, ROWS, COUNTS = \
    256, 257, 258, 259, 262, 273, 274, 277, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
HEAD = b"II*\0"


def entry(tag, value, kind=LONG, count=1):
    if isinstance(value, bytes):
        return struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")[:4]
    return struct.pack("<HHII", tag, kind, count, value & 0xFFFFFFFF)


def ifd(tags, following=0, count=None):
    body = b"".join(entry(tag, *(value if isinstance(value, tuple) else (value,))) for tag, value in sorted(tags.items()))
    return struct.pack("<H", len(tags) if count is None else count) + body + struct.pack("<I", following)


def grey(width=16, height=16, offset=8, size=256, **changes):
    tags = {WIDTH: width, HEIGHT: height, BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1, OFFSETS: offset, SAMPLES: 1,
            ROWS: height, COUNTS: size}
    for name, value in changes.items():
        tags[globals()[name]] = value
    return {tag: value for tag, value in tags.items() if value is not None}


PIXELS = bytes(range(256))


def tiff(tags=None, data=PIXELS, behind=b"", more=None, **options):
    """Header, pixels, one directory, and whatever comes behind it."""
    tags = dict(tags if tags is not None else grey())
    tags.update(more or {})
    return HEAD + struct.pack("<I", 8 + len(data)) + data + ifd(tags, **options) + behind


def pages(n, width, height, rows=None):
    """n directories in a row, all with the same 256 bytes of pixels."""
    out, at = [HEAD + struct.pack("<I", 8 + 256) + PIXELS], 8 + 256
    for i in range(n):
        tags = grey(width, height, ROWS=rows or height)
        size = 2 + 12 * len(tags) + 4
        out.append(ifd(tags, following=at + size if i < n - 1 else 0))
        at += size
    return b"".join(out)


def tiled(width, height, offset=8):
    tags = grey(16, 16, OFFSETS=None, COUNTS=None, ROWS=None)
    tags.update({TILE_WIDTH: width, TILE_HEIGHT: height, TILE_OFFSETS: offset, TILE_COUNTS: 256})
    return tiff(tags)


def two_loop():
    first = ifd(grey(), following=8 + 256 + 2 + 12 * 9 + 4)
    second = ifd(grey(), following=8 + 256)
    return HEAD + struct.pack("<I", 8 + 256) + PIXELS + first + second


def big(offset):
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", offset)


def tiffs(bomb):
    """`bomb`: many zero bytes in zlib's form."""
    decode, pixels = r"cannot decode", r"pixels, at most \d+ are allowed"
    either = decode + "|" + pixels
    end = 8 + 256
    return [
        ("bomb-50000-square.tif", tiff(grey(50000, 50000)), "fail", pixels),
        ("bomb-2-31-square.tif", tiff(grey(0x7FFFFFFF, 0x7FFFFFFF)), "fail", either),
        ("bomb-4g-wide.tif", tiff(grey(0xFFFFFFFF, 1)), "fail", either),
        ("bomb-pages-5000.tif", pages(5000, 10000, 10000), "fail", either),
        ("bomb-pages-100000.tif", pages(100000, 16, 16), "any", either),
        ("bomb-strip-4g.tif", tiff(grey(16, 16, size=0xFFFFFFFF)), "any", either),
        ("bomb-deflate-strip.tif", tiff(grey(16, 16, size=len(bomb), COMPRESSION=8), bomb), "any", either),
        ("bomb-deflate-16000.tif", tiff(grey(16000, 16000, size=len(bomb), COMPRESSION=8), bomb), "any", either),
        ("bomb-rows-per-strip.tif", tiff(grey(10000, 10000, ROWS=1)), "fail", either),
        ("ifd-loop-self.tif", tiff(following=end), "any", either),
        ("ifd-loop-two.tif", two_loop(), "any", either),
        ("ifd-beyond-the-end.tif", HEAD + struct.pack("<I", 0x7FFFFFFF) + PIXELS, "fail", either),
        ("ifd-at-0.tif", HEAD + struct.pack("<I", 0) + PIXELS, "fail", either),
        ("ifd-inside-itself.tif", HEAD + struct.pack("<I", 4) + PIXELS, "fail", either),
        ("ifd-65535-entries.tif", tiff(count=65535), "fail", either),
        ("ifd-no-entry.tif", tiff({}), "fail", either),
        ("only-signature.tif", HEAD, "fail", either),
        ("only-header.tif", HEAD + struct.pack("<I", 8), "fail", either),
        ("next-ifd-beyond.tif", tiff(following=0xFFFFFFF0), "any", either),
        ("strip-beyond-the-end.tif", tiff(grey(offset=0x7FFFFFFF)), "fail", either),
        ("strip-offset-0.tif", tiff(grey(offset=0)), "any", either),
        ("strip-of-no-bytes.tif", tiff(grey(size=0)), "any", either),
        ("strip-missing.tif", tiff(grey(OFFSETS=None, COUNTS=None)), "fail", either),
        ("strip-counts-1000000.tif", tiff(grey(COUNTS=(8, LONG, 1000000))), "any", either),
        ("strip-counts-4g.tif", tiff(grey(COUNTS=(8, LONG, 0xFFFFFFFF))), "any", either),
        ("rows-0.tif", tiff(grey(ROWS=0)), "any", either),
        ("width-0.tif", tiff(grey(0, 16)), "fail", either),
        ("height-0.tif", tiff(grey(16, 0)), "fail", either),
        ("width-missing.tif", tiff(grey(WIDTH=None)), "fail", either),
        ("bits-0.tif", tiff(grey(BITS=0)), "fail", either),
        ("bits-3.tif", tiff(grey(BITS=3)), "any", either),
        ("bits-64.tif", tiff(grey(BITS=64)), "any", either),
        ("bits-65535.tif", tiff(grey(BITS=65535)), "fail", either),
        ("samples-0.tif", tiff(grey(SAMPLES=0)), "fail", either),
        ("samples-65535.tif", tiff(grey(SAMPLES=65535)), "fail", either + "|memory"),
        ("compression-99.tif", tiff(grey(COMPRESSION=99)), "fail", either),
        ("compression-jbig.tif", tiff(grey(COMPRESSION=34661)), "fail", either),
        ("compression-old-jpeg.tif", tiff(grey(COMPRESSION=6)), "fail", either),
        ("compression-jpeg-garbage.tif", tiff(grey(COMPRESSION=7)), "fail", either),
        ("compression-lzw-garbage.tif", tiff(grey(COMPRESSION=5)), "any", either),
        ("compression-fax-garbage.tif", tiff(grey(BITS=1, COMPRESSION=4)), "any", either),
        ("compression-packbits-garbage.tif", tiff(grey(COMPRESSION=32773)), "any", either),
        ("compression-zstd-garbage.tif", tiff(grey(COMPRESSION=50000)), "fail", either),
        ("compression-webp-garbage.tif", tiff(grey(COMPRESSION=50001)), "fail", either),
        ("compression-lerc-garbage.tif", tiff(grey(COMPRESSION=34887)), "fail", either),
        ("photometric-9999.tif", tiff(grey(PHOTOMETRIC=9999)), "any", either),
        ("photometric-cfa.tif", tiff(grey(PHOTOMETRIC=32803)), "any", either),
        ("palette-without-colours.tif", tiff(grey(PHOTOMETRIC=3)), "any", either),
        ("ycbcr-subsampling-0.tif", tiff(grey(PHOTOMETRIC=6, SAMPLES=3), more={530: (0, SHORT, 2)}), "fail", either),
        ("planar-missing-strips.tif", tiff(grey(SAMPLES=3, PHOTOMETRIC=2), more={284: 2}), "any", either),
        ("planar-9.tif", tiff(more={284: 9}), "any", either),
        ("orientation-99.tif", tiff(more={ORIENTATION: (99, SHORT)}), "any", either),
        ("orientation-6.tif", tiff(more={ORIENTATION: (6, SHORT)}), "ok", None),
        ("resolution-0-by-0.tif", tiff(more={282: (8, RATIO), 283: (8, RATIO)}), "any", either),
        ("unknown-type.tif", tiff(more={40000: (1, 99, 5)}), "any", either),
        ("tag-of-4g-values.tif", tiff(more={40001: (8, LONG, 0xFFFFFFFF)}), "any", either),
        ("icc-beyond-the-end.tif", tiff(more={34675: (0x7FFFFFF0, 7, 5000)}), "any", either),
        ("icc-garbage.tif", tiff(more={34675: (8, 7, 256)}), "any", either),
        ("xmp-beyond-the-end.tif", tiff(more={700: (0x7FFFFFF0, BYTE, 5000)}), "any", either),
        ("exif-ifd-loop.tif", tiff(more={34665: end}), "any", either),
        ("sub-ifd-loop.tif", tiff(more={330: end}), "any", either),
        ("tile-0-by-0.tif", tiled(0, 0), "fail", either),
        ("tile-7-by-7.tif", tiled(7, 7), "any", either),
        ("tile-2-31.tif", tiled(0x7FFFFFF0, 0x7FFFFFF0), "fail", either + "|memory|tile"),
        ("tile-65536.tif", tiled(65536, 65536), "any", either + "|memory|tile"),
        ("tile-beyond-the-end.tif", tiled(16, 16, 0x7FFFFFFF), "any", either),
        ("float-not-a-number.tif", tiff(grey(8, 8, BITS=32), b"\0\0\xc0\x7f" * 64, more={339: 3}), "any", either),
        ("one-bit.tif", tiff(grey(16, 16, BITS=1, size=32)), "ok", None),
        ("sixteen-bit.tif", tiff(grey(8, 16, BITS=16)), "ok", None),
        ("one-pixel.tif", tiff(grey(1, 1, size=1)), "ok", None),
        ("two-pages.tif", pages(2, 16, 16), "ok", None),
        ("big-endian-short.tif", b"MM\0*" + bytes(4), "fail", either),
        ("bigtiff-beyond.tif", big(1 << 62) + PIXELS, "fail", either),
        ("bigtiff-offset-negative.tif", big((1 << 64) - 8) + PIXELS, "fail", either),
        ("bigtiff-4g-entries.tif", big(16) + struct.pack("<Q", 1 << 40) + PIXELS, "fail", either),
        ("zip-behind.tif", tiff(behind=b"PK\x03\x04" + bytes(60) + b"PK\x05\x06" + bytes(18)), "ok", None),
    ]
