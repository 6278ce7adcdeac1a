"""What the API is compared with: FastAPI with nothing of ours, answering the same bytes to the same requests.

    python -m benchmarks.bare_api PORT ANSWER_FILE [FOLDER]

`POST /upload` reads the photo, `GET /poll` answers what stands in the file. Given a folder it does what any service
must, so that the price of that is not taken for ours: photos are kept (written, synced, renamed, a row committed), and
polls read their answer's row from SQLite, through SQLAlchemy.
"""

import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile
from sqlalchemy import create_engine, text


def bare_app(answer: dict[str, Any], folder: Path | None) -> FastAPI:
    """The application.

    Args:
        answer: to polls.
        folder: where photos are kept; None: they are not.
    """
    app = FastAPI(openapi_url=None)
    keep = keeper(folder) if folder is not None else len
    read = reader(folder, answer) if folder is not None else lambda: answer

    @app.post("/upload", status_code=201)
    def upload(file: UploadFile) -> dict[str, int]:
        return {"size_bytes": keep(file.file.read())}

    @app.get("/poll")
    def poll() -> dict[str, Any]:
        return read()

    return app


def reader(folder: Path, answer: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Reads the answer's row, one transaction each time."""
    engine = create_engine(f"sqlite:///{folder / 'bare.db'}", pool_size=10)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE jobs (id TEXT PRIMARY KEY, answer TEXT)"))
        connection.execute(text("INSERT INTO jobs VALUES ('job', :answer)"), {"answer": json.dumps(answer)})

    def read() -> dict[str, Any]:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT answer FROM jobs WHERE id = :id"), {"id": "job"}).scalar_one()
        parsed: dict[str, Any] = json.loads(found)
        return parsed

    return read


def keeper(folder: Path) -> Callable[[bytes], int]:
    """Keeps photos so that a power cut after the answer loses none."""
    rows = sqlite3.connect(folder / "bare.db", check_same_thread=False, isolation_level=None, timeout=15)
    rows.execute("PRAGMA synchronous = FULL")
    rows.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, sha256 TEXT, size INTEGER)")
    rows.close()

    def keep(data: bytes) -> int:
        sha256 = hashlib.sha256(data).hexdigest()
        temporary = folder / f"{sha256}.{os.urandom(4).hex()}"
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / sha256)
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        with sqlite3.connect(folder / "bare.db", isolation_level="IMMEDIATE", timeout=15) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("INSERT INTO files (sha256, size) VALUES (?, ?)", (sha256, len(data)))
        connection.close()
        return len(data)

    return keep


def main() -> None:
    """Serve on a port of the loopback, with uvicorn as `heirloom serve` has it."""
    port, answer_file, *folder = sys.argv[1:]
    app = bare_app(json.loads(Path(answer_file).read_text()), Path(folder[0]) if folder else None)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False, server_header=False)


if __name__ == "__main__":
    main()
