import hashlib
import os
import shutil
import zipfile

import numpy as np
import pytest

from core.domain.errors import AlbumTooSmallError, BadInputError, OutOfMemoryError
from core.imaging.intake import encode
from core.priors.training.dataset import load_held_out, load_training_set
from tests.unit.priors.training.conftest import picture


def greys(images):
    """The pictures' own greys, which name them."""
    return [int(image[0, 0, 0]) for image in images]


def grey_of(name):
    return 20 * int(name[1:3])


def by_hash(names):
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


NAMES = [f"p{i:02d}.png" for i in range(12)]


def test_the_held_out_are_those_with_the_smallest_hashes_of_their_names(folder):
    data = load_training_set([folder], 16, 4)
    aside = by_hash(NAMES)[:4]
    assert greys(data.held_out) == [grey_of(name) for name in aside]
    assert greys(data.train) == [grey_of(name) for name in NAMES if name not in aside]
    assert data.train.shape == (8, 16, 16, 3)
    assert data.train.dtype == data.held_out.dtype == np.uint8
    assert data.broken == ()


@pytest.mark.parametrize("count", [0, 1, 4, 11])
def test_load_held_out_gives_the_very_same_images(folder, count):
    assert np.array_equal(load_held_out([folder], 16, count), load_training_set([folder], 16, count).held_out)


def test_fewer_held_out_are_a_part_of_more(folder):
    assert greys(load_held_out([folder], 16, 7))[:3] == greys(load_held_out([folder], 16, 3))


def test_the_split_stays_when_pictures_are_added(folder):
    before = set(greys(load_held_out([folder], 16, 4)))
    (folder / "p12.png").write_bytes(encode(picture(241)))
    after = set(greys(load_held_out([folder], 16, 5)))
    assert before <= after


def test_only_allowed_names_are_held_out(folder):
    allowed = {"p00.png", "p05.png", "p11.png"}
    data = load_training_set([folder], 16, 3, allowed.__contains__)
    assert set(greys(data.held_out)) == {grey_of(name) for name in allowed}
    with pytest.raises(
        AlbumTooSmallError, match="12 images were found, 3 of which can be held out; 4 are to be"
    ) as caught:
        load_held_out([folder], 16, 4, allowed.__contains__)
    assert "hold fewer out with --held-out" in caught.value.advice


def test_a_zip_and_its_folder_are_the_same_data(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"inside/{path.name}")
    one, two = (load_training_set([source], 16, 4) for source in (folder, tmp_path / "pictures.zip"))
    assert np.array_equal(one.train, two.train)
    assert np.array_equal(one.held_out, two.held_out)
    assert one.sha256 == two.sha256


def test_other_names_or_another_split_have_another_hash(folder, tmp_path):
    hashes = {load_training_set([folder], 16, count).sha256 for count in (0, 1, 2)}
    (folder / "p00.png").rename(folder / "q00.png")
    assert len(hashes | {load_training_set([folder], 16, 0).sha256}) == 4


def test_broken_pictures_are_left_out_and_named_wherever_they_would_have_gone(folder):
    first, last = by_hash(NAMES)[0], by_hash(NAMES)[-1]
    for name in (first, last):
        (folder / name).write_bytes((folder / name).read_bytes()[:40])
    data = load_training_set([folder], 16, 4)
    assert data.broken == tuple(sorted((first, last)))
    assert greys(data.held_out) == [grey_of(name) for name in by_hash(NAMES)[1:5]]
    assert len(data.train) == 6
    assert not {grey_of(first), grey_of(last)} & {*greys(data.train), *greys(data.held_out)}


def test_pictures_that_are_all_broken_leave_nothing_to_train_on(folder):
    for name in NAMES:
        (folder / name).write_bytes(b"broken")
    with pytest.raises(AlbumTooSmallError, match="No image is left to train on: 0 are held out and 12 are broken"):
        load_training_set([folder], 16, 0)


def test_holding_everything_out_is_refused(folder):
    with pytest.raises(AlbumTooSmallError, match="No image is left to train on: 12 are held out") as caught:
        load_training_set([folder], 16, 12)
    assert "--held-out" in caught.value.advice


def test_the_middle_square_is_kept_and_shrunk_by_areas(tmp_path):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = np.kron(np.indices((16, 16)).sum(0) % 2, np.ones((2, 2)))[..., None] * 200
    (tmp_path / "wide.png").write_bytes(encode(wide))
    (tmp_path / "tall.png").write_bytes(encode(wide.transpose(1, 0, 2)))
    data = load_training_set([tmp_path], 16, 0)
    expected = (np.indices((16, 16)).sum(0) % 2 * 200).astype(np.uint8)
    for image in data.train:
        assert np.array_equal(image, np.repeat(expected[..., None], 3, axis=2))
    assert len(data.held_out) == 0


def test_small_pictures_are_enlarged_and_equal_ones_untouched(tmp_path):
    exact = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(encode(exact))
    (tmp_path / "b.png").write_bytes(encode(picture(99, 5, 7)))
    data = load_training_set([tmp_path], 16, 0)
    assert np.array_equal(data.train[0], exact)
    assert np.array_equal(data.train[1], picture(99, 16, 16))


def test_progress_counts_every_image_that_is_read(folder):
    told = []
    load_training_set([folder], 16, 4, on_image=told.append)
    assert told == list(range(5, 13))


def test_stopping_while_reading_stops(folder):
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_training_set([folder], 16, 4, on_image=stop)


def test_more_than_fits_into_memory_is_refused_before_it_is_read(folder, monkeypatch):
    present = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1}
    monkeypatch.setattr(os, "sysconf", present.__getitem__)
    with pytest.raises(OutOfMemoryError, match="12 images of 64 pixels a side need") as caught:
        load_training_set([folder], 64, 0)
    assert caught.value.advice == "Name fewer images."


def test_a_missing_folder_is_named(folder):
    shutil.rmtree(folder)
    with pytest.raises(BadInputError, match="pictures does not exist"):
        load_held_out([folder], 16, 1)
