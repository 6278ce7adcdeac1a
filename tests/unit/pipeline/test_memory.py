import numpy as np
import pytest
import torch

from core.domain.errors import CancelledError, OutOfMemoryError
from core.pipeline.memory import is_out_of_memory
from core.pipeline.plan import plan
from core.pipeline.ports import MemoryStore, NoProgress, Ports
from core.pipeline.request import RestoreRequest
from core.pipeline.run import run
from core.recipes.schema import override
from tests.fakes import CrampedPrior


def go(request, numbers, prior, ports=None):
    photos = run(plan(request, numbers, prior.spec), request, numbers, prior, ports or Ports()).photos
    return np.stack([candidate.image for photo in photos for candidate in photo.faces[0].candidates]).astype(int)


@pytest.mark.parametrize(
    ("allocate", "kind"),
    [
        (lambda: torch.empty(2**60, dtype=torch.uint8), RuntimeError),
        (lambda: bytearray(2**62), MemoryError),
    ],
    ids=["torch on the CPU", "Python"],
)
def test_too_little_memory_is_recognised_from_what_the_allocators_say(allocate, kind):
    with pytest.raises(kind) as caught:
        allocate()
    assert is_out_of_memory(caught.value)


def test_too_little_memory_is_recognised_on_gpus_and_nothing_else_is():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB)."))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("not enough memory"))


@pytest.mark.parametrize("most_images", [1, 2, 3])
def test_a_batch_that_does_not_fit_is_made_in_parts_and_hardly_differs(aligned, prior, recipe, most_images):
    request, numbers = RestoreRequest(aligned[:5]), recipe("direct", batch=5)
    cramped = CrampedPrior(prior, most_images)
    assert np.abs(go(request, numbers, cramped) - go(request, numbers, prior)).max() <= 1
    assert max(cramped.batches) == 5


def test_an_album_that_does_not_fit_is_made_in_parts_and_hardly_differs(aligned, prior, recipe):
    numbers = override(recipe("generative"), {"album.images": 5, "album.batch": 5, "finetune.learning_rate": 1e-9})
    request = RestoreRequest(aligned[:1])
    cramped = CrampedPrior(prior, 3)
    assert np.abs(go(request, numbers, cramped) - go(request, numbers, prior)).max() <= 1
    assert {5, 2, 3} <= set(cramped.batches)


def test_a_run_that_is_stopped_in_a_part_of_an_album_goes_on_from_there(aligned, prior, recipe, cancel_after):
    numbers = override(recipe("generative"), {"album.images": 4, "album.batch": 4, "finetune.learning_rate": 1e-9})
    request, store = RestoreRequest(aligned[:1]), MemoryStore()
    whole = go(request, numbers, CrampedPrior(prior, 2))
    with pytest.raises(CancelledError):
        go(request, numbers, CrampedPrior(prior, 2), Ports(NoProgress(), cancel_after(24), store))
    assert any(stage == "resume-album" for stage, *_ in store.kept)
    assert np.array_equal(go(request, numbers, CrampedPrior(prior, 2), Ports(store=store)), whole)
    assert not any(stage.startswith("resume") for stage, *_ in store.kept)


def out_of_gpu_memory():
    raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize("failure", [None, out_of_gpu_memory], ids=["CPU", "GPU"])
def test_where_not_even_one_picture_fits_the_advice_is_what_can_be_done(aligned, prior, recipe, failure):
    with pytest.raises(OutOfMemoryError, match="for the stage restore, even for one picture") as caught:
        go(RestoreRequest(aligned[:3]), recipe("direct", batch=3), CrampedPrior(prior, 0, failure))
    assert all(words in caught.value.advice for words in ("CPU", "smaller prior", "low-rank"))


def test_another_failure_while_computing_is_not_taken_for_too_little_memory(aligned, prior, recipe):
    cramped = CrampedPrior(prior, 0, lambda: torch.zeros(2, 3) @ torch.zeros(2, 3))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        go(RestoreRequest(aligned[:2]), recipe("direct"), cramped)
    assert len(cramped.batches) == 1
