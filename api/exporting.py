"""The contents of an export, opened one after the other; what is not there is told, and holds up nothing else."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from core import logs
from core.domain.errors import BlobDamagedError, BlobMissingError
from core.services.export import MISSING_FILE, ExportedFile
from core.storage.base import BlobStore

_log = logs.get_logger(__name__)


def contents_of(files: Sequence[ExportedFile], store: BlobStore) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Names and contents, as `zip_stream` takes them; those that are missing stand in a last file.

    Raises:
        StorageError: the store cannot be reached; or a large file is found damaged only at its end, and the connection
            is cut then.
    """
    missing = []
    for file in files:
        if isinstance(file.content, bytes):
            yield file.name, (file.content,)
            continue
        content = store.read(file.content)
        try:
            first = next(content, b"")
        except (BlobMissingError, BlobDamagedError) as error:
            _log.error("exported_without", sha256=file.content.sha256, error=error)
            missing.append(file.name)
            continue
        yield file.name, chain((first,), content)
    if missing:
        yield MISSING_FILE, (json.dumps(missing).encode(),)
