"""A real HTTP server on this machine, with the faults that real ones have."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]


class FileServer:
    """Serves `files` over HTTP/1.1; the attributes say how well.

    Attributes:
        files: content by path, without the leading slash.
        answers: by path, what answers in place of a file: (request's headers) → (status, headers, body).
        versions: whether an ETag is sent.
        ranges: whether a part can be asked for.
        heeds_if_range: whether a part is refused where the version has changed.
        cut_after: close the connection after so many bytes of the next body; happens once.
        asked: (path, Range, If-Range) of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, Callable[[Mapping[str, str]], Answer]] = {}
        self.versions = self.ranges = self.heeds_if_range = True
        self.cut_after: int | None = None
        self.asked: list[tuple[str, str | None, str | None]] = []

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append((path, headers.get("Range"), headers.get("If-Range")))
        if path in self.answers:
            return self.answers[path](headers)
        if path not in self.files:
            return 404, {}, b"no such file"
        data = self.files[path]
        version = f'"{hashlib.sha256(data).hexdigest()[:8]}"' if self.versions else None
        ours = {"ETag": version} if version else {}
        wanted = headers.get("Range") if self.ranges else None
        if wanted is None or (self.heeds_if_range and headers.get("If-Range") not in (None, version)):
            return 200, ours, data
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(data):
            return 416, ours | {"Content-Range": f"bytes */{len(data)}"}, b""
        return 206, ours | {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]


@contextmanager
def serving() -> Iterator[FileServer]:
    """A server on a free port of 127.0.0.1, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that has seen enough
                super().handle()

        def do_GET(self) -> None:
            status, headers, body = files.answer(self.path.lstrip("/"), self.headers)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            cut, files.cut_after = files.cut_after, None
            self.wfile.write(body[:cut])
            self.close_connection = cut is not None

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        files = FileServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()
