"""Where results go, and in which format: decided before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.domain.errors import InvalidRequestError, OutputUnwritableError
from core.imaging.files import check_writable, make_folder
from core.imaging.original.photo import FileFormat
from core.imaging.original.saving import MEDIA_TYPES
from core.imaging.signature import HEAD_BYTES, media_type_of

FORMATS: dict[str, FileFormat] = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".heic": "heic",
    ".heif": "heic",
}
OTHER_PICTURES = {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jxl", ".psd", ".tga"}
"""Names that mean a picture, of a kind that is not written here: not a folder's name."""

_KINDS: dict[str, FileFormat] = {media_type: kind for kind, (_, media_type) in MEDIA_TYPES.items()}


@dataclass(frozen=True)
class Targets:
    """Where everything goes.

    Attributes:
        photos: for each photo, one file a candidate.
        file_format: of the results; None: as each photo came.
        into_folder: whether `-o` names a folder.
        crops: folder for the faces' pictures, or None.
        layers: folder for the faces' layers, or None.
    """

    photos: tuple[tuple[Path, ...], ...]
    file_format: FileFormat | None
    into_folder: bool
    crops: Path | None = None
    layers: Path | None = None

    def make_way(self) -> None:
        """Make the folders where they may be made, and find out now that results can be written.

        Raises:
            OutputError: they cannot.
        """
        if self.into_folder:
            make_folder(self.photos[0][0].parent)
        for folder in (self.crops, self.layers):
            if folder is not None:
                make_folder(folder)
                check_writable(folder / "face.png")
        for target in (path for paths in self.photos for path in paths):
            check_writable(target)


def targets_of(
    photos: Sequence[Path],
    heads: Sequence[bytes],
    output: Path,
    candidates: int,
    album: Path | None = None,
    crops: Path | None = None,
    layers: Path | None = None,
) -> Targets:
    """Where each photo's candidates go: one file, or a folder with one file a photo. Nothing is made yet.

    In a folder a result has its photo's name; its suffix is what the photo's bytes are.

    Args:
        photos: their files.
        heads: how each begins.
        output: what `-o` says.
        candidates: results for each photo.
        album: whose photos are not to be overwritten either.
        crops: folder for the faces' pictures.
        layers: folder for the faces' layers.

    Raises:
        InvalidRequestError: `-o` names a picture that cannot be written, or one where there are several photos.
        OutputUnwritableError: the place is a photo or one of the album, or no folder, or two photos share a name.
    """
    into_folder = _is_folder(photos, output)
    if into_folder and output.exists() and not output.is_dir():
        raise OutputUnwritableError(f"{output} is a file, and there are several photos.", "Name a folder with -o.")
    bases = [output]
    if into_folder:
        bases = [output / f"{photo.stem}{_suffix(photo, head)}" for photo, head in zip(photos, heads, strict=True)]
    # Faces' pictures are named after their photo without its suffix.
    names = [base.stem for base in bases] if crops or layers else [base.name for base in bases]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OutputUnwritableError(f"Two photos would both become {twice}.", "Restore them into different folders.")
    files = tuple(_numbered(base, candidates) for base in bases)
    _refuse_originals(files, photos, album)
    kind = None if into_folder else FORMATS[output.suffix.lower()]
    return Targets(files, kind, into_folder, crops, layers)


def _is_folder(photos: Sequence[Path], output: Path) -> bool:
    """Whether `-o` names a folder: for several photos, or because its name is no picture's."""
    suffix = output.suffix.lower()
    if output.is_dir() or suffix not in FORMATS.keys() | OTHER_PICTURES:
        return True
    if suffix in OTHER_PICTURES:
        raise InvalidRequestError(
            f"{output} is named as a kind of picture that is not written here.",
            f"End its name in {', '.join(FORMATS)}, or name a folder.",
        )
    if len(photos) > 1 and not output.exists():
        raise InvalidRequestError(f"{output} is named as one picture, and there are several photos.", "Name a folder.")
    return len(photos) > 1


def _suffix(photo: Path, head: bytes) -> str:
    """The photo's own, unless its bytes are something else than it says."""
    kind = _KINDS.get(media_type_of(head[:HEAD_BYTES]) or "")
    if kind is None or FORMATS.get(photo.suffix.lower()) == kind:
        return photo.suffix
    return f".{MEDIA_TYPES[kind][0]}"


def _numbered(base: Path, candidates: int) -> tuple[Path, ...]:
    if candidates == 1:
        return (base,)
    return tuple(base.with_stem(f"{base.stem}-{number + 1}") for number in range(candidates))


def _refuse_originals(files: Sequence[Sequence[Path]], photos: Sequence[Path], album: Path | None) -> None:
    originals = {photo.resolve() for photo in [*photos, *(album.rglob("*") if album else ())]}
    for target in (path for paths in files for path in paths):
        if target.resolve() in originals:
            raise OutputUnwritableError(
                f"{target} is one of the photos.", "Photos are never overwritten: name another."
            )
