"""WebP and HEIF files that nobody should trust, and files of formats that nobody asked for."""
import gzip
import struct
import zlib

DECODE, PIXELS = r"cannot decode", r"pixels, at most \d+ are allowed"
EITHER = DECODE + "|" + PIXELS


# ---- WebP

def box(kind, data, size=None):
    return kind + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def riff(*chunks, size=None):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def lossless(width, height, codes=5):
    """A picture of one colour: codes of a single symbol take no bits, so any size takes 20 bytes."""
    bits = [(0x2F, 8), (width - 1, 14), (height - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    bits += [(1, 1), (0, 1), (1, 1), (7, 8)] * codes
    value = at = 0
    for number, n in bits:
        value |= number << at
        at += n
    return box(b"VP8L", value.to_bytes(at // 8 + 8, "little"))


def extended(width, height, flags=0):
    return box(b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def animation(frames, width, height, left=0, top=0, delay=0, n=1):
    one = (left // 2).to_bytes(3, "little") + (top // 2).to_bytes(3, "little") + (width - 1).to_bytes(3, "little") + \
        (height - 1).to_bytes(3, "little") + delay.to_bytes(3, "little") + b"\0" + lossless(width, height)
    return box(b"ANIM", bytes(6)) + box(b"ANMF", one) * (frames * n)


def webps():
    small = lossless(16, 16)
    return [
        ("bomb-16383-square.webp", riff(lossless(16383, 16383)), "any", EITHER + "|timed out|memory"),
        ("bomb-12000-square.webp", riff(lossless(12000, 12000)), "any", EITHER + "|timed out|memory"),
        ("bomb-canvas-2-24.webp", riff(extended(1 << 24, 1 << 24), small), "fail", EITHER),
        ("bomb-animation-10000.webp", riff(extended(8000, 8000, 2), animation(10000, 1, 1)), "fail", EITHER),
        ("bomb-animation-20-large.webp", riff(extended(8000, 8000, 2), animation(20, 8000, 8000)), "fail", EITHER),
        ("animation-500-small.webp", riff(extended(16, 16, 2), animation(500, 16, 16)), "any", EITHER),
        ("delay-zero.webp", riff(extended(16, 16, 2), animation(2, 16, 16)), "ok", None),
        ("frame-outside.webp", riff(extended(16, 16, 2), animation(2, 16, 16, left=4000)), "fail", EITHER),
        ("no-frame.webp", riff(extended(16, 16, 2), box(b"ANIM", bytes(6))), "fail", EITHER),
        ("no-picture.webp", riff(extended(16, 16)), "fail", EITHER),
        ("only-signature.webp", b"RIFF\x04\0\0\0WEBP", "fail", EITHER),
        ("only-header.webp", riff(b"VP8L\x20\0\0\0"), "fail", EITHER),
        ("riff-size-0.webp", riff(small, size=0), "any", EITHER),
        ("riff-size-4g.webp", riff(small, size=0xFFFFFFFF), "any", EITHER),
        ("chunk-size-4g.webp", riff(box(b"VP8L", small[8:], size=0xFFFFFFFE)), "fail", EITHER),
        ("lossy-start-code.webp", riff(box(b"VP8 ", b"\x30\1\0ABC\x10\0\x10\0" + bytes(40))), "fail", EITHER),
        ("lossy-zero-size.webp", riff(box(b"VP8 ", b"\x30\1\0\x9d\1\x2a\0\0\0\0" + bytes(40))), "fail", EITHER),
        ("lossy-garbage.webp", riff(box(b"VP8 ", b"\x30\1\0\x9d\1\x2a\x10\0\x10\0" + bytes(range(256)))), "any", EITHER),
        ("lossless-version-7.webp", riff(box(b"VP8L", b"\x2f\xff\xff\xff\xff" + bytes(40))), "fail", EITHER),
        ("lossless-garbage.webp", riff(box(b"VP8L", b"\x2f\x0f\xc0\x03\0" + bytes(range(256)))), "any", EITHER),
        ("alpha-garbage.webp", riff(extended(16, 16, 0x10), box(b"ALPH", bytes(range(99))), small), "any", EITHER),
        ("icc-garbage.webp", riff(extended(16, 16, 0x20), box(b"ICCP", bytes(range(256)) * 4), small), "any", EITHER + "|colours"),
        ("exif-garbage.webp", riff(extended(16, 16, 8), small, box(b"EXIF", bytes(range(256)) * 4)), "ok", None),
        ("xmp-garbage.webp", riff(extended(16, 16, 4), small, box(b"XMP ", b"<a>" * 50000)), "ok", None),
        ("canvas-differs.webp", riff(extended(4000, 9), small), "any", EITHER),
        ("chunks-10000-unknown.webp", riff(extended(16, 16), box(b"ABCD", b"x") * 10000, small), "any", EITHER),
        ("zip-behind.webp", riff(small) + b"PK\x03\x04" + bytes(60), "ok", None),
        ("one-pixel.webp", riff(lossless(1, 1)), "ok", None),
        ("riff-is-wave.webp", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "fail", "not a picture"),
    ]


# ---- HEIF and AVIF

def atom(kind, data=b"", size=None):
    return struct.pack(">I", len(data) + 8 if size is None else size) + kind + data


def full(kind, data=b"", version=0):
    return atom(kind, bytes([version, 0, 0, 0]) + data)


def heif(meta, brand=b"avif", behind=b""):
    return atom(b"ftyp", brand + bytes(4) + brand + b"mif1") + meta + behind


def described(width=64, height=64, kind=b"av01", offset=0, length=0x7FFFFFFF, properties=b""):
    """One item with a size and a place."""
    size = full(b"ispe", struct.pack(">II", width, height))
    return full(b"meta", full(b"hdlr", bytes(4) + b"pict" + bytes(13)) + full(b"pitm", b"\0\1") +
                full(b"iinf", b"\0\1" + full(b"infe", b"\0\1\0\0" + kind + b"\0", 2)) +
                full(b"iloc", b"\x44\0\0\1" + b"\0\1\0\0\0\1" + struct.pack(">II", offset, length)) +
                atom(b"iprp", atom(b"ipco", size + properties) + full(b"ipma", struct.pack(">IHBB", 1, 1, 1, 1))))


def heifs(avif, heic):
    """`avif`, `heic`: good ones, or None where this machine cannot make them."""
    grid = b"\0\0\xff\xff" + struct.pack(">HH", 65535, 65535)
    nested = b""
    for _ in range(3000):
        nested = atom(b"meta", bytes(4) + nested)
    found = [
        ("only-ftyp.avif", heif(b""), "fail", EITHER),
        ("only-ftyp.heic", heif(b"", b"heic"), "fail", EITHER),
        ("meta-empty.avif", heif(full(b"meta")), "fail", EITHER),
        ("meta-nested-3000.avif", heif(nested), "fail", EITHER),
        ("bomb-size-2-31.avif", heif(described(0x7FFFFFFF, 0x7FFFFFFF)), "fail", EITHER),
        ("bomb-size-4g.heic", heif(described(0xFFFFFFFF, 0xFFFFFFFF, b"hvc1"), b"heic"), "fail", EITHER),
        ("bomb-50000-square.avif", heif(described(50000, 50000)), "fail", EITHER),
        ("bomb-grid-65535.avif", heif(described(60000, 60000, b"grid", 0, 8), behind=grid), "fail", EITHER),
        ("size-0.avif", heif(described(0, 0)), "fail", EITHER),
        ("place-beyond-the-end.avif", heif(described(64, 64, offset=0x7FFFFFFF)), "fail", EITHER),
        ("box-size-0.avif", heif(atom(b"meta", bytes(4), size=0)), "fail", EITHER),
        ("box-size-1-huge.avif", heif(atom(b"meta", b"\xff" * 8, size=1)), "fail", EITHER),
        ("box-size-4.avif", heif(atom(b"meta", bytes(4), size=4)), "fail", EITHER),
        ("brands-4g.avif", atom(b"ftyp", b"avif" + bytes(4) + b"mif1" * 50000) + full(b"meta"), "fail", EITHER + "|not a picture"),
        ("kind-unknown.heic", heif(described(64, 64, b"zzzz"), b"heic"), "fail", EITHER),
        ("video.mp4", atom(b"ftyp", b"isom" + bytes(4) + b"isommp42") + atom(b"moov", bytes(40)), "fail", "not a picture"),
    ]
    for name, good in (("avif", avif), ("heic", heic)):
        at = good.find(b"ispe") if good else -1
        if at > 0:
            huge = good[:at + 8] + struct.pack(">II", 60000, 60000) + good[at + 16:]
            found += [(f"size-patched-60000.{name}", huge, "any", EITHER + "|memory"),
                      (f"no-pixels.{name}", good[:good.find(b"mdat") + 4] + bytes(len(good) - good.find(b"mdat") - 4), "any", EITHER),
                      (f"html-behind.{name}", good + b"<html><script>alert(1)</script></html>", "any", EITHER)]
    return found


# ---- what is no photograph

def strangers(png, jpeg):
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">' \
          b'<image xlink:href="file:///etc/passwd" width="9" height="9"/></svg>'
    laughs = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10 if i else b"&a;" * 10) for i in range(9)) + b"]><svg>&a8;</svg>"
    fits = b"".join(line.ljust(80) for line in (b"SIMPLE  =                    T", b"BITPIX  =                    8",
                    b"NAXIS   =                    2", b"NAXIS1  =           2147483647", b"NAXIS2  =           2147483647", b"END"))
    header = struct.pack("<Iiiiiiii", 0x08F2A6B6, 1 << 28, 1 << 28, 3, 8, 0, 0, 22)
    icon = b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + struct.pack("<II", len(png), 22) + png
    files = [
        ("drawing.svg", svg), ("drawing-named.png", svg), ("drawing-spaces.svg", b"  \n" + svg), ("drawing-bom.svg", b"\xef\xbb\xbf" + svg),
        ("laughs.svg", laughs), ("packed.svgz", gzip.compress(svg)), ("document.pdf", b"%PDF-1.7\n1 0 obj<</Length 9>>stream\n" + jpeg),
        ("document-and-picture.pdf", b"%PDF-1.4\n" + jpeg + b"\n%%EOF"), ("program.ps", b"%!PS-Adobe-3.0\n{}loop"),
        ("program.eps", b"\xc5\xd0\xd3\xc6" + bytes(28) + b"%!PS\n{}loop"), ("numbers.csv", b"1,2,3\n4,5,6\n" * 100),
        ("matrix.mat", b"16 16\n" + b"1 " * 256), ("matlab.mat", b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + bytes(200)),
        ("plain.ppm", b"P3 99999 99999 255\n1 2 3"), ("raw.ppm", b"P6 16 16 255\n" + bytes(768)), ("bitmap.pbm", b"P4 99999 99999\n"),
        ("float.pfm", b"PF 16 16 -1\n" + bytes(3072)), ("huge.v", header + bytes(200)), ("huge-big-endian.v", header[::-1] + bytes(99)),
        ("sky.fits", fits.ljust(2880)), ("light.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 99999 +X 99999\n"),
        ("brain.nii", struct.pack("<I", 348) + bytes(340) + b"n+1\0"), ("scan.dcm", bytes(128) + b"DICM" + bytes(64)),
        ("wave.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64)), ("codestream.j2k", b"\xff\x4f\xff\x51" + bytes(64)),
        ("long.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(32)), ("bare.jxl", b"\xff\x0a" + bytes(32)),
        ("light.exr", b"v/1\x01" + bytes(64)), ("windows.bmp", b"BM" + struct.pack("<IIIIii", 54, 0, 54, 40, 99999, 99999) + bytes(30)),
        ("windows.ico", icon), ("shop.psd", b"8BPS\0\1" + bytes(40)), ("gimp.xcf", b"gimp xcf v011\0" + bytes(40)),
        ("quick.qoi", b"qoif" + struct.pack(">II", 99999, 99999) + b"\4\0" + bytes(16)), ("farb.ff", b"farbfeld" + b"\xff" * 8),
        ("targa.tga", b"\0\0\2" + bytes(9) + b"\xff\xff\xff\xff\x20\0" + bytes(40)), ("magick.mvg", b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/x'\n"),
        ("magick.msl", b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>'), ("slide.mrxs", b"[GENERAL]\nSLIDE_ID = x\n"),
        ("archive.zip", b"PK\x03\x04" + bytes(60)), ("archive-named.jpg", b"PK\x03\x04" + bytes(60)), ("archive.tar", bytes(257) + b"ustar" + bytes(250)),
        ("packed.gz", gzip.compress(png)), ("packed-bomb.gz", gzip.compress(bytes(50 << 20))), ("packed.bz2", b"BZh91AY&SY" + bytes(40)),
        ("packed.zst", b"\x28\xb5\x2f\xfd" + bytes(40)), ("packed.z", zlib.compress(png)), ("program.elf", b"\x7fELF\2\1\1" + bytes(200)),
        ("program.sh", b"#!/bin/sh\nrm -rf /\n"), ("program-named.png", b"#!/bin/sh\nid\n"), ("page.html", b"<html><img src=x></html>"),
        ("page-doctype.jpg", b"<!DOCTYPE html><script>alert(1)</script>"), ("words.txt", b"I used to be a photograph."),
        ("words-utf16.jpg", "\ufeffhallo".encode("utf-16")), ("empty.jpg", b""), ("empty.png", b""), ("one-byte.jpg", b"\xff"),
        ("one-nul.png", b"\0"), ("zeros.gif", bytes(100000)), ("ones.webp", b"\xff" * 100000), ("terminal.jpg", b"\x1b]0;owned\x07\x1b[2J\x9b31m"),
        ("shifted.png", b"\n" + png), ("signature-cut.png", png[:5]), ("signature-unix.png", png.replace(b"\r\n", b"\n", 1)),
        ("riff-only.webp", b"RIFF"), ("animation.mng", b"\x8aMNG\r\n\x1a\n" + bytes(40)), ("movie.webm", b"\x1a\x45\xdf\xa3" + bytes(40)),
        ("sound.mp3", b"ID3\x04" + bytes(40)), ("base64.jpg", b"data:image/jpeg;base64,/9j/4AAQSkZJRg=="),
    ]
    return [(name, data, "fail", "the file is empty" if not data else r"not a picture that pixelfleet reads") for name, data in files]
