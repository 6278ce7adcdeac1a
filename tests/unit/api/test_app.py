"""How the API starts from its environment; what it does then is told by the other files."""

import pytest

from api.app import from_environment
from core.domain.errors import SettingsError
from core.settings import Settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HEIRLOOM_{name.upper()}", raising=False)
    monkeypatch.setenv("HEIRLOOM_HOME", str(tmp_path / "home"))


def test_the_offer_is_open_before_the_first_request():
    app = from_environment()
    assert app.state.service.offer.prior.resolution == 128
    app.state.service.database.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFAULT_RECIPE", "nonsense"),
        ("RECIPES_FILE", "/absent/recipes.json"),
        ("ALLOWED_HOSTS", '["photos.example.org"]'),
        ("BROKER_URL", "http://x"),
        ("FACE_FINDER", "opencv"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"HEIRLOOM_{name}", value)
    with pytest.raises(SettingsError, match=f"HEIRLOOM_{name}: "):
        from_environment()


@pytest.mark.parametrize("model", ["", "/absent/yunet.onnx"])
def test_a_face_finder_without_its_file_stops_the_start(monkeypatch, model):
    monkeypatch.setenv("HEIRLOOM_FACE_FINDER", "yunet")
    monkeypatch.setenv("HEIRLOOM_YUNET_MODEL", model)
    with pytest.raises(SettingsError, match="HEIRLOOM_YUNET_MODEL: "):
        from_environment()


def test_a_research_prior_in_the_server_mode_is_refused(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://127.0.0.1:1/heirloom")
    with pytest.raises(SettingsError, match="HEIRLOOM_ACCEPT_RESEARCH_PRIOR=1"):
        from_environment()
