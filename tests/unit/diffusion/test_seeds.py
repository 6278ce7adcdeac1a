import torch

from core.diffusion.seeds import NoiseStream, derive_seed, image_generator


def stream(indices):
    return NoiseStream([image_generator(5, "album", i) for i in indices], (3, 4, 4))


def test_an_image_s_noise_does_not_depend_on_its_neighbours():
    together, alone = stream([0, 1, 2]), stream([1])
    for _ in range(3):
        assert torch.equal(together()[1], alone()[0])


def test_a_stream_goes_on_where_its_state_was_taken():
    first = stream([0, 1])
    first()
    state = first.state()
    expected = first()
    second = stream([0, 1])
    second.load_state(state)
    assert torch.equal(second(), expected)


def test_every_purpose_has_its_own_noise():
    seeds = {derive_seed(s, label, i) for s in (0, 1) for label in ("album", "restore") for i in range(50)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    stream([0])()
    assert torch.equal(before, torch.random.get_rng_state())
