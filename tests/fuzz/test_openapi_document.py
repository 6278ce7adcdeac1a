"""Whatever is sent, the answer is one that the OpenAPI document declares, and never a fault of ours.

Schemathesis draws requests for every operation, right ones and wrong ones. Half of the ids in them are put in by us, of
things that are there, so that the routes are entered and not only their doors.
"""

import itertools
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from docs.openapi import document
from tests.fuzz.world import World, build_world

CASES_AN_OPERATION = int(os.environ.get("HEIRLOOM_FUZZ_EXAMPLES", "60"))
SEED = os.environ.get("HEIRLOOM_FUZZ_SEED", "")
"""Empty: the same requests each time. `make fuzz` draws others, and more."""
ENOUGH = int(os.environ.get("HEIRLOOM_FUZZ_ENOUGH", "2000"))
"""So many cases are demanded where all operations are tried."""
NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "negative_data_rejection",
)
load_all_checks()
_CHECKS = CHECKS.get_by_names(NAMES)
_REFUSED = CHECKS.get_one("negative_data_rejection")
schema = schemathesis.openapi.from_dict(document())
_turn = itertools.count()


@pytest.fixture
def world(sqlite_database, tmp_path):
    with build_world(sqlite_database, tmp_path) as made:
        yield made


@schema.parametrize()
@settings(
    max_examples=CASES_AN_OPERATION,
    deadline=None,
    derandomize=not SEED,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_is_answered_outside_the_document(case: Any, world: World):
    checks = list(_CHECKS)
    if next(_turn) % 2:
        world.make_real(case)
        checks.remove(_REFUSED)  # what made it wrong may be what was replaced
    response = case.call(app=world.app, base_url="http://localhost")
    case.validate_response(response, checks=checks)


def test_enough_requests_were_drawn_where_all_operations_were_tried(request: pytest.FixtureRequest, capsys: Any):
    drawn = next(_turn)
    if SEED:
        with capsys.disabled():
            print(f"\nfuzz: seed {SEED}, {drawn:,} requests drawn")  # noqa: T201  # what a campaign is for
    tried = [item for item in request.session.items if "[" in item.name and item.fspath == request.node.fspath]
    if len(tried) < len(list(schema.get_all_operations())):
        pytest.skip("only some operations were tried")
    assert drawn >= ENOUGH
