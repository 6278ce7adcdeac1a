"""No repository gives one owner another's rows, whatever guards stand before it."""

import pytest

from core.db import (
    albums,
    checkpoints,
    events,
    export,
    files,
    idempotency,
    jobs,
    owners,
    restorations,
    subjects,
    webhooks,
)
from core.db.session import now_of
from core.db.tables import AlbumPhoto, Restoration, WebhookDelivery, WebhookEndpoint
from core.domain.ids import Prefix, new_id
from core.webhooks.signature import new_secret
from tests import rows


@pytest.fixture
def session(database):
    with database.write() as opened:
        yield opened


@pytest.fixture
def eve(session):
    return owners.insert(session, "Eve", now_of(session)).id


@pytest.fixture
def things(session):
    """The local owner's: a ready checkpoint of a subject with a photo, a job with its timeline, a restoration."""
    checkpoint = rows.checkpoint(session, status="ready")
    file = files.insert(session, rows.file(rows.DIGEST))
    job = jobs.insert(session, rows.job(subject_id=checkpoint.subject_id, checkpoint_id=checkpoint.id))
    photo = AlbumPhoto(
        id=new_id(Prefix.ALBUM_PHOTO),
        owner_id=rows.OWNER,
        subject_id=checkpoint.subject_id,
        blob_sha256=rows.DIGEST,
        size_bytes=1,
        label="x",
        status="kept",
        created_at=rows.NOW,
    )
    restoration = Restoration(
        id=new_id(Prefix.RESTORATION),
        owner_id=rows.OWNER,
        job_id=job.id,
        file_id=file.id,
        input_sha256=rows.DIGEST,
        subject_id=checkpoint.subject_id,
        mode="personal",
        candidates=1,
        output={},
        faces=[],
        created_at=rows.NOW,
    )
    albums.insert(session, [photo])
    restorations.insert(session, restoration)
    idempotency.insert(session, rows.OWNER, "key", rows.DIGEST, rows.NOW, rows.NOW)
    endpoint = webhooks.insert(
        session,
        WebhookEndpoint(
            id=new_id(Prefix.WEBHOOK_ENDPOINT),
            owner_id=rows.OWNER,
            url="https://photos.example.org/",
            events=[],
            secret=new_secret(),
            created_at=rows.NOW,
        ),
    )
    delivery = WebhookDelivery(
        id=new_id(Prefix.DELIVERY),
        owner_id=rows.OWNER,
        endpoint_id=endpoint.id,
        event_id=new_id(Prefix.EVENT),
        type="job.started",
        payload={},
        status="delivered",
        created_at=rows.NOW,
        expires_at=rows.NOW,
    )
    session.add(delivery)
    session.flush()
    return {
        "subject": checkpoint.subject_id,
        "checkpoint": checkpoint.id,
        "file": file.id,
        "job": job.id,
        "photo": photo.id,
        "restoration": restoration.id,
        "endpoint": endpoint.id,
        "delivery": delivery.id,
    }


LOOKUPS = {
    "subject": lambda s, who, t: subjects.get(s, who, t["subject"]),
    "subjects": lambda s, who, _: subjects.listed(s, who, 9),
    "album": lambda s, who, t: albums.photos_of(s, who, t["subject"]),
    "photo": lambda s, who, t: albums.get(s, who, t["subject"], t["photo"]),
    "checkpoint": lambda s, who, t: checkpoints.get(s, who, t["checkpoint"]),
    "checkpoints": lambda s, who, t: checkpoints.listed(s, who, t["subject"], 9),
    "identical checkpoint": lambda s, who, t: checkpoints.by_identity(s, who, t["subject"], rows.DIGEST),
    "ready checkpoint": lambda s, who, t: checkpoints.newest_ready(s, who, t["subject"], rows.DIGEST),
    "file": lambda s, who, t: files.get(s, who, t["file"]),
    "file in use": lambda s, who, t: restorations.open_with_file(s, who, t["file"]),
    "job": lambda s, who, t: jobs.get(s, who, t["job"]),
    "jobs": lambda s, who, _: jobs.listed(s, who, 9),
    "some jobs": lambda s, who, t: jobs.some(s, who, [t["job"]]),
    "open jobs": lambda s, who, t: jobs.open_of(s, who, t["subject"]),
    "restoring with": lambda s, who, t: jobs.restoring_with(s, who, t["checkpoint"]),
    "number of open jobs": lambda s, who, _: jobs.count_open(s, who),
    "timeline": lambda s, who, t: events.after(s, who, t["job"]),
    "restoration": lambda s, who, t: restorations.get(s, who, t["restoration"]),
    "restorations": lambda s, who, _: restorations.listed(s, who, 9),
    "results of a subject": lambda s, who, t: restorations.of_subject(s, who, t["subject"]),
    "endpoint": lambda s, who, t: webhooks.get(s, who, t["endpoint"]),
    "endpoints": lambda s, who, _: webhooks.listed(s, who, 9),
    "number of endpoints": lambda s, who, _: webhooks.count(s, who),
    "delivery": lambda s, who, t: webhooks.delivery(s, who, t["endpoint"], t["delivery"]),
    "deliveries": lambda s, who, t: webhooks.deliveries(s, who, t["endpoint"], 9),
    "rows about a subject": lambda s, who, t: any(export.rows_about(s, who, t["subject"]).values()),
    "answer": lambda s, who, _: idempotency.get(s, who, "key"),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_what_its_owner_finds_nobody_else_does(session, things, eve, name):
    assert LOOKUPS[name](session, rows.OWNER, things)
    assert not LOOKUPS[name](session, eve, things)


def test_nobody_else_can_take_anything_away(session, things, eve):
    albums.delete_of(session, eve, things["subject"])
    checkpoints.delete_of(session, eve, things["subject"])
    restorations.delete_some(session, eve, [things["restoration"]])
    idempotency.release(session, eve, "key")
    files.delete(session, eve, things["file"])
    session.expire_all()
    for name, look in LOOKUPS.items():
        assert look(session, rows.OWNER, things), name
