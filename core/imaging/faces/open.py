"""Which face finder is used: the operator's choice, opened; with the licence of what it was trained on."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from core.domain.errors import PriorUnavailableError, SettingsError
from core.imaging.faces.dlib_finder import DlibFaceFinder
from core.imaging.faces.face import Box, Face, FaceFinder
from core.imaging.faces.given import Landmarker
from core.imaging.faces.yunet import YuNetFinder

FinderName = Literal["dlib", "yunet"]

LARGE_PHOTO_PIXELS = 12_000_000
"""Above, photos are searched no finer than they are: on 24 megapixels an enlarged copy takes a minute."""


class Finder(FaceFinder, Landmarker, Protocol):
    """Finds the faces of a photo, and the landmarks in a box that holds one."""


@dataclass(frozen=True)
class FinderLicence:
    """What may be done with a finder.

    Attributes:
        licence: of its code and its weights.
        commercial_use: whether both allow it.
    """

    licence: str
    commercial_use: bool


LICENCES: dict[FinderName, FinderLicence] = {
    "dlib": FinderLicence(
        "Boost Software License; the terms of its 68-point model's training data exclude commercial use",
        False,
    ),
    "yunet": FinderLicence("MIT, code and weights", True),
}


@dataclass(frozen=True)
class FinderChoice:
    """Which finder; it can be pickled, where a finder itself cannot.

    Attributes:
        name: dlib comes with the installation; yunet needs its file.
        model: YuNet's file.
    """

    name: FinderName = "dlib"
    model: Path | None = None

    @property
    def licence(self) -> FinderLicence:
        """Of this finder."""
        return LICENCES[self.name]

    def check(self) -> None:
        """Find out now that it can be opened: what is wrong with its file is not the first photo's fault.

        Raises:
            SettingsError: it cannot.
        """
        try:
            if self.name != "dlib":  # which was installed with us, and whose networks take their time
                self.open()
        except PriorUnavailableError as error:
            raise SettingsError(f"HEIRLOOM_YUNET_MODEL: {error.message}", error.advice) from error

    def open(self) -> Finder:
        """See `open_finder`; kept in this process."""
        return _opened(self)


def open_finder(name: FinderName = "dlib", model: Path | None = None) -> Finder:
    """Open a finder.

    Photos of more than twelve megapixels are searched at their own size and smaller, others enlarged as well.

    Args:
        name: of the finder.
        model: YuNet's file; dlib needs none.

    Raises:
        PriorUnavailableError: YuNet's file was not named, is not there, or no such network.
    """
    if name == "dlib":
        return _BySize(DlibFaceFinder(), DlibFaceFinder(finest_scale=1.0))
    if model is None:
        raise PriorUnavailableError(
            "YuNet was chosen to find faces, and its file was not named.",
            "Name it in HEIRLOOM_YUNET_MODEL (face_detection_yunet in OpenCV's model zoo), or choose dlib.",
        )
    return _BySize(YuNetFinder(model), YuNetFinder(model, finest_scale=1.0))


@cache
def _opened(choice: FinderChoice) -> Finder:
    return open_finder(choice.name, choice.model)


@dataclass(frozen=True)
class _BySize:
    usual: Finder
    large: Finder
    most_pixels: int = field(default=LARGE_PHOTO_PIXELS)

    def find(self, image: np.ndarray) -> list[Face]:
        return self._of(image).find(image)

    def in_box(self, image: np.ndarray, box: Box) -> Face:
        return self._of(image).in_box(image, box)

    def _of(self, image: np.ndarray) -> Finder:
        return self.large if image.shape[0] * image.shape[1] > self.most_pixels else self.usual
