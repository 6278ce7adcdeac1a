"""A database, a blob store and a tiny prior, with jobs in the queue as the services write them."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from skimage.data import astronaut

from cli.demo_pictures import LIGHTS, lit, portrait
from core.db import blobs, jobs
from core.db.session import Database, now_of
from core.db.tables import AlbumPhoto, Checkpoint, Job, JobEventRow, Restoration, StageOutput, Subject
from core.domain.ids import Prefix, new_id
from core.imaging.intake import encode
from core.imaging.resize import resize
from core.priors.spec import WEIGHTS_FILE, PriorSpec, write_spec
from core.priors.weights import weights_bytes
from core.recipes.schema import Recipe, build_recipe
from core.settings import Settings
from core.storage.base import BlobRef, BlobStore, write_blob
from core.storage.memory import MemoryStore
from tests.fakes import tiny_prior

OWNER = "own_local"


def tiny_home(home: Path) -> PriorSpec:
    """HEIRLOOM_HOME with the prior `tiny`."""
    folder = home / "priors" / "tiny"
    folder.mkdir(parents=True)
    prior = tiny_prior()
    weights = weights_bytes(prior.network.state_dict())
    (folder / WEIGHTS_FILE).write_bytes(weights)
    spec = prior.spec.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()})
    write_spec(folder, spec)
    return spec


def portraits(count: int = 6, side: int = 256) -> list[bytes]:
    """Different photos of one face, at most ten, as somebody would send them."""
    return [encode(resize(lit(portrait(), light), side), "png") for light in LIGHTS[:count]]


def crops(count: int = 6) -> list[bytes]:
    """Different crops in FFHQ framing, [64, 64]."""
    face = np.ascontiguousarray(astronaut()[10:266, 90:346])
    return [encode(resize(np.roll(face, 6 * number, axis=1), 64), "png") for number in range(count)]


def tiny_recipe(mode: str, **parts: Any) -> Recipe:
    """Numbers for the tiny prior; parts are merged, e.g. restore={"batch": 4}."""
    values: dict[str, Any] = {"name": f"tiny-{mode}", "mode": mode, "restore": {"noise_steps": 12, "batch": 4}}
    if mode == "generative":
        values["album"] = {"images": 3, "start_steps": 12, "guidance_every": 4, "batch": 2}
    if mode != "direct":
        values["finetune"] = {"iterations": 6, "batch": 2, "learning_rate": 1e-3}
    for name, part in parts.items():
        values[name] = values.get(name, {}) | part
    return build_recipe(values)


@dataclass
class Bench:
    """What a worker works on.

    Attributes:
        database: migrated, `own_local` in it.
        store: of the blobs.
        settings: of the worker.
        spec: of the prior.
    """

    database: Database
    store: BlobStore
    settings: Settings
    spec: PriorSpec

    def keep(self, data: bytes) -> BlobRef:
        ref = write_blob(self.store, OWNER, data)
        with self.database.write() as session:
            blobs.mark_ready(session, ref)
        return ref

    def add_subject(self, category: str = "other") -> str:
        with self.database.write() as session:
            now = now_of(session)
            subject = Subject(
                id=new_id(Prefix.SUBJECT),
                owner_id=OWNER,
                name="Nobody",
                category=category,
                consent=None,
                default_checkpoint_id=None,
                created_at=now,
                updated_at=now,
                deleted_at=None,
            )
            session.add(subject)
            return subject.id

    def add_album(self, subject_id: str, photos: list[bytes]) -> list[str]:
        refs = [self.keep(data) for data in photos]
        with self.database.write() as session:
            rows = [
                AlbumPhoto(
                    id=new_id(Prefix.ALBUM_PHOTO),
                    owner_id=OWNER,
                    subject_id=subject_id,
                    blob_sha256=ref.sha256,
                    size_bytes=ref.size_bytes,
                    label=f"photo {number}",
                    status="pending",
                    created_at=now_of(session),
                )
                for number, ref in enumerate(refs)
            ]
            session.add_all(rows)
            return [row.id for row in rows]

    def add_tuning(
        self,
        subject_id: str,
        photo_ids: list[str],
        recipe: Recipe | None = None,
        *,
        kind: str = "album",
        tune: bool = True,
        seed: int = 3,
    ) -> Job:
        recipe = recipe or tiny_recipe("personal")
        with self.database.write() as session:
            now = now_of(session)
            options = {"photo_ids": photo_ids} | ({"tune": tune} if kind == "album" else {})
            job = self._job(kind, recipe, seed, options, subject_id=subject_id)
            if tune:
                job.checkpoint_id = new_id(Prefix.CHECKPOINT)
                session.add(
                    Checkpoint(
                        id=job.checkpoint_id,
                        owner_id=OWNER,
                        subject_id=subject_id,
                        job_id=job.id,
                        status="pending",
                        identity=hashlib.sha256(job.id.encode()).hexdigest(),
                        prior_name=self.spec.name,
                        prior_sha256=self.spec.sha256,
                        recipe=job.recipe,
                        recipe_digest=job.recipe_digest,
                        seed=seed,
                        album_sha256="0" * 64,
                        blob_sha256=None,
                        size_bytes=None,
                        step=None,
                        scores={},
                        created_at=now,
                        last_used_at=None,
                        expires_at=None,
                    )
                )
            job.created_at = now
            return jobs.insert(session, job)

    def add_restoration(
        self,
        photo: bytes,
        recipe: Recipe | None = None,
        *,
        checkpoint: Job | None = None,
        aligned: bool = True,
        seed: int = 3,
        candidates: int = 1,
        waits: bool = False,
        **options: Any,
    ) -> Job:
        """A restoration; `checkpoint` is the job that makes, or made, its checkpoint."""
        recipe = recipe or tiny_recipe("personal" if checkpoint else "direct")
        ref = self.keep(photo)
        asked = {"aligned": aligned, "native": False, "candidates": candidates, "format": "png"}
        told = {"keep_metadata": "all", "colour": "preserve", "layers": False, "faces": None}
        options = asked | told | options
        with self.database.write() as session:
            job = self._job("restoration", recipe, seed, options)
            job.created_at = now_of(session)
            if checkpoint is not None:
                job.subject_id, job.checkpoint_id = checkpoint.subject_id, checkpoint.checkpoint_id
                job.waits_for_job_id = checkpoint.id if waits else None
            if recipe.mode != "generative":
                parts = (OWNER, recipe.mode, job.checkpoint_id, recipe.digest(), candidates, options["native"])
                job.batch_key = hashlib.sha256(repr(parts).encode()).hexdigest()
            job.restoration_id = new_id(Prefix.RESTORATION)
            session.add(
                Restoration(
                    id=job.restoration_id,
                    owner_id=OWNER,
                    job_id=job.id,
                    file_id=None,
                    input_sha256=ref.sha256,
                    subject_id=job.subject_id,
                    checkpoint_id=job.checkpoint_id,
                    mode=recipe.mode,
                    candidates=candidates,
                    output={"format": options["format"]},
                    faces=[],
                    created_at=job.created_at,
                    expires_at=None,
                )
            )
            return jobs.insert(session, job)

    def _job(self, kind: str, recipe: Recipe, seed: int, options: dict[str, Any], **columns: Any) -> Job:
        return Job(
            id=new_id(Prefix.JOB),
            owner_id=OWNER,
            kind=kind,
            status="queued",
            prior_name=self.spec.name,
            prior_sha256=self.spec.sha256,
            recipe=recipe.model_dump(mode="json"),
            recipe_digest=recipe.digest(),
            seed=seed,
            options=options,
            cost_forwards=1,
            metrics={},
            warnings=[],
            **columns,
        )

    def row(self, table: type, key: Any) -> Any:
        with self.database.read() as session:
            found = session.get(table, key)
            session.expunge_all()  # the transaction's end would empty it
            return found

    def job(self, job: Job) -> Job:
        found: Job = self.row(Job, job.id)
        return found

    def events(self, job: Job) -> list[str]:
        with self.database.read() as session:
            rows = session.query(JobEventRow).filter_by(job_id=job.id).order_by(JobEventRow.id)
            return [row.type for row in rows]

    def outputs(self, job: Job) -> set[str]:
        with self.database.read() as session:
            return {row.stage for row in session.query(StageOutput).filter_by(job_id=job.id)}

    def checkpoint_bytes(self, job: Job) -> bytes:
        row = self.row(Checkpoint, job.checkpoint_id)
        return b"".join(self.store.read(BlobRef(OWNER, row.blob_sha256, row.size_bytes)))

    def change(self, table: type, key: Any, **columns: Any) -> None:
        with self.database.write() as session:
            row = session.get(table, key)
            for name, value in columns.items():
                setattr(row, name, value)

    def let_lease_run_out(self, job: Job) -> None:
        with self.database.write() as session:
            row = session.get_one(Job, job.id)
            row.lease_until = now_of(session) - timedelta(seconds=1)


def bench_on(database: Database, home: Path, **settings: Any) -> Bench:
    """On a database, with blobs in this process's memory."""
    spec = tiny_home(home)
    values: dict[str, Any] = {"home": home, "prior": "tiny", "device": "cpu", "poll_seconds": 0.05} | settings
    return Bench(database, MemoryStore(), Settings(**values), spec)


def at_step(worker: Any, number: int, action: Callable[[], None]) -> None:
    """Do something when a worker is at its n-th step from here: between two steps of the pipeline."""
    step, left = worker.watchdog.step, itertools.count(number, -1)

    def counted() -> None:
        step()
        if next(left) == 0:
            action()

    worker.watchdog.step = counted
