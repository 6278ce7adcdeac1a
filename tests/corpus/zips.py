"""Malformed zips, and well-formed ones that mean harm."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence

from tests.corpus.case import DECODED, NO_PHOTOS, REJECTED, Case, archive
from tests.corpus.samples import samples

_CUTS = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99)
_END = struct.Struct("<4s4H2LH")


def cases() -> Iterator[Case]:
    """Every one."""
    yield from _damaged()
    yield from _forbidden()
    yield from _lying()
    yield from _bombs()
    yield from _names()
    yield from _strangers()


def _zip(
    entries: Sequence[tuple[str | zipfile.ZipInfo, bytes]],
    compression: int = zipfile.ZIP_DEFLATED,
    comment: bytes = b"",
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in entries:
            file.writestr(name, data)
        file.comment = comment
    return buffer.getvalue()


def _album() -> bytes:
    return _zip([("a.jpg", samples()["jpeg"]), ("b.png", samples()["png"])])


def _with_end(data: bytes, **changes: int) -> bytes:
    """The same zip with numbers of its end record changed."""
    names = ("disk", "directory_disk", "here", "entries", "size", "offset", "comment")
    numbers = dict(zip(names, _END.unpack(data[-_END.size :])[1:], strict=True)) | changes
    return data[: -_END.size] + _END.pack(b"PK\x05\x06", *numbers.values())


def _patched(data: bytes, signature: bytes, offset: int, form: str, value: int) -> bytes:
    """A number changed in every header of a kind."""
    changed, at = bytearray(data), -1
    while (at := data.find(signature, at + 1)) >= 0:
        struct.pack_into(form, changed, at + offset, value)
    return bytes(changed)


def _damaged() -> Iterator[Case]:
    album = _album()
    for part in _CUTS:
        yield archive(f"zip cut off at {part:.0%}", album[: int(len(album) * part)], REJECTED)
        yield archive(f"zip that begins at {part:.0%}", album[int(len(album) * part) :], REJECTED)
    for at in range(40, len(album) - 60, max(1, len(album) // 12)):
        damaged = bytearray(album)
        damaged[at] ^= 0xFF
        yield archive(f"zip with a byte changed at {at / len(album):.0%}", bytes(damaged), REJECTED, DECODED, NO_PHOTOS)
    yield archive("zip with a wrong checksum", _patched(album, b"PK\x01\x02", 16, "<L", 5), REJECTED)
    yield archive("zip whose entries have no header", album.replace(b"PK\x03\x04", b"XXXX"), REJECTED)
    yield archive("zip whose directory has no header", album.replace(b"PK\x01\x02", b"XXXX"), REJECTED)
    yield archive("zip whose names differ", album.replace(b"a.jpg", b"z.jpg", 1), REJECTED)


def _forbidden() -> Iterator[Case]:
    album, plain = _album(), samples()["png"]
    for bit, name in ((0, "encrypted"), (6, "strongly encrypted"), (13, "with a hidden directory")):
        both = _patched(_patched(album, b"PK\x01\x02", 8, "<H", 1 << bit), b"PK\x03\x04", 6, "<H", 1 << bit)
        yield archive(f"zip {name}", both, REJECTED, DECODED)
    yield archive("zip encrypted in its entries alone", _patched(album, b"PK\x03\x04", 6, "<H", 1), REJECTED, DECODED)
    for kind, name in ((stat.S_IFLNK, "link"), (stat.S_IFIFO, "pipe"), (stat.S_IFCHR, "device")):
        info = zipfile.ZipInfo("a.png")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        outcomes = (REJECTED,) if kind == stat.S_IFLNK else (REJECTED, DECODED)
        yield archive(f"zip with a {name}", _zip([(info, b"/etc/passwd")]), *outcomes)
    for suffix in ("zip", "ZIP", "7z", "rar", "gz", "tar"):
        yield archive(f"zip with a {suffix} in it", _zip([("a.png", plain), (f"in/side.{suffix}", album)]), REJECTED)
    yield archive("zip with a zip that is called a photo", _zip([("inner.jpg", album)]), DECODED)
    for method, name in ((zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")):
        yield archive(f"zip packed by {name}", _zip([("a.png", plain * 9)], method), REJECTED)
    for method in (1, 6, 9, 93, 97, 99, 65_535):
        both = _patched(_patched(album, b"PK\x01\x02", 10, "<H", method), b"PK\x03\x04", 8, "<H", method)
        yield archive(f"zip packed by the method {method}", both, REJECTED)


def _lying() -> Iterator[Case]:
    album = _album()
    for change in ("disk", "directory_disk"):
        yield archive(f"zip of several files by its {change}", _with_end(album, **{change: 1}), REJECTED)
    for name in ("size", "offset"):
        for value in (1, 2**31, 2**32 - 2, 2**32 - 1):
            yield archive(
                f"zip whose directory's {name} is {value}", _with_end(album, **{name: value}), REJECTED, NO_PHOTOS
            )
    yield archive("zip whose directory is its whole", _with_end(album, offset=0, size=len(album) - 22), REJECTED)
    yield archive("zip that says it has 65,535 entries", _with_end(album, entries=65_535, here=65_535), REJECTED)
    yield archive("zip that says it has none", _with_end(album, entries=0, here=0), DECODED, REJECTED)
    yield archive("zip of 5,000 entries that says it has five", _with_end(_many(5_000), entries=5, here=5), REJECTED)
    yield archive("zip of 5,000 entries", _many(5_000), REJECTED)
    yield archive("zip of the 64-bit kind behind its end record", _with_locator(album), REJECTED)
    yield archive("zip of entries that overlap", _overlapping(), REJECTED)
    yield archive("zip of one entry named a thousand times", _quoted(1_000), REJECTED)
    yield archive("zip whose entry reaches into the directory", _stored_to(len(album)), REJECTED)
    for field, name in ((20, "packed"), (24, "unpacked")):
        for value in (0, 1, 2**31, 2**32 - 1):
            yield archive(
                f"zip whose entries say {value} bytes {name}",
                _patched(album, b"PK\x01\x02", field, "<L", value),
                REJECTED,
                DECODED,
            )
    for value in (1, 9, 2**31, 2**32 - 2, 2**32 - 1):
        yield archive(f"zip whose entries are at {value}", _patched(album, b"PK\x01\x02", 42, "<L", value), REJECTED)
    for field, name in ((28, "name"), (30, "extra field"), (32, "comment")):
        yield archive(
            f"zip with an endless {name}",
            _patched(album, b"PK\x01\x02", field, "<H", 65_535),
            REJECTED,
            NO_PHOTOS,
            DECODED,
        )
    yield archive(
        "zip with another end in its comment",
        _zip([("a.png", samples()["png"])], comment=_with_end(_END.pack(b"PK\x05\x06", *[0] * 7))),
        REJECTED,
        NO_PHOTOS,
        DECODED,
    )
    yield archive("zip with a long comment", _zip([("a.png", samples()["png"])], comment=b"c" * 65_535), DECODED)
    yield archive("zip behind a photo", samples()["jpeg"] + album, DECODED, REJECTED)
    yield archive("zip with a photo behind it", album + samples()["jpeg"], REJECTED, DECODED)


def _many(count: int) -> bytes:
    return _zip([(f"{number}.png", b"") for number in range(count)], zipfile.ZIP_STORED)


def _with_locator(album: bytes) -> bytes:
    """A 64-bit end record, which `zipfile` prefers, says that the directory is elsewhere and endless."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 9, 9, len(album) - 22, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(album) - 22, 1)
    return album[:-22] + record + locator + album[-22:]


