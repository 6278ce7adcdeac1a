import inspect

import pytest

from cli.errors import exit_code_of
from core.domain import errors
from core.domain.errors import HeirloomError

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HeirloomError)]


SHARED = {
    "conflict": "that a job has ended is a conflict",
    "idempotency_conflict": "the same to a caller, whatever its status: use another key",
    "invalid_request": "the service's and the command line's own word for it",
}


def test_every_error_has_a_code_of_its_own_but_for_those_that_mean_the_same_to_a_caller():
    codes = [kind.code for kind in EVERY]
    assert {code for code in codes if codes.count(code) > 1} == set(SHARED)
    assert all(code == code.lower() and " " not in code for code in codes)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_says_what_happened_and_what_to_do_and_has_an_exit_code(kind):
    error = kind("It broke.", "Mend it.")
    assert str(error) == "It broke. Mend it."
    assert 1 <= exit_code_of(error) <= 130
    assert str(kind("It broke.")) == "It broke."


def test_the_drawing_on_top_of_the_module_names_every_error():
    assert all(kind.__name__ in errors.__doc__ for kind in EVERY)
