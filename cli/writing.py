"""A photo's result on disk, and what is said of it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import error_as_json
from cli.targets import Targets
from core.domain.errors import BadInputError, HeirloomError
from core.domain.face import LEFT_ALONE, FaceVerdict
from core.imaging.files import write_atomically
from core.imaging.intake import encode
from core.imaging.recompose import KeptFace, OutputWish, RestoredFace, layers, recompose

if TYPE_CHECKING:
    from core.pipeline.request import FaceResult, PhotoResult


def why_unrestored(result: "PhotoResult") -> HeirloomError | None:
    """Why a photo is not written: none of its faces was restored, and a copy of it would pass for a result."""
    if result.restored:
        return None
    errors = [result.error, *(face.error for face in result.faces), *result.warnings]
    nothing = BadInputError("None of the photo's faces was to be restored.", "Name a face to restore, or none to keep.")
    return next((error for error in errors if error is not None), nothing)


def write_result(data: bytes, result: "PhotoResult", place: int, targets: Targets, wish: OutputWish) -> dict[str, Any]:
    """Write what became of a photo, and say what was written.

    Args:
        data: the photo as it was read.
        result: its result.
        place: which of the photos it is.
        targets: where everything goes.
        wish: how the photos are to be.

    Returns:
        For the report: outputs, faces, warnings; or the error.

    Raises:
        OutputError: something cannot be written.
    """
    files = targets.photos[place]
    name = files[0].stem if len(files) == 1 else files[0].stem.removesuffix("-1")
    faces = [_face_as_json(face) for face in result.faces]
    entry: dict[str, Any] = {"faces": faces, "warnings": [error_as_json(warning) for warning in result.warnings]}
    if targets.crops is not None:
        for face, about in zip(result.faces, faces, strict=True):
            about["pictures"] = [str(path) for path in _write_pictures(face, targets.crops, name)]
    error = why_unrestored(result)
    if error is not None:
        return {"error": error_as_json(error)} | entry
    if targets.layers is not None:
        for number, about in _write_layers(data, result, targets.layers, name, wish):
            faces[number]["layers"] = about
    for number, target in enumerate(files):
        write_atomically(target, _photo(data, result, number, wish))
    return {"outputs": [{"path": str(target)} for target in files]} | entry


def _photo(data: bytes, result: "PhotoResult", number: int, wish: OutputWish) -> bytes:
    """The photo with every face's candidate of that rank; the first is what the run made."""
    if number == 0 and result.photo is not None:
        return result.photo.data
    return recompose(data, _restored(result, number), wish, kept=_kept(result)).saved.data


def _restored(result: "PhotoResult", number: int) -> list[RestoredFace]:
    faces = [face for face in result.faces if face.verdict is FaceVerdict.RESTORED]
    return [RestoredFace(face.quad, face.outline, face.candidates[number].native, face.seed) for face in faces]


def _kept(result: "PhotoResult") -> list[KeptFace]:
    faces = [face for face in result.faces if face.verdict in LEFT_ALONE]
    return [KeptFace(face.quad, face.outline) for face in faces if face.quad is not None]


def _write_pictures(face: "FaceResult", folder: Path, name: str) -> Iterator[Path]:
    pictures = [("before", face.cut_out)] if face.cut_out is not None else []
    pictures += [(str(number + 1), partial(one.load, "image")) for number, one in enumerate(face.candidates)]
    for kind, load in pictures:
        path = folder / f"{name}-face{face.n}-{kind}.png"
        write_atomically(path, encode(load()))
        yield path


def _write_layers(
    data: bytes, result: "PhotoResult", folder: Path, name: str, wish: OutputWish
) -> Iterator[tuple[int, dict[str, Any]]]:
    numbers = [face.n for face in result.faces if face.verdict is FaceVerdict.RESTORED]
    for layer in layers(data, _restored(result, 0), wish, kept=_kept(result)):
        n = numbers[layer.face]
        about: dict[str, Any] = {"left": layer.left, "top": layer.top}
        for kind, picture in (("crop", layer.crop), ("mask", layer.mask), ("result", layer.result)):
            path = folder / f"{name}-face{n}-{kind}.png"
            write_atomically(path, picture)
            about[kind] = str(path)
        yield n, about


def _face_as_json(face: "FaceResult") -> dict[str, Any]:
    return {
        "n": face.n,
        "verdict": face.verdict,
        "source": face.source,
        "box": None if face.box is None else [round(side, 1) for side in face.box],
        "eye_distance_pixels": None if face.eye_distance_pixels is None else round(face.eye_distance_pixels, 1),
        "notes": list(face.notes),
        "noise_steps": face.noise_steps,
        "checkpoint": face.checkpoint_id,
        "identity": None if face.identity is None else round(face.identity, 5),
        "selected": face.selected,
        "scores": [candidate.scores for candidate in face.candidates],
        "error": None if face.error is None else error_as_json(face.error),
    }