def _overlapping() -> bytes:
    data = bytearray(_zip([("a.png", samples()["png"]), ("b.png", samples()["png"])], zipfile.ZIP_STORED))
    second = data.find(b"PK\x01\x02", data.find(b"PK\x01\x02") + 4)
    struct.pack_into("<L", data, second + 42, 10)
    return bytes(data)


def _quoted(count: int) -> bytes:
    """One kernel of a megabyte of zeros, which every name of the directory shares."""
    single = _zip([("a.png", bytes(2**20))])
    begin = single.index(b"PK\x01\x02")
    entry = single[begin:-22]
    return single[:begin] + entry * count + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(entry) * count, begin, 0)


def _stored_to(size: int) -> bytes:
    data = _zip([("a.png", samples()["png"])], zipfile.ZIP_STORED)
    return _patched(_patched(data, b"PK\x01\x02", 20, "<L", size), b"PK\x01\x02", 24, "<L", size)


def _bombs() -> Iterator[Case]:
    yield archive("zip with a gigabyte in one entry", _one_bomb, REJECTED)
    yield archive("zip with 3 MB of zeros", _zip([("a.png", bytes(3 * 2**20))]), REJECTED)
    yield archive("zip with 1,900 times a megabyte less one byte", lambda: same_entries(1_900, 2**20 - 1), REJECTED)
    yield archive("zip with a bomb that is no photo", lambda: _zip([("a.txt", bytes(50 * 2**20))]), NO_PHOTOS)
    yield archive("zip that says its bomb is small", _small_bomb, REJECTED)


