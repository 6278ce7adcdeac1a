import numpy as np
import pytest
import torch

from core.diffusion.images import tensor_to_images
from core.priors.base import schedule_of
from core.priors.training.evaluation import denoise_once, noised, rescaled
from core.priors.training.sheets import checked_finite, curve, grid, held_out_sheet, sample_from_noise
from tests.fakes import GaussianPrior, tiny_prior, tiny_schedule, tiny_spec
from tests.unit.priors.training.conftest import picture

WHITE = 255


def test_a_grid_is_filled_row_by_row_and_up_with_white():
    sheet = grid([picture(i, 2, 2) for i in (10, 20, 30)], 2)
    assert sheet[::2, ::2, 0].tolist() == [[10, 20], [30, WHITE]]
    assert sheet.shape == (4, 4, 3)


def test_samples_are_the_images_that_the_prior_believes_in():
    prior = GaussianPrior(tiny_schedule(), 0.3, 0.1)
    pixels = np.stack(sample_from_noise(prior, 24)) / 127.5 - 1
    assert pixels.shape == (24, 8, 8, 3)
    assert pixels.mean() == pytest.approx(0.3, abs=0.02)
    assert pixels.std() == pytest.approx(0.1, rel=0.25)


def test_samples_follow_from_the_seed_and_do_not_depend_on_their_number():
    prior = GaussianPrior(tiny_schedule(), 0.0, 0.3)
    four, two = sample_from_noise(prior, 4, 10), sample_from_noise(prior, 2, 10)
    assert all(np.array_equal(a, b) for a, b in zip(two, four, strict=False))
    assert not np.array_equal(four[0], four[1])
    assert not np.array_equal(four[0], sample_from_noise(prior, 1, 10, seed=1)[0])


def test_held_out_images_stand_above_their_noised_and_denoised_selves(data):
    prior = GaussianPrior(tiny_schedule(), 0.0, 0.5)
    sheet = held_out_sheet(prior, data.held_out)
    assert sheet.shape == (48, 48, 3)
    _, x_t = noised(data.held_out, 10, prior)  # a fifth of fifty steps
    for row, images in enumerate(
        [
            list(data.held_out),
            tensor_to_images(rescaled(x_t, 10, prior)),
            tensor_to_images(denoise_once(prior, x_t, 10)),
        ]
    ):
        assert np.array_equal(sheet[16 * row : 16 * row + 16], np.hstack(images))


def test_a_fifth_of_a_thousand_steps_is_the_timestep_that_restorations_begin_at(data):
    prior = GaussianPrior(schedule_of(tiny_spec(schedule={"kind": "linear"})), 0.0, 0.5)
    assert np.array_equal(held_out_sheet(prior, data.held_out), held_out_sheet(prior, data.held_out, 200))


def coloured(sheet):
    return np.ptp(sheet.astype(int), axis=2) > 40


def test_a_curve_rises_where_the_numbers_do():
    rows = [{"step": float(i), "learning_rate": 0.1, "psnr_50": float(i)} for i in range(0, 101, 10)]
    drawn = coloured(curve(rows))
    heights = [np.flatnonzero(drawn[:, x]).mean() for x in (100, 300, 500, 650)]
    assert heights == sorted(heights, reverse=True)  # rows are counted from above
    falling = coloured(curve([row | {"psnr_50": -row["psnr_50"]} for row in rows]))
    assert np.flatnonzero(falling[:, 100]).mean() < np.flatnonzero(falling[:, 500]).mean()


def test_loss_and_every_measurement_have_a_line_of_their_own():
    row = {"step": 1.0, "loss": 1.0, "learning_rate": 0.1, "psnr_50": 2.0, "psnr_400": 3.0}
    rows = [row, {key: 2 * value for key, value in row.items()}]
    assert len(np.unique(curve(rows).reshape(-1, 3), axis=0)) > 3
    assert curve(rows).shape == (500, 900, 3)
    assert not np.array_equal(curve(rows), curve([{key: r[key] for key in r if key != "loss"} for r in rows]))


@pytest.mark.parametrize("count", [1, 2])
def test_a_curve_of_one_row_or_of_equal_numbers_is_drawn_too(count):
    assert curve([{"step": 5.0, "loss": 0.5, "psnr_50": 20.0}] * count).min() < 200


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e5])
def test_weights_that_are_not_finite_in_half_precision_are_noticed(value):
    prior = tiny_prior()
    assert checked_finite(prior)
    with torch.no_grad():
        prior.network.conv_out.bias[0] = value
    assert not checked_finite(prior)
