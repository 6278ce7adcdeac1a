import zipfile
from collections import namedtuple

import pytest

from api import service, waiting
from core.db import albums
from core.db.tables import AlbumPhoto, Job, Subject
from core.services.album_spool import AlbumSpool
from core.settings import MEBIBYTE, Settings
from tests import pretend_worker
from tests.served import served
from tests.small_photos import photo, zip_of, zipped


def path_of(subject_id):
    return f"/v1/subjects/{subject_id}/album"


def nothing_kept(api):
    with api.database.read() as session:
        return list(api.store.refs()) == [] and session.query(AlbumPhoto).count() == session.query(Job).count() == 0


def test_an_album_makes_one_job_that_looks_and_tunes(api):
    subject_id = api.subject()
    job = api.album(subject_id, seed="5")
    assert (job["kind"], job["status"], job["seed"]) == ("album", "queued", 5)
    assert job["recipe"]["name"] == "quick-personal"
    report = api.made("GET", path_of(subject_id), 200)
    assert [photo["label"] for photo in report["photos"]] == [f"photo-{n}.png" for n in range(4)]
    assert (report["pending"], report["kept"], report["left_out"]) == (4, 0, 0)
    with api.database.read() as session:
        row = session.get_one(Job, job["id"])
        named = [photo["id"] for photo in report["photos"]]
        assert row.options == {"tune": True, "photo_ids": named, "insisted_ids": []}
        assert row.checkpoint_id == job["checkpoint_id"]
        assert row.cost_forwards == 250 * 4 * 3 + 5 * 8 * 8, "the tuning, and eight photos restored five times"
    assert api.doorbell.rings == 1


def test_the_answer_says_where_the_job_is_and_when_to_ask(api):
    answer = api.client.post(path_of(api.subject()), files={"file": ("a.zip", zip_of(range(3)))})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    assert int(answer.headers["retry-after"]) >= 1


def test_several_photos_do_as_well_as_a_zip(api):
    subject_id = api.subject()
    files = [("file", (f"{n}.png", photo(n))) for n in range(3)]
    api.made("POST", path_of(subject_id), 202, files=files)
    assert [row["label"] for row in api.made("GET", path_of(subject_id), 200)["photos"]] == ["0.png", "1.png", "2.png"]


def test_files_that_were_uploaded_before_do_as_well(api):
    subject_id = api.subject()
    ids = [api.file(number) for number in range(3)]
    api.made("POST", path_of(subject_id), 202, json={"file_ids": ids})
    big = api.made("PUT", "/v1/files?name=more.zip", 201, content=zip_of(range(2, 6)))["id"]
    api.made("POST", path_of(subject_id), 202, json={"file_ids": [big], "tune": False})
    assert len(api.made("GET", path_of(subject_id), 200)["photos"]) == 6


def test_an_album_keeps_its_photos_when_the_file_is_deleted(api):
    subject_id = api.subject()
    ids = [api.file(number) for number in range(3)]
    api.made("POST", path_of(subject_id), 202, json={"file_ids": ids})
    for file_id in ids:
        api.client.delete(f"/v1/files/{file_id}")
    first = api.made("GET", path_of(subject_id), 200)["photos"][0]
    image = api.client.get(f"{path_of(subject_id)}/{first['id']}/image")
    assert image.content == photo(0)
    assert image.headers["content-type"] == "image/png"
    assert image.headers["content-disposition"].startswith("attachment")


def test_the_same_photo_twice_is_one(api):
    subject_id = api.subject()
    api.album(subject_id, range(4), tune="false")
    api.album(subject_id, range(2, 6), tune="false")
    files = [("file", (f"again-{n}.png", photo(n % 2))) for n in range(4)]
    api.made("POST", path_of(subject_id), 202, files=files, data={"tune": "false"})
    assert len(api.made("GET", path_of(subject_id), 200)["photos"]) == 6


def test_the_same_album_tuned_the_same_way_is_the_same_job(api):
    subject_id = api.subject()
    first = api.album(subject_id)
    assert api.album(subject_id)["id"] == first["id"]
    pretend_worker.tune(api.database, api.store, first["id"])
    again = api.client.post(path_of(subject_id), files={"file": ("a.zip", zip_of(range(4)))})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert api.album(subject_id, seed="1")["id"] != first["id"]
    assert api.album(subject_id, range(5))["id"] != first["id"]


