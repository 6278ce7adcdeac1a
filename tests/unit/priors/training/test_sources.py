import struct
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.domain.errors import AlbumTooSmallError, ArchiveRejectedError, BadInputError, ImageTooLargeError
from core.priors.training.sources import names_from_index, open_entries


@pytest.fixture
def opened():
    with ExitStack() as stack:
        yield lambda *sources: open_entries(sources, stack)


def zipped(path, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


CONTENT = {"b.PNG": b"1", "a.jpg": b"2", "deep/er/c.webp": b"3", "d.jpeg": b"4"}
NO_IMAGES = {
    "readme.txt": b"",
    "movie.gif": b"",
    "png": b"",
    ".hidden.png": b"",
    "._a.jpg": b"",
    ".thumbnails/a.jpg": b"",
    "__MACOSX/._b.png": b"",
}


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path):
    """The same files as a folder and as a zip."""
    if request.param == "zip":
        return zipped(tmp_path / "pictures.zip", CONTENT | NO_IMAGES)
    for name, data in (CONTENT | NO_IMAGES).items():
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).write_bytes(data)
    return tmp_path / "pictures"


def test_images_are_found_at_any_depth_in_a_fixed_order_and_nothing_hidden(source, opened):
    entries = opened(source)
    assert [(entry.name, entry.read()) for entry in entries] == [
        ("a.jpg", b"2"),
        ("b.PNG", b"1"),
        ("d.jpeg", b"4"),
        ("c.webp", b"3"),
    ]


def test_a_folder_that_is_itself_hidden_may_be_named(tmp_path, opened):
    (tmp_path / ".mine").mkdir()
    (tmp_path / ".mine" / "a.png").write_bytes(b"1")
    assert [entry.name for entry in opened(tmp_path / ".mine")] == ["a.png"]


def test_several_sources_follow_each_other(tmp_path, opened):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "z.png").write_bytes(b"1")
    two = zipped(tmp_path / "two.zip", {"a.png": b"2"})
    assert [entry.name for entry in opened(tmp_path / "one", two)] == ["z.png", "a.png"]
    assert [entry.name for entry in opened(two, tmp_path / "one")] == ["a.png", "z.png"]


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", b"PK\x05\x06", b"PK\x03\x04" + bytes(40)],
    ids=["empty", "text", "an end", "a beginning"],
)
def test_what_is_no_zip_is_refused_and_named(tmp_path, opened, content):
    (tmp_path / "odd.zip").write_bytes(content)
    with pytest.raises(ArchiveRejectedError, match=r"odd\.zip is not a zip that can be read") as caught:
        opened(tmp_path / "odd.zip")
    assert caught.value.advice == "Make it again."


def test_a_zip_of_a_later_version_is_refused(tmp_path, opened):
    path = zipped(tmp_path / "later.zip", {"a.png": b"1"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 6, 200)
    path.write_bytes(data)
    with pytest.raises(ArchiveRejectedError):
        opened(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_entry_fails_alone(tmp_path, opened, method):
    path = zipped(tmp_path / "odd.zip", {"a.png": bytes(range(256)) * 40, "b.png": b"whole"}, method)
    data = bytearray(path.read_bytes())
    data[45:60] = b"\xff" * 15
    path.write_bytes(data)
    damaged, whole = opened(path)
    with pytest.raises(BadInputError, match=r"a\.png cannot be unpacked"):
        damaged.read()
    assert whole.read() == b"whole"


def test_an_encrypted_entry_fails_alone(tmp_path, opened):
    path = zipped(tmp_path / "odd.zip", {"a.png": b"1"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=r"a\.png cannot be unpacked"):
        opened(path)[0].read()


def test_an_entry_too_large_for_a_photo_is_not_unpacked(tmp_path, opened):
    path = zipped(tmp_path / "bomb.zip", {"a.png": bytes(101 * 2**20)})
    with pytest.raises(ImageTooLargeError, match=r"a\.png is too large"):
        opened(path)[0].read()


def test_a_file_that_vanishes_or_is_a_folder_fails_alone(tmp_path, opened):
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / "folder.png").mkdir()
    entries = opened(tmp_path)
    (tmp_path / "a.png").unlink()
    for entry in entries:
        with pytest.raises(BadInputError, match=f"{entry.name} cannot be read"):
            entry.read()


def test_a_missing_source_is_named(tmp_path, opened):
    with pytest.raises(BadInputError, match="absent does not exist") as caught:
        opened(tmp_path / "absent")
    assert caught.value.advice == "Name a folder or a zip of images."


def test_no_images_at_all_says_what_is_read(tmp_path, opened):
    for source in (tmp_path, zipped(tmp_path / "empty.zip", {"a.txt": b""})):
        with pytest.raises(AlbumTooSmallError, match="No images were found") as caught:
            opened(source)
        assert caught.value.advice == "These are read: .heic, .heif, .jpeg, .jpg, .png, .tif, .tiff, .webp."


def index(tmp_path, text) -> Path:
    path = tmp_path / "index.csv"
    path.write_bytes(text)
    return path


def test_an_index_tells_which_files_come_from_which_source(tmp_path):
    path = index(tmp_path, b"file,source,extra\na.png,one,x\nb.png,two,x\nc.png,three,x\n")
    assert names_from_index(path, ["one", "three"]) == {"a.png", "c.png"}


@pytest.mark.parametrize(
    "text",
    [b"file;source\na;b\n", b"name,source\na,one\n", b"file\na\n", b"\xff\xfe", b'file,source\n"%s' % (b"x" * 200_000)],
)
def test_what_is_no_index_is_refused(tmp_path, text):
    with pytest.raises(BadInputError, match=r"index\.csv is not an index of images") as caught:
        names_from_index(index(tmp_path, text), ["one"])
    assert caught.value.advice == "It needs the columns file and source."


def test_an_absent_index_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="is not an index of images"):
        names_from_index(tmp_path / "absent.csv", ["one"])


def test_a_source_that_the_index_does_not_have_is_named(tmp_path):
    with pytest.raises(BadInputError, match="lists no image of four, five") as caught:
        names_from_index(index(tmp_path, b"file,source\na.png,one\n"), ["four", "five"])
    assert caught.value.advice == "Check --hold-out-source."
