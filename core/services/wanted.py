"""What somebody asks of a restoration, in the service's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from core.domain.face import Box, FaceAction, Points
from core.domain.mode import Mode
from core.domain.subject import Category
from core.imaging.colour import Colour
from core.imaging.original.photo import FileFormat
from core.imaging.original.saving import KeepMetadata
from core.services.offer import Dials

AUTO = "auto"


@dataclass(frozen=True)
class AskedFace:
    """What is asked of one face; it is named by its number, a box or its eyes.

    Attributes:
        index: its number among those detected: 0 is the largest.
        box: around it.
        eyes: both.
        subject_id: whose face it is: that subject's default checkpoint constrains the prior.
        checkpoint_id: or this very one.
        action: restore, or keep as it is.
    """

    index: int | None = None
    box: Box | None = None
    eyes: Points | None = None
    subject_id: str | None = None
    checkpoint_id: str | None = None
    action: FaceAction = FaceAction.RESTORE

    @property
    def names_checkpoint(self) -> bool:
        """Whether it is to be restored with a checkpoint of its own."""
        return self.subject_id is not None or self.checkpoint_id is not None


@dataclass(frozen=True)
class Output:
    """What the photo is written as.

    Attributes:
        file_format: None: as the photo came.
        keep_metadata: of its EXIF and XMP.
        native: faces' pictures in the prior's own resolution.
        layers: crop, mask and result of each face are kept beside it.
    """

    file_format: FileFormat | None = None
    keep_metadata: KeepMetadata = "all"
    native: bool = False
    layers: bool = False

    def as_json(self) -> dict[str, Any]:
        """As it stands in the restoration's row."""
        return {
            "format": self.file_format,
            "keep_metadata": self.keep_metadata,
            "native": self.native,
            "layers": self.layers,
        }


def output_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a restoration's row says of its output, with what rows of before whole photos do not say."""
    return {**Output().as_json(), "colour": "preserve", **row}


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for.

    Attributes:
        mode: None for auto: personal where a subject or a checkpoint is named for the photo, else generative.
        subject_id: whose checkpoint constrains the prior.
        checkpoint_id: which, instead of the subject's default.
        faces: None: every face alike; "auto": each with the checkpoint of whom it shows, where that is sure; or what
            is asked of single ones.
        category: what the faces are; None: what the subjects are, or people.
        dials: recipe, and K.
        candidates: results, each with other noise.
        seed: of everything random.
        aligned: the photo already is a face crop in FFHQ framing.
        colour: whether the photo's own colours stay.
        output: of the whole photo.
        start_by: not begun later than this.
        webhook_url: of the caller's, told how its job goes.
    """

    mode: Mode | None = None
    subject_id: str | None = None
    checkpoint_id: str | None = None
    faces: tuple[AskedFace, ...] | Literal["auto"] | None = None
    category: Category | None = None
    dials: Dials = field(default_factory=Dials)
    candidates: int = 1
    seed: int = 0
    aligned: bool = False
    colour: Colour = "preserve"
    output: Output = field(default_factory=Output)
    start_by: datetime | None = None
    webhook_url: str | None = None

    @property
    def names_checkpoint(self) -> bool:
        """Whether the whole photo is to be restored with somebody's checkpoint."""
        return self.subject_id is not None or self.checkpoint_id is not None

    @property
    def single_faces(self) -> tuple[AskedFace, ...]:
        """What is asked of single faces; empty for auto."""
        return self.faces if isinstance(self.faces, tuple) else ()
