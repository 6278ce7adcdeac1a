"""A real HTTP server on this machine that speaks as much S3 as a blob store needs, checks every signature, and fails.

Written here, because the servers that one can install bring an emulation of a whole cloud with them (decision 26).
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from core.storage.s3_place import S3Place

REGION, BUCKET = "eu-test-1", "heirloom-test"
KEY_ID, SECRET = "AKTESTTESTTESTTEST", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Stored:
    """One object."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.written_at = datetime.now(UTC)


class S3Server:
    """Keeps one bucket in memory; the attributes say how well.

    Attributes:
        objects: by key.
        faults: what happens to the next requests instead: a status, `reset` or `slow`; one each.
        always: what happens to all of them.
        page: how many keys a listing names at once.
        slow_seconds: how slow.
        asked: method and path of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.objects: dict[str, Stored] = {}
        self.faults: list[int | str] = []
        self.always: int | str | None = None
        self.page = 1000
        self.slow_seconds = 1.0
        self.asked: list[str] = []

    def place(self, prefix: str = "") -> S3Place:
        """How it is opened."""
        return S3Place(BUCKET, self.url, REGION, prefix, access_key_id=KEY_ID, secret_access_key=SECRET)

    def fault(self) -> int | str | None:
        """What shall happen to this request."""
        with self.lock:
            return self.faults.pop(0) if self.faults else self.always

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        bucket, _, key = path.removeprefix("/").partition("/")
        if bucket != BUCKET:
            return _error(404, "NoSuchBucket")
        with self.lock:
            if method == "GET" and not key:
                return self._listing(query)
            if method == "POST" and "delete" in query:
                return self._delete_some(body)
            if method == "PUT":
                self.objects[key] = Stored(body)
                return 200, {"ETag": '"x"'}, b""
            if method == "DELETE":
                self.objects.pop(key, None)
                return 204, {}, b""
            found = self.objects.get(key)
            if found is None:
                return _error(404, "NoSuchKey")
            return 200, {"ETag": '"x"', "Last-Modified": format_datetime(found.written_at, usegmt=True)}, found.data

    def _delete_some(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        keys = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", body.decode())]
        for key in keys:
            self.objects.pop(key, None)
        done = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return 200, {}, f"<DeleteResult>{done}</DeleteResult>".encode()

    def _listing(self, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        page = keys[: self.page]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(keys) > len(page) else ""
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[key].data)}</Size><ETag>x</ETag>"
            f"<LastModified>{self.objects[key].written_at.isoformat().replace('+00:00', 'Z')}</LastModified></Contents>"
            for key in page
        )
        truncated = "true" if more else "false"
        return (
            200,
            {},
            f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{contents}</ListBucketResult>".encode(),
        )


def _error(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    return status, {}, f"<Error><Code>{code}</Code><Message>of the test's server</Message></Error>".encode()


def signature_fits(method: str, target: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a request is signed as AWS Signature Version 4 says, with our secret, and its body is the signed one."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    credential, _, scope = fields.get("Credential", "").partition("/")
    signed, hashed = fields.get("SignedHeaders", ""), headers.get("x-amz-content-sha256", "")
    if scheme != "AWS4-HMAC-SHA256" or credential != KEY_ID or hashed != hashlib.sha256(body).hexdigest():
        return False
    address = urlsplit(target)
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in _query(address.query))
    canonical = "\n".join(
        [
            method,
            address.path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{headers.get(name, '').strip()}" for name in signed.split(";")),
            "",
            signed,
            hashed,
        ]
    )
    day, region, service, end = scope.split("/")
    key = f"AWS4{SECRET}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = "\n".join([scheme, headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    ours = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return (region, service, end) == (REGION, "s3", "aws4_request") and ours == fields.get("Signature")


def _query(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


@contextmanager
def serving_s3() -> Iterator[S3Server]:
    """A server on a free port of 127.0.0.1, in threads."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.asked.append(f"{self.command} {self.path}")
            fault = server.fault()
            if fault == "reset":
                self.close_connection = True
                return
            if fault == "slow":
                sleep(server.slow_seconds)
            headers = {name.lower(): value for name, value in self.headers.items()}
            if isinstance(fault, int):
                answer = _error(fault, "InternalError" if fault >= 500 else "AccessDenied")
            elif not signature_fits(self.command, self.path, headers, body):
                answer = _error(403, "SignatureDoesNotMatch")
            else:
                address = urlsplit(self.path)
                answer = server.answer(self.command, unquote(address.path), dict(_query(address.query)), body)
            status, more, content = answer
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD" and status != 204:
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do  # noqa: N815  # as http.server wants them called

        def log_message(self, *_: object) -> None:
            """Nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = S3Server(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
