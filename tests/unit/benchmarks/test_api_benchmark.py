"""The benchmark's own parts against a small server: what it counts and what it sends, not how fast anything is."""

import subprocess
import sys

import httpx
import pytest

from benchmarks import api
from benchmarks.bare_api import bare_app
from benchmarks.load import Load, put_load


def test_quantiles_and_rates_are_of_all_requests():
    load = Load(tuple(n / 1000 for n in range(1, 101)), wall_seconds=2.0)
    assert load.per_second == 50
    assert load.quantile(0.5) == 0.051
    assert load.quantile(0.99) == 0.1


def test_uploads_are_of_the_size_and_never_the_same():
    request = api.upload_request("/v1/files", b"\x89PNG")
    first, second = request(0), request(0)
    assert first != second
    head, _, body = first.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert len(body) == pytest.approx(api.UPLOAD_BYTES, rel=0.001)
    assert head.startswith(b"POST /v1/files HTTP/1.1\r\n")


@pytest.mark.parametrize("kept", [False, True])
def test_the_bare_application_answers_what_it_was_given(tmp_path, kept):
    from starlette.testclient import TestClient

    with TestClient(bare_app({"id": "job"}, tmp_path if kept else None)) as client:
        assert client.get("/poll").json() == {"id": "job"}
        answer = client.post("/upload", files={"file": ("a.png", b"x" * 1000)})
        assert (answer.status_code, answer.json()) == (201, {"size_bytes": 1000})
    files = [path for path in tmp_path.iterdir() if not path.name.startswith("bare.db")]
    assert [path.read_bytes() for path in files] == ([b"x" * 1000] if kept else [])


def test_load_is_put_on_a_server_and_another_status_is_no_measurement(tmp_path):
    (tmp_path / "answer.json").write_text('{"id": "job"}')
    with api.bare(tmp_path / "answer.json", None) as port:
        load = put_load(port, api.poll_request("/poll"), 20, 4, 200)
        assert len(load.seconds) == 20
        with pytest.raises(RuntimeError, match="404 instead of 200"):
            put_load(port, api.poll_request("/absent"), 1, 1, 200)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/poll")


def test_a_server_that_ends_at_once_is_said(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(RuntimeError, match="ended with 3"), api.started(command, 1, "/livez", {}):
        pass
    assert subprocess.run(command, check=False).returncode == 3  # noqa: S603  # our own code
