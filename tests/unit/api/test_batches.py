import io
import zipfile

import pytest

from core.db.tables import Batch, File, Job, Restoration
from tests import pretend_worker
from tests.served import served
from tests.small_photos import photo, zip_of, zipped

PATH = "/v1/batches"


def sent(api, files, status=202, **fields):
    return api.made("POST", PATH, status, files={"file": ("photos.zip", files)}, data={"mode": "direct", **fields})


def rows(api, table):
    with api.database.read() as session:
        return session.query(table).count()


def stored(api):
    return list(api.store.refs())


def restore(api, batch, *places):
    for place in places:
        pretend_worker.restore(api.database, api.store, batch["restorations"][place]["job_id"])


def archive_of(api, batch):
    answer = api.client.get(batch["links"]["archive"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_every_photo_of_a_zip_becomes_a_restoration_as_if_it_came_alone(api):
    batch = sent(api, zip_of(range(3)), seed="7")
    assert (batch["photos"], batch["ended"], batch["rejected"]) == (3, False, [])
    assert batch["counts"]["queued"] == 3
    assert [one["label"] for one in batch["restorations"]] == ["photo-0.png", "photo-1.png", "photo-2.png"]
    found = [api.made("GET", f"/v1/restorations/{one['restoration_id']}", 200) for one in batch["restorations"]]
    assert {one["mode"] for one in found} == {"direct"}
    single = api.restoration(mode="direct", seed=7)
    with api.database.read() as session:
        together = session.get_one(Job, batch["restorations"][0]["job_id"])
        alone = session.get_one(Job, single["id"])
        same = ("kind", "recipe", "seed", "options", "batch_key", "cost_forwards", "prior_sha256")
        assert all(getattr(together, name) == getattr(alone, name) for name in same)
    assert api.doorbell.rings == 2


def test_files_that_were_uploaded_before_are_named_by_their_ids(api):
    ids = [api.file(number) for number in range(2)]
    batch = api.made("POST", PATH, 202, json={"file_ids": ids, "mode": "direct", "output": {"format": "jpeg"}})
    with api.database.read() as session:
        found = [session.get_one(Restoration, one["restoration_id"]) for one in batch["restorations"]]
        assert [row.file_id for row in found] == ids
        assert {row.output["format"] for row in found} == {"jpeg"}


def test_a_zip_that_was_uploaded_before_is_taken_too(api):
    file_id = api.made("PUT", "/v1/files", 201, content=zip_of(range(2)))["id"]
    assert api.made("POST", PATH, 202, json={"file_ids": [file_id], "mode": "direct"})["photos"] == 2


def test_several_photos_come_as_several_files(api):
    files = [("file", (f"{number}.png", photo(number))) for number in range(2)]
    assert api.made("POST", PATH, 202, files=files, data={"mode": "direct"})["photos"] == 2


def test_what_is_no_photo_is_told_of_and_the_others_go_on(api):
    batch = sent(api, zipped({"a.png": photo(0), "b.jpg": b"%PDF-1.7", "c.png": b"", "d.png": photo(1)}))
    assert [one["label"] for one in batch["restorations"]] == ["a.png", "d.png"]
    assert [(one["label"], one["code"]) for one in batch["rejected"]] == [
        ("b.jpg", "unsupported_format"),
        ("c.png", "unsupported_format"),
    ]
    assert all(one["detail"] and one["advice"] for one in batch["rejected"])


def test_the_same_picture_under_two_names_is_two_results(api):
    batch = sent(api, zipped({"a.png": photo(0), "b.png": photo(0)}))
    restore(api, batch, 0, 1)
    assert archive_of(api, batch).namelist() == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("data", "fields", "status", "code"),
    [
        (b"", {}, 422, "image_unreadable"),
        (b"GIF89a" + bytes(99), {}, 415, "unsupported_format"),
        (zipped({}), {}, 422, "invalid_request"),
        (zipped({"a.png": b"no photo"}), {}, 422, "invalid_request"),
        (zip_of(range(2))[:-30], {}, 422, "archive_rejected"),
        (zip_of(range(2)), {"recipe": "nonsense"}, 422, "invalid_recipe"),
        (zip_of(range(2)), {"mode": "personal"}, 422, "invalid_request"),
        (zip_of(range(2)), {"subject_id": "sub_" + "0" * 26, "mode": "auto"}, 404, "not_found"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(api, data, fields, status, code):
    answer = api.client.post(PATH, files={"file": ("x.zip", data)}, data={"mode": "direct", **fields})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert stored(api) == []
    assert [rows(api, table) for table in (Batch, Restoration, Job, File)] == [0, 0, 0, 0]


def test_too_many_photos_are_refused(api, monkeypatch):
    monkeypatch.setattr("core.services.batches.MOST_PHOTOS", 2)
    answer = api.client.post(PATH, files={"file": ("x.zip", zip_of(range(3)))}, data={"mode": "direct"})
    assert answer.status_code == 422
    assert "most in one batch is 2" in answer.json()["detail"]
    assert rows(api, Job) == 0


@pytest.mark.parametrize(("setting", "status"), [("max_open_jobs_per_owner", 429), ("max_queued_jobs", 503)])
def test_a_batch_that_has_no_room_as_a_whole_is_not_begun(sqlite_database, tmp_path, setting, status):
    with served(sqlite_database, tmp_path / "home", **{setting: 4}) as api:
        api.restoration(mode="direct")
        kept = stored(api)
        answer = api.client.post(PATH, files={"file": ("x.zip", zip_of(range(4)))}, data={"mode": "direct"})
        assert answer.status_code == status
        assert int(answer.headers["retry-after"]) > 0
        assert (rows(api, Job), stored(api)) == (1, kept)
        assert sent(api, zip_of(range(3)))["photos"] == 3


def test_counts_follow_the_jobs(api):
    batch = sent(api, zip_of(range(4)))
    restore(api, batch, 0)
    pretend_worker.fail(api.database, batch["restorations"][1]["job_id"])
    pretend_worker.claim(api.database, batch["restorations"][2]["job_id"])
    found = api.made("GET", batch["links"]["self"], 200)
    assert {name: count for name, count in found["counts"].items() if count} == {
        "succeeded": 1,
        "failed": 1,
        "running": 1,
        "queued": 1,
    }
    assert [one["status"] for one in found["restorations"]] == ["succeeded", "failed", "running", "queued"]
    (listed,) = api.made("GET", PATH, 200)["data"]
    assert listed == {name: value for name, value in found.items() if name != "restorations"}


def test_batches_come_in_pages_newest_first(api):
    ids = [sent(api, zip_of(range(1)))["id"] for _ in range(3)]
    first = api.made("GET", f"{PATH}?limit=2", 200)
    second = api.made("GET", f"{PATH}?limit=2&cursor={first['next_cursor']}", 200)
    assert {one["id"] for one in first["data"] + second["data"]} == set(ids)
    assert (len(first["data"]), len(second["data"]), second["next_cursor"]) == (2, 1, None)


def test_the_archive_holds_what_is_done_under_names_that_are_safe(api):
    names = {"../../evil.png": photo(0), "sub/a.png": photo(1), "other/A.png": photo(2), "later.png": photo(3)}
    batch = sent(api, zipped(names))
    restore(api, batch, 0, 2, 3)
    found = archive_of(api, batch)
    assert sorted(found.namelist()) == ["A.png", "a (2).png", "evil.png"]
    assert found.testzip() is None
    assert found.read("evil.png")[:8] == photo(0)[:8]


def test_an_archive_of_nothing_is_refused(api):
    batch = sent(api, zip_of(range(1)))
    answer = api.client.get(batch["links"]["archive"])
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_cancelling_stops_what_has_not_ended_and_keeps_what_has(api):
    batch = sent(api, zip_of(range(3)))
    restore(api, batch, 0)
    pretend_worker.claim(api.database, batch["restorations"][1]["job_id"])
    answer = api.made("POST", f"{batch['links']['self']}/cancel", 202)
    assert (answer["counts"]["succeeded"], answer["counts"]["running"], answer["counts"]["cancelled"]) == (1, 1, 1)
    with api.database.read() as session:
        assert session.get_one(Job, batch["restorations"][1]["job_id"]).cancel_requested
    assert archive_of(api, batch).namelist() == ["photo-0.png"]


def test_cancelling_what_has_ended_changes_nothing(api):
    batch = sent(api, zip_of(range(1)))
    restore(api, batch, 0)
    assert api.made("POST", f"{batch['links']['self']}/cancel", 200)["counts"]["succeeded"] == 1


def test_a_batch_is_forgotten_with_its_restorations_and_its_open_jobs_stop(api):
    batch = sent(api, zip_of(range(2)))
    restore(api, batch, 0)
    assert api.client.delete(batch["links"]["self"]).status_code == 204
    assert [rows(api, table) for table in (Batch, Restoration, File)] == [0, 0, 0]
    assert api.client.get(batch["links"]["self"]).status_code == 404
    with api.database.read() as session:
        assert session.get_one(Job, batch["restorations"][1]["job_id"]).status == "cancelled"


def test_uploads_that_were_named_outlive_their_batch(api):
    file_id = api.file()
    batch = api.made("POST", PATH, 202, json={"file_ids": [file_id], "mode": "direct"})
    assert api.client.delete(batch["links"]["self"]).status_code == 204
    assert api.made("GET", f"/v1/files/{file_id}", 200)["id"] == file_id


def test_one_photo_of_a_batch_may_be_forgotten(api):
    batch = sent(api, zip_of(range(2)))
    assert api.client.delete(f"/v1/restorations/{batch['restorations'][0]['restoration_id']}").status_code == 204
    found = api.made("GET", batch["links"]["self"], 200)
    assert (found["photos"], found["counts"]["queued"], len(found["restorations"])) == (2, 1, 1)
