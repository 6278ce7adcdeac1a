"""A slice of the corpus; the whole is `python -m tests.corpus`."""

import re
from pathlib import Path

import pytest

from core.imaging.decode_pool import DecodePool
from tests.corpus import all_cases
from tests.corpus.case import DECODED
from tests.corpus.run import examine

SLICE = 6


def forget_peak():
    """From now on VmHWM is of what comes: the tests before may have needed much."""
    Path("/proc/self/clear_refs").write_text("5")


def memory_bytes(kind):
    """Of this process: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"^{kind}:\s+(\d+) kB", status, re.MULTILINE)[1])


def test_the_corpus_is_large_and_no_name_stands_twice():
    cases = all_cases()
    assert len({case.name for case in cases}) == len(cases) >= 300
    assert sum(case.kind == "zip" for case in cases) >= 100
    assert sum(DECODED not in case.outcomes for case in cases) >= 300


@pytest.mark.parametrize("kind", ["photo", "zip"])
def test_what_is_malformed_is_refused_by_a_typed_error_and_no_process_dies(kind):
    cases = [case for case in all_cases() if case.kind == kind][:: SLICE if kind == "photo" else 2]
    forget_peak()
    before = memory_bytes("VmRSS")
    with DecodePool() as pool:  # its processes have a limit of their own
        findings = list(examine(cases, pool))
    assert [(finding.case.name, finding.outcome, finding.wrong) for finding in findings if finding.wrong] == []
    assert [finding.case.name for finding in findings if finding.ended_process] == []
    assert memory_bytes("VmHWM") - before < 1.5 * 2**30
