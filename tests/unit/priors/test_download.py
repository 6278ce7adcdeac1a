import hashlib
import os
import shutil
from collections import namedtuple
from email.utils import formatdate

import pytest

from core.domain.errors import DiskFullError, OutputUnwritableError, PriorUnavailableError, WeightsRejectedError
from core.priors.download import download

DATA = bytes(range(256)) * 4_000
SHA256 = hashlib.sha256(DATA).hexdigest()
CUT = 300_000


@pytest.fixture
def target(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "model.bin"


def names(target):
    return sorted(path.name for path in target.parent.iterdir())


def cut_off(server, target, sha256=SHA256):
    """A first attempt whose connection breaks after CUT bytes."""
    server.files["model.bin"] = DATA
    server.cut_after = CUT
    with pytest.raises(PriorUnavailableError) as caught:
        download(f"{server.url}/model.bin", target, sha256)
    assert (target.parent / "model.bin.part").read_bytes() == DATA[:CUT]
    assert not target.exists()
    return caught.value


def test_a_file_comes_whole_and_nothing_else_is_left(server, target):
    server.files["model.bin"] = DATA
    told = []
    found = download(f"{server.url}/model.bin", target, SHA256, lambda done, total: told.append((done, total)))
    assert found == SHA256
    assert target.read_bytes() == DATA
    assert names(target) == ["model.bin"]
    assert [total for _, total in told] == [len(DATA)] * len(told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == len(DATA)


def test_without_a_known_hash_the_found_one_is_told(server, target):
    server.files["model.bin"] = DATA
    assert download(f"{server.url}/model.bin", target) == SHA256


def test_a_cut_connection_says_how_to_go_on(server, target):
    error = cut_off(server, target)
    assert "cannot be fetched" in error.message
    assert "Run the same command again: it goes on where it stopped." in error.advice
    assert str(target) in error.advice


@pytest.mark.parametrize("sha256", [SHA256, None], ids=["hash known", "hash unknown"])
def test_after_a_cut_only_the_rest_is_asked_for(server, target, sha256):
    cut_off(server, target, sha256)
    told = []
    assert download(f"{server.url}/model.bin", target, sha256, lambda done, total: told.append((done, total))) == SHA256
    assert target.read_bytes() == DATA
    assert names(target) == ["model.bin"]
    version = f'"{SHA256[:8]}"'
    assert server.asked == [("model.bin", None, None), ("model.bin", f"bytes={CUT}-", version)]
    assert told[-1] == (len(DATA), len(DATA))


def test_without_a_version_the_hash_lets_a_part_be_kept(server, target):
    server.versions = False
    cut_off(server, target)
    assert download(f"{server.url}/model.bin", target, SHA256) == SHA256
    assert server.asked[-1] == ("model.bin", f"bytes={CUT}-", None)


def test_without_version_and_hash_nothing_is_kept(server, target):
    server.versions = False
    cut_off(server, target, None)
    assert download(f"{server.url}/model.bin", target) == SHA256
    assert server.asked[-1] == ("model.bin", None, None)


def test_a_date_serves_as_version_where_the_tag_is_a_weak_one(server, target):
    date = formatdate(0, usegmt=True)
    headers = {"ETag": 'W/"weak"', "Last-Modified": date, "Content-Length": str(len(DATA))}
    server.answers["model.bin"] = lambda _: (200, headers, DATA[:CUT])
    server.cut_after = CUT
    with pytest.raises(PriorUnavailableError):
        download(f"{server.url}/model.bin", target)
    server.answers["model.bin"] = lambda _: (200, headers, DATA)
    download(f"{server.url}/model.bin", target)
    assert server.asked[-1] == ("model.bin", f"bytes={CUT}-", date)


@pytest.mark.parametrize("tag", ['"\xe4\xf6"', '"tab\tbed"'], ids=["not ascii", "not printable"])
def test_a_version_that_cannot_be_sent_back_is_not_kept(server, target, tag):
    server.answers["model.bin"] = lambda _: (200, {"ETag": tag}, DATA)
    server.cut_after = CUT
    with pytest.raises(PriorUnavailableError):
        download(f"{server.url}/model.bin", target)
    assert download(f"{server.url}/model.bin", target) == SHA256
    assert server.asked[-1] == ("model.bin", None, None)


@pytest.mark.parametrize("content", [b"\xff\xfe", b'"a"\r\nX: y'])
def test_a_damaged_version_file_only_costs_the_part(server, target, content):
    cut_off(server, target, None)
    (target.parent / "model.bin.part.version").write_bytes(content)
    assert download(f"{server.url}/model.bin", target) == SHA256
    assert server.asked[-1] == ("model.bin", None, None)


def test_a_server_that_ignores_ranges_sends_everything_again(server, target):
    server.ranges = False
    cut_off(server, target)
    assert download(f"{server.url}/model.bin", target, SHA256) == SHA256
    assert target.read_bytes() == DATA
    assert len(server.asked) == 2


@pytest.mark.parametrize("heeds", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_anew_whether_or_not_if_range_is_heeded(server, target, heeds):
    server.heeds_if_range = heeds
    cut_off(server, target, None)
    server.files["model.bin"] = changed = DATA[::-1]
    download(f"{server.url}/model.bin", target)
    assert target.read_bytes() == changed


def test_a_file_that_became_shorter_is_fetched_anew(server, target):
    server.heeds_if_range = False
    cut_off(server, target, None)
    server.files["model.bin"] = DATA[: CUT // 2]
    download(f"{server.url}/model.bin", target)
    assert target.read_bytes() == DATA[: CUT // 2]


def test_a_whole_part_only_needs_its_name(server, target):
    server.files["model.bin"] = DATA
    (target.parent / "model.bin.part").write_bytes(DATA)
    assert download(f"{server.url}/model.bin", target, SHA256) == SHA256
    assert names(target) == ["model.bin"]
    assert server.asked == [("model.bin", f"bytes={len(DATA)}-", None)]


def test_a_wrong_hash_leaves_nothing_and_says_both(server, target):
    server.files["model.bin"] = DATA[:-1] + b"!"
    wrong = hashlib.sha256(server.files["model.bin"]).hexdigest()
    with pytest.raises(WeightsRejectedError) as caught:
        download(f"{server.url}/model.bin", target, SHA256)
    assert caught.value.message == f"model.bin has the sha256 {wrong}, not {SHA256}."
    assert caught.value.advice.startswith("It was deleted. Pull it again")
    assert names(target) == []


def test_a_part_of_another_file_is_found_out_by_the_hash(server, target):
    server.versions = False
    cut_off(server, target)
    (target.parent / "model.bin.part").write_bytes(b"\0" * CUT)
    with pytest.raises(WeightsRejectedError):
        download(f"{server.url}/model.bin", target, SHA256)
    assert names(target) == []
    assert download(f"{server.url}/model.bin", target, SHA256) == SHA256


def test_what_is_here_and_right_is_not_asked_for(target, nobody):
    target.write_bytes(DATA)
    assert download(f"{nobody}/model.bin", target, SHA256) == SHA256
    assert download(f"{nobody}/model.bin", target) == SHA256


def test_what_is_here_and_wrong_is_replaced(server, target):
    server.files["model.bin"] = DATA
    target.write_bytes(b"something else")
    assert download(f"{server.url}/model.bin", target, SHA256) == SHA256
    assert target.read_bytes() == DATA


def test_offline_is_a_clear_error(target, nobody):
    with pytest.raises(PriorUnavailableError, match="cannot be fetched") as caught:
        download(f"{nobody}/model.bin", target, SHA256)
    assert f"Without a network, fetch it elsewhere and put it at {target}." in caught.value.advice
    assert names(target) == []


@pytest.mark.parametrize("url", ["nothing://example/model.bin", "http://[broken/model.bin", "model.bin"])
def test_an_address_that_is_none_is_a_clear_error(target, url):
    with pytest.raises(PriorUnavailableError, match="cannot be fetched"):
        download(url, target)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_server_s_refusal_is_told_by_its_number(server, target, status):
    server.answers["model.bin"] = lambda _: (status, {}, b"sorry")
    with pytest.raises(PriorUnavailableError) as caught:
        download(f"{server.url}/model.bin", target)
    assert caught.value.message == f"{server.url}/model.bin answers {status}."
    assert f"put it at {target}" in caught.value.advice
    assert names(target) == []


def test_redirects_are_followed_and_endless_ones_are_given_up(server, target):
    server.files["model.bin"] = DATA
    server.answers["old"] = lambda _: (302, {"Location": f"{server.url}/model.bin"}, b"")
    server.answers["round"] = lambda _: (302, {"Location": f"{server.url}/round"}, b"")
    assert download(f"{server.url}/old", target, SHA256) == SHA256
    with pytest.raises(PriorUnavailableError, match="TooManyRedirects"):
        download(f"{server.url}/round", target.with_name("other.bin"))


def test_a_web_page_is_no_file(server, target):
    server.answers["model.bin"] = lambda _: (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>sign in</html>")
    with pytest.raises(PriorUnavailableError, match="answers with a web page") as caught:
        download(f"{server.url}/model.bin", target)
    assert "Open it in a browser" in caught.value.advice
    assert names(target) == []


@pytest.mark.parametrize("sent", [f"bytes 7-{len(DATA) - 1}/{len(DATA)}", "nonsense", ""])
def test_another_part_than_was_asked_for_is_never_taken(server, target, sent):
    cut_off(server, target, None)
    server.answers["model.bin"] = lambda _: (206, {"Content-Range": sent}, DATA[7:])
    with pytest.raises(PriorUnavailableError, match="another part of the file"):
        download(f"{server.url}/model.bin", target)
    assert (target.parent / "model.bin.part").read_bytes() == DATA[:CUT]


def test_a_part_that_ends_too_early_is_not_taken_for_the_whole(server, target):
    cut_off(server, target, None)
    sent = f"bytes {CUT}-{CUT + 9}/{len(DATA)}"
    server.answers["model.bin"] = lambda _: (206, {"Content-Range": sent}, DATA[CUT : CUT + 10])
    with pytest.raises(PriorUnavailableError, match=f"{CUT + 10} of {len(DATA)} bytes came"):
        download(f"{server.url}/model.bin", target)
    del server.answers["model.bin"]
    assert download(f"{server.url}/model.bin", target) == SHA256


def test_a_file_that_does_not_fit_is_refused_before_it_comes(server, target, monkeypatch):
    server.files["model.bin"] = DATA
    usage = namedtuple("usage", "total used free")  # what shutil gives
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 2**19))
    with pytest.raises(DiskFullError) as caught:
        download(f"{server.url}/model.bin", target, SHA256)
    assert caught.value.message == "model.bin needs 1 MiB, 0 are free."
    assert "Free some space. Run the same command again" in caught.value.advice
    assert not target.exists()


def test_a_disk_that_fills_on_the_way_keeps_what_came(server, target, monkeypatch):
    server.files["model.bin"] = DATA

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError, match="No space is left"):
            download(f"{server.url}/model.bin", target, SHA256)
    assert not target.exists()
    assert download(f"{server.url}/model.bin", target, SHA256) == SHA256
    assert server.asked[-1][1] == f"bytes={len(DATA)}-"


def test_a_folder_that_is_missing_is_named(server, tmp_path):
    server.files["model.bin"] = DATA
    with pytest.raises(OutputUnwritableError, match="does not exist"):
        download(f"{server.url}/model.bin", tmp_path / "absent" / "model.bin")


def test_a_place_that_cannot_be_written_is_named(server, target):
    server.files["model.bin"] = DATA
    target.mkdir()
    with pytest.raises(OutputUnwritableError, match=r"model\.bin\.part cannot be written"):
        download(f"{server.url}/model.bin", target)
