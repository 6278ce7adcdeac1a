import pytest

from benchmarks.rows import Rows, machine


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "numbers.csv"


def row(photo="a", seed=0, psnr=30.5):
    return {"photo": photo, "seed": seed, "psnr": psnr}


def opened(path):
    return Rows(path, key=("photo", "seed"))


def test_rows_are_there_after_opening_the_file_again(path):
    rows = opened(path)
    rows.add(row())
    rows.add(row(seed=1, psnr=None))
    again = opened(path)
    expected = [
        {"photo": "a", "seed": "0", "psnr": "30.5"},
        {"photo": "a", "seed": "1", "psnr": ""},
    ]
    assert again.all() == rows.all() == expected
    assert again.has(photo="a", seed=1)
    assert not again.has(photo="a", seed=2)
    assert path.read_text().count("photo") == 1


def test_what_is_to_be_measured_again_stands_beside_the_first(path):
    rows = opened(path)
    rows.add(row(psnr=1))
    rows.add(row(psnr=2))
    assert [entry["psnr"] for entry in opened(path).all()] == ["1", "2"]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_line_that_a_kill_cut_in_half_is_dropped_and_can_be_added_again(path, cut):
    rows = opened(path)
    rows.add(row())
    rows.add(row(seed=1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = opened(path)
    assert [entry["seed"] for entry in again.all()] == ["0"]
    again.add(row(seed=1))
    assert path.read_bytes() == whole


def test_a_header_cut_in_half_is_a_new_beginning(path):
    path.parent.mkdir()
    path.write_text("photo,se")
    rows = opened(path)
    assert rows.all() == []
    rows.add(row())
    assert opened(path).all() == rows.all()


def test_commas_quotes_and_line_breaks_stay_one_row(path):
    rows = opened(path)
    rows.add(row(photo='a, "b"\nc'))
    assert len(path.read_text().splitlines()) == 2
    assert opened(path).has(photo='a, "b"\nc', seed=0)


def test_a_new_column_is_refused_and_nothing_is_written(path):
    rows = opened(path)
    rows.add(row())
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"no column ssim.*another version"):
        rows.add(row(seed=1) | {"ssim": 0.9})
    assert path.read_bytes() == before


def test_a_row_or_a_file_without_its_key_is_refused(path):
    with pytest.raises(ValueError, match="needs the column seed"):
        opened(path).add({"photo": "a"})
    Rows(path, key=("photo",)).add({"photo": "a"})
    with pytest.raises(ValueError, match="needs the column seed"):
        opened(path)
    with pytest.raises(ValueError, match="is known by photo, not by seed"):
        Rows(path, key=("photo",)).has(seed=1)


def test_the_machine_is_described_in_words():
    described = machine()
    assert set(described) == {"cpu", "cores", "gpu", "torch", "date"}
    assert all(described.values())
    assert int(described["cores"]) >= 1
