import numpy as np
import pytest

from core.diffusion.schedule import linear_schedule
from core.domain.errors import PriorUncalibratedError
from core.imaging.degrade import blur
from core.pipeline.fidelity import choose_noise_steps, explain_noise_steps, smallest_noise_steps
from core.priors.calibrate import calibrate, ladder
from tests.fakes import GaussianPrior

DEVIATION, SIDE = 0.3, 64


def picture(seed, noise=0.0, blur_pixels=0.0):
    """White N(0, 0.3²), blurred, with white noise on it."""
    generator = np.random.default_rng(seed)
    clean = generator.normal(0.0, DEVIATION, (SIDE, SIDE, 3))
    worse = clean + generator.normal(0.0, 1.0, clean.shape) * noise
    levels = (127.5 + 127.5 * worse).round().clip(0, 255).astype(np.uint8)
    return blur(levels, blur_pixels) if blur_pixels else levels


@pytest.fixture(scope="module")
def prior():
    exact = GaussianPrior(linear_schedule(), 0.0, DEVIATION, resolution=SIDE)
    exact.calibration = calibrate(exact, np.stack([picture(seed) for seed in range(40)]))
    return exact


def test_a_clean_photo_gets_the_least_noise(prior):
    chosen = [explain_noise_steps(prior, picture(seed), 1000) for seed in range(100, 120)]
    least = ladder(prior)[0] + 1
    assert sum(one.noise_steps == least for one in chosen) >= 17
    assert all(one.because == "" for one in chosen if one.noise_steps == least)


def test_the_noisier_a_photo_is_the_more_noise_hides_that(prior):
    steps = [choose_noise_steps(prior, picture(51, noise), 1000) for noise in (0.0, 0.15, 0.2, 0.3, 0.4)]
    assert steps == sorted(steps)
    assert len(set(steps)) == 5
    assert explain_noise_steps(prior, picture(51, 0.4), 1000).because.startswith("noise")


def test_the_more_blurred_a_photo_is_the_more_noise_hides_that(prior):
    steps = [choose_noise_steps(prior, picture(51, blur_pixels=pixels), 1000) for pixels in (0.0, 0.5, 0.8, 1.5)]
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]
    assert explain_noise_steps(prior, picture(51, blur_pixels=1.5), 1000).because.startswith("detail")


def test_k_lies_where_the_photo_crosses_the_limit(prior):
    chosen = explain_noise_steps(prior, picture(51, 0.2), 1000)
    first = next(place for place, look in enumerate(chosen.looks) if look.clean)
    before, after = chosen.looks[first - 1], chosen.looks[first]
    assert before.noise_steps <= chosen.noise_steps <= after.noise_steps
    assert chosen.because == before.because


def test_k_stays_within_one_and_the_most_that_is_wanted(prior):
    assert choose_noise_steps(prior, picture(51, 0.8), 30) == 30
    assert choose_noise_steps(prior, picture(51), 1) == 1


def test_a_photo_that_never_looks_clean_gets_the_last_rung(prior):
    assert choose_noise_steps(prior, picture(51, 5.0), 1000) == ladder(prior)[-1] + 1


def test_the_same_photo_gets_the_same_k_and_the_same_reasons(prior):
    assert explain_noise_steps(prior, picture(51, 0.2), 1000) == explain_noise_steps(prior, picture(51, 0.2), 1000)


def test_the_reasons_are_there_for_programs(prior):
    told = explain_noise_steps(prior, picture(51, 0.2), 1000).as_json()
    assert [look["noise_steps"] for look in told["looks"]] == [t + 1 for t in ladder(prior)]
    assert told["because"]


def test_a_prior_that_was_not_calibrated_says_how_to():
    new = GaussianPrior(linear_schedule(), 0.0, DEVIATION, resolution=SIDE)
    with pytest.raises(PriorUncalibratedError, match="heirloom models calibrate tiny PHOTOS"):
        choose_noise_steps(new, picture(51), 10)


def test_the_smallest_k_is_the_first_rung_s(prior):
    assert smallest_noise_steps(prior) == choose_noise_steps(prior, picture(100), 1000) == ladder(prior)[0] + 1
    assert smallest_noise_steps(GaussianPrior(linear_schedule(), 0.0, DEVIATION, resolution=SIDE)) is None
