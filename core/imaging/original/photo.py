"""The original of a photo: its pixels as they are, and what is needed to write the same kind of file again."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from core.imaging.original.space import seen_on_white, to_srgb

BAND_ROWS = 256
"""Rows worked on at once."""

FileFormat = Literal["jpeg", "png", "webp", "tiff", "heic"]


@dataclass(frozen=True)
class JpegEncoding:
    """How a JPEG was compressed; a result is compressed alike.

    Attributes:
        tables: the quantisation tables, 64 numbers each, in Pillow's order.
        subsampling: of chroma, as Pillow counts: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
        progressive: whether it is.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int
    progressive: bool


@dataclass(frozen=True)
class Original:
    """A photo as it was sent, upright.

    Attributes:
        pixels: [H, W, C] uint8 or uint16; C is 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGB, alpha; not premultiplied).
        file_format: of the file it came in.
        profile: the ICC profile that the pixels are in; None is sRGB, or grey with sRGB's curve.
        exif: what the allow-list left of its EXIF, as a TIFF structure with upright orientation; may be empty.
        xmp: what the allow-list left of its XMP, as one packet; may be empty.
        dpi: horizontal and vertical resolution, where stated.
        jpeg: how it was compressed; None of other formats.
        lossless: whether its format lost nothing (PNG, TIFF, lossless WebP).
        colour_chunks: of a PNG, the chunks beside the profile that say how its numbers are meant: name and body.
    """

    pixels: np.ndarray
    file_format: FileFormat
    profile: bytes | None = None
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    jpeg: JpegEncoding | None = None
    lossless: bool = True
    colour_chunks: tuple[tuple[bytes, bytes], ...] = field(default=())

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.pixels.shape[2] in (2, 4)

    @property
    def colour(self) -> np.ndarray:
        """The channels without alpha: [H, W, 1 or 3], a view."""
        return self.pixels[..., : self.pixels.shape[2] - self.has_alpha]

    @property
    def alpha(self) -> np.ndarray | None:
        """[H, W, 1], a view; None where there is none."""
        return self.pixels[..., -1:] if self.has_alpha else None

    @cached_property
    def working(self) -> np.ndarray:
        """The working copy, which models, face finders and thumbnails see: on white, [H, W, 3] uint8 sRGB."""
        return np.concatenate([band.seen() for band in self.bands()])

    def bands(self) -> Iterator["Original"]:
        """The photo in strips of rows, views, from top to bottom: what is computed on one stays small beside it."""
        for top in range(0, len(self.pixels), BAND_ROWS):
            yield replace(self, pixels=self.pixels[top : top + BAND_ROWS])

    def seen(self) -> np.ndarray:
        """What `working` shows, computed anew and all at once."""
        return seen_on_white(to_srgb(self.colour, self.profile), self.alpha)
