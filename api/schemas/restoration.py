"""Restorations: what is asked, and what came of it."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from api.schemas.members import PLAIN, CheckpointId, FileId, Label, Moment, Seed, Sent, SubjectId
from core.domain.errors import InvalidRequestError
from core.domain.mode import Mode
from core.recipes.schema import MAX_CANDIDATES
from core.services.faces import Choice
from core.services.offer import Dials
from core.services.restorations import ImageFormat, Wanted

Steps = Annotated[StrictInt, Field(ge=1, json_schema_extra=PLAIN)]
Fidelity = Annotated[float, Field(ge=0, le=1, strict=True)]


class RestorationOptions(Sent):
    """How a photo is to be restored."""

    mode: Annotated[
        Literal["auto", "personal", "generative", "direct"],
        Field(description="auto: personal where a subject is named, else generative. direct: the preview, untuned."),
    ] = "auto"
    subject_id: Annotated[SubjectId | None, Field(description="Whose default checkpoint constrains the prior.")] = None
    checkpoint_id: Annotated[CheckpointId | None, Field(description="Another checkpoint than the default.")] = None
    recipe: Annotated[Label | None, Field(description="A recipe's name, of the same mode.")] = None
    noise_steps: Annotated[
        Steps | None, Field(json_schema_extra=PLAIN, description="K: 1 to the prior's T. More is freer.")
    ] = None
    fidelity: Annotated[
        Literal["auto"] | Fidelity | None,
        Field(json_schema_extra=PLAIN, description="Instead of noise_steps: 1 the most faithful, 0 the freest."),
    ] = None
    candidates: Annotated[StrictInt, Field(ge=1, le=MAX_CANDIDATES, json_schema_extra=PLAIN)] = 1
    seed: Annotated[Seed, Field(json_schema_extra=PLAIN)] = 0
    aligned: Annotated[
        StrictBool, Field(json_schema_extra=PLAIN, description="It already is a face crop in FFHQ framing.")
    ] = False
    start_by: Annotated[Moment | None, Field(description="Not begun later than this.")] = None

    def wanted(self, image_format: ImageFormat, *, native: bool) -> Wanted:
        """For the use case.

        Raises:
            InvalidRequestError: K is given twice.
        """
        if self.noise_steps is not None and self.fidelity is not None:
            raise InvalidRequestError("noise_steps and fidelity both set K.", "Give one of them.", pointer="/fidelity")
        fidelity = None if isinstance(self.fidelity, str) else self.fidelity
        return Wanted(
            mode=None if self.mode == "auto" else Mode(self.mode),
            subject_id=self.subject_id,
            checkpoint_id=self.checkpoint_id,
            dials=Dials(self.recipe, self.noise_steps, fidelity),
            candidates=self.candidates,
            seed=self.seed,
            aligned=self.aligned,
            native=native,
            image_format=image_format,
            start_by=self.start_by,
        )


class RestorationForm(RestorationOptions):
    """The fields beside the photo."""

    format: Annotated[ImageFormat, Field(description="Of the results; png and webp are lossless.")] = "png"
    native: Annotated[StrictBool, Field(json_schema_extra=PLAIN)] = False

    def as_wanted(self) -> Wanted:
        """For the use case; errors as of `wanted`."""
        return self.wanted(self.format, native=self.native)


class InputIn(Sent):
    """Which photo."""

    file_id: FileId


class OutputIn(Sent):
    """What the results look like."""

    format: Annotated[ImageFormat, Field(description="png and webp are lossless.")] = "png"
    native: Annotated[StrictBool, Field(description="In the prior's own resolution, not the crop's.")] = False


class RestorationIn(RestorationOptions):
    """A photo that was uploaded before, to be restored."""

    input: InputIn
    output: OutputIn = OutputIn()

    def as_wanted(self) -> Wanted:
        """For the use case; errors as of `wanted`."""
        return self.wanted(self.output.format, native=self.output.native)


class SelectionIn(Sent):
    """What is to stand for a face."""

    candidate: Annotated[StrictInt, Field(ge=0, lt=MAX_CANDIDATES)] | Literal["original"]

    def choice(self) -> Choice:
        """For the use case."""
        return self.candidate


CandidateName = Annotated[str, StringConstraints(pattern=r"^([0-7]|original)$")]
"""In a query: a candidate's number, or original."""
