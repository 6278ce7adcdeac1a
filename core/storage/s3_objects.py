"""The few calls that a blob store makes to an object storage, through obstore, with errors of ours.

An object's name is OWNER/SHA256/NUMBER: eight mebibytes of a blob. So every upload is one request, which the storage
takes whole or not at all; there is no multipart upload that a killed process could leave behind, where no listing
shows it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core.domain.errors import SettingsError, StorageError
from core.storage.s3_place import S3Place

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Store

PIECE_BYTES = 8 * 2**20
"""Never to be changed: stored blobs were cut so."""
_LIST_AT_ONCE = 1000
_NO_BUCKET, _REFUSED = "NoSuchBucket", "status code: 403"


@dataclass(frozen=True)
class Piece:
    """One object.

    Attributes:
        owner_id: whose blob it is of.
        sha256: of the blob.
        number: its place, from 0.
        size_bytes: its own.
        written_at: by the storage's clock.
    """

    owner_id: str
    sha256: str
    number: int
    size_bytes: int
    written_at: datetime


class Objects:
    """A bucket, or a part of it."""

    def __init__(self, place: S3Place, *, seconds: float, retry_seconds: float) -> None:
        """Prepare; nothing is asked yet.

        Args:
            place: where.
            seconds: for one request.
            retry_seconds: for all tries of one call; 0: it is tried once.

        Raises:
            SettingsError: the package `obstore` is not installed, or the place cannot be one.
        """
        self._store = _opened(place, seconds, retry_seconds)

    def put(self, owner_id: str, sha256: str, number: int, data: bytes) -> None:
        """Write one piece.

        Raises:
            StorageError: it was not taken.
        """
        import obstore

        with _said():
            obstore.put(self._store, _name(owner_id, sha256, number), data, use_multipart=False)

    def get(self, owner_id: str, sha256: str, number: int) -> bytes | None:
        """One piece; None where there is none.

        Raises:
            StorageError: the storage does not answer.
        """
        import obstore

        with _said():
            try:
                return bytes(obstore.get(self._store, _name(owner_id, sha256, number)).bytes())
            except FileNotFoundError as error:
                _demand_bucket(error)
                return None

    def written_at(self, owner_id: str, sha256: str, number: int) -> datetime | None:
        """When a piece was written; None where there is none.

        Raises:
            StorageError: the storage does not answer.
        """
        import obstore

        with _said():
            try:
                return obstore.head(self._store, _name(owner_id, sha256, number))["last_modified"]
            except FileNotFoundError as error:
                _demand_bucket(error)
                return None

    def delete(self, owner_id: str, sha256: str, number: int) -> None:
        """Remove one piece; nothing happens where there is none.

        Raises:
            StorageError: the storage does not answer.
        """
        import obstore

        with _said():
            try:
                obstore.delete(self._store, _name(owner_id, sha256, number))
            except FileNotFoundError as error:
                _demand_bucket(error)

    def pieces(self, owner_id: str = "", sha256: str = "") -> Iterator[Piece]:
        """All pieces, or those of a blob, by owner, hash and place.

        Raises:
            StorageError: the storage does not answer.
        """
        import obstore

        folder = f"{owner_id}/{sha256}" if owner_id else None
        with _said():
            for page in obstore.list(self._store, folder, chunk_size=_LIST_AT_ONCE):
                for found in page:
                    owner, blob, number = (*found["path"].split("/"), "", "")[:3]
                    if number.isdecimal():  # something else of somebody else's is left alone
                        yield Piece(owner, blob, int(number), found["size"], found["last_modified"])


def _name(owner_id: str, sha256: str, number: int) -> str:
    return f"{owner_id}/{sha256}/{number:06}"


def _opened(place: S3Place, seconds: float, retry_seconds: float) -> "S3Store":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError:
        raise SettingsError(
            "HEIRLOOM_STORAGE is s3, and the package that it needs is not installed.", "Install the extra s3."
        ) from None
    client: ClientConfig = {
        "timeout": timedelta(seconds=seconds),
        "connect_timeout": timedelta(seconds=min(seconds, 5)),
    }
    if place.endpoint.startswith("http://"):
        client["allow_http"] = True
    retry: RetryConfig = {
        "max_retries": 8 if retry_seconds else 0,
        "retry_timeout": timedelta(seconds=retry_seconds),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
    }
    config: S3Config = {"region": place.region, "virtual_hosted_style_request": not place.path_style}
    if place.endpoint:
        config["endpoint"] = place.endpoint
    if place.access_key_id:
        config |= {"access_key_id": place.access_key_id, "secret_access_key": place.secret_access_key}
    prefix = place.prefix or None
    try:
        return S3Store(place.bucket, prefix=prefix, config=config, client_options=client, retry_config=retry)
    except BaseError:
        raise SettingsError("The HEIRLOOM_S3_… settings cannot be used together.", "Look at them again.") from None


def _demand_bucket(error: FileNotFoundError) -> None:
    """That an object is missing is an answer; that its bucket is, is none."""
    if _NO_BUCKET in str(error):
        raise error


@contextmanager
def _said() -> Iterator[None]:
    """From obstore's errors to ours: theirs name the address, the bucket, and what the storage answered."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (BaseError, OSError) as error:
        text = str(error)  # of a listing obstore tells no more than the status
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or _REFUSED in text:
            raise StorageError(
                "The object storage refuses our keys.", "Look at HEIRLOOM_S3_ACCESS_KEY_ID and what that key may do."
            ) from None
        if _NO_BUCKET in text:
            raise StorageError(
                "The object storage has no such bucket.",
                "Make it, or look at HEIRLOOM_S3_BUCKET and HEIRLOOM_S3_REGION.",
            ) from None
        raise StorageError(
            "The object storage does not answer as it should.",
            "See that HEIRLOOM_S3_ENDPOINT is right, and that it runs.",
        ) from None
