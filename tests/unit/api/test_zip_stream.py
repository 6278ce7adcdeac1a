import io
import zipfile

from api.zip_stream import zip_stream


def test_a_streamed_zip_is_one():
    contents = {"a.png": [b"one", b"two"], "ü.png": [], "big": [bytes(100_000)] * 3}
    data = b"".join(zip_stream(contents.items()))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: b"".join(pieces) for name, pieces in contents.items()
        }


def test_nothing_is_read_before_it_is_taken_and_little_is_held_back():
    read = []

    def content():
        for number in range(100):
            read.append(number)
            yield bytes(10_000)

    stream = zip_stream([("a", content())])
    next(stream)
    assert read == [0]
    taken = sum(len(next(stream)) for _ in range(50))
    assert len(read) == 51
    assert taken >= 500_000
