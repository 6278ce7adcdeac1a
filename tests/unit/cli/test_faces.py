import json
from pathlib import Path

from core.imaging.intake import decode_photo


def test_faces_are_listed_for_people_and_drawn(heirloom, pictures, tmp_path):
    code, _, err = heirloom("faces", pictures / "portrait.jpg", "-o", tmp_path / "drawn.jpg")
    assert code == 0, err
    assert "512 × 512 pixels, one face" in err
    assert "front" in err
    assert "drew" in err
    assert decode_photo((tmp_path / "drawn.jpg").read_bytes()).shape == (512, 512, 3)


def test_faces_are_listed_for_programs_and_a_bad_photo_does_not_stop_the_others(heirloom, pictures, tmp_path):
    photos = [pictures / name for name in ("broken.jpg", "portrait.jpg", "wall.png", "absent.png")]
    code, out, err = heirloom("faces", *photos, "-o", tmp_path / "drawn", "--json")
    broken, portrait, wall, absent = json.loads(out)["photos"]
    assert code == 3
    assert (broken["error"]["code"], absent["error"]["code"]) == ("image_unreadable", "bad_input")
    assert "broken.jpg" in err
    (face,) = portrait["faces"]
    assert (face["index"], face["verdict"], face["view"], len(face["landmarks"])) == (0, "enough", "front", 68)
    assert portrait["drawn"] == str(tmp_path / "drawn" / "portrait.png")
    assert wall["faces"] == []
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["portrait.png", "wall.png"]


def test_a_folder_s_photos_are_looked_at(heirloom, pictures):
    (pictures / ".hidden.png").write_bytes(b"x")
    (pictures / "notes.txt").write_text("x")
    (pictures / "broken.jpg").unlink()
    code, out, _ = heirloom("faces", pictures, "--json")
    assert code == 0
    assert [Path(row["photo"]).name for row in json.loads(out)["photos"]] == [
        *(f"face{i}.png" for i in range(6)),
        "portrait.jpg",
        "wall.png",
    ]


def test_a_folder_without_photos_is_refused(heirloom, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = heirloom("faces", tmp_path / "empty")
    assert code == 3
    assert "holds no JPEG, PNG, WebP" in err


def test_a_photo_is_never_drawn_over(heirloom, pictures):
    before = (pictures / "wall.png").read_bytes()
    for arguments in (["-o", pictures / "wall.png"], ["-o", pictures]):
        code, _, err = heirloom("faces", pictures / "wall.png", *arguments)
        assert code == 6
        assert "one of the photos" in err
    assert (pictures / "wall.png").read_bytes() == before


def test_several_photos_need_a_folder(heirloom, pictures, tmp_path):
    code, _, err = heirloom("faces", pictures / "wall.png", pictures / "portrait.jpg", "-o", tmp_path / "one.png")
    assert code == 2
    assert "Name a folder" in err


def test_a_finder_without_its_file_is_named(heirloom, pictures, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_FACE_FINDER", "yunet")
    code, _, err = heirloom("faces", pictures / "wall.png")
    assert code == 1
    assert "HEIRLOOM_YUNET_MODEL" in err
