import json

from core.imaging.intake import decode_photo


def test_the_demo_leaves_before_restored_and_original_side_by_side(heirloom, tmp_path):
    code, out, err = heirloom("demo", "-o", tmp_path / "demo", "--mode", "direct")
    assert (code, out) == (0, ""), err
    assert "before, restored, and the original" in err
    pictures = {path.name for path in (tmp_path / "demo").iterdir()}
    assert pictures == {"photo.jpg", "restored.png", "before_after.png"}
    assert decode_photo((tmp_path / "demo" / "before_after.png").read_bytes()).shape == (384, 3 * 384, 3)


def test_the_demo_takes_what_restore_takes_and_reports_alike(heirloom, tmp_path):
    more = ("--mode", "direct", "--device", "cpu", "--precision", "fp32", "--seed", 5, "--json")
    code, out, err = heirloom("demo", "-o", tmp_path / "demo", *more)
    assert code == 0, err
    report = json.loads(out)
    assert report["seed"] == 5
    assert report["recipe"]["mode"] == "direct"
    assert [entry["path"] for entry in report["photos"][0]["outputs"]] == [str(tmp_path / "demo" / "restored.png")]


def test_the_demo_offers_only_modes_that_need_no_album(heirloom, tmp_path):
    code, _, err = heirloom("demo", "-o", tmp_path / "demo", "--mode", "personal")
    assert code == 2
    assert "'personal' is not one of" in err
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_the_demo_cannot_make_is_one_line(heirloom, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = heirloom("demo", "-o", tmp_path / "file", "--json")
    assert code == 6
    assert err.endswith("file cannot be made: File exists. Choose another with -o.")
    assert json.loads(out)["error"]["code"] == "output_unwritable"


def test_a_device_that_is_not_there_is_said_before_the_demo_makes_anything(heirloom, tmp_path):
    code, _, err = heirloom("demo", "-o", tmp_path / "demo", "--device", "mps")
    assert code == 1
    assert "There is no mps device here." in err
    assert not (tmp_path / "demo").exists()