def same_entries(count: int, size: int) -> bytes:
    """Entries of equal bytes, packed once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(bytes(size)) + packer.flush()
    checksum, local, directory = zlib.crc32(bytes(size)), [], []
    offset = 0
    for number in range(count):
        name = b"%04d.png" % number
        numbers = struct.pack("<5H3L2H", 20, 0, 8, 0, 33, checksum, len(body), size, len(name), 0)
        local.append(b"PK\x03\x04" + numbers + name + body)
        directory.append(b"PK\x01\x02" + b"\x14\0" + numbers + bytes(10) + struct.pack("<L", offset) + name)
        offset += len(local[-1])
    table = b"".join(directory)
    return b"".join(local) + table + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(table), offset, 0)


def _one_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.png", "w") as entry:
        for _ in range(1_024):
            entry.write(bytes(2**20))
    return buffer.getvalue()


def _small_bomb() -> bytes:
    data = _zip([("a.png", bytes(20 * 2**20))])
    return _patched(_patched(data, b"PK\x01\x02", 24, "<L", 100), b"PK\x03\x04", 22, "<L", 100)


def _names() -> Iterator[Case]:
    plain = samples()["png"]
    harmless = {
        "absolute": "/etc/passwd.png",
        "climbing": "../../../../etc/cron.d/evil.png",
        "of Windows": "C:\\Windows\\evil.png",
        "of a share": "\\\\server\\share\\evil.png",
        "climbing by Windows' way": "..\\..\\evil.png",
        "with a line break": "a\nb.png",
        "with an escape": "a\x1b[31mb.png",
        "turned round": "gnp.\u202eexe.png",
        "long": "n" * 60_000 + ".png",
        "deep": "d/" * 10_000 + "a.png",
        "of nothing but a suffix": "folder/.png",
        "of a device": "CON.png",
        "of emoji": "🌻🌻.png",
        "of a page": "<img src=x onerror=alert(1)>.png",
    }
    for name, label in harmless.items():
        yield archive(f"zip with a name {name}", _zip([(label, plain)]), DECODED, NO_PHOTOS, REJECTED)
    yield archive(
        "zip with a zero in a name",
        _zip([("aXb.png", plain)]).replace(b"aXb.png", b"a\0b.png"),
        DECODED,
        NO_PHOTOS,
        REJECTED,
    )
    yield archive(
        "zip with a name of no letters",
        _zip([("aXb.png", plain)]).replace(b"aXb.png", b"\xff\xfe\xfd.png"),
        DECODED,
        REJECTED,
    )
    yield archive("zip with no name", _zip([("a.png", plain)]).replace(b"a.png", b"/////"), NO_PHOTOS, REJECTED)
    album = _zip([("a.png", plain), ("b.png", plain)])
    yield archive("zip with one name twice", album.replace(b"b.png", b"a.png"), DECODED)
    yield archive("zip with a folder called a photo", _zip([("a.png/", b""), ("a.png/b.png", plain)]), DECODED)
    yield archive("zip of hidden files", _zip([(".a.png", plain), ("__MACOSX/b.png", plain)]), NO_PHOTOS)
    yield archive("zip of wrong suffixes", _zip([("a.png", samples()["jpeg"]), ("b.jpg", b"%PDF-1.7")]), DECODED)


def _strangers() -> Iterator[Case]:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as file:
        file.addfile(tarfile.TarInfo("a.png"))
    for name, data in {
        "nothing": b"",
        "an end record": _END.pack(b"PK\x05\x06", *[0] * 7),
        "half an end record": b"PK\x05\x06" + bytes(9),
        "a tar": tar.getvalue(),
        "a 7z": b"7z\xbc\xaf\x27\x1c" + bytes(400),
        "a rar": b"Rar!\x1a\x07\x01\0" + bytes(400),
        "a photo": samples()["jpeg"],
        "zeros": bytes(70_000),
        "end records alone": b"PK\x05\x06" * 20_000,
        "a folder": _zip([("folder/", b"")]),
        "texts": _zip([("a.txt", b"text"), ("b.pdf", b"%PDF")]),
    }.items():
        yield archive(f"{name}, called a zip", data, REJECTED, NO_PHOTOS)
