import subprocess
import sys

import pytest

from core.domain.errors import PriorUnavailableError, SettingsError
from core.priors.locate import describe_prior
from core.settings import Settings
from tests.benches import tiny_home
from worker.process import WorkerProcess, priors_here


def test_a_worker_knows_its_own_prior_the_starter_and_what_was_pulled(tmp_path):
    spec = tiny_home(tmp_path)
    (tmp_path / "priors" / "broken").mkdir()
    (tmp_path / "priors" / "broken" / "prior.json").write_text("{")
    starter = describe_prior("starter", tmp_path)
    assert priors_here(Settings(home=tmp_path, prior="tiny")) == {spec.sha256: "tiny", starter.sha256: "starter"}


def test_a_worker_without_its_prior_does_not_start(tmp_path):
    with pytest.raises(PriorUnavailableError, match="nowhere"):
        priors_here(Settings(home=tmp_path, prior="nowhere"))


def test_a_server_s_worker_wants_a_word_about_a_research_prior(tmp_path):
    tiny_home(tmp_path)
    settings = Settings(home=tmp_path, prior="tiny", database_url="postgresql://nobody/none")
    with pytest.raises(SettingsError, match="HEIRLOOM_ACCEPT_RESEARCH_PRIOR"):
        priors_here(settings)


def test_the_bare_loop_says_why_it_cannot_start(tmp_path, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_HOME", str(tmp_path))
    monkeypatch.setenv("HEIRLOOM_PRIOR", "nowhere")
    ended = subprocess.run([sys.executable, "-m", "worker"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_worker_does_not_begin_on_a_database_that_lacks_what_it_reads(bench):
    with bench.database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE workers DROP COLUMN died_at")
    worker = WorkerProcess(bench.settings, bench.database, bench.store)
    with pytest.raises(SettingsError, match=r"workers.died_at.*heirloom db upgrade"):
        worker.__enter__()
