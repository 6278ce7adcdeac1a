import inspect

import pytest

from cli.errors import exit_code_of
from core.domain import errors
from core.domain.errors import HeirloomError

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HeirloomError)]


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in EVERY]
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and " " not in code for code in codes)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_says_what_happened_and_what_to_do_and_has_an_exit_code(kind):
    error = kind("It broke.", "Mend it.")
    assert str(error) == "It broke. Mend it."
    assert 1 <= exit_code_of(error) <= 130
    assert str(kind("It broke.")) == "It broke."


def test_the_drawing_on_top_of_the_module_names_every_error():
    assert all(kind.__name__ in errors.__doc__ for kind in EVERY)
