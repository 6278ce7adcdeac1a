import json
import re

import httpx
import pytest
from PIL import Image

from cli.demo_pictures import ALBUM_PHOTOS
from cli.demo_service import restore_over_http
from cli.service_process import running_service
from core.domain.errors import HeirloomError
from core.imaging.intake import decode_photo
from core.priors.spec import LinearScheduleSpec
from tests.unit.cli.conftest import save_prior


def test_the_demo_leaves_before_restored_and_original_side_by_side(heirloom, tmp_path):
    code, out, err = heirloom("demo", "-o", tmp_path / "demo", "--mode", "direct")
    assert (code, out) == (0, ""), err
    assert "before, restored, and the original" in err
    pictures = {path.name for path in (tmp_path / "demo").iterdir()}
    assert pictures == {"photo.jpg", "restored.jpg", "before_after.png"}
    assert decode_photo((tmp_path / "demo" / "before_after.png").read_bytes()).shape == (384, 3 * 384, 3)


def test_the_demo_takes_what_restore_takes_and_reports_alike(heirloom, tmp_path):
    more = ("--mode", "direct", "--device", "cpu", "--precision", "fp32", "--seed", 5, "--json")
    code, out, err = heirloom("demo", "-o", tmp_path / "demo", *more)
    assert code == 0, err
    report = json.loads(out)
    assert report["seed"] == 5
    assert report["recipe"]["mode"] == "direct"
    assert [entry["path"] for entry in report["photos"][0]["outputs"]] == [str(tmp_path / "demo" / "restored.jpg")]


@pytest.fixture
def quick_personal(home, monkeypatch):
    """A prior with all steps, and a personal recipe of a second: the service's processes read them themselves."""
    folder = save_prior(home / "priors" / "thousand", schedule=LinearScheduleSpec())
    recipe = {
        "name": "demo-personal",
        "mode": "personal",
        "finetune": {"iterations": 3, "batch": 2, "learning_rate": 1e-4},
        "restore": {"noise_steps": 40, "sampler": "dpm-solver++", "sampler_steps": 4},
    }
    (home / "recipes.json").write_text(json.dumps([recipe]))
    monkeypatch.setenv("HEIRLOOM_PRIOR", str(folder))
    monkeypatch.setenv("HEIRLOOM_RECIPES_FILE", str(home / "recipes.json"))
    monkeypatch.setenv("HEIRLOOM_DEFAULT_RECIPE", "demo-personal")


def test_the_demo_registers_an_album_with_a_service_restores_with_it_and_leaves_no_service_behind(
    heirloom, quick_personal, home, tmp_path
):
    code, out, err = heirloom("demo", "-o", tmp_path / "demo", "--device", "cpu", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["album"] == {"kept": ALBUM_PHOTOS, "left_out": 0}
    assert report["seconds"].keys() == {"album", "restoration"}
    assert "flatters the result" in err
    pictures = {path.name for path in (tmp_path / "demo").iterdir()}
    assert pictures == {"photo.jpg", "restored.jpg", "before_after.png", "service.log"}
    with Image.open(tmp_path / "demo" / "restored.jpg") as restored:
        assert (restored.format, restored.size) == ("JPEG", (512, 512))
    assert decode_photo((tmp_path / "demo" / "before_after.png").read_bytes()).shape == (384, 3 * 384, 3)
    url = re.search(r"listens on (http://\S+)\.", err)[1]
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/livez")
    assert not (home / "heirloom.db").exists(), "the demo has a home of its own"


def test_a_service_that_does_not_start_is_one_line_that_says_where_to_read_why(
    heirloom, quick_personal, monkeypatch, tmp_path
):
    monkeypatch.setenv("HEIRLOOM_RECIPES_FILE", "~nobody-of-this-name/recipes.json")
    with pytest.raises(HeirloomError, match="did not start"), running_service(tmp_path / "own", tmp_path / "log"):
        pass
    assert "HEIRLOOM_RECIPES_FILE" in (tmp_path / "log").read_text()


def test_what_the_service_refuses_is_said_in_its_words(tmp_path):
    def refuse(request):
        return httpx.Response(422, json={"detail": "This is no photo.", "advice": "Send a JPEG."})

    client = httpx.Client(base_url="http://service", transport=httpx.MockTransport(refuse))
    with pytest.raises(HeirloomError, match=r"This is no photo\. Send a JPEG\."):
        restore_over_http(client, b"", b"", 0, lambda *_: None)


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