def test_the_same_album_is_tuned_again_where_it_failed(api):
    subject_id = api.subject()
    first = api.album(subject_id)
    pretend_worker.fail(api.database, first["id"])
    second = api.album(subject_id)
    assert second["id"] != first["id"]
    assert second["checkpoint_id"] == first["checkpoint_id"]


def test_photos_may_be_looked_at_without_a_tuning(api):
    subject_id = api.subject()
    job = api.album(subject_id, tune="false")
    assert job["checkpoint_id"] is None
    assert api.made("GET", f"/v1/subjects/{subject_id}/checkpoints", 200)["data"] == []


def test_a_photo_that_is_left_out_by_its_owner_is_not_tuned_on(api):
    subject_id = api.subject()
    api.album(subject_id, range(5), tune="false")
    first = api.made("GET", path_of(subject_id), 200)["photos"][0]
    changed = api.made("PATCH", f"{path_of(subject_id)}/{first['id']}", 200, json={"include": False})
    assert changed["include"] is False
    job = api.made("POST", f"/v1/subjects/{subject_id}/checkpoints", 202, json={})
    with api.database.read() as session:
        assert first["id"] not in session.get_one(Job, job["id"]).options["photo_ids"]


def test_what_is_no_photo_inside_a_zip_is_told_and_left_out(api):
    subject_id = api.subject()
    files = {f"{n}.png": photo(n) for n in range(3)} | {"notes.txt": b"hello", "broken.jpg": b"not a photo"}
    job = api.made("POST", path_of(subject_id), 202, files={"file": ("a.zip", zipped(files))})
    report = api.made("GET", path_of(subject_id), 200)
    odd = [row for row in report["photos"] if row["status"] == "left_out"]
    assert [(row["label"], row["code"], row["include"]) for row in odd] == [("broken.jpg", "unsupported_format", False)]
    with api.database.read() as session:
        assert len(session.get_one(Job, job["id"]).options["photo_ids"]) == 3


