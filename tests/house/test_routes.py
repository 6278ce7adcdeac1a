"""A router translates: its routes are short, and never hold up the event loop."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from api.app import ROUTERS

ROOT = Path(__file__).resolve().parents[2]
ROUTES = [route.endpoint for module in ROUTERS for route in module.router.routes]
MOST_LINES = 10


def body_lines(function):
    definition = ast.parse(inspect.getsource(function)).body[0]
    _, *statements = definition.body  # the first is the docstring
    return statements[-1].end_lineno - statements[0].lineno + 1


def test_there_are_routes():
    assert len(ROUTES) > 30


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.__module__}.{route.__name__}")
def test_a_route_has_at_most_ten_lines(route):
    assert body_lines(route) <= MOST_LINES


def test_only_the_probe_that_needs_no_thread_runs_on_the_event_loop():
    assert [route.__name__ for route in ROUTES if inspect.iscoroutinefunction(route)] == ["livez"]


@pytest.mark.parametrize("module", ["api.app", "docs.openapi"])
def test_the_api_loads_neither_torch_nor_celery(module):
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'diffusers', 'peft', 'celery'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603  # our own code
