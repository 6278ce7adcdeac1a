"""The same seed gives the same pixels and the same weights, bit for bit on one device, resumed or not."""

import numpy as np
import pytest
import torch

from core.diffusion.seeds import NoiseStream, image_generator
from core.domain.errors import CancelledError
from core.pipeline.album import sample_album
from core.recipes.schema import AlbumRecipe, FinetuneRecipe

RECIPES = {
    "full": FinetuneRecipe(iterations=6, batch=4, learning_rate=1e-3),
    "low rank": FinetuneRecipe(iterations=6, batch=4, learning_rate=1e-3, method="low_rank", rank=4, flips=True),
}
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}


def test_noise_is_the_same_on_every_device(device):
    def drawn(where):
        stream = NoiseStream([image_generator(0, i) for i in range(2)], (3, 16, 16), where)
        return [stream().cpu() for _ in range(3)]

    assert all(torch.equal(a, b) for a, b in zip(drawn(device), drawn("cpu"), strict=True))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_tuning_equals_the_uninterrupted_one(device, make_prior, tune, name, precision):
    def prior():
        return make_prior(device, PRECISIONS[precision])

    whole, _ = tune(prior(), RECIPES[name])
    stopped, state = tune(prior(), RECIPES[name], stop_at=3)
    assert stopped is None
    resumed, _ = tune(prior(), RECIPES[name], state=state)
    assert resumed == whole


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_resumed_album_equals_the_uninterrupted_one(device, make_prior, faces, precision):
    recipe = AlbumRecipe(images=3, start_steps=12, guidance_every=4)

    def made(stop_at=None, state=None):
        kept = {"state": state}

        def on_step(done, _):
            if done == stop_at:
                raise CancelledError("Stopped.")

        images = None
        try:
            images = sample_album(
                make_prior(device, PRECISIONS[precision]),
                faces[0],
                recipe,
                0,
                "photo",
                range(3),
                on_step=on_step,
                load_state=lambda: kept["state"],
                save_state=lambda state: kept.__setitem__("state", state),
            )
        except CancelledError:
            assert stop_at is not None
        return images, kept["state"]

    whole, _ = made()
    again, _ = made()
    _, state = made(stop_at=5)
    resumed, _ = made(state=state)
    assert np.array_equal(whole, again)
    assert np.array_equal(whole, resumed)
