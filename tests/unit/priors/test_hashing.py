import hashlib

import pytest

from core.priors.hashing import file_sha256


@pytest.mark.parametrize("length", [0, 3, 2**20, 3 * 2**20 + 1])
def test_a_file_s_hash_is_that_of_its_bytes(tmp_path, length):
    data = bytes(i % 251 for i in range(length))
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_the_hash_is_written_as_sha256sum_writes_it(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")  # the example of FIPS 180-2
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "file") == expected
