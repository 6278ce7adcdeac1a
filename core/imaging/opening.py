"""Opening a photo: what is checked before a pixel is decoded, and the one boundary for what decoders raise."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from core.domain.errors import BadInputError, ImageTooLargeError, ImageUnreadableError, UnsupportedFormatError

_SMALLER = "Send a smaller copy."
_ANEW = "Send it again, or save it anew in another program."
_ONE_FRAME = "Send one frame as JPEG or PNG."

_MAX_SCANS = 200
"""Start-of-scan markers in a JPEG. A progressive photo has about ten; thousands are hours of work in a few bytes."""

_MAX_PAGES = 8
"""Reduced pages (thumbnails) that a TIFF may hold behind its photo."""

_SUBFILE_TYPE = 254
_REDUCED = 1


@dataclass(frozen=True)
class Limits:
    """What is refused before it is decoded.

    Attributes:
        max_pixels: width × height.
        max_side_pixels: of either side.
        max_bytes: of the file.
    """

    max_pixels: int = 50_000_000
    max_side_pixels: int = 12_000
    max_bytes: int = 100 * 2**20


@contextmanager
def decoding(data: bytes, limits: Limits, send_what: str) -> Iterator[None]:
    """The boundary around a decoder: checks the file's size, and turns whatever is raised inside into our errors.

    Args:
        data: the file's bytes.
        limits: see there.
        send_what: the advice for a file that is no photo.

    Raises:
        UnsupportedFormatError: no decoder knows the file.
        ImageTooLargeError: over the byte limit, or the memory did not suffice.
        ImageUnreadableError: empty, or broken in any way.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLargeError(
            f"The file has {len(data) / 2**20:.0f} MB, allowed are {limits.max_bytes / 2**20:.0f}.", _SMALLER
        )
    if not data:
        raise ImageUnreadableError("The file is empty.", send_what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning comes late and is global; our limits are here
            yield
    except BadInputError:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedFormatError("The file is not a photo in a format that is read here.", send_what) from error
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageTooLargeError("The photo needs more memory than is allowed.", _SMALLER) from error
    except Exception as error:  # decoders raise nine kinds of exception on broken files: one boundary for all
        if "Insufficient memory" in str(error):  # OpenCV's own words for a MemoryError
            raise ImageTooLargeError("The photo needs more memory than is allowed.", _SMALLER) from error
        raise ImageUnreadableError("The photo is damaged and cannot be decoded to its end.", _ANEW) from error


@contextmanager
def opened(data: bytes, limits: Limits, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """A photo whose size and frames are within the limits; to be used inside `decoding`. No pixel is decoded yet.

    Args:
        data: the file's bytes.
        limits: see there.
        formats: Pillow's names.

    Raises:
        UnsupportedFormatError: an animation, or a document of several pages.
        ImageTooLargeError: over a limit.
    """
    _check_webp(data, limits)
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _MAX_SCANS:
        raise ImageTooLargeError("The JPEG has more scans than a photo has.", "Save it anew in another program.")
    with Image.open(io.BytesIO(data), formats=formats) as picture:
        check_size(picture.width, picture.height, limits)
        _check_frames(picture)
        yield picture


def check_size(width: int, height: int, limits: Limits) -> None:
    """Refuse what is too large by the size that its header states.

    Raises:
        ImageTooLargeError: over a limit.
    """
    if width * height > limits.max_pixels or max(width, height) > limits.max_side_pixels:
        raise ImageTooLargeError(
            f"The photo has {width} × {height} pixels; allowed are {limits.max_pixels / 1e6:.0f} megapixels and "
            f"{limits.max_side_pixels:,} pixels a side.",
            _SMALLER,
        )


def _check_webp(data: bytes, limits: Limits) -> None:
    """Look at an extended WebP's header ourselves: Pillow allocates its whole canvas, twice, on opening."""
    if data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8X" or len(data) < 30:
        return
    check_size(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"), limits)
    if data[20] & 0x02:
        raise UnsupportedFormatError("The file is an animation, not a photo.", _ONE_FRAME)


def _check_frames(picture: Image.Image) -> None:
    if picture.format == "MPO":  # phones' JPEGs with a second frame: the first is the photo
        return
    if picture.format == "TIFF":
        _check_pages(picture)
    elif getattr(picture, "n_frames", 1) > 1:
        raise UnsupportedFormatError("The file is an animation, not a photo.", _ONE_FRAME)


def _check_pages(picture: Image.Image) -> None:
    """A TIFF may hold thumbnails of its photo behind it, and nothing else; its first page must be the photo."""
    for page in range(1, _MAX_PAGES + 1):
        try:
            picture.seek(page)
        except EOFError:
            break
        tags = getattr(picture, "tag_v2", {})
        if page == _MAX_PAGES or not int(tags.get(_SUBFILE_TYPE, 0)) & _REDUCED:
            raise UnsupportedFormatError("The TIFF has several pages.", "Send the page with the photo as a file.")
    picture.seek(0)
