"""FFHQ framing (Karras et al. 2019, data preparation): a square around eyes and mouth, turned upright."""

from dataclasses import dataclass

import cv2
import numpy as np

from core.domain.errors import BadInputError, FaceTooSmallError, NoFaceDetectedError
from core.imaging.faces import MIN_EYE_DISTANCE_PIXELS, Box, Face, FaceFinder

MIN_CROP_PIXELS = 32
MAX_CROP_PIXELS = 1_024
_SHRINK_TOLERANCE = 0.05

_EYES_TO_MOUTH = 1.07
"""In eye distances, where only the eyes are known: the median of 80 faces from two albums."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a face's square lies in its photo.

    Attributes:
        quad: [4, 2] float64, (x, y) in photo pixels: top left, bottom left, bottom right, top right.
    """

    quad: np.ndarray

    @property
    def side_pixels(self) -> float:
        """The square's side, in photo pixels."""
        return float(np.linalg.norm(self.quad[3] - self.quad[0]))


@dataclass(frozen=True, eq=False)
class AlignedCrop:
    """A face cut out of its photo.

    Attributes:
        crop: [S, S, 3] uint8, S as many pixels as the photo has there.
        alignment: where it lay.
        face: what was found.
    """

    crop: np.ndarray
    alignment: Alignment
    face: Face


def alignment_of(landmarks: np.ndarray) -> Alignment:
    """The FFHQ square of a face.

    Args:
        landmarks: [68, 2] float64, (x, y) in photo pixels.
    """
    eyes = np.stack([landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)])
    return _framed(eyes, landmarks[[48, 54]])


def alignment_of_face(face: Face) -> Alignment:
    """The FFHQ square of a face, whichever landmarks it has; with the eyes alone the mouth lies where mouths do."""
    if face.mouth is not None:
        return _framed(face.eyes, face.mouth)
    left, right = face.eyes
    along = right - left
    mouth = (left + right) / 2 + _EYES_TO_MOUTH * np.array([-along[1], along[0]])
    return _framed(face.eyes, np.stack([mouth, mouth]))


def alignment_of_box(box: Box) -> Alignment:
    """The upright square around a box, for pictures that have no human face (a cat, a whole image).

    Args:
        box: left, top, right, bottom in photo pixels; the square has its centre and its longer side.
    """
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    half = max(right - left, bottom - top) / 2
    corners = [(x - half, y - half), (x - half, y + half), (x + half, y + half), (x + half, y - half)]
    return Alignment(np.array(corners, dtype=np.float64))


def _framed(eyes: np.ndarray, mouth_corners: np.ndarray) -> Alignment:
    eye_left, eye_right = eyes
    middle = (eye_left + eye_right) / 2
    eye_to_eye = eye_right - eye_left
    mouth = (mouth_corners[0] + mouth_corners[1]) / 2
    eye_to_mouth = mouth - middle
    # Half of the square's horizontal axis: along the eyes, corrected by the perpendicular of eyes-to-mouth.
    x = eye_to_eye - np.array([-eye_to_mouth[1], eye_to_mouth[0]])
    x = x / np.hypot(*x) * max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    y = np.array([-x[1], x[0]])
    centre = middle + eye_to_mouth * 0.1
    return Alignment(np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y]))


def align_face(image: np.ndarray, alignment: Alignment, size: int) -> np.ndarray:
    """Cut a face's square out in one resampling from the photo's own pixels.

    When it shrinks, the sample grid is finer than the result and averaged, which is the area filter that keeps
    aliasing out without a second resampling. Beyond the photo's border the picture is mirrored, not black.

    Args:
        image: [H, W, 3] uint8.
        alignment: the square.
        size: of the result, in pixels.

    Returns:
        [size, size, 3] uint8.
    """
    # A size that is the side rounded down shrinks nothing worth averaging, and averaging would soften it.
    oversampling = max(1, int(np.ceil(alignment.side_pixels / size - _SHRINK_TOLERANCE)))
    side = size * oversampling
    top_left, bottom_left, _, top_right = alignment.quad
    across, down = (top_right - top_left) / side, (bottom_left - top_left) / side
    # Pixel centres: result pixel (i, j) samples top_left + (i + ½)·across + (j + ½)·down, in a system where a
    # photo pixel's centre is at + ½.
    first = top_left + (across + down) / 2 - 0.5
    matrix = np.array([[across[0], down[0], first[0]], [across[1], down[1], first[1]]])
    margin, image = _mirrored(image, alignment)
    matrix[:, 2] += margin
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if oversampling > 1:
        warped = cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(warped)


