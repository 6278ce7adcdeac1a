import threading
import time

import numpy as np
import pytest
from skimage.data import astronaut

from core.imaging.intake import encode
from tests.served import served
from tests.small_photos import photo, zip_of

PORTRAIT = encode(np.ascontiguousarray(astronaut()), "jpeg")
DETECT = "/v1/faces/detect"


def detect(api, data, **options):
    return api.client.post(DETECT, files={"file": ("x.jpg", data)}, **options)


def test_the_faces_of_a_photo_that_comes_along_are_described_and_nothing_of_it_stays(api, tmp_path):
    found = api.made("POST", DETECT, 200, files={"file": ("x.jpg", PORTRAIT)})
    (face,) = found["faces"]
    assert (found["width"], found["height"]) == (512, 512)
    assert (face["index"], face["verdict"], face["pose"]) == (0, "enough", {"view": "front", "tilt": "level"})
    assert len(face["landmarks"]) == 68
    assert np.abs(np.array(face["eyes"]) - [[203.8, 100.5], [247.2, 103.0]]).max() < 4
    assert face["eye_distance_pixels"] == pytest.approx(43.5, rel=0.15)
    assert list(api.store.refs()) == []
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []
    assert api.made("GET", "/v1/jobs", 200)["data"] == []


def test_a_photo_that_was_uploaded_before_is_named_by_its_id(api):
    file_id = api.made("PUT", "/v1/files", 201, content=PORTRAIT)["id"]
    named = api.made("POST", DETECT, 200, json={"file_id": file_id})
    assert named == detect(api, PORTRAIT).json()


def test_a_photo_without_faces_is_no_error(api):
    assert detect(api, photo()).json() == {"width": 8, "height": 8, "faces": []}


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "image_unreadable"),
        (b"GIF89a" + bytes(99), 415, "unsupported_format"),
        (zip_of(range(2)), 415, "unsupported_format"),
        (PORTRAIT[:5_000], 422, "image_unreadable"),
        (encode(np.zeros((1, 12_001, 3), np.uint8)), 422, "image_too_large"),
    ],
)
def test_what_is_no_photo_is_refused_as_everywhere(api, data, status, code):
    answer = detect(api, data)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["advice"]


def test_a_zip_that_was_uploaded_is_no_photo(api):
    file_id = api.made("PUT", "/v1/files", 201, content=zip_of(range(2)))["id"]
    answer = api.client.post(DETECT, json={"file_id": file_id})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (415, "/file_id")


def test_a_form_without_a_photo_or_with_two_is_refused(api):
    answers = [
        api.client.post(DETECT, files={"file": (None, "")}, headers={}),
        api.client.post(DETECT, files=[("file", ("a.png", photo(0))), ("file", ("b.png", photo(1)))]),
        api.client.post(DETECT, files={"file": ("a.png", photo(0))}, data={"mode": "direct"}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422]


def test_a_repetition_is_computed_again_because_no_answer_is_kept(api):
    key = {"Idempotency-Key": "once"}
    first, second = (detect(api, PORTRAIT, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert "idempotency-replayed" not in second.headers
    assert detect(api, photo(), headers=key).status_code == 200


def test_where_all_processes_are_busy_too_long_the_caller_is_told_to_come_back(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path / "home", decode_processes=1, decode_seconds=1) as api:
        pool = api.client.app.state.service.decode_pool
        busy = threading.Thread(target=pool.run, args=(time.sleep, 1.8))
        busy.start()
        answer = detect(api, photo())
        busy.join()
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert detect(api, photo()).status_code == 200
