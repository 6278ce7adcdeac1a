"""Another candidate for a face: the photo is put together anew, at once, from what was kept."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from core.db.tables import Blob, Restoration
from core.imaging.decode_pool import DecodePool
from core.imaging.intake import decode_photo
from core.storage.open import open_store
from tests import pretend_worker
from tests.served import served

PATH = "/v1/restorations"
LEFT, RIGHT, OUTSIDE = np.s_[20:44, 12:36], np.s_[20:44, 60:84], np.s_[:, 44:50]


@pytest.fixture(scope="module")
def pool():
    """One for all: starting processes is what takes time here."""
    with DecodePool(2) as pool:
        yield pool


@contextmanager
def serving(database, folder, pool):
    with served(database, folder, open_store("database", folder, database)) as api:
        service = api.client.app.state.service
        service._decode_pool = pool
        yield api
        service._decode_pool = None  # which is not this service's to close


@pytest.fixture
def api(sqlite_database, tmp_path, pool):
    with serving(sqlite_database, tmp_path, pool) as api:
        yield api


@pytest.fixture(params=["sqlite", "postgres"])
def both(request, tmp_path, pool):
    with serving(request.getfixturevalue(f"{request.param}_database"), tmp_path, pool) as api:
        yield api


def group(api, file_format="png", **output):
    """A restoration of two faces with two candidates each: its path, and the file of the photo."""
    content = pretend_worker.group_photo(file_format)
    file_id = api.made("POST", "/v1/files", 201, files={"file": ("g.png", content)})["id"]
    body = {"input": {"file_id": file_id}, "mode": "direct", "candidates": 2, "output": output}
    job = api.made("POST", PATH, 202, json=body)
    pretend_worker.restore_group(api.database, api.store, job["id"])
    return f"{PATH}/{job['restoration_id']}", file_id


def image(api, path):
    answer = api.client.get(f"{path}/image")
    assert answer.status_code == 200, answer.text
    return decode_photo(answer.content)


def choose(api, path, face, candidate):
    return api.made("POST", f"{path}/faces/{face}/selection", 200, json={"candidate": candidate})


def test_another_candidate_or_the_original_can_stand_for_a_face_and_the_others_stay(api):
    path, _ = group(api)
    sent, first = decode_photo(pretend_worker.group_photo()), image(api, path)
    chosen = choose(api, path, 1, 1)
    assert [face["selected"] for face in chosen["faces"]] == [0, 1]
    second = image(api, path)
    assert chosen["image"]["sha256"] == api.client.get(f"{path}/image").headers["etag"].strip('"')
    assert np.array_equal(second[LEFT], first[LEFT])
    assert not np.array_equal(second[RIGHT], first[RIGHT])
    choose(api, path, 1, "original")
    third = image(api, path)
    assert np.array_equal(third[RIGHT], sent[RIGHT])
    assert np.array_equal(third[LEFT], first[LEFT])
    choose(api, path, 0, "original")
    assert np.array_equal(image(api, path), sent)
    for face in (0, 1):
        choose(api, path, face, 0)
    assert np.array_equal(image(api, path), first)
    assert np.array_equal(first[OUTSIDE], sent[OUTSIDE])


@pytest.mark.parametrize("more", [{}, {"verdict": "kept", "selected": None}])
def test_a_face_that_stays_as_it_was_keeps_its_pixels_from_the_one_beside_it(api, more):
    path, _ = group(api)
    with api.database.write() as session:
        row = session.get_one(Restoration, path.rsplit("/", 1)[1])
        beside = [[x + 10, y] for x, y in pretend_worker.QUADS[0]]
        row.faces = [row.faces[0], row.faces[1] | {"quad": beside} | more]
    sent, theirs = decode_photo(pretend_worker.group_photo()), np.s_[16:48, 30:]
    choose(api, path, 0, 1)
    if not more:
        assert not np.array_equal(image(api, path)[theirs], sent[theirs])
        choose(api, path, 1, "original")
    assert np.array_equal(image(api, path)[theirs], sent[theirs])
    assert not np.array_equal(image(api, path), sent)


def test_what_is_put_together_anew_is_of_the_format_that_was_asked_for_and_of_the_photo_s_own_without_a_word(api):
    path, _ = group(api, "jpeg")
    assert choose(api, path, 0, 1)["image"]["media_type"] == "image/jpeg"
    path, _ = group(api, "jpeg", format="tiff")
    assert choose(api, path, 0, 1)["image"]["media_type"] == "image/tiff"
    answer = api.client.get(f"{path}/image")
    assert answer.headers["content-type"] == "image/tiff"
    assert answer.headers["content-disposition"].endswith(".tif")
    assert answer.content[:4] in (b"II*\0", b"MM\0*")


def test_layers_follow_the_selection(api):
    path, _ = group(api, layers=True)
    face = choose(api, path, 0, 1)["faces"][0]
    layers = face["layers"]
    assert layers["left"] <= 8
    pictures = {name: decode_photo(api.client.get(layers[name]).content) for name in ("crop", "mask", "result")}
    assert pictures["mask"].shape == pictures["result"].shape
    kept = choose(api, path, 0, "original")["faces"]
    assert (kept[0]["layers"], kept[1]["layers"] is not None) == (None, True)
    assert api.client.get(layers["mask"]).status_code == 404


def test_choosing_what_is_chosen_already_puts_nothing_together(api):
    path, file_id = group(api)
    before = api.client.get(f"{path}/image").headers["etag"]
    assert api.client.delete(f"/v1/files/{file_id}").status_code == 204
    choose(api, path, 0, 0)
    assert api.client.get(f"{path}/image").headers["etag"] == before


def test_without_the_photo_nothing_is_put_together_and_nothing_changes(api):
    path, file_id = group(api)
    assert api.client.delete(f"/v1/files/{file_id}").status_code == 204
    answer = api.client.post(f"{path}/faces/0/selection", json={"candidate": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "not kept any more" in answer.json()["detail"]
    assert [face["selected"] for face in api.made("GET", path, 200)["faces"]] == [0, 0]
    assert api.client.get(f"{path}/image?face=0&candidate=1").status_code == 200


def test_selections_at_the_same_moment_do_not_lose_each_other(both):
    api = both
    path, _ = group(api)
    with ThreadPoolExecutor(2) as callers:
        list(callers.map(lambda face: choose(api, path, face, 1), (0, 1)))
    found = api.made("GET", path, 200)
    assert [face["selected"] for face in found["faces"]] == [1, 1]
    other, _ = group(api)
    for face in (0, 1):
        choose(api, other, face, 1)
    assert np.array_equal(image(api, path), image(api, other))
    with api.database.read() as session:
        assert session.query(Blob).filter_by(sha256=found["image"]["sha256"]).one().state == "ready"


@pytest.mark.parametrize(
    ("face", "candidate", "status"), [(0, 5, 422), (0, "best", 422), (0, True, 422), (2, 0, 404), (-1, 0, 404)]
)
def test_a_choice_that_is_not_there_is_refused(api, face, candidate, status):
    path, _ = group(api)
    assert api.client.post(f"{path}/faces/{face}/selection", json={"candidate": candidate}).status_code == status


def test_a_face_that_was_left_as_it_is_has_nothing_to_choose_from(api):
    path, _ = group(api)
    with api.database.write() as session:
        row = session.get_one(Restoration, path.rsplit("/", 1)[1])
        row.faces = [*row.faces, pretend_worker.face_entry(2, pretend_worker.QUADS[0], Blob(sha256=""), selected=None)]
    answer = api.client.post(f"{path}/faces/2/selection", json={"candidate": "original"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/candidate")


def test_a_row_that_says_less_of_its_output_than_today_s_is_put_together_all_the_same(api):
    path, _ = group(api)
    with api.database.write() as session:
        session.get_one(Restoration, path.rsplit("/", 1)[1]).output = {"format": "png", "native": False}
    assert [face["selected"] for face in choose(api, path, 1, 1)["faces"]] == [0, 1]
