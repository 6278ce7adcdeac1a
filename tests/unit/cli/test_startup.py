import os
import stat
from contextlib import closing

import pytest
from sqlalchemy import text

from cli import serve, worker
from cli.settings import settings_with
from cli.startup import make_private, open_database, prepare, prepare_database
from core.db.session import Database
from core.domain.errors import OutputUnwritableError, PriorUnavailableError, SettingsError
from core.settings import read_settings
from migrations import run
from tests.unit.cli.conftest import save_prior


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """`settings_with` writes into the environment; what is set here is put back."""
    for name in ("HOST", "PORT", "DATABASE_URL"):
        monkeypatch.setenv(f"HEIRLOOM_{name}", "")
    for command in (serve, worker):
        monkeypatch.setattr(command, "start_logs", lambda _settings: None)  # pytest's own stay


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_embedded_start_makes_a_private_home_and_a_migrated_database(home):
    home.chmod(0o755)
    spec = prepare(read_settings())
    assert spec.name == "tiny"
    assert mode(home) == 0o700
    assert mode(home / "heirloom.db") == 0o600
    url = read_settings().database_address
    assert run.current(url) == run.newest()
    assert run.check(url) == []


def test_what_is_written_after_the_start_is_private_too(home):
    prepare(read_settings())
    (home / "note").write_text("")
    assert mode(home / "note") == 0o600


def test_a_start_changes_nothing_the_second_time(home):
    prepare(read_settings())
    prepare(read_settings())
    with open_database(read_settings()) as database, database.read() as session:
        assert session.connection().exec_driver_sql("SELECT id FROM owners").scalars().all() == ["own_local"]


def test_a_home_that_cannot_be_made_says_what_to_set(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritableError, match="Set HEIRLOOM_HOME to a folder of your own"):
        make_private(tmp_path / "file" / "home")


def at_revision(revision, *changes):
    with closing(Database(read_settings().database_address)) as database, database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        for statement in changes:
            session.execute(text(statement))


def test_a_server_s_database_that_is_not_migrated_is_refused(postgres_url, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", postgres_url)
    at_revision("0005")
    with pytest.raises(SettingsError, match=r"is at revision 0005.*heirloom db upgrade"):
        prepare_database(read_settings())


def test_while_an_upgrade_rolls_on_the_version_before_starts_beside_it(postgres_url, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", postgres_url)
    at_revision("9999", "ALTER TABLE jobs ADD COLUMN later VARCHAR(8)")
    prepare_database(read_settings())
    with pytest.raises(SettingsError, match=r"9999.*newer version"):
        run.upgrade(postgres_url)


def test_a_version_that_is_too_old_for_the_database_is_refused(postgres_url, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", postgres_url)
    at_revision("9999", "ALTER TABLE jobs DROP COLUMN run_seconds")
    with pytest.raises(SettingsError, match=r"revision 9999.*jobs.run_seconds.*Install that version"):
        prepare_database(read_settings())


def test_embedded_nothing_but_the_newer_version_itself_takes_up_its_database(home):
    prepare_database(read_settings())
    at_revision("9999")
    with pytest.raises(SettingsError, match=r"9999.*newer version.*Install that version"):
        prepare_database(read_settings())


def test_a_server_s_database_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://heirloom:hush@127.0.0.1:1/heirloom")
    with pytest.raises(SettingsError) as raised:
        prepare_database(read_settings())
    assert "HEIRLOOM_DATABASE_URL" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_the_server_mode_wants_a_research_prior_to_be_accepted(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://127.0.0.1:1/heirloom")
    with pytest.raises(SettingsError, match="HEIRLOOM_ACCEPT_RESEARCH_PRIOR=1"):
        prepare(read_settings())


def test_a_prior_that_is_not_here_stops_the_start(monkeypatch, home):
    monkeypatch.setenv("HEIRLOOM_PRIOR", "absent")
    with pytest.raises(PriorUnavailableError):
        prepare(read_settings())
    assert not (home / "heirloom.db").exists()


@pytest.mark.parametrize(("name", "value"), [("DEFAULT_RECIPE", "nonsense"), ("RECIPES_FILE", "/absent/recipes.json")])
def test_a_wrong_recipe_setting_stops_the_start_of_a_server_and_a_worker(heirloom, monkeypatch, home, name, value):
    monkeypatch.setenv(f"HEIRLOOM_{name}", value)
    for command in (("serve", "--port", 0), ("worker",)):
        code, _, err = heirloom(*command)
        assert code != 0
        assert f"HEIRLOOM_{name}: " in err
    assert not (home / "heirloom.db").exists()


def test_what_the_command_line_says_counts_before_the_environment_and_reaches_children(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_PORT", "9000")
    assert settings_with(host=None, port=None).port == 9000
    assert settings_with(host="127.0.0.2", port=9001).port == 9001
    assert (os.environ["HEIRLOOM_HOST"], os.environ["HEIRLOOM_PORT"]) == ("127.0.0.2", "9001")


def test_another_prior_of_the_home_is_found_by_its_name(home, monkeypatch):
    save_prior(home / "priors" / "second")
    monkeypatch.setenv("HEIRLOOM_PRIOR", "second")
    assert prepare(read_settings()).resolution == 16
