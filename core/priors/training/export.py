"""From a training to a prior folder that everything else loads."""

import csv
import hashlib
import io
from pathlib import Path

import numpy as np

from core.domain.errors import PriorError
from core.imaging.files import output_error, write_atomically
from core.imaging.intake import encode
from core.priors.calibrate import FEWEST_PICTURES, calibrate
from core.priors.calibration import write_calibration
from core.priors.diffusers_unet import UNetPrior
from core.priors.spec import WEIGHTS_FILE, PriorSpec, write_spec
from core.priors.training.recipe import TrainingRecipe
from core.priors.training.sheets import checked_finite, curve, grid, held_out_sheet, sample_from_noise
from core.priors.training.state import Row
from core.priors.weights import weights_bytes


def export_prior(
    prior: UNetPrior,
    folder: Path,
    *,
    name: str,
    category: str,
    licence: str,
    recipe: TrainingRecipe,
    history: list[Row],
    held_out: np.ndarray,
    source: str = "",
    finished: bool = True,
) -> PriorSpec:
    """Write a prior folder: weights in half precision, description, curve, samples, README.

    Args:
        prior: with the averaged weights.
        folder: made where absent.
        name: of the prior.
        category: what it is a prior of.
        licence: of the weights, which follows from the pictures they were made of.
        recipe: how it was trained.
        history: rows of `train`.
        held_out: images it was not trained on; a few are shown in held_out.png, which stays with the operator.
        source: what it was trained on, in words.
        finished: also sample pictures and calibrate on the held-out ones, which takes as long as many steps, and
            describe the prior in README.md.

    Raises:
        PriorError: the weights are not finite: the training diverged.
        OutputError: the folder cannot be written.
    """
    if not checked_finite(prior):
        raise PriorError("The training diverged: its weights are not finite.", "Lower the learning rate.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, folder) from error
    weights = weights_bytes(prior.network.state_dict())
    spec = prior.spec.model_copy(
        update={
            "name": name,
            "category": category,
            "licence": licence,
            "commercial_use": False,
            "source": source,
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
    )
    write_atomically(folder / WEIGHTS_FILE, weights)
    write_spec(folder, spec)
    if history:
        write_atomically(folder / "training.csv", _csv(history))
        write_atomically(folder / "curve.png", encode(curve(history)))
    if not finished:
        return spec
    write_atomically(folder / "samples.png", encode(grid(sample_from_noise(prior, 16), 8)))
    if len(held_out):
        write_atomically(folder / "held_out.png", encode(held_out_sheet(prior, held_out[:8])))
    if len(held_out) >= FEWEST_PICTURES:
        calibration = calibrate(prior, held_out, "held out of its training")
        write_calibration(folder, calibration.model_copy(update={"prior_sha256": spec.sha256}))
    readme = folder / "README.md"
    if not readme.exists():  # people write their own: never replace it
        write_atomically(readme, _readme(spec, recipe, history).encode())
    return spec


def _csv(history: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()


def _readme(spec: PriorSpec, recipe: TrainingRecipe, history: list[Row]) -> str:
    numbers = "\n".join(f"- {key}: {value}" for key, value in recipe.model_dump().items())
    last = history[-1] if history else {}
    measured = "\n".join(
        f"- t = {key.removeprefix('psnr_')}: {value:.2f} dB" for key, value in last.items() if key.startswith("psnr_")
    )
    return (
        f"# Prior {spec.name}\n\n{spec.resolution} × {spec.resolution} pixels, {spec.category}. {spec.source}\n\n"
        f"Licence: {spec.licence}\n\n## Recipe\n\n{numbers}\n\n## Denoising PSNR on held-out images\n\n{measured}\n"
    )
