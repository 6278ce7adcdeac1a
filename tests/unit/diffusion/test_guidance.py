import pytest
import torch

from core.diffusion.guidance import GuidanceNorm, SkipGuidance, distance


@pytest.mark.parametrize("norm", GuidanceNorm)
def test_the_gradient_is_the_one_that_finite_differences_show(norm):
    generator = torch.Generator().manual_seed(0)
    x_t = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)
    photo = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)

    def predicted(x):
        return torch.tanh(x) + 0.1 * x.roll(1, -1)  # any smooth network in which images do not meet

    leaf = x_t.clone().requires_grad_(True)
    gradient = SkipGuidance(photo, norm=norm).gradient(predicted(leaf), leaf)
    for place in ((0, 0, 0, 0), (1, 2, 3, 1)):
        up, down = x_t.clone(), x_t.clone()
        up[place] += 1e-6
        down[place] -= 1e-6
        slope = (distance(predicted(up), photo, norm) - distance(predicted(down), photo, norm)).sum() / 2e-6
        assert float(gradient[place]) == pytest.approx(float(slope), rel=1e-6, abs=1e-8)


def test_the_three_distances_are_what_their_names_say():
    photo, other = torch.zeros(1, 1, 1, 2), torch.tensor([[[[3.0, -4.0]]]])
    assert float(distance(other, photo, GuidanceNorm.L1)) == 7
    assert float(distance(other, photo, GuidanceNorm.L2)) == 5
    assert float(distance(other, photo, GuidanceNorm.L2_SQUARED)) == 25


def test_every_nth_step_is_guided_and_no_other():
    guidance = SkipGuidance(torch.zeros(1), every=10)
    guided = [t for t in range(200) if guidance.covers(t, t - 1, 200)]
    assert guided == list(range(9, 200, 10))


def test_a_dense_prefix_guides_every_one_of_the_first_steps():
    guidance = SkipGuidance(torch.zeros(1), every=10, dense_steps=5)
    guided = [t for t in range(999, -1, -1) if guidance.covers(t, t - 1, 1000)]
    assert guided[:6] == [999, 998, 997, 996, 995, 989]


def test_a_long_step_is_guided_if_it_spans_a_guided_one():
    guidance = SkipGuidance(torch.zeros(1), every=10)
    assert guidance.covers(199, 190, 200)
    assert guidance.covers(15, 6, 200)
    assert not guidance.covers(8, 4, 200)
