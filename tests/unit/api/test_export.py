"""What is kept about a person is given to who asks: every row, every byte, and nothing of anybody else."""

import hashlib
import io
import json
import zipfile

import pytest

from core.db import blobs
from core.db.tables import AlbumPhoto, Base, Restoration
from core.storage.base import BlobRef, write_blob
from tests import pretend_worker
from tests.rows import OWNER
from tests.served import served

NOT_ABOUT_A_SUBJECT = {
    "owners", "api_keys", "blobs", "blob_chunks", "batches", "workers", "idempotency_keys", "compute_use",
    "outbox", "webhook_endpoints", "webhook_deliveries",
}  # fmt: skip


@pytest.fixture
def api(database, tmp_path):
    with served(database, tmp_path / "home") as service:
        yield service


@pytest.fixture
def ada(api):
    """Somebody with an album, a checkpoint, and a group photo in which every kind of picture is kept."""
    subject_id, checkpoint_id = api.tuned()
    job = api.restoration(subject_id=subject_id)
    pretend_worker.restore_group(api.database, api.store, job["id"])
    layers = {name: write_blob(api.store, OWNER, name.encode()) for name in ("crop", "mask", "result")}
    with api.database.write() as session:
        blobs.mark_ready(session, *layers.values())
        row = session.get_one(Restoration, job["restoration_id"])
        pictures = {name: {"sha256": ref.sha256, "size_bytes": ref.size_bytes} for name, ref in layers.items()}
        row.faces = [{**row.faces[0], "layers": {"left": 0, "top": 0, "pictures": pictures}}, *row.faces[1:]]
        photo = session.query(AlbumPhoto).first()
        photo.embedding = bytes(512)
    return {"subject_id": subject_id, "checkpoint_id": checkpoint_id, "restoration_id": job["restoration_id"]}


def exported(api, subject_id):
    answer = api.client.get(f"/v1/subjects/{subject_id}/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "private, no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def named(api):
    with api.database.snapshot() as session:
        return {sha256 for _, sha256 in blobs.named(session)}


def test_an_export_has_every_byte_that_a_row_names(api, ada):
    before = named(api)
    found = exported(api, ada["subject_id"])
    told = json.loads(found["subject.json"])
    assert {name: hashlib.sha256(found[name]).hexdigest() for name in told["files"]} == told["files"]
    assert set(told["files"].values()) == before
    assert len([name for name in found if name.startswith("album/thumbnails/")]) == 4
    stems = {name.partition(ada["restoration_id"])[2] for name in found if name.startswith("restorations/")}
    assert {"/photo.png", "/face-0-crop.png", "/face-1-candidate-1-native.png", "/face-0-layer-mask.png"} <= stems


def test_an_export_has_every_row_and_says_what_was_agreed_to(api, ada):
    told = json.loads(exported(api, ada["subject_id"])["subject.json"])
    rows = told["rows"]
    (subject,) = rows["subjects"]
    assert (subject["name"], subject["consent"]["given_by"]) == ("Ada", "Ada")
    assert [row["id"] for row in rows["checkpoints"]] == [ada["checkpoint_id"]]
    assert {len(rows[name]) for name in ("jobs", "restorations", "files")} <= {1, 2}
    assert len(rows["album_photos"]) == 4
    assert max(len(row["embedding"] or ()) for row in rows["album_photos"]) == 128
    assert {event["type"] for event in rows["job_events"]} >= {"created", "claimed", "succeeded"}


def test_nothing_of_anybody_else_is_in_an_export(api, ada):
    other, _ = api.tuned()
    unrelated = api.restored()
    text = exported(api, ada["subject_id"])["subject.json"].decode()
    assert other not in text
    assert unrelated not in text
    with api.database.write() as session:
        row = session.get_one(Restoration, unrelated)
        row.faces = [{**face, "proposal": {"subject_id": ada["subject_id"]}} for face in row.faces]
    told = json.loads(exported(api, ada["subject_id"])["subject.json"])
    assert told["supposed_in_restorations"] == [unrelated]
    assert unrelated not in {row["id"] for row in told["rows"]["restorations"]}


def test_no_table_is_forgotten(api, ada):
    told = json.loads(exported(api, ada["subject_id"])["subject.json"])
    assert set(told["rows"]) | NOT_ABOUT_A_SUBJECT == set(Base.metadata.tables)
    for name, rows in told["rows"].items():
        columns = set(Base.metadata.tables[name].columns.keys()) - {"thumbnail"}
        assert all(set(row) == columns for row in rows), name


def test_an_empty_subject_is_exported_too(api):
    assert set(exported(api, api.subject())) == {"subject.json"}


def test_bytes_that_are_gone_are_told_and_hold_up_nothing_else(api, ada):
    with api.database.read() as session:
        photo = session.query(AlbumPhoto).first()
    api.store.delete(BlobRef(OWNER, photo.blob_sha256, photo.size_bytes))
    found = exported(api, ada["subject_id"])
    missing = json.loads(found["missing.json"])
    assert [name.startswith(("album/", "uploads/")) for name in missing] == [True] * len(missing)
    assert missing
    assert not set(missing) & set(found)
    assert any(name.startswith("checkpoints/") for name in found)


def test_a_deleted_subject_has_no_export(api, ada):
    api.made("DELETE", f"/v1/subjects/{ada['subject_id']}", 200)
    assert api.client.get(f"/v1/subjects/{ada['subject_id']}/export").status_code == 404
