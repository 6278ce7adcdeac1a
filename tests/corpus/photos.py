"""Malformed JPEG, PNG, WebP and HEIC files, what is no photo at all, and photos that are something else besides."""

import random
import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from tests.corpus.case import (
    ANYTHING_TYPED,
    DECODED,
    REFUSED,
    TOO_LARGE,
    UNREADABLE,
    UNSUPPORTED,
    Case,
    photo,
)
from tests.corpus.samples import canvas, chunk, into_jpeg, png, samples, segment, webp
from tests.photo_files import grey_profile, noise, profile_of, saved, wide_profile

_CUTS = (0.02, 0.06, 0.12, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
_FLIPS = 6


def cases() -> Iterator[Case]:
    """Every one."""
    yield from _cut_off()
    yield from _flipped()
    yield from _sizes()
    yield from _pngs()
    yield from _jpegs()
    yield from _webps()
    yield from _profiles()
    yield from _metadata()
    yield from _strangers()
    yield from _more_than_one_thing()


def largest() -> Iterator[Case]:
    """Sound photos as large as may be, for what they cost."""
    grey = np.zeros((5_000, 10_000), np.uint8)
    picture = Image.fromarray(grey)
    yield photo(
        "jpeg of 50 megapixels", lambda: saved(picture.convert("RGB"), "JPEG", icc_profile=wide_profile()), DECODED
    )
    yield photo("cmyk jpeg of 50 megapixels", lambda: saved(picture.convert("CMYK"), "JPEG"), DECODED)
    yield photo("png with alpha of 50 megapixels", lambda: saved(picture.convert("RGBA"), "PNG"), DECODED)
    for suffix in (".png", ".tiff"):
        yield photo(f"deep {suffix[1:]} of 50 megapixels", lambda suffix=suffix: _deep(3, suffix), DECODED)
    yield photo("deep png with alpha of 50 megapixels", lambda: _deep(4, ".png"), DECODED, TOO_LARGE)


def _deep(channels: int, suffix: str) -> bytes:
    return cv2.imencode(suffix, np.zeros((5_000, 10_000, channels), np.uint16))[1].tobytes()


def _cut_off() -> Iterator[Case]:
    for name, data in samples().items():
        # A phone's MPO is whole as soon as its first frame is.
        outcomes = (*REFUSED, DECODED) if name == "mpo" else REFUSED
        for part in _CUTS:
            yield photo(f"{name} cut off at {part:.0%}", data[: max(1, int(len(data) * part))], *outcomes)


def _flipped() -> Iterator[Case]:
    for name, data in samples().items():
        for seed in range(_FLIPS):
            damaged, chance = bytearray(data), random.Random(f"{name} {seed}")
            first = 0 if seed % 2 else 16
            for _ in range(1 + 4 * seed):
                damaged[chance.randrange(first, len(data))] ^= 1 << chance.randrange(8)
            yield photo(f"{name} with flipped bits {seed}", bytes(damaged), *ANYTHING_TYPED)


def _sizes() -> Iterator[Case]:
    for width, height in ((10_000, 10_000), (12_001, 1), (1, 60_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        yield photo(f"png of {width} × {height}", png(width, height), TOO_LARGE, UNREADABLE)
    for depth, colour in ((1, 0), (16, 0), (8, 3), (16, 6)):
        yield photo(f"png of 9,000 × 9,000, {depth} bits, type {colour}", png(9_000, 9_000, depth, colour), TOO_LARGE)
    for width, height in ((0, 0), (0, 10), (10, 0), (2**32 - 1, 1), (2**31, 2**31)):
        yield photo(f"png of {width} × {height}", png(width, height), *REFUSED, TOO_LARGE)
    frame = samples()["jpeg"].index(b"\xff\xc0") + 5
    for height, width in ((0, 0), (0, 64), (48, 0), (65_535, 65_535), (12_001, 8), (48, 63_000)):
        data = bytearray(samples()["jpeg"])
        struct.pack_into(">HH", data, frame, height, width)
        yield photo(f"jpeg of {width} × {height}", bytes(data), *REFUSED, TOO_LARGE)
    for width, height in ((16_383, 16_383), (2**24, 2**24), (2**24, 1), (12_001, 1)):
        yield photo(f"webp of {width} × {height}", webp(canvas(width, height)), TOO_LARGE)
    lossless = b"\x2f" + (16_382 | 16_382 << 14).to_bytes(4, "little") + b"\0" * 40
    yield photo("lossless webp of 16,383 × 16,383", webp((b"VP8L", lossless)), TOO_LARGE, *REFUSED)
    lossy = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383) + b"\0" * 60
    yield photo("lossy webp of 16,383 × 16,383", webp((b"VP8 ", lossy)), TOO_LARGE, *REFUSED)
    if "heic" in samples():
        data = samples()["heic"]
        at = data.index(b"ispe") + 8
        for width, height in ((0, 0), (65_535, 65_535), (2**32 - 1, 2**32 - 1)):
            yield photo(
                f"heic of {width} × {height}",
                data[:at] + struct.pack(">LL", width, height) + data[at + 8 :],
                *REFUSED,
                TOO_LARGE,
            )


def _pngs() -> Iterator[Case]:
    row, bomb = b"\0" + bytes(192), zlib.compress(bytes(100 * 2**20), 9)
    plain = row * 64
    yield photo("png without pixels", png(64, 64), UNREADABLE)
    yield photo("png with half its rows", png(64, 64, pixels=plain[: len(plain) // 2]), DECODED, UNREADABLE)
    yield photo("png with far too many pixels", lambda: png(64, 64, pixels=bytes(200 * 2**20)), DECODED, UNREADABLE)
    yield photo("png with an unknown filter", png(64, 64, pixels=b"\x09" + plain[1:]), UNREADABLE)
    yield photo("png whose pixels are no zlib", _with_idat(b"rubbish" * 20), UNREADABLE)
    for depth, colour in ((3, 2), (16, 3), (255, 0), (8, 1), (8, 5), (8, 255), (0, 0)):
        yield photo(f"png of type {colour} with {depth} bits", png(64, 64, depth, colour, plain), *REFUSED)
    yield photo(
        "png with an endless chunk", png(64, 64, pixels=plain)[:33] + b"\xff\xff\xff\xfftEXt" + bytes(99), *REFUSED
    )
    for name, body in {
        "zTXt": b"Comment\0\0" + bomb,
        "iTXt": b"XML:com.adobe.xmp\0\x01\0\0\0" + bomb,
        "iCCP": b"icc\0\0" + bomb,
    }.items():
        data = png(64, 64, pixels=plain, extra=chunk(name.encode(), body))
        yield photo(f"png with 100 MB in its {name}", data, DECODED, UNREADABLE)
    texts = b"".join(chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(2**20), 9)) for n in range(100))
    yield photo("png with a hundred texts of a megabyte", png(64, 64, pixels=plain, extra=texts), DECODED, UNREADABLE)
    yield photo("png with two headers", png(64, 64, pixels=plain, extra=png(9, 9)[8:33]), DECODED, *REFUSED)
    yield photo(
        "png with a palette of 300 colours",
        png(64, 64, 8, 3, row[:65] * 64, chunk(b"PLTE", bytes(900))),
        *ANYTHING_TYPED,
    )
    yield photo("png of palette colours without a palette", png(64, 64, 8, 3, row[:65] * 64), *ANYTHING_TYPED)
    yield photo(
        "png whose colours lie outside its palette",
        png(64, 64, 8, 3, (b"\0" + b"\xfe" * 64) * 64, chunk(b"PLTE", bytes(6))),
        *ANYTHING_TYPED,
    )
    for name in (b"tRNS", b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"iCCP", b"eXIf", b"cICP", b"sBIT"):
        for size in (0, 1, 70):
            yield photo(
                f"png with {size} bytes of {name.decode()}",
                png(64, 64, pixels=plain, extra=chunk(name, b"\xff" * size)),
                *ANYTHING_TYPED,
            )
    interlaced = bytearray(png(64, 64, pixels=plain))
    interlaced[28] = 7
    yield photo("png with an unknown interlacing", bytes(interlaced), *ANYTHING_TYPED)
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (0, 99)]
    yield photo("animated png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), UNSUPPORTED)
    control = chunk(b"acTL", struct.pack(">LL", 2**31 - 1, 0))
    yield photo(
        "png that claims two thousand million frames", png(64, 64, pixels=plain, extra=control), *ANYTHING_TYPED
    )


def _with_idat(body: bytes) -> bytes:
    return png(64, 64)[:33] + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _jpegs() -> Iterator[Case]:
    plain = samples()["jpeg"]
    scan = plain.index(b"\xff\xda")
    yield photo("jpeg of one marker", b"\xff\xd8", *REFUSED)
    yield photo("jpeg of markers alone", b"\xff\xd8\xff\xe0" + b"\xff" * 5_000, *REFUSED)
    yield photo("jpeg with five thousand scans", plain[:-2] + plain[scan : scan + 14] * 5_000 + plain[-2:], TOO_LARGE)
    progressive = samples()["progressive jpeg"]
    last = progressive.rindex(b"\xff\xda")
    yield photo(
        "progressive jpeg with 150 scans", progressive[:-2] + progressive[last:-2] * 150 + b"\xff\xd9", *ANYTHING_TYPED
    )
    for name, marker in (("quantisation tables", 0xDB), ("Huffman tables", 0xC4), ("frame", 0xC0)):
        yield photo(f"jpeg without {name}", _without(plain, marker), *ANYTHING_TYPED)
    yield photo("jpeg with tables of zeros", _zeroed(plain, 0xDB), *ANYTHING_TYPED)
    yield photo("jpeg with Huffman tables of zeros", _zeroed(plain, 0xC4), *ANYTHING_TYPED)
    for components in (0, 2, 5, 255):
        data = bytearray(plain)
        data[plain.index(b"\xff\xc0") + 9] = components
        yield photo(f"jpeg of {components} components", bytes(data), *ANYTHING_TYPED)
    for sampling in (0x00, 0x44, 0xFF):
        data = bytearray(plain)
        data[plain.index(b"\xff\xc0") + 11] = sampling
        yield photo(f"jpeg subsampled by {sampling:02x}", bytes(data), *ANYTHING_TYPED)
    for marker in (0xC3, 0xC5, 0xC9, 0xCB):
        data = bytearray(plain)
        data[plain.index(b"\xff\xc0") + 1] = marker
        yield photo(f"jpeg of the kind {marker:02x}", bytes(data), *ANYTHING_TYPED)
    yield photo("jpeg whose scan is noise", plain[: scan + 14] + bytes(range(255)) * 40 + b"\xff\xd9", *ANYTHING_TYPED)
    yield photo("jpeg whose segment is longer than the file", into_jpeg(b"\xff\xe1\xff\xff"), *ANYTHING_TYPED)
    yield photo("jpeg with a segment of no length", into_jpeg(b"\xff\xe1\x00\x00"), *ANYTHING_TYPED)
    yield photo("jpeg with a hundred comments", into_jpeg(*[segment(0xFE, b"c" * 60_000)] * 100), DECODED)
    mpo = samples()["mpo"]
    at = mpo.index(b"MPF\0")
    for size in (4, 12, 40):
        yield photo(
            f"mpo whose index is broken after {size}",
            mpo[: at + size] + b"\xff" * 60 + mpo[at + size + 60 :],
            *ANYTHING_TYPED,
        )


def _without(data: bytes, marker: int) -> bytes:
    while (at := data.find(bytes((0xFF, marker)))) >= 0:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]
    return data


def _zeroed(data: bytes, marker: int) -> bytes:
    at = data.index(bytes((0xFF, marker)))
    length = int.from_bytes(data[at + 2 : at + 4])
    return data[: at + 5] + bytes(length - 3) + data[at + 2 + length :]


def _webps() -> Iterator[Case]:
    picture = samples()["webp"][12:]
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (0, 100, 200)]
    yield photo("animated webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]), UNSUPPORTED)
    background = (b"ANIM", bytes(6))
    frame = (b"ANMF", bytes(6) + (99).to_bytes(3, "little") * 2 + bytes(4) + samples()["lossless webp"][12:])
    yield photo("small animated webp of 12,000 × 4,000", webp(canvas(12_000, 4_000, 2), background, frame), UNSUPPORTED)
    yield photo("animated webp without frames", webp(canvas(64, 48, 2), background), UNSUPPORTED)
    yield photo("webp of no chunk", webp(), *REFUSED)
    yield photo("webp of an unknown chunk", webp((b"ABCD", bytes(40))), *REFUSED)
    yield photo("webp that says it is longer", b"RIFF\xff\xff\xff\x7fWEBP" + picture, *ANYTHING_TYPED)
    yield photo("webp that says it is empty", b"RIFF\0\0\0\0WEBP" + picture, *ANYTHING_TYPED)
    size = struct.unpack_from("<L", picture, 4)[0]
    inner = (picture[:4], picture[8 : 8 + size])
    yield photo("webp whose canvas is another size", webp(canvas(999, 999), inner), *ANYTHING_TYPED)
    for name in (b"EXIF", b"XMP ", b"ICCP", b"ALPH"):
        flags = {b"EXIF": 8, b"XMP ": 4, b"ICCP": 32, b"ALPH": 16}[name]
        extra = (name, b"\xff" * 5_000)
        order = (extra, inner) if name in (b"ICCP", b"ALPH") else (inner, extra)
        yield photo(
            f"webp with rubbish for {name.decode().strip()}", webp(canvas(64, 48, flags), *order), *ANYTHING_TYPED
        )


def _profiles() -> Iterator[Case]:
    wide = wide_profile()
    broken = {
        "rubbish": b"rubbish" * 100,
        "a profile cut off": wide[:200],
        "a profile that says it is longer": b"\xff\xff\xff\xff" + wide[4:],
        "a profile of 4,294,967,295 tags": wide[:128] + b"\xff\xff\xff\xff" + wide[132:],
        "a profile whose tags lie elsewhere": wide[:136] + b"\xff\xff\xff\x00" * 40 + wide[296:],
        "a grey profile": grey_profile(),
        "a profile of a flat curve": profile_of(b"GRAY", {b"kTRC": b"curv" + bytes(4) + b"\0\0\0\x02" + bytes(4)}),
        "a profile of an endless curve": profile_of(b"GRAY", {b"kTRC": b"curv" + bytes(4) + b"\xff" * 8}),
        "a profile of a curve to no power": profile_of(b"GRAY", {b"kTRC": b"para" + bytes(6) + b"\xff" * 6}),
        "a profile of zeros": bytes(500),
        "a CMYK profile": wide[:16] + b"CMYK" + wide[20:],
        "a named colour profile": wide[:12] + b"nmcl" + wide[16:],
    }
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        for name, profile in broken.items():
            mode = "L" if "curve" in name or "grey" in name else "RGB"
            picture = Image.new(mode, (40, 40), 7 if mode == "L" else (7, 77, 177))
            yield photo(f"{kind.lower()} with {name}", saved(picture, kind, icc_profile=profile), DECODED)


def _metadata() -> Iterator[Case]:
    header = b"II*\x00\x08\x00\x00\x00"

    def directory(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
        body = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
        return header + struct.pack("<H", len(entries)) + body + struct.pack("<L", following)

    absurd = {
        "nothing": b"",
        "rubbish": b"\xff" * 400,
        "a directory beyond its end": b"II*\x00\xff\xff\xff\x7f",
        "a directory in its own header": b"II*\x00\x00\x00\x00\x00",
        "65,535 tags": header + b"\xff\xff" + b"\x0f\x01\x02\x00\xff\xff\xff\xff\0\0\0\0" * 5_000,
        "an endless maker": directory((0x010F, 2, 2**32 - 1, 8)),
        "a camera directory that is its own": directory((0x8769, 4, 1, 8)),
        "a place that is its own directory": directory((0x8825, 4, 1, 8)),
        "directories that follow in a circle": directory((0x0112, 3, 1, 1), following=8),
        "an orientation of 99": directory((0x0112, 3, 1, 99)),
        "an orientation of many": directory((0x0112, 3, 90_000, 8)),
        "an orientation in letters": directory((0x0112, 2, 4, 0x36363636)),
        "an unknown type": directory((0x0112, 77, 1, 6)),
        "exposures over zero": directory((0x8769, 4, 1, 26)) + struct.pack("<HHHLLLLL", 1, 0x829A, 5, 1, 44, 0, 0, 0),
        "a thumbnail beyond its end": directory((0x0201, 4, 1, 2**31), (0x0202, 4, 1, 2**31)),
    }
    picture = Image.new("RGB", (40, 40), (7, 77, 177))
    for kind in ("JPEG", "PNG", "WEBP"):
        for name, body in absurd.items():
            data = (
                into_jpeg(segment(0xE1, b"Exif\0\0" + body))
                if kind == "JPEG"
                else saved(picture, kind, exif=body or b"\0")
            )
            yield photo(f"{kind.lower()} with EXIF of {name}", data, DECODED)
    address = b"http://ns.adobe.com/xap/1.0/\0"
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "&%c;&%c;">' % (n + 1, n, n) for n in range(97, 120)
    )
    for name, packet in {
        "laughs": laughs + b"]><l>&x;</l>",
        "depth": b"<a>" * 9_000 + b"</a>" * 9_000,
        "attributes": b"<a " + b" ".join(b'b%d="c"' % n for n in range(5_000)) + b"/>",
        "rubbish": b"\xff\xfe\x00" * 9_000,
    }.items():
        yield photo(f"jpeg with XMP of {name}", into_jpeg(segment(0xE1, address + packet)), DECODED)
    yield photo(
        "jpeg with rubbish from Photoshop",
        into_jpeg(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\xff" * 900)),
        *ANYTHING_TYPED,
    )
    yield photo(
        "jpeg with a profile in 255 parts of which one is there",
        into_jpeg(segment(0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(99))),
        DECODED,
    )
    yield photo("jpeg with an Adobe segment cut off", into_jpeg(segment(0xEE, b"Adobe")), *ANYTHING_TYPED)
    yield photo("jpeg with an absurd resolution", into_jpeg(segment(0xE0, b"JFIF\0\x01\x01\x01\0\0\0\0\0\0")), DECODED)


def _strangers() -> Iterator[Case]:
    picture = Image.fromarray(noise(3, np.uint8, 16, 16))
    for kind in (
        "GIF",
        "BMP",
        "ICO",
        "PPM",
        "TGA",
        "PCX",
        "JPEG2000",
        "ICNS",
        "DDS",
        "EPS",
        "PDF",
        "AVIF",
        "SGI",
        "MSP",
    ):
        try:
            data = saved(picture.convert("1") if kind == "MSP" else picture, kind)
        except (OSError, ValueError, KeyError):
            continue
        yield photo(f"a {kind} that is called a photo", data, UNSUPPORTED)
    for name, data in {
        "nothing": b"",
        "one byte": b"\xff",
        "zeros": bytes(10_000),
        "text": b"This is not a photo.\n" * 50,
        "a page": b"<!doctype html><script>alert(1)</script>",
        "a drawing": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "a program": b"\x7fELF\x02\x01\x01" + bytes(900),
        "a film": b"\0\0\0\x20ftypisom" + bytes(900),
        "HEIC without anything in it": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
        "HEIC of boxes in boxes": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x10meta\0\0\0\0" * 500,
        "a Photoshop file": b"8BPS\0\x01" + bytes(900),
        "a camera's raw": b"II*\0\x10\0\0\0CR\x02\0" + bytes(900),
        "a zip": b"PK\x05\x06" + bytes(18),
        "pickled": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    }.items():
        yield photo(f"{name}, called a photo", data, *REFUSED)


def _more_than_one_thing() -> Iterator[Case]:
    script = b"<script>alert(document.cookie)</script>"
    end = b"PK\x05\x06" + bytes(18)
    for name in ("jpeg", "png", "webp", "tiff"):
        yield photo(f"{name} that is a zip as well", samples()[name] + end, DECODED)
        yield photo(f"{name} that is a page as well", samples()[name] + script, DECODED)
    yield photo("jpeg with a script for a comment", into_jpeg(segment(0xFE, script)), DECODED)
    yield photo(
        "png with a script in its text",
        png(64, 64, pixels=(b"\0" + bytes(192)) * 64, extra=chunk(b"tEXt", b"a\0" + script)),
        DECODED,
    )
    yield photo("page that is a jpeg further on", script + samples()["jpeg"], UNSUPPORTED)
    yield photo("gif that is a jpeg further on", b"GIF89a" + samples()["jpeg"], UNSUPPORTED)
    yield photo("two jpegs, one after the other", samples()["jpeg"] * 2, DECODED)
