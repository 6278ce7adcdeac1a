import asyncio
import hashlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from api.multipart import label_of, read_form
from core.domain.errors import HeirloomError

TYPE = "multipart/form-data; boundary=frontier"


class Collected:
    """A sink that keeps everything."""

    def __init__(self):
        self.files = []
        self.ended = 0

    def begin(self, label):
        self.files.append([label, b""])

    def write(self, data):
        self.files[-1][1] += data

    def end(self):
        self.ended += 1


def body_of(parts):
    body = b""
    for name, filename, content in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
        body += b"--frontier\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + b"--frontier--\r\n"


def read(body, pieces=None, content_type=TYPE):
    sink = Collected()

    async def stream():
        for piece in pieces or [body]:
            yield piece

    fields, sha256 = asyncio.run(read_form(content_type, stream(), sink))
    assert sink.ended == len(sink.files)
    return fields, sink.files, sha256


def test_fields_and_files_are_told_apart():
    fields, files, _ = read(body_of([("mode", None, b"direct"), ("file", "a.png", b"bytes"), ("seed", None, b"7")]))
    assert fields == {"mode": "direct", "seed": "7"}
    assert files == [["a.png", b"bytes"]]


@settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(st.binary(max_size=200).filter(lambda data: b"frontier" not in data), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=50),
)
def test_it_does_not_matter_how_a_body_is_cut(contents, cuts):
    body = body_of([("file", f"{n}.png", data) for n, data in enumerate(contents)])
    pieces, rest = [], body
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    whole, cut = read(body), read(body, [*pieces, rest])
    assert whole == cut
    assert [data for _, data in cut[1]] == contents


def test_the_hash_is_of_what_is_meant():
    parts = [("mode", None, b"direct"), ("file", "a.png", b"bytes")]
    first = read(body_of(parts))[2]
    other = body_of(parts).replace(b"frontier", b"elsewhere")
    assert read(other, content_type=TYPE.replace("frontier", "elsewhere"))[2] == first
    for changed in (
        [("mode", None, b"auto"), ("file", "a.png", b"bytes")],
        [("mode", None, b"direct"), ("file", "b.png", b"bytes")],
        [("mode", None, b"direct"), ("file", "a.png", b"others")],
        [("file", "a.png", b"bytes")],
    ):
        assert read(body_of(changed))[2] != first
    assert len(first) == hashlib.sha256().digest_size * 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_whatever_comes_is_a_form_or_refused(noise, framed):
    body = b"--frontier\r\n" + noise if framed else noise
    with suppress(HTTPException, HeirloomError):  # and nothing else
        read(body)


@pytest.mark.parametrize("length", [0, 71, 10_000])
def test_a_boundary_that_cannot_be_one_is_refused(length):
    with pytest.raises((HTTPException, HeirloomError)):
        read(b"", content_type=f"multipart/form-data; boundary={'x' * length}")


def test_fields_are_limited_in_number_and_length():
    for parts in ([("a", None, b"x" * 70_000)], [(f"f{n}", None, b"") for n in range(40)], [("a", None, b"")] * 2):
        with pytest.raises(HeirloomError):
            read(body_of(parts))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a.png", "a.png"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\x", "x"),
        ("", "photo"),
        ("\x00\x1f", "photo"),
        ("a/", "photo"),
    ],
)
def test_a_label_is_never_a_path(name, label):
    assert label_of(name) == label
