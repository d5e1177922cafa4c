"""JPEG files that nobody should trust: by hand, and a good one with other segments."""
import struct


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def frame(kind, width, height, precision=8, parts=((1, 0x11, 0),)):
    body = struct.pack(">BHHB", precision, height, width, len(parts)) + b"".join(bytes(p) for p in parts)
    return segment(kind, body)


SOI, EOI = b"\xff\xd8", b"\xff\xd9"
FLAT = segment(0xDB, b"\0" + b"\1" * 64)
# One code of one bit each: DC category 0, and AC "end of band for the next 16384 + 14 bits blocks".
DC = segment(0xC4, b"\x00" + b"\1" + bytes(15) + b"\x00")
AC_RUN = segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\xe0")
AC_END = segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\x00")


def scan(first, last, bits, high=0, low=0, part=1):
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    return segment(0xDA, bytes([1, part, 0, first, last, high << 4 | low])) + data


def progressive(width, height, scans):
    """A grey picture in which every scan costs a walk over all blocks and a few bytes."""
    n = -(-width // 8) * -(-height // 8)
    walk = scan(1, 63, ("0" + "1" * 14) * -(-n // 32767))
    return SOI + FLAT + frame(0xC2, width, height) + DC + AC_RUN + scan(0, 0, "0" * n) + walk * scans + EOI


def baseline(width=16, height=16, **more):
    n = -(-width // 8) * -(-height // 8)
    return SOI + FLAT + frame(0xC0, width, height, **more) + DC + AC_END + scan(0, 63, "00" * n) + EOI


def exif(orientation=None, tail=b"", next_ifd=0, count=None, kind=3):
    """A little-endian EXIF segment with an orientation."""
    entries = [struct.pack("<HHIHH", 0x0112, kind, 1, orientation & 0xFFFF, 0)] if orientation is not None else []
    ifd = struct.pack("<H", len(entries) if count is None else count) + b"".join(entries) + struct.pack("<I", next_ifd)
    return segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<I", 8) + ifd + tail)


def icc(data, number=1, of=1):
    return segment(0xE2, b"ICC_PROFILE\0" + bytes([number, of]) + data)


def jpegs(good, slow):
    """`good`: a photograph as JPEG; `slow`: the number of scans of the largest CPU bomb."""
    decode, pixels = r"cannot decode", r"pixels, at most \d+ are allowed"

    def put(*segments):
        return good[:2] + b"".join(segments) + good[2:]

    def patched(width, height):
        at = next(i for i in range(2, len(good)) if good[i] == 0xFF and good[i + 1] in (0xC0, 0xC2))
        return good[:at + 5] + struct.pack(">HH", height, width) + good[at + 9:]

    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    deep = b"<a>" * 20000
    profile = struct.pack(">I4sI", 128, b"evil", 0x02400000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(88)
    orientation_entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    return [
        ("bomb-65500-square.jpg", patched(65500, 65500), "fail", pixels + "|" + decode),
        ("bomb-65500-grey.jpg", baseline(65500, 16)[:200] + EOI, "any", decode + "|" + pixels),
        ("bomb-scans-cpu.jpg", progressive(8000, 8000, slow), "any", decode + "|timed out|scans"),
        ("bomb-scans-small.jpg", progressive(64, 64, 20000), "any", decode + "|timed out|scans"),
        ("scans-50.jpg", progressive(640, 480, 50), "any", decode),
        ("large-but-allowed.jpg", baseline(9000, 9000), "any", decode),
        ("size-0-by-0.jpg", patched(0, 0), "fail", decode),
        ("width-0.jpg", patched(0, 40), "fail", decode),
        ("height-0.jpg", patched(40, 0), "fail", decode),
        ("larger-than-its-data.jpg", patched(2000, 2000), "any", decode),
        ("smaller-than-its-data.jpg", patched(8, 8), "any", decode),
        ("only-soi.jpg", SOI + b"\xff", "fail", decode),
        ("only-soi-eoi.jpg", SOI + EOI, "fail", decode),
        ("only-header.jpg", SOI + FLAT + frame(0xC0, 16, 16), "fail", decode),
        ("no-frame.jpg", SOI + FLAT + DC + AC_END + scan(0, 63, "00" * 4) + EOI, "fail", decode),
        ("two-frames.jpg", SOI + FLAT + frame(0xC0, 16, 16) + frame(0xC0, 99, 99) + DC + AC_END + scan(0, 63, "00" * 4) + EOI,
         "fail", decode),
        ("no-tables.jpg", SOI + frame(0xC0, 16, 16) + scan(0, 63, "00" * 4) + EOI, "any", decode),
        ("table-overfull.jpg", SOI + FLAT + segment(0xC4, b"\0" + b"\xff" * 16 + bytes(200)) + frame(0xC0, 16, 16) + EOI, "fail",
         decode),
        ("precision-12.jpg", baseline(precision=12), "fail", decode),
        ("precision-99.jpg", baseline(precision=99), "fail", decode),
        ("no-components.jpg", baseline(parts=()), "fail", decode),
        ("255-components.jpg", baseline(parts=[(i, 0x11, 0) for i in range(255)]), "fail", decode),
        ("sampling-0.jpg", baseline(parts=((1, 0, 0),)), "fail", decode),
        ("sampling-15.jpg", baseline(parts=((1, 0xFF, 0),)), "fail", decode),
        ("same-component-twice.jpg", baseline(parts=((1, 0x11, 0), (1, 0x11, 0))), "any", decode),
        ("lossless-frame.jpg", SOI + FLAT + frame(0xC3, 16, 16) + DC + scan(1, 0, "0" * 256) + EOI, "fail", decode),
        ("arithmetic-frame.jpg", SOI + FLAT + frame(0xC9, 16, 16) + scan(0, 63, "00" * 4) + EOI, "any", decode),
        ("hierarchical-frame.jpg", SOI + FLAT + frame(0xC5, 16, 16) + EOI, "fail", decode),
        ("segment-length-0.jpg", good[:2] + b"\xff\xe0\0\0" + good[2:], "any", decode),
        ("segment-length-65535.jpg", good[:2] + b"\xff\xe0\xff\xff" + good[2:200], "fail", decode),
        ("restart-every-block.jpg", put(segment(0xDD, b"\0\1")), "any", decode),
        ("many-app-segments.jpg", put(segment(0xE5, b"x" * 20) * 20000), "any", decode),
        ("many-comments.jpg", put(segment(0xFE, b"c" * 65000) * 100), "any", decode),
        ("fill-bytes.jpg", put(b"\xff" * 100000), "any", decode),
        ("no-end.jpg", good[:-2], "any", decode),
        ("zip-behind.jpg", good + b"PK\x03\x04" + bytes(60) + b"PK\x05\x06" + bytes(18), "ok", None),
        ("zip-in-comment.jpg", put(segment(0xFE, b"PK\x03\x04" + bytes(100))), "ok", None),
        ("pdf-in-comment.jpg", put(segment(0xFE, b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF")), "ok", None),
        ("script-in-comment.jpg", put(segment(0xFE, b"*/=alert(1)/*<script>alert(1)</script><?php phpinfo();?>")), "ok", None),
        ("second-picture-behind.jpg", good + good, "ok", None),
        ("icc-garbage.jpg", put(icc(bytes(range(256)) * 4)), "ok", None),
        ("icc-empty.jpg", put(icc(b"")), "ok", None),
        ("icc-part-9-of-2.jpg", put(icc(bytes(100), 9, 2)), "ok", None),
        ("icc-parts-missing.jpg", put(icc(bytes(100), 255, 255)), "ok", None),
        ("icc-looks-real.jpg", put(icc(profile)), "any", decode + "|colours"),
        ("icc-tags-beyond.jpg", put(icc(profile + struct.pack(">I", 0xFFFFFFFF) + bytes(64))), "any", decode + "|colours"),
        ("icc-255-parts.jpg", put(*[icc(bytes(65000), i, 255) for i in range(1, 256)]), "any", decode),
        ("exif-garbage.jpg", put(segment(0xE1, b"Exif\0\0" + bytes(range(256)) * 100)), "ok", None),
        ("exif-empty.jpg", put(segment(0xE1, b"Exif\0\0")), "ok", None),
        ("exif-orientation-0.jpg", put(exif(0)), "ok", None),
        ("exif-orientation-9.jpg", put(exif(9)), "ok", None),
        ("exif-orientation-65535.jpg", put(exif(65535)), "ok", None),
        ("exif-orientation-text.jpg", put(exif(6, kind=2)), "any", decode),
        ("exif-ifd-loop.jpg", put(exif(6, next_ifd=8)), "any", decode),
        ("exif-65535-entries.jpg", put(exif(6, count=65535)), "any", decode),
        ("exif-next-beyond.jpg", put(exif(6, next_ifd=0xFFFFFFF0)), "any", decode),
        ("exif-full-segment.jpg", put(exif(1, tail=b"\xaa" * 65000)), "any", decode),
        ("exif-500-entries.jpg", put(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 500) + orientation_entry * 500)),
         "any", decode),
        ("exif-twice.jpg", put(exif(6), exif(3)), "any", decode),
        ("xmp-garbage.jpg", put(segment(0xE1, xmp + bytes(range(256)) * 100)), "any", decode),
        ("xmp-deep.jpg", put(segment(0xE1, xmp + deep)), "any", decode),
        ("xmp-entities.jpg", put(segment(0xE1, xmp + b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>')), "any",
         decode),
        ("iptc-garbage.jpg", put(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\xff\xff" + bytes(range(256)))), "any", decode),
        ("adobe-transform-9.jpg", put(segment(0xEE, b"Adobe\0\x64\0\0\0\0\x09")), "any", decode),
        ("jfif-density-0.jpg", put(segment(0xE0, b"JFIF\0\1\1\1\0\0\0\0\0\0")), "any", decode),
        ("mpf-garbage.jpg", put(segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff")), "any", decode),
        ("one-pixel.jpg", baseline(1, 1), "ok", None),
    ]
