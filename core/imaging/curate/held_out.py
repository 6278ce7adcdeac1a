"""Which kept photos a tuning never sees, so that they can score it."""

from collections.abc import Sequence

from core.imaging.curate.facts import FaceFacts
from core.imaging.curate.thresholds import CurationThresholds


def choose_held_out(faces: Sequence[FaceFacts], limits: CurationThresholds) -> tuple[int, ...]:
    """Choose at most eight photos, or 15 %, spread over pose and sharpness.

    The photos are cut into as many groups as are wanted, by yaw; of each group one is taken, by turns a sharp and a
    middling one. Nothing is drawn, and the order in which photos were sent does not matter.

    Args:
        faces: of the kept photos.
        limits: the thresholds.

    Returns:
        Places in `faces`, rising; none where fewer than seven photos were kept.
    """
    count = limits.held_out(len(faces))
    names = [face.vector.tobytes() + face.bits.tobytes() for face in faces]
    by_yaw = sorted(range(len(faces)), key=lambda place: (faces[place].pose.yaw, names[place]))
    chosen = []
    for number in range(count):
        group = by_yaw[number * len(faces) // count : (number + 1) * len(faces) // count]
        group.sort(key=lambda place: (-faces[place].clear_pixels, names[place]))
        chosen.append(group[len(group) // 4 if number % 2 == 0 else len(group) // 2])
    return tuple(sorted(chosen))
