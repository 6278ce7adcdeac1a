"""Which views, lights and expressions an album shows."""

from collections import Counter
from collections.abc import Iterable

from core.domain.curation import Coverage
from core.imaging.curate.facts import FaceFacts
from core.imaging.curate.thresholds import CurationThresholds


def coverage_of(faces: Iterable[FaceFacts], limits: CurationThresholds) -> Coverage:
    """Count."""
    faces = list(faces)
    return Coverage(
        views=Counter(face.pose.view(limits) for face in faces),
        tilts=Counter(face.pose.tilt(limits) for face in faces),
        lights=Counter(face.light.kind(limits) for face in faces),
        expressions=Counter(face.expression.kind(limits) for face in faces),
    )
