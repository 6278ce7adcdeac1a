"""Birds that are let into the service, and looked for everywhere: people's names, what their photos say, pixels."""

import base64
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select

from core.db.session import Database
from core.db.tables import Base
from core.services.retention import forget_expired
from core.services.sweep import sweep
from core.settings import Settings
from core.storage.open import open_store
from tests.acceptance.service import Service

FILE_NAME = "kestrel-canary"
PERSON = "Bunting-Canary"
COMMENT = "wagtail-canary in EXIF"
ADDRESS = "siskin-canary"
WORDS = (FILE_NAME, PERSON, COMMENT, ADDRESS)
PIXELS = bytes((17, 203, 91, 44, 250, 3, 129, 66, 181, 7, 222, 98))
_IMAGE_DESCRIPTION, _USER_COMMENT = 0x010E, 0x9286


def forms() -> dict[str, bytes]:
    """Every canary in every form that a line, a row or a file could hold it in."""
    found = {word: word.encode() for word in WORDS}
    found |= {f"{word}, 16 bits a letter": word.encode("utf-16-le") for word in WORDS}
    found["pixels"] = PIXELS
    found["pixels, hexadecimal"] = PIXELS.hex().encode()
    for skipped in range(3):
        inside = base64.b64encode(PIXELS[skipped:])
        found[f"pixels, base64 from {skipped}"] = inside[: len(inside) // 4 * 4 - 4]
    for between in (", ", " ", ","):
        found[f"pixels, numbers with {between!r}"] = between.join(map(str, PIXELS)).encode()
    return found


def seen_in(content: bytes) -> set[str]:
    """Which canaries stand in some bytes."""
    return {name for name, form in forms().items() if form in content}


def marked(photo: bytes, file_format: str = "JPEG") -> bytes:
    """A photo with the comment in its EXIF and the pixels in a corner; in TIFF they stand there as they are."""
    with Image.open(io.BytesIO(photo)) as opened:
        pixels = np.array(opened.convert("RGB"))
    pixels[0, : len(PIXELS) // 3] = np.frombuffer(PIXELS, np.uint8).reshape(-1, 3)
    exif = Image.Exif()
    exif[_IMAGE_DESCRIPTION] = COMMENT
    exif.get_ifd(0x8769)[_USER_COMMENT] = b"ASCII\0\0\0" + COMMENT.encode()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, exif=exif)
    return buffer.getvalue()


def in_service(service: Service) -> dict[str, set[str]]:
    """Where canaries are: every column of every table, every blob, every file of the home and for temporary things."""
    database = _database(service)
    database.empty_journal()
    found: dict[str, set[str]] = {}
    for place, content in (*_rows(database), *_files(service)):
        found.setdefault(place, set()).update(seen_in(content))
    database.close()
    return {place: birds for place, birds in found.items() if birds}


def forget_bytes(service: Service) -> None:
    """What workers do in the course of a day: forget what has expired, sweep what no row names."""
    database = _database(service)
    settings = Settings(home=service.home, database_url=service.environment.get("HEIRLOOM_DATABASE_URL", ""))
    forget_expired(database)
    sweep(database, open_store(settings.storage_driver, service.home, database), timedelta(0))
    database.close()


def _database(service: Service) -> Database:
    return Database(service.environment.get("HEIRLOOM_DATABASE_URL", f"sqlite:///{service.home / 'heirloom.db'}"))


def _rows(database: Database) -> Iterator[tuple[str, bytes]]:
    with database.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                for column, value in row._mapping.items():
                    yield f"{table.name}.{column}", value if isinstance(value, bytes) else str(value).encode()


def _files(service: Service) -> Iterator[tuple[str, bytes]]:
    for folder in (service.home, Path(service.environment["TMPDIR"])):
        for file in folder.rglob("*"):
            place = file.relative_to(folder)
            if place.parts[0] != "priors":
                yield f"{folder.name}/{place.parts[0]}", f"{place}\n".encode()
                if file.is_file():
                    yield f"{folder.name}/{place.parts[0]}", file.read_bytes()
