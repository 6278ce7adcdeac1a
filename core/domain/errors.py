"""Every way Heirloom says no.

HeirloomError
├── BadInputError            what was sent cannot be used
│   ├── UnsupportedFormatError, ImageUnreadableError, ImageTooLargeError
│   ├── NoFaceDetectedError, FaceTooSmallError, IdentityLostError, LooksCleanError
│   ├── ArchiveRejectedError, AlbumTooSmallError, AlbumMixedIdentityError
│   └── InvalidRequestError, InvalidRecipeError, AddressRefusedError
├── PriorError               the pretrained model
│   ├── PriorUnavailableError, PriorUncalibratedError, WeightsRejectedError
├── CheckpointError          what tuning made
│   ├── CheckpointUnreadableError, CheckpointMismatchError
├── OutputError              what should be written
│   ├── OutputUnwritableError, DiskFullError
├── OutOfMemoryError
├── StorageError             where the service keeps what it was given
│   └── BlobMissingError, BlobDamagedError
├── RequestError             what a caller of the service may not, or not now
│   ├── UnauthenticatedError, ForbiddenError, NotFoundError
│   ├── ConflictError
│   │   └── CheckpointNotReadyError, JobFinishedError, IdempotencyInFlightError
│   ├── IdempotencyMismatchError, ConsentMissingError
│   ├── BodyTooLargeError, RequestTimeoutError, QuotaExceededError
│   └── OverloadedError
│       └── ReadOnlyError
├── JobError                 how a job ends that no input is to blame for
│   └── WorkerLostError, DeadlineExceededError, LeaseLostError, DrainedError, InvalidTransitionError
├── SettingsError            the service was started with settings that cannot be
├── AlreadyRunningError
└── CancelledError           a person, or a drain, stopped the work

Each error says what happened (`message`) and what to do next (`advice`). None knows of HTTP or of
exit codes: the edges map `code` in one table each.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.domain.curation import CurationReport


class HeirloomError(Exception):
    """Base of every error that Heirloom raises on purpose.

    Attributes:
        code: stable, public, snake_case; the REST API and `--json` show it.
        message: what happened, one sentence, without file contents or secrets.
        advice: what the person can do next, one sentence; may be empty where nothing helps.
        retryable: whether the same request may succeed later without a change.
        pointer: which part of what was sent it is about, as a JSON pointer (RFC 6901); may be empty.
    """

    code = "internal_error"
    retryable = False

    def __init__(self, message: str, advice: str = "", *, pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.pointer = pointer

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


class IdentityLostError(BadInputError):
    """Restored, a face is less like its person than before: the photo keeps it as it was."""

    code = "identity_lost"


class LooksCleanError(BadInputError):
    """Every restored face looked clean, was given the smallest K, and is nearly as it was."""

    code = "looks_clean"


class ArchiveRejectedError(BadInputError):
    """The zip is broken, or not one we are willing to open."""

    code = "archive_rejected"


class AlbumTooSmallError(BadInputError):
    """Too few usable photos to tune on.

    Attributes:
        report: on the album, where its photos were looked at.
    """

    code = "album_too_small"
    report: "CurationReport | None" = None


class AlbumMixedIdentityError(BadInputError):
    """No one person is in most of the album's photos, so that nobody can say whose album it is.

    Attributes:
        report: on the album.
    """

    code = "album_mixed_identity"
    report: "CurationReport | None" = None


class InvalidRequestError(BadInputError):
    """What was asked contradicts itself, or lacks what it needs; raised before anything is loaded."""

    code = "invalid_request"


class InvalidRecipeError(BadInputError):
    """A number of the recipe is outside its range; raised before anything is loaded."""

    code = "invalid_recipe"


class AddressRefusedError(BadInputError):
    """Nothing is sent there: no plain address, or one of a host that is not on the public internet."""

    code = "address_refused"


class PriorError(HeirloomError):
    """Something about the pretrained model."""

    code = "prior_error"


class PriorUnavailableError(PriorError):
    """The prior is not on this machine."""

    code = "prior_unavailable"


class PriorUncalibratedError(PriorError):
    """K is to follow from the photo, and nobody has measured how clean photos look to this prior."""

    code = "prior_uncalibrated"


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


class StorageError(HeirloomError):
    """Something about stored bytes."""

    code = "storage_error"
    retryable = True


class BlobMissingError(StorageError):
    """Bytes that should be there are not."""

    code = "blob_missing"
    retryable = False


class BlobDamagedError(StorageError):
    """Stored bytes do not have the hash they were stored under; they are never used."""

    code = "blob_damaged"
    retryable = False


class RequestError(HeirloomError):
    """The service does not do this for this caller, or not now."""

    code = "invalid_request"


class UnauthenticatedError(RequestError):
    """No key, or not one of ours."""

    code = "unauthenticated"


class ForbiddenError(RequestError):
    """The key's scopes do not cover this."""

    code = "forbidden"


class NotFoundError(RequestError):
    """There is no such thing, or it is somebody else's: the answer is the same."""

    code = "not_found"


class ConflictError(RequestError):
    """Things are not as this request needs them."""

    code = "conflict"


class CheckpointNotReadyError(ConflictError):
    """The subject has no checkpoint that can be used, and none is being made."""

    code = "checkpoint_not_ready"


class JobFinishedError(ConflictError):
    """The job has ended; what was asked for needs one that has not, or the other way round."""

    code = "conflict"


class IdempotencyInFlightError(ConflictError):
    """The first request with this Idempotency-Key is still being answered."""

    code = "idempotency_conflict"
    retryable = True


class IdempotencyMismatchError(RequestError):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_conflict"


class ConsentMissingError(RequestError):
    """A person's album may only be kept with that person's consent."""

    code = "consent_missing"


class BodyTooLargeError(RequestError):
    """The request's body is larger than the settings allow."""

    code = "body_too_large"


class RequestTimeoutError(RequestError):
    """The request's headers or its body did not come in within the time for them."""

    code = "request_timeout"
    retryable = True


class QuotaExceededError(RequestError):
    """This caller has as much running or queued as it may have, or asks more often than it may."""

    code = "quota_exceeded"
    retryable = True


class OverloadedError(RequestError):
    """The service cannot take more work at this moment."""

    code = "overloaded"
    retryable = True


class ReadOnlyError(OverloadedError):
    """The service only answers what it has, because its database takes no writes at this moment."""

    code = "read_only"


class JobError(HeirloomError):
    """A job's end, or hold, that no input is to blame for."""

    code = "job_error"


class WorkerLostError(JobError):
    """The job's workers died too often."""

    code = "worker_lost"
    retryable = True


class DeadlineExceededError(JobError):
    """The job was not begun by its `start_by`."""

    code = "deadline_exceeded"
    retryable = True


class LeaseLostError(JobError):
    """Another worker has the job now, or it has ended: nothing more is written for this attempt."""

    code = "lease_lost"


class DrainedError(JobError):
    """The worker was asked to stop: the job goes back into the queue with what it has stored."""

    code = "drained"
    retryable = True


class InvalidTransitionError(JobError):
    """A job cannot move that way: a fault of ours."""

    code = "invalid_transition"


class SettingsError(HeirloomError):
    """The settings contradict themselves or name what cannot be; nothing is started."""

    code = "settings_wrong"
