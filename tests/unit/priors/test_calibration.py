import json

import numpy as np
import pytest

from core.domain.errors import AlbumTooSmallError, PriorError
from core.priors.calibrate import FEWEST_PICTURES, calibrate, ladder
from core.priors.calibration import CALIBRATION_FILE, LEAST_SPREAD, read_calibration, rungs_of, write_calibration
from core.priors.locate import STARTER_FOLDER
from core.priors.spec import read_spec
from tests.fakes import tiny_prior

PICTURES = np.random.default_rng(0).integers(0, 256, (FEWEST_PICTURES, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def calibration():
    return calibrate(tiny_prior(), PICTURES, "noise")


def test_mean_and_spread_are_those_of_the_clean_pictures():
    findings = np.random.default_rng(0).normal(2.0, 1.0, (400, 3, 4))
    rungs = rungs_of((5, 9, 20), findings, 1)
    assert [rung.t for rung in rungs] == [5, 9, 20]
    assert np.array(rungs[1].mean) == pytest.approx(findings[:, 1].mean(0))
    assert np.array(rungs[1].spread) == pytest.approx(np.hypot(findings[:, 1].std(0, ddof=1), LEAST_SPREAD))


def test_nineteen_of_twenty_clean_pictures_are_within_every_limit():
    findings = np.random.default_rng(0).normal(2.0, 1.0, (400, 6, 4))
    rungs = rungs_of(tuple(range(6)), findings, 1)
    beyond = [
        any(rung.departures(one[place], 1).max() > rung.limit for place, rung in enumerate(rungs)) for one in findings
    ]
    assert 15 <= sum(beyond) <= 20


def test_only_more_noise_and_less_detail_are_departures():
    rung = rungs_of((5,), np.random.default_rng(0).normal(0.0, 1.0, (400, 1, 2)), 1)[0]
    assert rung.departures(np.array([3.0, 0.0]), 1)[0] == pytest.approx(3.0, abs=0.3)
    assert rung.departures(np.array([-3.0, 3.0]), 1).max() < 0
    assert rung.departures(np.array([0.0, -3.0]), 1)[1] == pytest.approx(3.0, abs=0.3)


def test_the_ladder_rises_within_the_schedule_of_any_length():
    steps = ladder(tiny_prior())
    assert list(steps) == sorted(set(steps))
    assert 0 <= steps[0] < steps[-1] < 50


def test_it_is_read_as_it_was_written_to_four_digits(calibration, tmp_path):
    write_calibration(tmp_path, calibration)
    read = read_calibration(tmp_path, tiny_prior().spec)
    assert (read.pictures, read.source, read.names) == (FEWEST_PICTURES, "noise", calibration.names)
    for one, other in zip(read.rungs, calibration.rungs, strict=True):
        assert np.array(one.mean) == pytest.approx(np.array(other.mean), abs=1e-4)


def test_one_of_other_weights_counts_as_none_and_so_does_none(calibration, tmp_path):
    assert read_calibration(tmp_path, tiny_prior().spec) is None
    write_calibration(tmp_path, calibration)
    assert read_calibration(tmp_path, tiny_prior(sha256="2" * 64).spec) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.pop("rungs"),
        lambda values: values["rungs"].reverse(),
        lambda values: values["rungs"][0].update(mean=[0.0]),
        lambda values: values["rungs"][-1].update(t=50),
        lambda values: values["rungs"][0].update(limit=float("nan")),
        lambda values: values.update(detail=99),
    ],
)
def test_a_damaged_one_is_refused_with_what_to_do(calibration, tmp_path, damage):
    write_calibration(tmp_path, calibration)
    path = tmp_path / CALIBRATION_FILE
    values = json.loads(path.read_text())
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(PriorError, match="models calibrate"):
        read_calibration(tmp_path, tiny_prior().spec)
    path.write_text("{")
    with pytest.raises(PriorError, match="not JSON"):
        read_calibration(tmp_path, tiny_prior().spec)


def test_too_few_pictures_and_a_broken_prior_are_refused():
    with pytest.raises(AlbumTooSmallError, match="at least 20"):
        calibrate(tiny_prior(), PICTURES[:-1])
    broken = tiny_prior()
    for parameter in broken.network.parameters():
        parameter.fill_(float("nan"))
    with pytest.raises(PriorError, match="not finite"):
        calibrate(broken, PICTURES)


def test_the_starters_is_of_its_own_weights():
    assert read_calibration(STARTER_FOLDER, read_spec(STARTER_FOLDER)) is not None
