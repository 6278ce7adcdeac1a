"""Malformed TIFFs: the format is a graph of offsets, and each may point anywhere."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import tifffile

from tests.corpus.case import ANYTHING_TYPED, REFUSED, TOO_LARGE, UNSUPPORTED, Case, photo
from tests.photo_files import noise, saved

_SHORT, _LONG = 3, 4
_PIXELS = bytes(range(192)) * 16


def _tiff(
    changes: dict[int, tuple[int, int, int] | None] | None = None, following: int = 0, pixels: bytes = _PIXELS
) -> bytes:
    """A TIFF of 32 × 32 RGB in one strip, with tags changed to (type, count, value), or left out."""
    tags: dict[int, tuple[int, int, int] | None] = {
        256: (_SHORT, 1, 32),
        257: (_SHORT, 1, 32),
        258: (_SHORT, 1, 8),
        259: (_SHORT, 1, 1),
        262: (_SHORT, 1, 2),
        273: (_LONG, 1, 0),
        277: (_SHORT, 1, 3),
        278: (_SHORT, 1, 32),
        279: (_LONG, 1, len(_PIXELS)),
        **(changes or {}),
    }
    left = {tag: entry for tag, entry in sorted(tags.items()) if entry is not None}
    start = 8 + 2 + 12 * len(left) + 4
    if left.get(273) == (_LONG, 1, 0):
        left[273] = (_LONG, 1, start)
    entries = b"".join(struct.pack("<HHLL", tag, *entry) for tag, entry in left.items())
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(left)) + entries + struct.pack("<L", following) + pixels


def cases() -> Iterator[Case]:
    """Every one."""
    yield photo("tiff whose directory follows itself", _tiff(following=8), *ANYTHING_TYPED)
    yield photo("tiff whose next directory is beyond its end", _tiff(following=2**32 - 1), *ANYTHING_TYPED)
    yield photo("tiff whose next directory is its header", _tiff(following=2), *ANYTHING_TYPED)
    for tag, name in ((330, "inner"), (34665, "camera"), (34853, "place"), (40965, "interoperability")):
        yield photo(f"tiff whose {name} directory is its own", _tiff({tag: (_LONG, 1, 8)}), *ANYTHING_TYPED)
        yield photo(f"tiff with a million {name} directories", _tiff({tag: (_LONG, 1_000_000, 8)}), *ANYTHING_TYPED)
    yield photo("tiff whose directories go round", _circle(), *ANYTHING_TYPED)
    yield photo("tiff of ten thousand pages", _many_pages(10_000), *REFUSED)
    yield photo("tiff of two pages", _many_pages(2), UNSUPPORTED)
    for width, height in ((0, 0), (0, 32), (32, 0)):
        yield photo(f"tiff of {width} × {height}", _tiff({256: (_LONG, 1, width), 257: (_LONG, 1, height)}), *REFUSED)
    for width, height in ((12_001, 1), (10_000, 10_000), (2**31, 2**31), (2**32 - 1, 2**32 - 1)):
        yield photo(
            f"tiff of {width} × {height}", _tiff({256: (_LONG, 1, width), 257: (_LONG, 1, height)}), TOO_LARGE, *REFUSED
        )
    large = {256: (_LONG, 1, 7_000), 257: (_LONG, 1, 7_000)}
    yield photo("tiff of 49 megapixels and no pixels", _tiff(large), *REFUSED)
    yield photo("deflated tiff of 49 megapixels and no pixels", _tiff({**large, 259: (_SHORT, 1, 8)}), *REFUSED)
    for value in (0, 1, 3, 5, 6, 7, 8, 99, 32_773, 32_809, 34_661, 34_712, 34_925, 50_000, 50_001, 65_535):
        outcomes = ANYTHING_TYPED if value == 1 else REFUSED
        yield photo(f"tiff compressed by the method {value}", _tiff({259: (_SHORT, 1, value)}), *outcomes)
    for value in (0, 1, 3, 4, 5, 6, 8, 32_803, 65_535):
        yield photo(f"tiff of the colours {value}", _tiff({262: (_SHORT, 1, value)}), *ANYTHING_TYPED)
    for value in (0, 1, 7, 16, 32, 64, 255, 65_535):
        yield photo(f"tiff of {value} bits", _tiff({258: (_SHORT, 1, value)}), *ANYTHING_TYPED)
    for value in (0, 1, 2, 4, 5, 100, 65_535):
        yield photo(f"tiff of {value} samples", _tiff({277: (_SHORT, 1, value)}), *ANYTHING_TYPED)
    for value in (0, 1, 2, 7, 2**32 - 1):
        yield photo(f"tiff of {value} rows a strip", _tiff({278: (_LONG, 1, value)}), *ANYTHING_TYPED)
        yield photo(f"tiff of {value} bytes a strip", _tiff({279: (_LONG, 1, value)}), *ANYTHING_TYPED)
    for name, entry in {
        "at its end": (_LONG, 1, 2**32 - 1),
        "in its header": (_LONG, 1, 1),
        "many": (_LONG, 100_000, 8),
        "endless": (_LONG, 2**32 - 1, 8),
        "in letters": (2, 9, 8),
        "of no type": (99, 1, 8),
    }.items():
        yield photo(f"tiff whose strips are {name}", _tiff({273: entry}), *ANYTHING_TYPED)
    for tag in (256, 257, 258, 262, 273, 277, 279):
        yield photo(f"tiff without the tag {tag}", _tiff({tag: None}), *ANYTHING_TYPED)
    for side in (0, 1, 2**31):
        tiles = {322: (_LONG, 1, side), 323: (_LONG, 1, side), 324: (_LONG, 1, 8), 325: (_LONG, 1, 99)}
        yield photo(f"tiff of tiles of {side}", _tiff({**tiles, 273: None, 279: None}), *ANYTHING_TYPED)
    for tag, name in ((34675, "profile"), (700, "XMP"), (33723, "IPTC"), (320, "palette"), (347, "JPEG tables")):
        yield photo(f"tiff with an endless {name}", _tiff({tag: (1, 2**32 - 1, 8)}), *ANYTHING_TYPED)
        yield photo(f"tiff with a {name} that is its own directory", _tiff({tag: (1, 100, 8)}), *ANYTHING_TYPED)
    yield photo(
        "tiff of 65,535 tags", b"II*\0\x08\0\0\0\xff\xff" + b"\x0f\x01\x02\0\xff\xff\xff\xff\0\0\0\0" * 9_000, *REFUSED
    )
    yield photo("tiff of one header", b"II*\0\x08\0\0\0", *REFUSED)
    yield photo("tiff whose bytes are in no order", b"IM*\0\x08\0\0\0" + bytes(99), *REFUSED)
    yield photo("large tiff of one header", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + bytes(99), *REFUSED)
    yield photo(
        "tiff with a circle of seeds",
        _tiff({34665: (_LONG, 1, 8), 34853: (_LONG, 1, 8), 330: (_LONG, 1, 8)}, 8),
        *ANYTHING_TYPED,
    )
    yield from _deep()


def _deep() -> Iterator[Case]:
    planes = io.BytesIO()
    tifffile.imwrite(planes, noise(3, np.uint16).transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    yield photo("deep tiff of planes", planes.getvalue(), UNSUPPORTED)
    for name, dtype in (
        ("floats", np.float32),
        ("doubles", np.float64),
        ("whole numbers of 32 bits", np.uint32),
        ("signs", np.int16),
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, np.ones((16, 16), dtype))
        yield photo(f"tiff of {name}", file.getvalue(), *ANYTHING_TYPED)
    deep = {258: (_SHORT, 1, 16)}
    for size in (0, 100, len(_PIXELS)):
        yield photo(f"deep tiff of {size} bytes", _tiff(deep, pixels=_PIXELS[:size]), *REFUSED)


def _circle() -> bytes:
    """Three directories, the last of which leads to the first."""
    data = bytearray(_many_pages(3))
    at, seen = struct.unpack_from("<L", data, 4)[0], 0
    while True:
        (count,) = struct.unpack_from("<H", data, at)
        link = at + 2 + 12 * count
        (following,) = struct.unpack_from("<L", data, link)
        seen += 1
        if not following or seen > 3:
            struct.pack_into("<L", data, link, 8)
            return bytes(data)
        at = following


def _many_pages(count: int) -> bytes:
    if count <= 3:
        from PIL import Image

        page = Image.new("L", (8, 8))
        return saved(page, "TIFF", save_all=True, append_images=[page] * (count - 1))
    page = struct.pack("<HHHLL", 1, 256, _SHORT, 1, 8)
    first = _tiff(following=0)
    start = len(first)
    first = _tiff(following=start)
    step = len(page) + 4
    links = (start + step * (n + 1) if n + 1 < count else 0 for n in range(count))
    return first + b"".join(page + struct.pack("<L", link) for link in links)
