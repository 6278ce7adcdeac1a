"""What cannot be used is refused with the right status, a code and advice, and leaves nothing behind."""

import io
import uuid

import httpx
import pytest
from PIL import Image

from tests.acceptance.people import album_photos, degraded_photos, without_a_face, zipped
from tests.corpus import all_cases
from tests.corpus.service import Sender

UNKNOWN = "0" * 26
DIRECT = {"mode": "direct", "recipe": "tiny-direct"}


def sent(data: bytes, name: str = "photo.png") -> dict[str, tuple[str, bytes, str]]:
    return {"file": (name, data, "application/octet-stream")}


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["detail"]
    return problem


def animated() -> bytes:
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (0, 255)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(b"this is text", 415, "unsupported_format", id="text"),
        pytest.param(b"", 422, "image_unreadable", id="nothing"),
        pytest.param(animated(), 415, "unsupported_format", id="gif"),
        pytest.param(zipped({"a.jpg": without_a_face()}), 415, "unsupported_format", id="zip"),
    ],
)
def test_what_is_no_photo_is_refused_before_a_job_is_made(api, data, status, code):
    jobs = api.get("/v1/jobs").json()["data"]
    refused(api.post("/v1/restorations", files=sent(data), data=DIRECT), status, code)
    assert api.get("/v1/jobs").json()["data"] == jobs


def test_half_a_photo_fails_its_job_with_the_code_of_an_unreadable_one(api, finished):
    whole = degraded_photos(1)[0]
    job = finished(api.post("/v1/restorations", files=sent(whole[: len(whole) // 2]), data=DIRECT))
    assert job["status"] == "failed"
    assert job["error"]["code"] == "image_unreadable"
    assert job["error"]["advice"]
    assert job["attempt"] == 1


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        pytest.param({}, 422, "album_too_small", id="empty-zip"),
        pytest.param({"notes.txt": b"hello"}, 422, "album_too_small", id="no-photos"),
        pytest.param(dict(list(album_photos(1).items())), 422, "album_too_small", id="one-photo"),
    ],
)
def test_an_album_that_cannot_be_enough_is_refused(api, subject, files, status, code):
    refused(api.post(f"/v1/subjects/{subject['id']}/album", files=sent(zipped(files), "album.zip")), status, code)
    assert api.get(f"/v1/subjects/{subject['id']}/album").json()["photos"] == []


def test_a_zip_that_is_none_is_refused(api, subject):
    answer = api.post(f"/v1/subjects/{subject['id']}/album", files=sent(b"PK\x03\x04 not really", "album.zip"))
    refused(answer, 422, "archive_rejected")


def test_a_person_without_consent_is_not_registered(api):
    refused(api.post("/v1/subjects", json={"name": "Nobody", "category": "person"}), 422, "consent_missing")


def test_an_unknown_subject_is_not_found(api):
    asked = {"recipe": "tiny-personal", "subject_id": f"sub_{UNKNOWN}"}
    answer = api.post("/v1/restorations", files=sent(degraded_photos(1)[0]), data=asked)
    [error] = refused(answer, 404, "not_found")["errors"]
    assert error["pointer"] == "/subject_id"
    refused(api.get(f"/v1/subjects/sub_{UNKNOWN}"), 404, "not_found")


def test_a_k_that_the_prior_does_not_have_is_refused_with_the_range(api):
    answer = api.post("/v1/restorations", files=sent(degraded_photos(1)[0]), data={**DIRECT, "noise_steps": "5000"})
    problem = refused(answer, 422, "invalid_recipe")
    assert "at most 1000" in str(problem["detail"])
    assert [error["pointer"] for error in problem["errors"]] == ["/noise_steps"]


def test_a_subject_without_a_checkpoint_cannot_restore_yet(api, subject):
    answer = api.post("/v1/restorations", files=sent(degraded_photos(1)[0]), data={"subject_id": subject["id"]})
    refused(answer, 409, "checkpoint_not_ready")


def test_a_body_that_is_too_large_is_refused(api):
    answer = api.put(
        "/v1/files", content=b"\x89PNG\r\n\x1a\n" + bytes(101 * 2**20), headers={"Content-Type": "image/png"}
    )
    refused(answer, 413, "body_too_large")


def test_a_request_is_answered_once_however_often_it_is_sent(api):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    photo = degraded_photos(1)[0]
    first = api.post("/v1/restorations", files=sent(photo), data=DIRECT, headers=headers)
    assert first.status_code == 202, first.text
    again = api.post("/v1/restorations", files=sent(photo), data=DIRECT, headers=headers)
    assert again.json()["id"] == first.json()["id"]
    other = api.post("/v1/restorations", files=sent(without_a_face()), data=DIRECT, headers=headers)
    refused(other, 422, "idempotency_conflict")


def test_a_wrong_key_is_refused_where_keys_are_needed(api, service):
    if not service.headers:
        pytest.skip("keyless: the embedded mode on loopback asks for none")
    for authorization in ("Bearer hl_00000000_wrong", "Basic abc", None):
        headers = {"Authorization": authorization} if authorization else {}
        answer = httpx.get(f"{service.url}/v1/jobs", headers=headers)
        refused(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_slice_of_the_corpus_meets_typed_errors_on_every_way_and_costs_no_job_a_second_attempt(service):
    """The whole: `python -m tests.corpus.served`."""
    with service.client() as client:
        fates = list(Sender(client).send(all_cases()[5::97]))
    assert {fate.way for fate in fates} == {"upload", "detect", "restore", "album", "batch"}
    assert [(fate.way, fate.case.name, fate.outcome, fate.wrong) for fate in fates if fate.wrong] == []
