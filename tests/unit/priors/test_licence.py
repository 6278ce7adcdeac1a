import pytest

from core.domain.errors import SettingsError
from core.priors.licence import check_licence, licence_line
from core.priors.locate import describe_prior


@pytest.fixture
def starter(tmp_path):
    return describe_prior("starter", tmp_path)


def test_a_research_prior_in_the_server_mode_wants_to_be_accepted(starter):
    with pytest.raises(SettingsError, match="HEIRLOOM_ACCEPT_RESEARCH_PRIOR=1") as raised:
        check_licence(starter, embedded=False, accepted=False)
    assert starter.licence in raised.value.message


@pytest.mark.parametrize(("embedded", "accepted"), [(True, False), (False, True), (True, True)])
def test_it_may_be_used_embedded_or_once_accepted(starter, embedded, accepted):
    check_licence(starter, embedded=embedded, accepted=accepted)


def test_a_prior_for_every_use_needs_no_word(starter):
    check_licence(starter.model_copy(update={"commercial_use": True}), embedded=False, accepted=False)


def test_the_licence_is_said_in_one_line(starter):
    assert licence_line(starter).startswith("starter, 128 px, no commercial use: ")
    free = starter.model_copy(update={"commercial_use": True})
    assert "commercial use allowed" in licence_line(free)
