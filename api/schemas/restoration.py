"""Restorations: what is asked."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from api.schemas.asked_face import FaceIn
from api.schemas.members import PLAIN, CheckpointId, FileId, Label, Moment, Seed, Sent, SubjectId
from api.schemas.webhook import WebhookUrl
from core.domain.errors import InvalidRequestError
from core.domain.mode import Mode
from core.domain.subject import Category
from core.imaging.original.photo import FileFormat
from core.imaging.original.saving import KeepMetadata
from core.recipes.schema import MAX_CANDIDATES
from core.services.faces import Choice
from core.services.offer import Dials
from core.services.wanted import Output, Wanted

MAX_FACES = 100
Steps = Annotated[StrictInt, Field(ge=1, json_schema_extra=PLAIN)]
Fidelity = Annotated[float, Field(ge=0, le=1, strict=True)]
Faces = Annotated[list[FaceIn], Field(min_length=1, max_length=MAX_FACES)]


class RestorationOptions(Sent):
    """How a photo is to be restored."""

    mode: Annotated[
        Literal["auto", "personal", "generative", "direct"],
        Field(description="auto: personal where a subject is named, else generative. direct: the preview, untuned."),
    ] = "auto"
    subject_id: Annotated[
        SubjectId | None,
        Field(description="Whose default checkpoint constrains the prior. Of several faces only that subject's is."),
    ] = None
    checkpoint_id: Annotated[CheckpointId | None, Field(description="Another checkpoint than the default.")] = None
    faces: Annotated[
        Literal["auto"] | Faces | None,
        Field(
            json_schema_extra=PLAIN,
            description="What is asked of single faces. auto: each with the checkpoint of whom it shows, where that is "
            "sure. null: every face alike. Faces that a list does not name are restored if it only keeps some, and "
            "left as they are if it restores some.",
        ),
    ] = None
    category: Annotated[
        Category | None,
        Field(description="What the faces are; null: what the subjects are, or people. Only people's are detected."),
    ] = None
    recipe: Annotated[
        Label | None,
        Field(description="A recipe's name, of the same mode; or a personal one, for faces that name a subject."),
    ] = None
    noise_steps: Annotated[
        Steps | None, Field(json_schema_extra=PLAIN, description="K: 1 to the prior's T. More is freer.")
    ] = None
    fidelity: Annotated[
        Literal["auto"] | Fidelity | None,
        Field(
            json_schema_extra=PLAIN,
            description="Instead of noise_steps: 1 the most faithful, 0 the freest; auto: by each face, as in quick-…",
        ),
    ] = None
    candidates: Annotated[StrictInt, Field(ge=1, le=MAX_CANDIDATES, json_schema_extra=PLAIN)] = 1
    seed: Annotated[Seed, Field(json_schema_extra=PLAIN)] = 0
    aligned: Annotated[
        StrictBool, Field(json_schema_extra=PLAIN, description="It already is a face crop in FFHQ framing.")
    ] = False
    colour: Annotated[
        Literal["preserve", "free"],
        Field(description="preserve: black-and-white and sepia stay so. free: the restoration's own colours."),
    ] = "preserve"
    start_by: Annotated[Moment | None, Field(description="Not begun later than this.")] = None
    webhook_url: Annotated[
        WebhookUrl | None,
        Field(
            description="An address of yours that is told how this job goes: on the server of one of your webhook "
            "endpoints (the same scheme, host and port), whose secret signs."
        ),
    ] = None

    def wanted(self, output: Output) -> Wanted:
        """For the use case.

        Raises:
            InvalidRequestError: K is given twice.
        """
        if self.noise_steps is not None and self.fidelity is not None:
            raise InvalidRequestError("noise_steps and fidelity both set K.", "Give one of them.", pointer="/fidelity")
        fidelity = None if isinstance(self.fidelity, str) else self.fidelity
        faces = tuple(face.asked() for face in self.faces) if isinstance(self.faces, list) else self.faces
        return Wanted(
            mode=None if self.mode == "auto" else Mode(self.mode),
            subject_id=self.subject_id,
            checkpoint_id=self.checkpoint_id,
            faces=faces,
            category=self.category,
            dials=Dials(self.recipe, self.noise_steps, fidelity, by_photo=self.fidelity == "auto"),
            candidates=self.candidates,
            seed=self.seed,
            aligned=self.aligned,
            colour=self.colour,
            output=output,
            start_by=self.start_by,
            webhook_url=self.webhook_url,
        )


Format = Annotated[
    FileFormat | None,
    Field(description="Of the whole photo; null: as the photo came. heic only where it is installed."),
]
Metadata = Annotated[
    KeepMetadata, Field(description="Of the photo's EXIF and XMP. Its colour profile and resolution always stay.")
]
NATIVE = "Faces' pictures in the prior's own resolution, not the crop's."
LAYERS = "Crop, mask and result of each face, to be blended by hand."


class RestorationForm(RestorationOptions):
    """The fields beside the photo."""

    format: Format = None
    keep_metadata: Metadata = "all"
    native: Annotated[StrictBool, Field(json_schema_extra=PLAIN, description=NATIVE)] = False
    layers: Annotated[StrictBool, Field(json_schema_extra=PLAIN, description=LAYERS)] = False

    def as_wanted(self) -> Wanted:
        """For the use case; errors as of `wanted`."""
        return self.wanted(Output(self.format, self.keep_metadata, self.native, self.layers))


class InputIn(Sent):
    """Which photo."""

    file_id: FileId


class OutputIn(Sent):
    """What the results look like."""

    format: Format = None
    keep_metadata: Metadata = "all"
    native: Annotated[StrictBool, Field(description=NATIVE)] = False
    layers: Annotated[StrictBool, Field(description=LAYERS)] = False


class RestorationIn(RestorationOptions):
    """A photo that was uploaded before, to be restored."""

    input: InputIn
    output: OutputIn = OutputIn()

    def as_wanted(self) -> Wanted:
        """For the use case; errors as of `wanted`."""
        sent = self.output
        return self.wanted(Output(sent.format, sent.keep_metadata, sent.native, sent.layers))


class SelectionIn(Sent):
    """What is to stand for a face."""

    candidate: Annotated[StrictInt, Field(ge=0, lt=MAX_CANDIDATES)] | Literal["original"]

    def choice(self) -> Choice:
        """For the use case."""
        return self.candidate
