"""What the detect stage makes of what is said of single faces, with a finder that finds three."""

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.domain.face import FaceAction, FaceWish
from core.imaging.faces import Face
from core.pipeline.stages.detect import _people

KEEP, RESTORE = FaceAction.KEEP, FaceAction.RESTORE
IMAGE = np.zeros((300, 900, 3), np.uint8)


def face_at(x, source="detected"):
    """Eyes forty pixels apart, the left one at x; with a box as a detector draws it."""
    landmarks = np.array([(x, 120), (x + 40, 120), (x + 20, 140), (x + 5, 160), (x + 35, 160)], np.float64)
    return Face(landmarks, (x - 30.0, 80.0, x + 70.0, 180.0), 1.0, source)


class ThreeFaces:
    """Finds them at 100, 400 and 700; in a box the one whose eyes it holds."""

    def find(self, image):  # noqa: ARG002  # the protocol's
        return [face_at(x) for x in (100, 400, 700)]

    def in_box(self, image, box):  # noqa: ARG002  # the protocol's
        for x in (100, 400, 700):
            if box[0] < x < box[2] and box[3] < 290:
                return Face(face_at(x).landmarks, box, 1.0, "box")
        raise BadInputError("No landmarks were found in the box.")


def actions(*wishes):
    faces = _people(IMAGE, wishes or None, ThreeFaces()).faces
    assert [face.verdict for face in faces] == [None] * 3  # nothing speaks against any of them
    return [face.action for face in faces]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ((), [RESTORE, RESTORE, RESTORE]),
        ((FaceWish(index=1, action=KEEP),), [RESTORE, KEEP, RESTORE]),
        ((FaceWish(index=0),), [RESTORE, KEEP, KEEP]),
        ((FaceWish(index=0), FaceWish(index=1, action=KEEP)), [RESTORE, KEEP, KEEP]),
    ],
)
def test_faces_that_nothing_is_said_of_are_restored_only_where_all_that_is_named_is_to_be_kept(wishes, expected):
    assert actions(*wishes) == expected


@pytest.mark.parametrize(
    "box",
    [(350.0, 60.0, 500.0, 200.0), (370.0, 80.0, 470.0, 180.0), (300.0, 0.0, 540.0, 280.0), (300.0, 0.0, 540.0, 295.0)],
    ids=["drawn well", "the detector's own", "with all the hair", "so large that nothing is found in it"],
)
def test_a_face_in_a_box_that_is_to_be_kept_is_kept_however_the_box_is_drawn(box):
    assert actions(FaceWish(box=box, action=KEEP)) == [RESTORE, KEEP, RESTORE]
