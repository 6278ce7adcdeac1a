"""A service with blobs of every kind in one store, and how each kind is asked for by those who use it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.session import Database
from core.db.tables import AlbumPhoto, Blob, CandidateRow, Checkpoint, File, Job, Restoration, StageOutput
from core.domain.errors import BlobDamagedError
from core.imaging.intake import encode
from core.pipeline.resume_state import ResumeState
from core.services.export import MISSING_FILE, ROWS_FILE
from core.storage.base import BlobRef, read_blob
from migrations.run import upgrade
from tests import pretend_worker
from tests.contracts.stores import Backstage, BehindChunks, BehindFiles, BehindS3
from tests.s3_server import S3Server
from tests.served import Served, served
from worker.artifacts import JobArtifacts
from worker.drain import Drain
from worker.held import HeldJob
from worker.patience import Patience
from worker.recent import Recent
from worker.watchdog import Watchdog

KINDS = (
    "upload",
    "large upload",
    "album photo",
    "checkpoint",
    "result",
    "crop",
    "candidate",
    "stage output",
    "resume state",
)
_LARGE_SIDE = 1100
"""Noise of so many pixels a side makes four chunks."""
Look = Callable[[bool], str]
"""Ask for a blob as its users do, damaged or not; what is wrong with the answer."""


@dataclass(frozen=True)
class Target:
    """A blob, and how it is asked for."""

    ref: BlobRef
    look: Look


@dataclass
class World:
    """Blobs of every kind in one store."""

    behind: Backstage
    api: Served
    targets: dict[str, list[Target]] = field(default_factory=dict)

    def wrong(self, target: Target) -> str:
        """Whether damage is found by the store, and by those who ask for the blob."""
        try:
            read_blob(self.behind.store, target.ref)
        except BlobDamagedError:
            return target.look(True)
        return "the store hands it out"

    def wrong_again(self, target: Target) -> str:
        """Whether all is well once the bit is turned back."""
        read_blob(self.behind.store, target.ref)
        return target.look(False)

    def add(self, kind: str, ref: BlobRef, look: Look) -> None:
        """One more."""
        self.targets.setdefault(kind, []).append(Target(ref, look))


@contextmanager
def filled(driver: str, folder: Path, *, url: str = "", server: S3Server | None = None) -> Iterator[World]:
    """A world on a store of that kind; on SQLite unless an address is given."""
    folder.mkdir(parents=True)
    url = url or f"sqlite:///{folder / 'heirloom.db'}"
    upgrade(url)
    database = Database(url)
    try:
        behind: Backstage
        if driver == "files":
            behind = BehindFiles(folder / "blobs")
        else:
            behind = BehindChunks(database) if server is None else BehindS3(database, server, folder)
        with served(database, folder / "home", behind.store, min_free_disk_mib=0) as api:
            world = World(behind, api)
            _fill(world)
            yield world
    finally:
        database.close()


def _fill(world: World) -> None:
    api = world.api
    subject_id, _ = api.tuned()
    api.restored()
    noise = np.random.default_rng(1).integers(0, 256, (_LARGE_SIDE, _LARGE_SIDE, 3), dtype=np.uint8)
    large = api.made("POST", "/v1/files", 201, files={"file": ("large.png", encode(noise))})["id"]
    with api.database.read() as session:
        for file in session.scalars(select(File)):
            kind = "large upload" if file.id == large else "upload"
            world.add(kind, _ref(file), partial(_served, api, f"/v1/files/{file.id}/content"))
        for photo in session.scalars(select(AlbumPhoto)):
            path = f"/v1/subjects/{subject_id}/album/{photo.id}/image"
            world.add("album photo", _ref(photo), partial(_in_an_album, api, path, subject_id))
        for point in session.scalars(select(Checkpoint)):
            world.add(
                "checkpoint",
                _ref(point),
                partial(_served, api, f"/v1/subjects/{subject_id}/checkpoints/{point.id}/content"),
            )
        for row in session.scalars(select(Restoration)):
            path = f"/v1/restorations/{row.id}/image"
            world.add("result", _blob(session, row.owner_id, str(row.image_sha256)), partial(_served, api, path))
            for face in row.faces:
                before = partial(_served, api, f"{path}?face={face['n']}&candidate=original")
                world.add("crop", _blob(session, row.owner_id, face["crop_sha256"]), before)
        for one in session.scalars(select(CandidateRow)):
            path = f"/v1/restorations/{one.restoration_id}/image?face={one.face}&candidate={one.number}"
            world.add("candidate", _ref(one), partial(_served, api, path))
    _fill_worker_s(world)


def _fill_worker_s(world: World) -> None:
    """What a running job has stored on its way, as the next attempt finds it."""
    api = world.api
    job_id = api.restoration(mode="direct")["id"]
    pretend_worker.claim(api.database, job_id)
    with api.database.read() as session:
        held = HeldJob(session.get_one(Job, job_id))

    def artifacts() -> JobArtifacts:
        patience = Patience(api.database, 60.0, Drain(1.0), Watchdog(900.0, lambda: None))
        return JobArtifacts(held, world.behind.store, patience, Recent())

    def stage_output(damaged: bool) -> str:
        found = artifacts().get("align", "photo-0", "a" * 64)
        return "" if found == (None if damaged else b"aligned" * 500) else "a stage's output is not what it was"

    def resume(damaged: bool) -> str:
        found = ResumeState(artifacts(), "resume-finetune", "subject+1", "b" * 64, two=True).load()
        expected = b"the minute before" if damaged else b"the last minute"
        return "" if found == expected * 500 else "not the state that was to be taken up"

    artifacts().put("align", "photo-0", "a" * 64, b"aligned" * 500)
    state = ResumeState(artifacts(), "resume-finetune", "subject+1", "b" * 64, two=True)
    for data in (b"two minutes before", b"the minute before", b"the last minute"):
        state.save(data * 500)
    with api.database.read() as session:
        for row in session.scalars(select(StageOutput).where(StageOutput.job_id == job_id)):
            if row.stage == "align":
                world.add("stage output", _ref(row), stage_output)
            elif read_blob(world.behind.store, _ref(row)).startswith(b"the last minute"):
                world.add("resume state", _ref(row), resume)


def _served(api: Served, path: str, damaged: bool) -> str:
    """Whether an answer is whole where the blob is, and a clean error, or cut off, where it is not."""
    answer = api.client.get(path)
    whole = answer.status_code == 200 and len(answer.content) == int(answer.headers["content-length"])
    if whole == damaged:
        return f"{path}: {answer.status_code}, {'whole' if whole else 'not whole'}"
    code = "" if answer.status_code == 200 else answer.json()["code"]
    return "" if code in ("", "blob_damaged") else f"{path}: {code}"


def _in_an_album(api: Served, path: str, subject_id: str, damaged: bool) -> str:
    """As by itself, and in the export: it says what is missing there, and holds nothing that is damaged."""
    if wrong := _served(api, path, damaged):
        return wrong
    with ZipFile(BytesIO(api.client.get(f"/v1/subjects/{subject_id}/export").content)) as archive:
        hashes = json.loads(archive.read(ROWS_FILE))["files"]
        there = {name for name in archive.namelist() if name in hashes}
        if any(hashlib.sha256(archive.read(name)).hexdigest() != hashes[name] for name in there):
            return "the export holds what is damaged"
        told = MISSING_FILE in archive.namelist()
    return "" if told == damaged == (there != set(hashes)) else "the export does not say what is missing"


def _ref(row: File | AlbumPhoto | Checkpoint | CandidateRow | StageOutput) -> BlobRef:
    return BlobRef(row.owner_id, str(row.blob_sha256), row.size_bytes or 0)


def _blob(session: Session, owner_id: str, sha256: str) -> BlobRef:
    return BlobRef(owner_id, sha256, session.get_one(Blob, (owner_id, sha256)).size_bytes)