def _mirrored(image: np.ndarray, alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Cut the photo to what the square touches, mirrored where it leaves the photo.

    Returns:
        The shift (x, y) to add to coordinates, and the picture.
    """
    height, width = image.shape[:2]
    low = np.floor(alignment.quad.min(axis=0)).astype(int) - 4
    high = np.ceil(alignment.quad.max(axis=0)).astype(int) + 4
    left, top = np.maximum(low, 0)
    right, bottom = min(high[0], width), min(high[1], height)
    part = image[top:bottom, left:right]
    before_x, before_y = max(0, -low[0]), max(0, -low[1])
    after_x, after_y = max(0, high[0] - width), max(0, high[1] - height)
    padded = cv2.copyMakeBorder(part, before_y, after_y, before_x, after_x, cv2.BORDER_REFLECT_101)
    return np.array([before_x - left, before_y - top], dtype=np.float64), padded


def part_of(image: np.ndarray, alignment: Alignment) -> np.ndarray:
    """The photo's own pixels around a square, unturned: [h, w, 3], a view."""
    left, top = np.maximum(np.floor(alignment.quad.min(axis=0)).astype(int), 0)
    right, bottom = np.maximum(np.ceil(alignment.quad.max(axis=0)).astype(int), 0)
    return image[top:bottom, left:right]


def largest_face_crop(image: np.ndarray, finder: FaceFinder) -> AlignedCrop:
    """Find the largest face and cut it out at the photo's own resolution.

    Args:
        image: [H, W, 3] uint8.
        finder: how faces are found.

    Raises:
        NoFaceDetectedError: there is none.
        FaceTooSmallError: its eyes are less than 12 pixels apart.
    """
    faces = finder.find(image)
    if not faces:
        raise NoFaceDetectedError(
            "No face was found in the photo.",
            "Send a photo that shows a face from the front, at least 40 pixels wide; if it already is a face crop, "
            "send it as aligned.",
        )
    face = faces[0]
    apart = face.eye_distance_pixels
    if apart < MIN_EYE_DISTANCE_PIXELS:
        raise FaceTooSmallError(
            f"The eyes are {apart:.0f} pixels apart; at least {MIN_EYE_DISTANCE_PIXELS:.0f} are needed.",
            "Scan or download the photo at a higher resolution.",
        )
    alignment = alignment_of_face(face)
    size = int(np.clip(round(alignment.side_pixels), MIN_CROP_PIXELS, MAX_CROP_PIXELS))
    return AlignedCrop(align_face(image, alignment, size), alignment, face)


def aligned_crop(image: np.ndarray) -> np.ndarray:
    """Take a picture that already is a face crop in FFHQ framing.

    Args:
        image: [H, W, 3] uint8, square to within six per cent; the middle is taken.

    Returns:
        [S, S, 3] uint8, S at most 1,024.

    Raises:
        BadInputError: not square.
        FaceTooSmallError: less than 32 pixels a side.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    if max(height, width) > 1.06 * side:
        raise BadInputError(
            f"An aligned face crop must be square; this picture has {width} × {height} pixels.",
            "Do not send it as aligned, and the face will be found and cut out.",
        )
    if side < MIN_CROP_PIXELS:
        raise FaceTooSmallError(
            f"The crop has {side} pixels a side; at least {MIN_CROP_PIXELS} are needed.", "Use a larger copy."
        )
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    if side > MAX_CROP_PIXELS:
        square = cv2.resize(square, (MAX_CROP_PIXELS, MAX_CROP_PIXELS), interpolation=cv2.INTER_AREA)
    return square
