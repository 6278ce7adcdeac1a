import json

import pytest

from core.domain.errors import ImageUnreadableError
from core.imaging.intake import encode
from tests.decoders import DecodesHere
from tests.one_face import aligned_faces


@pytest.fixture
def seven(tmp_path):
    """Seven crops of one face, and one of them twice."""
    folder = tmp_path / "seven"
    folder.mkdir()
    crops = [encode(face) for face in aligned_faces(7, 128)]
    for number, crop in enumerate([*crops, crops[0]]):
        (folder / f"{number}.png").write_bytes(crop + b" " * (number == 7))
    return folder


def test_an_album_is_looked_through_without_tuning(heirloom, seven):
    code, _, err = heirloom("album", seven, "--aligned")
    assert code == 0, err
    assert "left out 7.png" in err
    assert "held out" in err
    assert "advice" in err
    assert "7 of 8 photos would be kept" in err


def test_its_report_is_the_one_that_a_tuning_gives_and_the_best_step_s_curve_is_shown(heirloom, seven, tmp_path):
    _, out, _ = heirloom("album", seven, "--aligned", "--json")
    target = tmp_path / "a.safetensors"
    code, tuned, err = heirloom("tune", seven, "--aligned", "--json", "-o", target)
    assert code == 0, err
    assert json.loads(out)["album"] == json.loads(tuned)["album"]
    scores = json.loads(tuned)["scores"]
    assert [scored["step"] for scored in scores["curve"]] == [0, 1, 2, 3, 4]
    assert json.loads(tuned)["step"] == scores["best_step"]
    code, _, err = heirloom("tune", seven, "--aligned", "-o", target)
    assert "(before tuning)" in err
    assert "← kept" in err
    assert "tuned on 6 of 8 photos, scored on 1" in err


def test_a_refused_album_shows_what_its_photos_are_and_the_error_carries_it(heirloom, pictures, tmp_path):
    folder = tmp_path / "poor"
    folder.mkdir()
    for name in ("wall.png", "broken.jpg", "portrait.jpg"):
        (folder / name).write_bytes((pictures / name).read_bytes())
    for command in (["album", folder], ["tune", folder, "-o", tmp_path / "a.safetensors"]):
        code, _, err = heirloom(*command)
        assert code == 3
        assert "left out wall.png: No face was found in the photo. (no_face_detected)" in err
        code, out, _ = heirloom(*command, "--json")
        error = json.loads(out)["error"]
        assert error["code"] == "album_too_small"
        assert [photo["kept"] for photo in error["album"]["photos"]] == [False, True, False]


def test_an_animal_s_album_needs_no_face(heirloom, pictures, tmp_path):
    folder = tmp_path / "cats"
    folder.mkdir()
    for name in ("face0.png", "face2.png", "portrait.jpg"):
        (folder / name).write_bytes((pictures / name).read_bytes())
    code, out, err = heirloom("album", folder, "--category", "cat", "--json")
    assert code == 0, err
    report = json.loads(out)["album"]
    assert [photo["sureness"] for photo in report["photos"]] == [None] * 3
    assert report["coverage"] == {"views": {}, "tilts": {}, "lights": {}, "expressions": {}}


def test_a_photo_that_ends_its_decoder_is_left_out_and_the_others_are_looked_at(heirloom, seven, monkeypatch):
    class EndsAtTheFirst(DecodesHere):
        def working(self, data, limits=None):
            if data == (seven / "0.png").read_bytes():
                raise ImageUnreadableError("Its decoder ended.")
            return super().working(data, limits)

    monkeypatch.setattr("cli.requests.decode_pool", EndsAtTheFirst)
    code, _, err = heirloom("album", seven, "--aligned")
    assert code == 0, err
    assert "left out 0.png" in err
    assert "7 of 8 photos would be kept" in err
