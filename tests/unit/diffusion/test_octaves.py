import math

import pytest
import torch

from core.diffusion.octaves import cosine_basis, octave_power


def test_the_cosine_basis_is_orthonormal():
    basis = cosine_basis(32)
    assert torch.allclose(basis @ basis.T, torch.eye(32), atol=1e-5)


def test_white_noise_has_its_variance_in_every_octave():
    noise = 0.5 * torch.randn(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    power = octave_power(noise, 5)
    assert power.shape == (4, 5)
    assert torch.allclose(power.mean(0), torch.full((5,), 0.25), rtol=0.1)


@pytest.mark.parametrize(("frequency", "octave"), [(3, 0), (6, 1), (12, 2), (20, 3), (31, 3)])
def test_a_cosine_is_in_the_octave_of_its_frequency_and_in_no_other(frequency, octave):
    place = torch.arange(32) + 0.5
    wave = torch.cos(math.pi * frequency * place / 32).expand(1, 1, 32, 32)
    power = octave_power(wave, 4)[0]
    assert int(power.argmax()) == octave
    assert float(power.sum() - power.max()) < 1e-8


def test_a_flat_picture_has_no_power_in_any_octave():
    assert float(octave_power(torch.ones(1, 3, 16, 16), 3).max()) < 1e-10


def test_pictures_too_small_for_so_many_octaves_are_refused():
    with pytest.raises(ValueError, match="octaves"):
        octave_power(torch.zeros(1, 3, 8, 8), 4)
