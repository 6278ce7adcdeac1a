"""Things that are there while requests are drawn: of every kind one or more, in every state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from core.db.session import Database
from tests import pretend_worker
from tests.served import Served, served
from tests.small_photos import photo


@dataclass
class World:
    """An application, and the ids of what is there.

    Attributes:
        app: to be called.
        ids: by the name of the path parameter.
    """

    app: FastAPI
    ids: dict[str, str]

    def make_real(self, case: Any) -> None:
        """Let a drawn request name what is there."""
        for name in case.path_parameters or {}:
            if name in self.ids:
                case.path_parameters[name] = self.ids[name]
        if isinstance(case.body, dict):
            for name in ("subject_id", "checkpoint_id"):
                if name in case.body:
                    case.body[name] = self.ids[name]
            if "file_id" in case.body:
                case.body["file_id"] = self.ids["file_id"]
            for face in case.body["faces"] if isinstance(case.body.get("faces"), list) else ():
                self._make_real_face(face)
            if isinstance(case.body.get("input"), dict) and "file_id" in case.body["input"]:
                case.body["input"]["file_id"] = self.ids["file_id"]
            if case.media_type == "multipart/form-data" and "file" in case.body:
                several = isinstance(case.body["file"], list)
                case.body["file"] = [photo(n) for n in range(3)] if several else photo(0)

    def _make_real_face(self, face: Any) -> None:
        for name in ("subject_id", "checkpoint_id"):
            if isinstance(face, dict) and name in face:
                face[name] = self.ids[name]


@contextmanager
def build_world(database: Database, folder: Path) -> Iterator[World]:
    """Serve an application in which something of everything is there."""
    with served(database, folder, max_wait_seconds=0, max_open_jobs_per_owner=100_000) as api:
        yield World(api.client.app, _ids(api))


def _ids(api: Served) -> dict[str, str]:
    pretend_worker.register(api.database)
    subject_id, checkpoint_id = api.tuned()
    report = api.made("GET", f"/v1/subjects/{subject_id}/album", 200)
    failed = api.restoration(mode="direct")["id"]
    pretend_worker.fail(api.database, failed)
    endpoint_id, delivery_id = api.delivered()
    return {
        "subject_id": subject_id,
        "checkpoint_id": checkpoint_id,
        "photo_id": report["photos"][0]["id"],
        "file_id": api.file(),
        "restoration_id": api.restored(candidates=2),
        "job_id": failed,
        "batch_id": api.made("POST", "/v1/batches", 202, json={"file_ids": [api.file()], "mode": "direct"})["id"],
        "face": "0",
        "endpoint_id": endpoint_id,
        "delivery_id": delivery_id,
    }
