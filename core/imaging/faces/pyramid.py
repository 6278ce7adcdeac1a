"""One photo at several scales, in tiles, and one list of faces from them.

A detector sees faces of some tens to some hundreds of its input's pixels. Shrunk copies show it the large faces,
enlarged ones the small. Every scale is searched: a small face beside a large one is found, too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.imaging.faces.face import Face, area, intersection

_TILE_PIXELS, _TILE_OVERLAP_PIXELS = 2_048, 448
"""Larger copies are searched in tiles, which bounds the memory. What lies across a border is seen whole by a neighbour,
or, if it is larger than the overlap, at a coarser scale."""

_SAME_IOU, _DUPLICATE_OVERLAP = 0.4, 0.5


@dataclass(frozen=True)
class Reach:
    """Between which scales a photo is searched.

    Attributes:
        coarsest_side_pixels: of the longest side of the smallest copy; smaller photos begin at their own size.
        finest_scale: of the largest copy; 2 shows a detector whose window is 80 pixels the faces of 40.
    """

    coarsest_side_pixels: int
    finest_scale: float

    def scales(self, height: int, width: int) -> list[float]:
        """Coarsest first, each at most twice the one before."""
        scales = [min(1.0, self.coarsest_side_pixels / max(height, width))]
        while scales[-1] < self.finest_scale / 1.01:
            scales.append(min(2 * scales[-1], self.finest_scale))
        return scales


def search(image: np.ndarray, scale: float, detect: Callable[[np.ndarray], list[Face]]) -> list[Face]:
    """Find faces in one scaled copy of a photo.

    Args:
        image: [H, W, 3] uint8 RGB.
        scale: of the copy.
        detect: finds faces in one picture, in its own pixels.

    Returns:
        Faces in the photo's pixels; two tiles may both have seen one.
    """
    faces = []
    for left, top, right, bottom in _tiles(image.shape[0], image.shape[1], scale):
        tile = image[top:bottom, left:right]
        if scale != 1.0:
            filter_kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            tile = cv2.resize(tile, None, fx=scale, fy=scale, interpolation=filter_kind)
        found = detect(np.ascontiguousarray(tile))
        faces += [face.scaled(1 / scale, (float(left), float(top))) for face in found]
    return faces


def _tiles(height: int, width: int, scale: float) -> Iterator[tuple[int, int, int, int]]:
    side, overlap = int(_TILE_PIXELS / scale), int(_TILE_OVERLAP_PIXELS / scale)
    for top in _starts(height, side, overlap):
        for left in _starts(width, side, overlap):
            yield left, top, min(width, left + side), min(height, top + side)


def _starts(length: int, side: int, overlap: int) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - overlap) / (side - overlap)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


@dataclass(frozen=True)
class Sighting:
    """One face and at how many scales it was seen.

    Attributes:
        face: as the scale with the best landmarks saw it, with the surest score of all.
        level: index of that scale.
        scales: indices of the scales, coarsest first.
    """

    face: Face
    level: int
    scales: tuple[int, ...]


def _coarseness(level: int, _: Face) -> float:
    return level


def merge_scales(levels: Sequence[Sequence[Face]], rank: Callable[[int, Face], float] = _coarseness) -> list[Sighting]:
    """One sighting for all finds of a face.

    Finds that nearly coincide are one face: the first in rank gives the landmarks, the surest the score. Of others
    that overlap (an eye taken for a face, a face with its hat), the surest stays.

    Args:
        levels: the finds of each scale, coarsest first, each in the order in which equals shall come.
        rank: of a find, from its scale's index and itself; the least has the best landmarks. By default the coarsest,
            which saw most around the face.

    Returns:
        Largest first.
    """
    merged: list[Sighting] = []
    for level, faces in enumerate(levels):
        for face in faces:
            same = next((i for i, other in enumerate(merged) if _iou(face, other.face) >= _SAME_IOU), None)
            if same is None:
                merged.append(Sighting(face, level, (level,)))
            else:
                known = merged[same]
                best = min((known.level, known.face), (level, face), key=lambda find: rank(*find))
                surest = replace(best[1], score=max(known.face.score, face.score))
                merged[same] = Sighting(surest, best[0], tuple(sorted({*known.scales, level})))
    kept: list[int] = []
    for index in sorted(range(len(merged)), key=lambda i: -merged[i].face.score):
        if all(_overlap(merged[index].face, merged[other].face) < _DUPLICATE_OVERLAP for other in kept):
            kept.append(index)
    return [merged[index] for index in sorted(kept, key=lambda i: (-area(merged[i].face.box), i))]


def _iou(one: Face, other: Face) -> float:
    shared = intersection(one.box, other.box)
    return shared / max(area(one.box) + area(other.box) - shared, 1e-9)


def _overlap(one: Face, other: Face) -> float:
    """Intersection over the smaller box: also catches a box within a box."""
    return intersection(one.box, other.box) / max(min(area(one.box), area(other.box)), 1e-9)
