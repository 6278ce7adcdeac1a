"""What a restoration service does all day: an album once, then photo after photo."""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import numpy as np
from PIL import Image

from core.imaging.intake import decode_photo
from tests.acceptance import canary, canary_calls
from tests.acceptance.conftest import EILEEN, endless_tuning, wait_for
from tests.acceptance.people import album_photos, degraded_photos, two_faces, without_a_face, zipped
from tests.receiver import Receiver, receiver

PERSONAL = {"recipe": "tiny-personal"}


def photo(data: bytes, name: str = "photo.png") -> dict[str, tuple[str, bytes, str]]:
    return {"file": (name, data, "image/png")}


def pixels(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_an_album_becomes_a_checkpoint_and_the_report_says_what_was_kept_and_why_not(api, tuned):
    subject_id, job = tuned
    assert job["status"] == "succeeded", job
    assert job["kind"] == "album"
    report = api.get(f"/v1/subjects/{subject_id}/album").json()
    assert (report["kept"], report["left_out"], report["pending"]) == (6, 2, 0)
    left_out = {entry["label"]: entry["code"] for entry in report["photos"] if entry["status"] == "left_out"}
    assert left_out == {"cup.jpg": "no_face_detected", "broken.jpg": "image_unreadable"}
    assert all(entry["reason"] for entry in report["photos"] if entry["status"] == "left_out")

    subject = api.get(f"/v1/subjects/{subject_id}").json()
    checkpoint = api.get(f"/v1/subjects/{subject_id}/checkpoints/{subject['default_checkpoint_id']}").json()
    assert checkpoint["status"] == "ready"
    assert checkpoint["step"] == 10
    weights = api.get(checkpoint["links"]["content"])
    assert len(weights.content) == checkpoint["size_bytes"]
    header = json.loads(weights.content[8 : 8 + int.from_bytes(weights.content[:8], "little")])
    assert header["__metadata__"]["format"] == "heirloom-checkpoint/1"
    assert header["__metadata__"]["prior_sha256"] == checkpoint["prior"]["sha256"]


def test_photo_after_photo_is_restored_with_the_checkpoint(api, tuned):
    subject_id, _ = tuned

    def send(data: bytes) -> httpx.Response:
        return api.post("/v1/restorations", files=photo(data), data={**PERSONAL, "subject_id": subject_id})

    sent = degraded_photos(6)
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(send, sent))
    jobs = [wait_for(api, answer) for answer in answers]
    assert [job["status"] for job in jobs] == ["succeeded"] * 6, jobs
    for job, data in zip(jobs, sent, strict=True):
        restoration = api.get(job["links"]["restoration"]).json()
        assert restoration["mode"] == "personal"
        [face] = restoration["faces"]
        assert face["subject_id"] == subject_id
        assert set(face["candidates"][0]["scores"]) >= {"identity_to_photo", "sharpness_before", "sharpness_after"}
        restored, photo_sent = pixels(api.get(restoration["links"]["image"])), decode_photo(data)
        assert restored.shape == photo_sent.shape
        assert np.array_equal(restored[-100:], photo_sent[-100:])
        if face["verdict"] == "restored":
            assert not np.array_equal(restored, photo_sent)
            assert pixels(api.get(face["original"])).shape == pixels(api.get(face["candidates"][0]["image"])).shape
        else:  # so says the album of the person, and the photo stays as it was
            assert (face["verdict"], face["selected"]) == ("keep_original", "original")
            assert np.array_equal(restored, photo_sent)


def test_a_photo_of_somebody_without_an_album_is_restored_generatively(api, finished):
    answer = api.post("/v1/restorations", files=photo(degraded_photos(1)[0]), data={"recipe": "tiny-generative"})
    job = finished(answer)
    assert job["status"] == "succeeded", job
    assert {"album", "finetune", "restore"} <= set(job["metrics"]["seconds"])
    assert pixels(api.get(job["links"]["image"])).ndim == 3


