import json

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from core.imaging.intake import decode_photo, encode


@pytest.fixture
def group(tmp_path):
    """A photo of two faces: [200, 400, 3] in a JPEG."""
    half = np.ascontiguousarray(astronaut()[0:400, 0:400][::2, ::2])
    path = tmp_path / "group.jpg"
    path.write_bytes(encode(np.hstack([half, half[:, ::-1]]), "jpeg"))
    return path


def verdicts(out):
    return [face["verdict"] for face in json.loads(out)["photos"][0]["faces"]]


def test_single_faces_are_kept_or_restored_with_their_own_checkpoint(heirloom, group, checkpoint, tmp_path):
    common = ("restore", group, "--mode", "direct", "--json", "-o")
    code, out, err = heirloom(*common, tmp_path / "a.png", "--face", "1=keep")
    assert code == 0, err
    assert verdicts(out) == ["restored", "kept"]
    code, out, err = heirloom(*common, tmp_path / "b.png", "--face", f"1={checkpoint}")
    assert code == 0, err
    faces = json.loads(out)["photos"][0]["faces"]
    assert [face["verdict"] for face in faces] == ["kept", "restored"]
    assert faces[1]["checkpoint"] == str(checkpoint)


def test_a_face_is_named_by_a_box_and_others_are_left_alone(heirloom, group, tmp_path):
    left, top, right, bottom = 90, 30, 140, 90
    arguments = ("--mode", "direct", "-o", tmp_path / "a.png", "--json", "--box", f"{left},{top},{right},{bottom}")
    code, out, err = heirloom("restore", group, *arguments)
    assert code == 0, err
    assert verdicts(out) == ["restored"]
    before, after = (decode_photo(path.read_bytes()) for path in (group, tmp_path / "a.png"))
    assert np.array_equal(before[:, 200:], after[:, 200:])


def test_in_a_folder_a_result_has_its_photo_s_name_and_the_suffix_of_its_bytes(heirloom, group, tmp_path):
    tiff = tmp_path / "scan.tif"
    Image.open(group).save(tiff)
    misnamed = tmp_path / "misnamed.jpg"
    misnamed.write_bytes(encode(decode_photo(group.read_bytes())))
    code, _, err = heirloom("restore", group, tiff, misnamed, "--mode", "direct", "-o", tmp_path / "out")
    assert code == 0, err
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["group.jpg", "misnamed.png", "scan.tif"]
    for name in written:
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.format == {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}[name[-3:]]


def test_crops_layers_and_candidates_are_written_beside_the_photo(heirloom, group, tmp_path):
    folders = ("--crops", tmp_path / "crops", "--layers", tmp_path / "layers")
    arguments = ("--mode", "direct", "--candidates", 2, "-o", tmp_path / "a.png", *folders, "--json")
    code, out, err = heirloom("restore", group, *arguments)
    assert code == 0, err
    faces = [f"a-face{n}" for n in range(2)]
    assert {path.name for path in tmp_path.glob("a-*.png")} == {"a-1.png", "a-2.png"}
    assert (tmp_path / "a-1.png").read_bytes() != (tmp_path / "a-2.png").read_bytes()
    assert {path.name for path in (tmp_path / "crops").iterdir()} == {
        f"{face}-{kind}.png" for face in faces for kind in ("before", "1", "2")
    }
    assert {path.name for path in (tmp_path / "layers").iterdir()} == {
        f"{face}-{kind}.png" for face in faces for kind in ("crop", "mask", "result")
    }
    layer = json.loads(out)["photos"][0]["faces"][0]["layers"]
    assert {"left", "top", "crop", "mask", "result"} == layer.keys()


def test_of_a_cat_the_whole_picture_is_restored_in_the_photo_s_own_colours(heirloom, group, tmp_path):
    arguments = ("--mode", "direct", "--category", "cat", "-o", tmp_path / "a.png", "--json")
    grey = tmp_path / "grey.png"
    Image.open(group).convert("L").save(grey)
    code, out, err = heirloom("restore", grey, *arguments)
    assert code == 0, err
    assert json.loads(out)["photos"][0]["faces"][0]["source"] == "whole"
    with Image.open(tmp_path / "a.png") as made:
        assert (made.mode, made.size) == ("L", (400, 200))


def test_a_photo_none_of_whose_faces_was_restored_is_not_written(heirloom, group, tmp_path):
    code, _, err = heirloom("restore", group, "--mode", "direct", "--face", "5", "-o", tmp_path / "a.png")
    assert code == 3
    assert "There is no face 5" in err
    assert not (tmp_path / "a.png").exists()


def test_a_face_that_fails_beside_a_good_one_is_said_and_the_photo_is_written(heirloom, group, tmp_path):
    boxes = ("--box", "90,30,140,90", "--box", "900,0,990,90")
    code, _, err = heirloom("restore", group, "--mode", "direct", *boxes, "-o", tmp_path / "a.png")
    assert code == 3
    assert "warning" in err
    assert "Face 1 stays as it was" in err
    assert (tmp_path / "a.png").exists()


WRONG = {
    "a face for two photos": (["{g}", "{g}", "--face", "0"], "about the faces of one photo"),
    "no number": (["{g}", "--face", "left"], "--face left names no face"),
    "no box": (["{g}", "--box", "1,2,3"], "--box 1,2,3 is no box"),
    "no fidelity": (["{g}", "--fidelity", "much"], "Say 0 … 1, or auto"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wishes_that_say_nothing_are_refused(heirloom, group, tmp_path, name):
    arguments, words = WRONG[name]
    filled = [argument.format(g=group) for argument in arguments]
    code, _, err = heirloom("restore", *filled, "--mode", "direct", "-o", tmp_path / "out")
    assert code == 2
    assert words in err
