import errno
import json
import os

import pytest
from pydantic import ValidationError

from core.domain.errors import DiskFullError, PriorError, PriorUnavailableError
from core.priors.base import parameterization_of, schedule_of
from core.priors.spec import (
    PRIOR_FILE,
    BetasScheduleSpec,
    CosineScheduleSpec,
    LinearScheduleSpec,
    PriorSpec,
    read_spec,
    what_is_wrong,
    write_spec,
)
from tests.fakes import tiny_spec

SCHEDULES = [
    LinearScheduleSpec(),
    LinearScheduleSpec(kind="scaled_linear", steps=10, beta_start=0.001, beta_end=0.3),
    CosineScheduleSpec(steps=20),
    BetasScheduleSpec(betas=(0.1, 0.25)),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.kind)
def test_what_is_written_is_read_again(tmp_path, schedule):
    spec = tiny_spec(schedule=schedule, licence="für Forschung, σ", category="Katzen")
    write_spec(tmp_path, spec)
    assert read_spec(tmp_path) == spec
    assert "für Forschung, σ" in (tmp_path / PRIOR_FILE).read_text(encoding="utf-8")


def test_a_full_disk_leaves_the_old_description_whole_and_nothing_beside_it(tmp_path, monkeypatch):
    write_spec(tmp_path, tiny_spec(category="cats"))

    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match=r"No space is left to write prior\.json\. Free some space"):
        write_spec(tmp_path, tiny_spec(category="dogs"))
    assert read_spec(tmp_path).category == "cats"
    assert [path.name for path in tmp_path.iterdir()] == [PRIOR_FILE]


def test_a_description_may_leave_out_what_has_a_default(tmp_path):
    content = {"name": "a", "network": {}, "resolution": 64, "sha256": "a" * 64}
    (tmp_path / PRIOR_FILE).write_text(json.dumps(content))
    spec = read_spec(tmp_path)
    assert (spec.licence, spec.commercial_use, spec.schedule) == ("unknown", False, LinearScheduleSpec())
    assert (spec.prediction, spec.variance, spec.pixel_unshuffle) == ("epsilon", "fixed_small", 1)


WRONG = {
    "resolution": (7, "resolution: Input should be greater than or equal to 8"),
    "pixel_unshuffle": (9, "pixel_unshuffle: Input should be less than or equal to 8"),
    "prediction": ("noise", "prediction: Input should be 'epsilon', 'v_prediction' or 'sample'"),
    "variance": ("learned", "variance: Input should be"),
    "sha256": ("A" * 64, "sha256: String should match"),
    "format": ("heirloom-prior/2", "format: Input should be 'heirloom-prior/1'"),
    "family": ("dit", "family: Input should be 'unet2d'"),
    "network": (None, "network: Input should be a valid dictionary"),
    "stranger": (1, "stranger: Extra inputs are not permitted"),
    "schedule": ({"kind": "linear", "beta_end": 1.0}, "schedule.linear.beta_end: Input should be less than 1"),
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_description_is_refused_in_one_line_that_names_the_field(tmp_path, field):
    value, said = WRONG[field]
    (tmp_path / PRIOR_FILE).write_text(json.dumps(tiny_spec().model_dump(mode="json") | {field: value}))
    with pytest.raises(PriorError) as caught:
        read_spec(tmp_path)
    assert f"{tmp_path / PRIOR_FILE} is not a valid prior description: {said}" in caught.value.message
    assert "\n" not in caught.value.message
    assert "http" not in caught.value.message
    assert caught.value.advice == "Convert or pull the prior again."


@pytest.mark.parametrize(
    "schedule", [{"kind": "sigmoid"}, {"kind": "betas", "betas": [0.1]}, {"kind": "cosine", "steps": 1}]
)
def test_a_schedule_that_is_none_is_refused(tmp_path, schedule):
    (tmp_path / PRIOR_FILE).write_text(json.dumps(tiny_spec().model_dump(mode="json") | {"schedule": schedule}))
    with pytest.raises(PriorError, match="schedule"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "it is not JSON"),
        (b"", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"\xff\xfe\x00", "it is not text"),
        (b"[]", "content: Input should be a valid dictionary"),
    ],
    ids=["cut off", "empty", "nested", "binary", "a list"],
)
def test_a_damaged_description_is_refused(tmp_path, content, said):
    (tmp_path / PRIOR_FILE).write_bytes(content)
    with pytest.raises(PriorError, match="is not a valid prior description") as caught:
        read_spec(tmp_path)
    assert said in caught.value.message


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_a_prior_says_how_to_get_one(tmp_path, there):
    folder = tmp_path if there else tmp_path / "absent"
    with pytest.raises(PriorUnavailableError) as caught:
        read_spec(folder)
    assert caught.value.message == f"There is no prior in {folder}."
    assert "`heirloom models pull NAME`" in caught.value.advice


def test_two_findings_stand_in_one_line():
    with pytest.raises(ValidationError) as caught:
        PriorSpec.model_validate({"network": {}, "sha256": "a" * 64})
    assert what_is_wrong(caught.value) == "name: Field required; resolution: Field required"


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.kind)
def test_the_schedule_has_the_steps_and_betas_that_are_described(schedule):
    betas = schedule_of(tiny_spec(schedule=schedule)).betas.tolist()
    if isinstance(schedule, BetasScheduleSpec):
        assert betas == [0.1, 0.25]
    elif isinstance(schedule, LinearScheduleSpec):
        assert len(betas) == schedule.steps
        assert (betas[0], betas[-1]) == pytest.approx((schedule.beta_start, schedule.beta_end))
        power = 1.0 if schedule.kind == "linear" else 0.5  # the second differences of β or √β are zero
        assert betas[1] ** power - betas[0] ** power == pytest.approx(betas[-1] ** power - betas[-2] ** power)
    else:
        assert len(betas) == schedule.steps
        assert betas == sorted(betas)


def test_betas_outside_of_zero_and_one_are_refused():
    with pytest.raises(PriorError, match="betas"):
        schedule_of(tiny_spec(schedule=BetasScheduleSpec(betas=(0.1, 1.5))))


def test_the_parameterization_is_the_described_one():
    found = parameterization_of(tiny_spec(prediction="v_prediction", variance="learned_range"))
    assert (found.prediction.value, found.variance.value) == ("v_prediction", "learned_range")