def test_who_waits_gets_the_result_itself_and_every_candidate(api):
    sent = degraded_photos(1)[0]
    answer = api.post(
        "/v1/restorations",
        files=photo(sent),
        data={"mode": "direct", "recipe": "tiny-direct", "candidates": "3"},
        headers={"Prefer": "wait=60"},
    )
    assert answer.status_code == 200, answer.text
    [face] = answer.json()["faces"]
    assert [candidate["number"] for candidate in face["candidates"]] == [0, 1, 2]
    pictures = [pixels(api.get(candidate["image"])) for candidate in face["candidates"]]
    assert not np.array_equal(pictures[0], pictures[1])

    first = pixels(api.get(answer.json()["links"]["image"]))
    chosen = api.post(f"{answer.json()['links']['self']}/faces/0/selection", json={"candidate": 2})
    assert chosen.json()["faces"][0]["selected"] == 2
    second = pixels(api.get(chosen.json()["links"]["image"]))
    assert np.array_equal(second[-100:], first[-100:])
    assert not np.array_equal(second, first)
    kept = api.post(f"{answer.json()['links']['self']}/faces/0/selection", json={"candidate": "original"})
    assert np.array_equal(pixels(api.get(kept.json()["links"]["image"])), decode_photo(sent))


def test_of_a_group_photo_one_is_restored_with_their_own_checkpoint_and_the_other_stays_as_they_are(api, tuned):
    subject_id, job = tuned
    sent = two_faces()
    answer = api.post(
        "/v1/restorations",
        files=photo(sent, "group.jpg"),
        data={
            "faces": json.dumps([{"index": 0, "subject_id": subject_id}, {"index": 1, "action": "keep"}]),
            "recipe": "tiny-personal",
            "candidates": "2",
            "keep_metadata": "none",
        },
        headers={"Prefer": "wait=60"},
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    mine, other = found["faces"]
    assert (mine["checkpoint_id"], mine["noise_steps"]) == (job["checkpoint_id"], 40)
    assert (other["verdict"], other["selected"], other["candidates"]) == ("kept", None, [])
    assert api.get(f"/v1/restorations?subject={subject_id}&limit=1").json()["data"][0]["id"] == found["id"]
    assert (found["image"]["media_type"], found["image"]["width"]) == ("image/jpeg", 720)  # as it came
    chosen = api.post(f"{found['links']['self']}/faces/0/selection", json={"candidate": 1}).json()
    assert chosen["image"]["sha256"] != found["image"]["sha256"]
    image = api.get(chosen["links"]["image"])
    assert image.headers["Content-Type"] == "image/jpeg"
    difference = np.abs(decode_photo(image.content).astype(int) - decode_photo(sent))
    left, right = difference[:300, :400].mean(), difference[:300, 420:].mean()
    assert right < 1 < left  # the right one was compressed anew, and no more


def test_the_same_seed_gives_the_same_picture(api):
    sent = degraded_photos(1)[0]
    pictures = [
        pixels(
            api.get(
                api.post(
                    "/v1/restorations",
                    files=photo(sent),
                    data={"mode": "direct", "recipe": "tiny-direct", "seed": seed},
                    headers={"Prefer": "wait=60"},
                ).json()["links"]["image"]
            )
        )
        for seed in ("7", "7", "8")
    ]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_photos_can_be_sent_while_their_person_s_checkpoint_is_still_being_made_and_then_share_a_batch(
    api, service, subject
):
    # Every worker is busy until all is sent, and then all but one: two could share the photos between them.
    with ExitStack() as others:
        for _ in range(service.workers - 1):
            others.enter_context(endless_tuning(api))
        with endless_tuning(api):
            tuning = api.post(
                f"/v1/subjects/{subject['id']}/album",
                files={"file": ("album.zip", zipped(album_photos(4)), "application/zip")},
                data=PERSONAL,
            )
            asked = {**PERSONAL, "subject_id": subject["id"]}
            restoring = [api.post("/v1/restorations", files=photo(data), data=asked) for data in degraded_photos(3)]
            waiting = [api.get(answer.headers["Location"]).json() for answer in restoring]
            assert {job["waits_for_job_id"] for job in waiting} == {tuning.json()["id"]}
        assert wait_for(api, tuning)["status"] == "succeeded"
        ended = [wait_for(api, answer) for answer in restoring]
    assert [job["status"] for job in ended] == ["succeeded"] * 3
    assert [job["metrics"]["together"] for job in ended] == [3, 3, 3]


def test_an_identical_checkpoint_is_not_tuned_again(api, tuned):
    subject_id, job = tuned
    again = api.post(f"/v1/subjects/{subject_id}/checkpoints", json={"recipe": "tiny-personal"})
    assert again.status_code == 200, again.text
    assert again.json()["id"] == job["checkpoint_id"]
    other = api.post(f"/v1/subjects/{subject_id}/checkpoints", json={"recipe": "tiny-personal", "seed": 5})
    assert wait_for(api, other)["status"] == "succeeded"


def test_a_photo_without_a_face_says_so_and_is_not_given_back_as_if_it_were_restored(api, finished):
    sent = photo(without_a_face(), "cup.jpg")
    job = finished(api.post("/v1/restorations", files=sent, data={"mode": "direct", "recipe": "tiny-direct"}))
    assert job["status"] == "succeeded"
    assert [warning["code"] for warning in job["warnings"]] == ["no_face_detected"]
    restoration = api.get(job["links"]["restoration"]).json()
    assert restoration["faces"] == []
    assert restoration["links"]["image"] is None
    assert api.get(f"{restoration['links']['self']}/image").status_code == 409


def test_the_timeline_is_told_as_it_happens_and_from_where_a_listener_left_off(api):
    answer = api.post(
        "/v1/restorations", files=photo(degraded_photos(1)[0]), data={"mode": "direct", "recipe": "tiny-direct"}
    )
    path = f"{answer.headers['Location']}/events"
    with api.stream("GET", path) as stream:
        text = "".join(stream.iter_text())
    kinds = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert kinds[0] == "created"
    assert kinds[-1] == "succeeded"
    assert "claimed" in kinds
    numbers = [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")]
    assert numbers == sorted(numbers)
    with api.stream("GET", path, headers={"Last-Event-ID": str(numbers[1])}) as stream:
        rest = "".join(stream.iter_text())
    assert [int(line.removeprefix("id: ")) for line in rest.splitlines() if line.startswith("id: ")] == numbers[2:]


def test_everything_of_a_person_goes_with_the_person(api, service):
    made = api.post("/v1/subjects", json=EILEEN).json()
    zip_file = {"file": ("album.zip", zipped(album_photos(3)), "application/zip")}
    tuning = api.post(f"/v1/subjects/{made['id']}/album", files=zip_file, data=PERSONAL)
    assert wait_for(api, tuning)["status"] == "succeeded"
    restoring = api.post(
        "/v1/restorations", files=photo(degraded_photos(1)[0]), data={**PERSONAL, "subject_id": made["id"]}
    )
    restored = wait_for(api, restoring)
    receipt = api.delete(f"/v1/subjects/{made['id']}")
    assert receipt.status_code == 200, receipt.text
    assert receipt.json()["removed"]["album_photos"] == 3
    assert receipt.json()["removed"]["checkpoints"] == 1
    assert receipt.json()["removed"]["restorations"] == 1
    for path in (f"/v1/subjects/{made['id']}", f"/v1/subjects/{made['id']}/album", restored["links"]["restoration"]):
        assert api.get(path).status_code == 404, path
    again = api.post(
        "/v1/restorations", files=photo(degraded_photos(1)[0]), data={**PERSONAL, "subject_id": made["id"]}
    )
    assert again.status_code == 404


def test_canaries_are_in_no_log_and_no_error_and_after_their_deletion_nowhere(api, service):
    call = canary_calls.Caller(api)
    with receiver() as listening:
        made, endpoint = canary_calls.let_in(call, listening)
        there = canary.in_service(service)
        assert set().union(*there.values()) >= {*canary.WORDS, "pixels"}, there
        assert {call("DELETE", path).status_code for path in made} <= {200, 204}
        told = events_of(listening, "subject.deleted")
        assert call("DELETE", f"/v1/webhook-endpoints/{endpoint['id']}").status_code == 204
    assert {"job.started", "job.succeeded", "job.failed", "subject.ready"} <= told
    assert {found for got in listening.got for found in canary.seen_in(got.body)} == set()
    assert any(got.path.endswith(canary.FILE_NAME) for got in listening.got)  # a restoration's own address

    canary.forget_bytes(service)
    assert canary.in_service(service) == {}
    log = service.log.read_bytes()
    assert b"/v1/restorations" in log
    assert canary.seen_in(log) == set()
    assert endpoint["secret"].removeprefix("whsec_").encode() not in log
    assert len(call.errors) > 20
    assert [(canary.seen_in(error), error) for error in call.errors if canary.seen_in(error)] == []


def events_of(listening: Receiver, last: str) -> set[str]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        told = {json.loads(got.body)["type"] for got in listening.got}
        if last in told:
            return told
        time.sleep(0.1)
    raise AssertionError(f"not told of {last}: {told}")
