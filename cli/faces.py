"""`heirloom faces`: the faces of photos, listed and drawn; their numbers name them elsewhere."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from cli.errors import error_as_json, exit_code_of, json_errors, print_error
from cli.photo_files import photo_files
from cli.progress import console
from cli.requests import decode_pool
from cli.settings import face_finder
from core.domain.errors import BadInputError, HeirloomError, InvalidRequestError, OutputUnwritableError
from core.imaging.decode_pool import DecodePool
from core.imaging.detection import DetectedFace, DetectedFaces, draw_detected
from core.imaging.faces.open import FinderChoice
from core.imaging.files import check_writable, make_folder, write_atomically

FORMATS: dict[str, Literal["png", "jpeg", "webp"]] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
VERDICTS = {
    "enough": "enough",
    "small": "small: rather by the prior than by the photo",
    "too_small": "too small to be restored",
}
VIEWS = {
    "front": "front",
    "left": "to the left",
    "right": "to the right",
    "left_profile": "left profile",
    "right_profile": "right profile",
}


def faces_command(
    photos: Annotated[list[Path], typer.Argument(help="Photos to look at, or folders of them.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Draw the faces, numbered, into a file, or a folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable report on standard output.")] = False,
) -> None:
    """Find the faces of photos: number, place, distance of the eyes, whether that is enough. Nothing is restored."""
    with json_errors(as_json):
        finder = face_finder()
        photos = photo_files(photos)
        targets = drawings(photos, output)
        report: list[dict[str, Any]] = []
        failures: list[HeirloomError] = []
        with decode_pool() as pool:
            for photo, target in zip(photos, targets, strict=True):
                try:
                    found = look(pool, finder, photo, target)
                except BadInputError as error:
                    failures.append(error)
                    print_error(error, str(photo))
                    report.append({"photo": str(photo), "error": error_as_json(error)})
                    continue
                report.append({"photo": str(photo), **asdict(found), "drawn": str(target) if target else None})
                if not as_json:
                    show(photo, found, target)
    if as_json:
        typer.echo(json.dumps({"photos": report}, indent=1))
    if failures:
        raise typer.Exit(exit_code_of(failures[0]))


def drawings(photos: list[Path], output: Path | None) -> list[Path | None]:
    """Where each photo's drawing goes: nowhere, into the file, or into the folder. A folder is made.

    Raises:
        InvalidRequestError: one file is named for several photos.
        OutputUnwritableError: a place is a photo itself, twice the same, or cannot be written.
    """
    if output is None:
        return [None] * len(photos)
    if output.suffix.lower() in FORMATS and not output.is_dir():
        if len(photos) > 1:
            raise InvalidRequestError(f"{output} is one picture, and there are several photos.", "Name a folder.")
        targets = [output]
    else:
        make_folder(output)
        stems = [photo.stem for photo in photos]
        targets = [output / f"{one.stem if stems.count(one.stem) == 1 else one.name}.png" for one in photos]
    originals = {photo.resolve() for photo in photos}
    for target in targets:
        if target.resolve() in originals or targets.count(target) > 1:
            raise OutputUnwritableError(
                f"{target} is one of the photos, or the drawing of two.", "Draw into another folder."
            )
        check_writable(target)
    return list(targets)


def look(pool: DecodePool, finder: FinderChoice, photo: Path, target: Path | None) -> DetectedFaces:
    """Find one photo's faces, and draw them.

    Raises:
        BadInputError: it cannot be read, or is no photo.
        OutputError: the drawing cannot be written.
    """
    kind = FORMATS[target.suffix.lower()] if target is not None else None
    found, drawn = _answer(pool.run(draw_detected, read(photo), None, finder, kind))
    if target is not None:
        write_atomically(target, drawn)
    return found


def read(photo: Path) -> bytes:
    """A photo's bytes.

    Raises:
        BadInputError: no such file, or it cannot be read.
    """
    try:
        return photo.read_bytes()
    except OSError as error:
        raise BadInputError(f"{photo} cannot be read: {error.strerror}.", "Check the name.") from error


def show(photo: Path, found: DetectedFaces, target: Path | None) -> None:
    """Print one photo's faces."""
    many = {0: "no face", 1: "one face"}.get(len(found.faces), f"{len(found.faces)} faces")
    console.print(f"{photo}: {found.width} × {found.height} pixels, {many}", markup=False, highlight=False)
    if found.faces:
        table = Table("face", "box: left, top, right, bottom", "eyes apart", "enough", "looks")
        for face in found.faces:
            table.add_row(*_row(face))
        console.print(table)
    if target is not None:
        console.print(f"drew {target}", markup=False, highlight=False)


def _row(face: DetectedFace) -> tuple[str, ...]:
    box = ", ".join(f"{side:.0f}" for side in face.box)
    looks = VIEWS[face.view] + (f", {face.tilt}" if face.tilt in ("up", "down") else "")
    return str(face.index), box, f"{face.eye_distance_pixels:.0f} px", VERDICTS[face.verdict], looks


def _answer(value: object) -> tuple[DetectedFaces, bytes]:
    found, drawn = value if isinstance(value, tuple) else (value, b"")
    if not isinstance(found, DetectedFaces) or not isinstance(drawn, bytes):
        raise TypeError("the decode pool answered something else")
    return found, drawn
