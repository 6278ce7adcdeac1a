"""What is called with canaries: everything that takes names, photos or addresses, rightly and in every wrong way."""

import json
import time

from tests.acceptance.canary import ADDRESS, COMMENT, FILE_NAME, PERSON, PIXELS, marked
from tests.acceptance.conftest import TERMINAL
from tests.acceptance.people import album_photos, degraded_photos, two_faces, without_a_face, zipped

BROKEN = b"\xff\xd8\xff\xe1" + COMMENT.encode() + PIXELS
TINY = {"mode": "direct", "recipe": "tiny-direct"}


class Caller:
    """Calls, and keeps every answer that is an error."""

    def __init__(self, api):
        self.api, self.calls, self.errors = api, 0, []

    def __call__(self, method, path, **options):
        self.calls += 1
        keyed = {"headers": {"Idempotency-Key": f"canary-{self.calls}"}} if method == "POST" else {}
        answer = self.api.request(method, path, **keyed, **options)
        if answer.is_error:
            self.errors.append(answer.content)
        return answer

    def ended(self, method, path, **options):
        answer = self(method, path, **options)
        assert answer.status_code == 202, answer.text
        return self.until_ended(answer.headers["Location"])

    def until_ended(self, path):
        end = time.monotonic() + 90
        while (job := self.api.get(path).json())["status"] not in TERMINAL:
            assert time.monotonic() < end, job
            time.sleep(0.1)
        self.errors.append(json.dumps([job["error"], job["warnings"]]).encode())
        return job


def photo(data, name=f"{FILE_NAME}.jpg"):
    return {"file": (name, data, "image/jpeg")}


def wrong_in_every_way(call, subject_id):
    """Requests that are refused, each with something in it that must not be repeated."""
    words = f"{FILE_NAME} {PERSON} {COMMENT}"
    nested = zipped({f"{FILE_NAME}.zip": zipped({"x.jpg": BROKEN}), f"../{FILE_NAME}.jpg": BROKEN})
    no_photo = zipped({f"{FILE_NAME}.txt": BROKEN})
    album = f"/v1/subjects/{subject_id}/album"
    for method, path, options in (
        ("POST", "/v1/files", {"files": photo(COMMENT.encode() + PIXELS, f"{FILE_NAME}.txt")}),
        ("PUT", f"/v1/files?name={FILE_NAME}.jpg", {"content": COMMENT.encode()}),
        ("POST", "/v1/subjects", {"json": {"name": PERSON, "category": words}}),
        ("POST", "/v1/subjects", {"json": {"name": PERSON, "category": "person"}}),
        ("POST", "/v1/subjects", {"content": f'{{"name": "{words}'.encode()}),
        ("POST", album, {"files": photo(nested, f"{FILE_NAME}.zip")}),
        ("POST", album, {"files": photo(b"PK\x03\x04" + BROKEN, f"{FILE_NAME}.zip")}),
        ("POST", "/v1/batches", {"files": photo(nested, f"{FILE_NAME}.zip"), "data": TINY}),
        ("POST", "/v1/batches", {"files": photo(no_photo, f"{FILE_NAME}.zip"), "data": TINY}),
        ("POST", "/v1/restorations", {"files": photo(COMMENT.encode()), "data": TINY}),
        ("POST", "/v1/restorations", {"files": photo(BROKEN), "data": {**TINY, "colour": words}}),
        ("POST", "/v1/restorations", {"files": photo(BROKEN), "data": {**TINY, "faces": words}}),
        ("POST", "/v1/faces/detect", {"files": photo(BROKEN)}),
        ("POST", "/v1/faces/detect", {"json": {"file_id": words}}),
        ("POST", "/v1/webhook-endpoints", {"json": {"url": f"https://{ADDRESS}@127.0.0.1/{FILE_NAME}"}}),
        ("POST", "/v1/webhook-endpoints", {"json": {"url": f"https://10.0.0.1/{ADDRESS}"}}),
    ):
        answer = call(method, path, **options)
        assert 400 <= answer.status_code < 500, (method, path, answer.status_code, answer.text)


def let_in(call, receiver):
    """An album, restorations of every kind, a batch, a webhook; where they can be deleted, and the webhook's secret."""
    person = {"name": PERSON, "category": "person", "consent": {"given_by": PERSON, "statement": PERSON}}
    subject_id = call("POST", "/v1/subjects", json=person).json()["id"]
    url = f"{receiver.url}/{ADDRESS}"
    endpoint = call("POST", "/v1/webhook-endpoints", json={"url": url}).json()

    album = {f"{FILE_NAME}-{name}": marked(data) for name, data in album_photos(4).items()}
    album |= {f"{FILE_NAME}-broken.jpg": BROKEN, f"{FILE_NAME}-cup.jpg": marked(without_a_face())}
    path = f"/v1/subjects/{subject_id}/album"
    sent = {"files": photo(zipped(album), f"{FILE_NAME}.zip"), "data": {"recipe": "tiny-personal"}}
    assert call.ended("POST", path, **sent)["status"] == "succeeded"

    uncompressed = marked(degraded_photos(1)[0], "TIFF")
    assert PIXELS in uncompressed
    upload = call("POST", "/v1/files", files=photo(uncompressed, f"{FILE_NAME}.tif")).json()["id"]
    personal = {"input": {"file_id": upload}, "subject_id": subject_id, "recipe": "tiny-personal"}
    personal |= {"webhook_url": f"{url}?{FILE_NAME}", "output": {"layers": True}}
    assert call.ended("POST", "/v1/restorations", json=personal)["status"] == "succeeded"
    group = {"files": photo(marked(two_faces(), "TIFF")), "data": {**TINY, "candidates": "2"}}
    restoration = call.ended("POST", "/v1/restorations", **group)["links"]["restoration"]
    assert call("POST", f"{restoration}/faces/0/selection", json={"candidate": 1}).status_code == 200
    assert call("POST", f"{restoration}/faces/7/selection", json={"candidate": 1}).status_code == 404
    assert call("POST", "/v1/faces/detect", files=photo(uncompressed, f"{FILE_NAME}.tif")).status_code == 200
    several = zipped({f"{FILE_NAME}.tif": uncompressed, f"{FILE_NAME}.png": BROKEN, f"{FILE_NAME}.txt": BROKEN})
    batch = call("POST", "/v1/batches", files=photo(several, f"{FILE_NAME}.zip"), data=TINY).json()
    for one in batch["restorations"]:
        call.until_ended(f"/v1/jobs/{one['job_id']}")
    broken = call.ended("POST", "/v1/restorations", files=photo(BROKEN), data=TINY)
    assert broken["error"]["code"] == "image_unreadable"
    wrong_in_every_way(call, subject_id)
    made = [f"/v1/subjects/{subject_id}", f"/v1/batches/{batch['id']}", f"/v1/files/{upload}"]
    return [*made, restoration, broken["links"]["restoration"]], endpoint
