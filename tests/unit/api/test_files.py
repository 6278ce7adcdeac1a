import hashlib

import numpy as np
import pytest
from PIL import Image

from core.db.tables import File
from core.imaging.original import heic
from tests.photo_files import noise, saved
from tests.served import served
from tests.small_photos import photo, zip_of

PHOTO = photo(0)


def stored(api):
    return list(api.store.refs())


def test_a_file_that_was_sent_as_a_form_comes_back_as_it_was(api):
    made = api.made("POST", "/v1/files", 201, files={"file": ("Grandma 1931.png", PHOTO)})
    assert made["media_type"] == "image/png"
    assert made["sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert made["size_bytes"] == len(PHOTO)
    assert made["name"] == "Grandma 1931.png"
    content = api.client.get(made["links"]["content"])
    assert content.content == PHOTO
    assert content.headers["content-type"] == "image/png"
    assert content.headers["content-disposition"] == "attachment; filename*=UTF-8''Grandma%201931.png"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["etag"] == f'"{made["sha256"]}"'


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_a_file_s_kind_is_read_from_its_bytes_not_from_what_its_sender_says(api, file_format):
    data = photo(0, file_format)
    made = api.made("PUT", "/v1/files?name=x.txt", 201, content=data, headers={"Content-Type": "text/plain"})
    assert made["media_type"] == f"image/{file_format}"


def test_a_tiff_is_a_photo(api):
    data = saved(Image.fromarray(noise(3, np.uint8)), "TIFF")
    made = api.made("PUT", "/v1/files", 201, content=data)
    assert made["media_type"] == "image/tiff"
    assert api.client.get(made["links"]["content"]).headers["content-type"] == "image/tiff"
    job = api.made("POST", "/v1/restorations", 202, json={"input": {"file_id": made["id"]}, "mode": "direct"})
    assert job["status"] == "queued"


def test_heic_is_a_photo_where_it_can_be_read_and_elsewhere_the_extra_is_named(api, monkeypatch):
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    monkeypatch.setattr(heic, "available", lambda: True)
    assert api.made("PUT", "/v1/files", 201, content=head)["media_type"] == "image/heic"
    monkeypatch.setattr(heic, "available", lambda: False)
    answer = api.client.put("/v1/files", content=head)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_format")
    assert "extra `heic`" in answer.json()["advice"]


def test_a_streamed_file_comes_back_as_it_was(api):
    def chunks():
        data = zip_of(range(20))
        for begin in range(0, len(data), 100):
            yield data[begin : begin + 100]

    made = api.made("PUT", "/v1/files", 201, content=chunks())
    assert made["media_type"] == "application/zip"
    assert api.client.get(made["links"]["content"]).content == zip_of(range(20))


def test_who_has_the_content_already_is_spared_it(api):
    made = api.made("POST", "/v1/files", 201, files={"file": ("x.png", PHOTO)})
    path = made["links"]["content"]
    for tag in (f'"{made["sha256"]}"', f'W/"{made["sha256"]}", "other"', "*"):
        answer = api.client.get(path, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
    assert api.client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "image_unreadable"),
        (b"GIF89a" + bytes(100), 415, "unsupported_format"),
        (b"<svg onload=alert(1)>", 415, "unsupported_format"),
        (b"\xff\xd8", 415, "unsupported_format"),
    ],
)
def test_what_is_no_photo_is_refused_and_leaves_nothing_behind(api, content, status, code):
    for answer in (
        api.client.post("/v1/files", files={"file": ("x.jpg", content)}),
        api.client.put("/v1/files", content=content),
    ):
        assert answer.status_code == status
        assert answer.json()["code"] == code
        assert answer.json()["advice"]
    assert stored(api) == []


def test_a_photo_that_is_too_large_is_refused_while_it_arrives(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, max_upload_mib=1, max_album_mib=4) as api:
        read = 0

        def endless():
            nonlocal read
            yield PHOTO
            for _ in range(64):
                read += 1
                yield bytes(2**16 * 4)

        answer = api.client.put("/v1/files", content=endless())
        assert answer.status_code == 413
        assert answer.json()["code"] == "body_too_large"
        answer = api.client.post("/v1/files", files={"file": ("x.png", PHOTO + bytes(2**20))})
        assert answer.status_code == 413
        assert stored(api) == []


def test_a_body_that_says_that_it_is_too_large_is_not_read(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, max_upload_mib=1, max_album_mib=1) as api:
        answer = api.client.put("/v1/files", content=b"x", headers={"Content-Length": str(3 * 2**20)})
        assert answer.status_code == 413


def test_an_upload_is_refused_where_the_disk_is_nearly_full(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, min_free_disk_mib=2**40) as api:
        answer = api.client.put("/v1/files", content=PHOTO)
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + PHOTO,
        b"not a form at all",
        b"--x\r\nContent-Disposition form-data\r\n\r\n",
    ],
)
def test_a_malformed_form_is_answered_400(api, body):
    answer = api.client.post("/v1/files", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "malformed_request"
    assert stored(api) == []


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"files": [("file", ("a.png", PHOTO)), ("file", ("b.png", PHOTO))]}, 422),
        ({"files": {"photo": ("a.png", PHOTO)}}, 422),
        ({"files": {"file": ("a.png", PHOTO)}, "data": {"colour": "free"}}, 422),
        ({"files": {"x": (None, "1")}}, 422),
        ({"json": {}}, 415),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 415),
    ],
)
def test_a_form_that_is_not_as_documented_is_refused(api, options, status):
    answer = api.client.post("/v1/files", **options)
    assert answer.status_code == status, answer.text
    assert stored(api) == []


def test_a_name_is_a_label_and_never_a_path(api):
    for name, label in (
        ("../../etc/passwd.png", "passwd.png"),
        ("C:\\photos\\a.png", "a.png"),
        ("a\x07b.png", "ab.png"),
    ):
        answer = api.client.put("/v1/files", params={"name": name}, content=PHOTO)
        assert answer.json()["name"] == label


def test_a_deleted_file_is_gone_and_another_of_the_same_bytes_stays(api):
    first, second = api.file(), api.file()
    assert api.client.delete(f"/v1/files/{first}").status_code == 204
    assert api.client.get(f"/v1/files/{first}").status_code == 404
    assert api.client.get(f"/v1/files/{first}/content").status_code == 404
    assert api.client.delete(f"/v1/files/{first}").status_code == 404
    assert api.client.get(f"/v1/files/{second}/content").content == PHOTO


def test_a_file_that_a_restoration_waits_for_is_not_deleted(api):
    file_id = api.file()
    job = api.made("POST", "/v1/restorations", 202, json={"input": {"file_id": file_id}, "mode": "direct"})
    assert api.client.delete(f"/v1/files/{file_id}").json()["code"] == "conflict"
    api.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.client.delete(f"/v1/files/{file_id}").status_code == 204


def test_damaged_bytes_are_never_served(api):
    file_id = api.file()
    with api.database.write() as session:
        session.get_one(File, file_id).blob_sha256 = "0" * 64
    answer = api.client.get(f"/v1/files/{file_id}/content")
    assert (answer.status_code, answer.json()["code"]) == (500, "blob_missing")
