import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from core.domain.errors import BadInputError
from core.imaging.align import align_face, alignment_of_face
from core.imaging.composite import outline_of
from core.imaging.faces import DlibFaceFinder
from core.imaging.intake import encode
from core.imaging.original.reading import read_original
from core.imaging.recompose import KeptFace, OutputWish, RestoredFace, layers, recompose
from core.imaging.resize import resize
from tests.photo_files import deep_file, read_elsewhere, saved

KEPT = OutputWish()


@pytest.fixture(scope="module")
def photo():
    """The astronaut twice, beside herself: [256, 512, 3]."""
    from skimage.data import astronaut

    half = np.ascontiguousarray(astronaut()[10:266, 90:346])
    return np.hstack([half, half[:, ::-1]])


@pytest.fixture(scope="module")
def faces(photo):
    """Her two faces, redrawn: lighter, and with a stripe."""
    return [redrawn(photo, face) for face in DlibFaceFinder(finest_scale=1.0).find(photo)]


def redrawn(photo, face, change=lambda crop: 255 - crop // 2):
    alignment = alignment_of_face(face)
    crop = align_face(photo, alignment, round(alignment.side_pixels))
    return RestoredFace(alignment.quad, outline_of(alignment, face), change(crop), seed=3)


def test_a_deep_photo_is_restored_in_more_than_eight_bits(photo, faces):
    data, before = sent(photo, "png", 16)
    after = read_elsewhere(recompose(data, faces, KEPT).saved.data)
    changed = after[(after != before).any(axis=2)].astype(np.int64)
    # What has eight bits only lies on multiples of 257.
    assert np.mean(changed % 257 != 0) > 0.9
    redrawn_far = np.abs(after.astype(int) - before).min(axis=2) > 40 * 257
    assert np.mean(after[redrawn_far].astype(np.int64) % 257 != 0) > 0.9


def masked(photo, faces):
    """Where the layers show: [H, W] bool."""
    touched = np.zeros(photo.shape[:2], bool)
    for layer in layers(encode(photo), faces, KEPT):
        mask = np.asarray(Image.open(io.BytesIO(layer.mask)))
        touched[layer.top : layer.top + mask.shape[0], layer.left : layer.left + mask.shape[1]] |= mask > 0
    return touched


def sent(photo, kind, bits, channels=3):
    """A file of it, and its pixels as another program reads them."""
    pixels = photo if channels == 3 else np.concatenate([photo, np.full_like(photo[..., :1], 200)], axis=2)
    if bits == 16:
        noise = np.random.default_rng(0).integers(0, 257, pixels.shape)
        data = deep_file((pixels.astype(np.uint32) * 255 + noise).astype(np.uint16), f".{kind}")
    else:
        data = saved(Image.fromarray(pixels), kind)
    return data, read_elsewhere(data)


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize(("bits", "channels"), [(8, 3), (8, 4), (16, 3)])
def test_pixels_outside_the_masks_are_the_same_bytes_and_those_inside_are_not(photo, faces, kind, bits, channels):
    data, before = sent(photo, kind, bits, channels)
    after = read_elsewhere(recompose(data, faces, KEPT).saved.data)
    assert after.dtype == before.dtype
    assert after.shape == before.shape
    touched = masked(photo, faces)
    differs = (after != before).any(axis=2)
    assert not differs[~touched].any()
    assert differs[touched].mean() > 0.9
    if channels == 4:
        assert np.array_equal(after[..., 3], before[..., 3])


@pytest.mark.parametrize("bits", [8, 16])
def test_a_face_that_was_not_restored_goes_back_as_it_came(photo, bits):
    data, before = sent(photo, "png", bits)
    found = DlibFaceFinder(finest_scale=1.0).find(photo)
    same = [redrawn(photo, face, lambda crop: crop) for face in found]
    after = read_elsewhere(recompose(data, same, KEPT).saved.data)
    step = np.abs(after.astype(float) - before) / np.iinfo(before.dtype).max * 255
    touched = masked(photo, same)
    assert step[touched].mean() < 1
    assert step[~touched].max() == 0


def test_a_kept_face_is_no_part_of_it(photo, faces):
    data = encode(photo)
    both, one = (read_elsewhere(recompose(data, some, KEPT).saved.data) for some in (faces, faces[:1]))
    second = masked(photo, faces[1:])
    assert np.array_equal(one[second], photo[second])
    assert np.array_equal(one[~second], both[~second])


def test_a_kept_face_keeps_its_pixels_where_a_restored_one_overlaps_it(photo, faces):
    left = min(faces, key=lambda face: face.quad[0][0])
    shift = 0.3 * np.linalg.norm(left.quad[3] - left.quad[0]) * np.array([1.0, 0.0])
    kept = KeptFace(left.quad + shift, left.outline + shift)
    alone, beside = (
        read_elsewhere(recompose(encode(photo), [left], KEPT, kept=some).saved.data) != photo for some in ((), (kept,))
    )
    columns = np.broadcast_to(np.arange(photo.shape[1]) + 0.5, photo.shape[:2])
    middle = (left.outline + shift / 2).mean(axis=0)
    theirs = cv2.fillConvexPoly(np.zeros(photo.shape[:2], np.uint8), kept.outline.round().astype(np.int32), 1) > 0
    theirs &= columns > middle[0] + 2  # beyond the line on which both are equally deep
    assert alone[theirs].any()
    assert not beside[theirs].any()
    ours = columns < middle[0] - 0.1 * shift[0]
    assert beside[ours].any()
    (layer,) = layers(encode(photo), [left], KEPT, kept=[kept])
    assert layer.face == 0


def test_without_a_restored_face_the_photo_is_written_as_it_was_and_not_called_generated(photo, faces):
    untouched, restored = (recompose(encode(photo), some, KEPT).saved.data for some in ((), faces))
    assert np.array_equal(read_elsewhere(untouched), photo)
    assert b"trainedAlgorithmicMedia" not in untouched
    assert b"TrainedAlgorithmicMedia" in restored or b"trainedAlgorithmicMedia" in restored


def test_a_jpeg_is_compressed_as_its_source_was_and_another_format_can_be_asked_for(photo, faces):
    data = encode(photo, "jpeg", 60)
    same = recompose(data, faces, KEPT)
    assert (same.saved.suffix, same.width, same.height) == ("jpg", 512, 256)
    assert read_original(same.saved.data).jpeg == read_original(data).jpeg
    other = recompose(data, faces, OutputWish(file_format="tiff"))
    assert other.saved.data[:4] in (b"II*\0", b"MM\0*")


@pytest.mark.parametrize("tone", ["grey", "sepia", "saturated"])
def test_colours_stay_the_photo_s_unless_they_are_free(photo, faces, tone):
    grey = photo.mean(axis=2, keepdims=True)
    toned = {
        "grey": np.repeat(grey, 3, axis=2),
        "sepia": grey * np.array([1.0, 0.85, 0.66]),
        "saturated": photo * np.array([1.0, 0.45, 0.35]),
    }[tone].astype(np.uint8)
    purple = [replace(face, native=face.native // 2 + np.array([90, 0, 110], np.uint8)) for face in faces]
    kept = read_elsewhere(recompose(encode(toned), purple, KEPT).saved.data).astype(int)
    if tone == "grey":
        assert (kept[..., 0] == kept[..., 1]).all()
        assert (kept[..., 1] == kept[..., 2]).all()
    free = read_elsewhere(recompose(encode(toned), purple, OutputWish(colour="free")).saved.data).astype(int)
    touched = masked(photo, faces)

    def blueness(pixels):
        return float((pixels[..., 2] - pixels[..., 1])[touched].mean())

    assert abs(blueness(kept) - blueness(toned.astype(int))) < 12
    assert blueness(free) > blueness(kept) + 15


def test_layers_lie_where_the_faces_are_and_hold_crop_mask_and_result(photo, faces):
    made = list(layers(encode(photo), faces, KEPT))
    assert [layer.face for layer in made] == [0, 1]
    for layer in made:
        crop, mask, result = (
            np.asarray(Image.open(io.BytesIO(data))) for data in (layer.crop, layer.mask, layer.result)
        )
        assert mask.ndim == 2
        assert result.shape == (*mask.shape, 3)
        assert crop.shape[0] == crop.shape[1] == len(faces[layer.face].native)
    assert made[0].left != made[1].left


@pytest.mark.parametrize("bits", [8, 16])
def test_an_aligned_photo_is_replaced_at_its_own_size_and_depth(photo, bits):
    crop = np.ascontiguousarray(photo[:, :256])
    data, before = sent(crop, "png", bits)
    face = RestoredFace(None, None, resize(255 - crop, 64), seed=0)
    made = recompose(data, [face], KEPT)
    after = read_elsewhere(made.saved.data)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert (after != before).mean() > 0.9
    native = recompose(data, [face], OutputWish(native=True))
    assert (native.width, native.height) == (64, 64)
    assert list(layers(data, [face], KEPT)) == []


def test_an_aligned_photo_that_is_no_square_is_refused(photo):
    with pytest.raises(BadInputError, match="square"):
        recompose(encode(photo), [RestoredFace(None, None, photo[:64, :64], seed=0)], KEPT)
