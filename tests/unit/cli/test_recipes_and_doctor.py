import json

from core.recipes.presets import PRESETS
from tests.pipelines import save_pipeline


def test_every_preset_is_shown_with_numbers_cost_and_source(heirloom):
    code, _, err = heirloom("recipes")
    assert code == 0
    for name, preset in PRESETS.items():
        assert name in err
        assert preset.source.split(":")[0] in err
    assert "forwards" in err


def test_recipes_are_there_for_programs(heirloom):
    code, out, _ = heirloom("recipes", "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == list(PRESETS)
    assert all(row["forwards"] > 0 for row in json.loads(out))


def test_an_operator_s_own_recipes_stand_beside_the_presets(heirloom, monkeypatch, tmp_path):
    path = tmp_path / "recipes.json"
    path.write_text(json.dumps([{"name": "gentle", "mode": "direct", "restore": {"noise_steps": 60}}]))
    monkeypatch.setenv("HEIRLOOM_RECIPES_FILE", str(path))
    code, out, _ = heirloom("recipes", "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == [*PRESETS, "gentle"]
    path.write_text("[")
    code, _, err = heirloom("recipes")
    assert code == 2
    assert "cannot be read" in err


def test_doctor_finds_what_works(heirloom):
    code, out, err = heirloom("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert code == 0, err
    of_the_service = {"settings", "database", "broker", "blobs"}
    assert findings.keys() == {"torch", "device", "faces", "prior", "home", "heirloom", "libraries"} | of_the_service
    assert "tiny" in findings["prior"]["detail"]
    assert "commercial" in findings["faces"]["detail"]


def test_doctor_says_what_is_missing_and_what_to_do(heirloom, monkeypatch, home):
    monkeypatch.setenv("HEIRLOOM_PRIOR", "absent")
    code, _, err = heirloom("doctor")
    assert code == 1
    assert "missing prior" in err
    assert "heirloom models list" in err


def test_doctor_notices_damaged_weights(heirloom, home):
    weights = home / "priors" / "tiny" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, _, err = heirloom("doctor")
    assert code == 1
    assert "pull it again" in err


def test_doctor_takes_a_published_folder_as_what_it_is(heirloom, monkeypatch, tmp_path):
    save_pipeline(tmp_path / "published")
    monkeypatch.setenv("HEIRLOOM_PRIOR", str(tmp_path / "published"))
    code, out, err = heirloom("doctor", "--json")
    prior = next(finding for finding in json.loads(out) if finding["name"] == "prior")
    assert code == 0, err
    assert prior["ok"]
    assert "published, 16 px" in prior["detail"]


def test_doctor_misses_a_published_folder_s_weights(heirloom, monkeypatch, tmp_path):
    save_pipeline(tmp_path / "published")
    for weights in (tmp_path / "published").rglob("*.safetensors"):
        weights.unlink()
    monkeypatch.setenv("HEIRLOOM_PRIOR", str(tmp_path / "published"))
    code, _, err = heirloom("doctor")
    assert code == 1
    assert "has none of diffusion_pytorch_model.safetensors" in err
