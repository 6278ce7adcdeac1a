"""Every way Heirloom says no.

HeirloomError
├── BadInputError            what was sent cannot be used
│   ├── UnsupportedFormatError, ImageUnreadableError, ImageTooLargeError
│   ├── NoFaceDetectedError, FaceTooSmallError
│   ├── ArchiveRejectedError, AlbumTooSmallError
│   └── InvalidRequestError, InvalidRecipeError
├── PriorError               the pretrained model
│   ├── PriorUnavailableError, WeightsRejectedError
├── CheckpointError          what tuning made
│   ├── CheckpointUnreadableError, CheckpointMismatchError
├── OutputError              what should be written
│   ├── OutputUnwritableError, DiskFullError
├── OutOfMemoryError
├── AlreadyRunningError
└── CancelledError           a person, or a drain, stopped the work

Each error says what happened (`message`) and what to do next (`advice`). None knows of HTTP or of
exit codes: the edges map `code` in one table each.
"""


class HeirloomError(Exception):
    """Base of every error that Heirloom raises on purpose.

    Attributes:
        code: stable, public, snake_case; the REST API and `--json` show it.
        message: what happened, one sentence, without file contents or secrets.
        advice: what the person can do next, one sentence; may be empty where nothing helps.
        retryable: whether the same request may succeed later without a change.
    """

    code = "internal_error"
    retryable = False

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class BadInputError(HeirloomError):
    """What was sent cannot be used as it is."""

    code = "bad_input"


class UnsupportedFormatError(BadInputError):
    """Not one of the image formats that are switched on."""

    code = "unsupported_format"


class ImageUnreadableError(BadInputError):
    """The right kind of file, but broken."""

    code = "image_unreadable"


class ImageTooLargeError(BadInputError):
    """More pixels, or a longer side, than the limits allow."""

    code = "image_too_large"


class NoFaceDetectedError(BadInputError):
    """No face was found where one is needed."""

    code = "no_face_detected"


class FaceTooSmallError(BadInputError):
    """The face has too few pixels to be restored as the same person."""

    code = "face_too_small"


class ArchiveRejectedError(BadInputError):
    """The zip is broken, or not one we are willing to open."""

    code = "archive_rejected"


class AlbumTooSmallError(BadInputError):
    """Too few usable photos to tune on."""

    code = "album_too_small"


class InvalidRequestError(BadInputError):
    """What was asked contradicts itself, or lacks what it needs; raised before anything is loaded."""

    code = "invalid_request"


class InvalidRecipeError(BadInputError):
    """A number of the recipe is outside its range; raised before anything is loaded."""

    code = "invalid_recipe"


class PriorError(HeirloomError):
    """Something about the pretrained model."""

    code = "prior_error"


class PriorUnavailableError(PriorError):
    """The prior is not on this machine."""

    code = "prior_unavailable"


class WeightsRejectedError(PriorError):
    """A weights file does not hold exactly what it must: keys, shapes, dtypes, finite values, hash."""

    code = "weights_rejected"


class CheckpointError(HeirloomError):
    """Something about a subject checkpoint or a resume state."""

    code = "checkpoint_error"


class CheckpointUnreadableError(CheckpointError):
    """The file is not a Heirloom checkpoint, or it is damaged."""

    code = "checkpoint_unreadable"


class CheckpointMismatchError(CheckpointError):
    """The checkpoint was tuned from another prior."""

    code = "checkpoint_mismatch"


class OutputError(HeirloomError):
    """A result could not be written; nothing half-written is left."""

    code = "output_error"


class OutputUnwritableError(OutputError):
    """The target's folder is missing or not writable."""

    code = "output_unwritable"


class DiskFullError(OutputError):
    """No space left on the device."""

    code = "disk_full"
    retryable = True


class OutOfMemoryError(HeirloomError):
    """The device has not enough memory, even for the smallest batch."""

    code = "out_of_memory"
    retryable = True


class AlreadyRunningError(HeirloomError):
    """The same work is being done by another process at this moment."""

    code = "already_running"
    retryable = True


class CancelledError(HeirloomError):
    """The work was stopped from outside; what is stored can be resumed."""

    code = "cancelled"
    retryable = True