def encrypted():
    data = bytearray(zip_of(range(3)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + offset] |= 1
    return bytes(data)


BAD = {
    "one photo": (zip_of(range(1)), 422, "album_too_small"),
    "two photos": (zip_of(range(2)), 422, "album_too_small"),
    "one photo three times": (zipped({f"{n}.png": photo(0) for n in range(3)}), 422, "album_too_small"),
    "an empty zip": (zipped({}), 422, "album_too_small"),
    "a zip without photos": (zipped({"a.txt": b"a", "b.pdf": b"b"}), 422, "album_too_small"),
    "only broken photos": (zipped({f"{n}.jpg": b"%d" % n for n in range(5)}), 422, "album_too_small"),
    "half a zip": (zip_of(range(5))[:300], 422, "archive_rejected"),
    "a zip in a zip": (zipped({"inner.zip": zip_of(range(3))}), 422, "archive_rejected"),
    "an encrypted zip": (encrypted(), 422, "archive_rejected"),
    "a bomb": (zipped({"a.jpg": bytes(30 * 2**20)}, zipfile.ZIP_DEFLATED), 422, "archive_rejected"),
    "something else": (b"%PDF-1.7 and so on", 415, "unsupported_format"),
    "nothing": (b"", 422, "image_unreadable"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_album_is_refused_before_the_202_and_leaves_nothing_behind(api, name):
    content, status, code = BAD[name]
    answer = api.client.post(path_of(api.subject()), files={"file": ("a.zip", content)})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["advice"]
    assert nothing_kept(api)


@pytest.mark.parametrize(
    "files",
    [
        [("file", ("a.zip", zip_of(range(3)))), ("file", ("b.zip", zip_of(range(3))))],
        [("file", ("a.zip", zip_of(range(3)))), ("file", ("b.png", photo(9)))],
    ],
)
def test_a_zip_comes_alone(api, files):
    answer = api.client.post(path_of(api.subject()), files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert nothing_kept(api)


def test_an_unknown_subject_or_recipe_is_refused_and_leaves_nothing_behind(api):
    files = {"file": ("a.zip", zip_of(range(3)))}
    assert api.client.post(path_of("sub_" + "0" * 26), files=files).status_code == 404
    for recipe in ("nonsense", "quick-direct", "quick-generative"):
        answer = api.client.post(path_of(api.subject()), files=files, data={"recipe": recipe})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_recipe")
        assert answer.json()["errors"][0]["pointer"] == "/recipe"
        assert "quick-personal" in answer.json()["advice"]
    assert nothing_kept(api)


@pytest.mark.parametrize(
    "fields", [{"tune": "perhaps"}, {"seed": "-1"}, {"seed": "1.5"}, {"seed": ""}, {"noise_steps": "5"}]
)
def test_wrong_fields_are_refused(api, fields):
    answer = api.client.post(path_of(api.subject()), files={"file": ("a.zip", zip_of(range(3)))}, data=fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(fields))}"
    assert nothing_kept(api)


def test_a_file_id_that_is_not_there_is_pointed_at(api):
    ids = [api.file(0), "fil_" + "0" * 26]
    answer = api.client.post(path_of(api.subject()), json={"file_ids": ids})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/file_ids/1")


def copied(api, monkeypatch):
    """What the store gives out from here on."""
    read, given = api.store.read, []
    monkeypatch.setattr(api.store, "read", lambda ref: (given.append(ref), read(ref))[1])
    return given


def test_a_file_is_named_once(api, monkeypatch):
    ids, given = [api.file(number) for number in range(3)], copied(api, monkeypatch)
    answer = api.client.post(path_of(api.subject()), json={"file_ids": [*ids, ids[1]]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/file_ids")
    assert given == []


def test_files_that_are_too_much_together_are_refused_before_one_is_copied(sqlite_database, tmp_path, monkeypatch):
    with served(sqlite_database, tmp_path, max_album_mib=1, max_upload_mib=1) as api:
        noise = bytes(range(256)) * 1800
        ids = [
            api.made("POST", "/v1/files", 201, files={"file": ("x.png", photo(number) + noise)})["id"]
            for number in range(3)
        ]
        subject_id, given = api.subject(), copied(api, monkeypatch)
        answer = api.client.post(path_of(subject_id), json={"file_ids": ids})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert "1.3 MiB" in answer.json()["detail"]
        assert given == []
        usage = namedtuple("usage", "total used free")
        reserve = Settings(home=tmp_path).min_free_disk_mib * MEBIBYTE
        monkeypatch.setattr(service.shutil, "disk_usage", lambda _: usage(2**40, 2**40, reserve + 900_000))
        answer = api.client.post(path_of(subject_id), json={"file_ids": ids[:2]})
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        assert given == []


def test_photos_that_a_small_zip_holds_are_not_stored_past_the_reserve(api, monkeypatch, tmp_path):
    subject_id = api.subject()
    blank = zipped({f"{n}.png": photo(n) + bytes(200_000) for n in range(3)}, zipfile.ZIP_DEFLATED)
    assert len(blank) < 100_000
    usage = namedtuple("usage", "total used free")
    reserve = Settings(home=tmp_path).min_free_disk_mib * MEBIBYTE
    monkeypatch.setattr(service.shutil, "disk_usage", lambda _: usage(2**40, 2**40, reserve + 500_000))
    answer = api.client.post(path_of(subject_id), files={"file": ("a.zip", blank)})
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert nothing_kept(api)


def test_an_album_s_disk_space_is_given_back_before_its_answer_is_waited_for(api, monkeypatch):
    close, closed, seen = AlbumSpool.close, [], []

    async def nobody_works(_):
        seen.append(len(closed))

    monkeypatch.setattr(AlbumSpool, "close", lambda spool: (closed.append(spool), close(spool)))
    monkeypatch.setattr(waiting.WaitingResponse, "_result", nobody_works)
    files = {"file": ("a.zip", zip_of(range(3)))}
    assert api.client.post(path_of(api.subject()), files=files, headers={"Prefer": "wait=5"}).status_code == 202
    assert seen == [1]


def looked_at(api, subject_id, **columns):
    """As a worker leaves the album's first photo; its id."""
    first = api.made("GET", path_of(subject_id), 200)["photos"][0]["id"]
    with api.database.write() as session:
        row = session.get_one(AlbumPhoto, first)
        for name, value in columns.items():
            setattr(row, name, value)
    return first


def test_the_report_says_what_curation_saw_and_where_its_thumbnails_are(api):
    subject_id = api.subject()
    api.album(subject_id)
    empty = api.made("GET", path_of(subject_id), 200)
    assert (empty["sureness"], empty["coverage"], empty["advice"]) == (None, None, [])
    assert empty["photos"][0]["links"]["thumbnail"] is None
    seen = {"sureness": 0.876, "clear_pixels": 201.7, "view": "left", "thumbnail": b"jpeg"}
    first = looked_at(api, subject_id, status="kept", held_out=True, **seen)
    summary = {
        "sureness": 0.9,
        "coverage": {"views": {"left": 1}, "tilts": {}, "lights": {}, "expressions": {}},
        "advice": [{"code": "more_photos", "text": "Nine more photos would help."}],
    }
    with api.database.write() as session:
        session.get_one(Subject, subject_id).album_report = summary
    report = api.made("GET", path_of(subject_id), 200)
    assert {name: report[name] for name in summary} == summary
    assert (report["kept"], report["held_out"], report["pending"]) == (1, 1, 3)
    photo = report["photos"][0]
    assert (photo["sureness"], photo["clear_pixels"], photo["view"], photo["held_out"]) == (0.88, 202, "left", True)
    assert photo["links"]["thumbnail"] == f"{path_of(subject_id)}/{first}/thumbnail"
    picture = api.client.get(photo["links"]["thumbnail"])
    assert (picture.content, picture.headers["content-type"]) == (b"jpeg", "image/jpeg")
    assert api.client.get(report["photos"][1]["links"]["image"] + "/../thumbnail").status_code == 404


def test_what_its_owner_leaves_out_says_so_and_is_judged_anew_when_it_comes_back(api):
    subject_id = api.subject()
    api.album(subject_id, range(5), tune="false")
    path = f"{path_of(subject_id)}/{looked_at(api, subject_id, status='kept')}"
    out = api.made("PATCH", path, 200, json={"include": False})
    assert (out["status"], out["code"], out["include"]) == ("left_out", "excluded", False)
    back = api.made("PATCH", path, 200, json={"include": True})
    assert (back["status"], back["code"], back["include"], back["insisted"]) == ("pending", "", True, False)


def test_a_photo_that_curation_left_out_can_be_insisted_on_and_then_is_another_album(api):
    subject_id = api.subject()
    before = api.album(subject_id, range(5))
    first = looked_at(api, subject_id, status="left_out", code="blurred", reason="It is blurred.")
    insisted = api.made("PATCH", f"{path_of(subject_id)}/{first}", 200, json={"include": True})
    assert (insisted["status"], insisted["insisted"]) == ("pending", True)
    job = api.made("POST", f"/v1/subjects/{subject_id}/checkpoints", 202, json={})
    assert job["id"] != before["id"]
    with api.database.read() as session:
        assert session.get_one(Job, job["id"]).options["insisted_ids"] == [first]
    out = api.made("PATCH", f"{path_of(subject_id)}/{first}", 200, json={"include": False})
    assert not out["insisted"]


@pytest.mark.parametrize(("code", "status"), [("album_mixed_identity", 202), ("no_face_detected", 422)])
def test_photos_that_other_photos_spoke_against_may_be_enough_once_those_are_out(api, code, status):
    subject_id = api.subject()
    api.album(subject_id, range(4), tune="false")
    with api.database.write() as session:
        for row in session.query(AlbumPhoto):
            row.status, row.code = "left_out", code
    api.made("POST", f"/v1/subjects/{subject_id}/checkpoints", status, json={})


def test_a_deleted_subject_leaves_no_report_and_no_embedding(api):
    subject_id = api.subject()
    api.album(subject_id, tune="false")
    looked_at(api, subject_id, status="kept", embedding=bytes(512))
    with api.database.write() as session:
        assert albums.references(session, "own_local", subject_id) == [bytes(512)]
        session.get_one(Subject, subject_id).album_report = {"sureness": 1.0, "coverage": None, "advice": []}
    api.made("DELETE", f"/v1/subjects/{subject_id}", 200)
    with api.database.read() as session:
        assert session.get_one(Subject, subject_id).album_report is None
        assert session.query(AlbumPhoto).count() == 0
