"""One file over HTTP: taken up where it was cut off, checked before it counts."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx

from core.domain.errors import DiskFullError, PriorUnavailableError, WeightsRejectedError
from core.imaging.files import output_error
from core.priors.hashing import file_sha256

OnBytes = Callable[[int, int | None], None]
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_RESUMABLE = "Run the same command again: it goes on where it stopped."


def download(
    url: str,
    target: Path,
    sha256: str | None = None,
    on_bytes: OnBytes = lambda _done, _total: None,
    client: httpx.Client | None = None,
) -> str:
    """Fetch one file; until it is whole and right, it is called `<name>.part`.

    What an earlier call fetched is not fetched again, provided that the server still has the same file: it is asked
    by its version (If-Range), or the hash will tell. A server that cannot continue sends everything.

    Args:
        url: where from.
        target: where to; its folder must exist. A file that is there, with the right hash if one is known, stays.
        sha256: of the file, or None where it is not known.
        on_bytes: told (bytes there, bytes in all or None) after every block.
        client: for proxies and tests.

    Returns:
        The file's sha256.

    Raises:
        PriorUnavailableError: the server cannot be reached, or does not have it; what came stays for the next try.
        WeightsRejectedError: the hash is another; what came is deleted.
        DiskFullError: it does not fit; what came stays.
        OutputError: it cannot be written.
    """
    if target.is_file():
        found = file_sha256(target)
        if sha256 in (None, found):
            return found
    part = target.with_name(f"{target.name}.part")
    own = client or httpx.Client(timeout=_TIMEOUT, follow_redirects=True)
    try:
        _fetch(own, url, part, sha256 is not None, on_bytes)
        found = file_sha256(part)
        if sha256 not in (None, found):
            _forget(part)
            raise WeightsRejectedError(
                f"{target.name} has the sha256 {found}, not {sha256}.",
                f"It was deleted. Pull it again; if that does not help, {url} has changed.",
            )
        part.replace(target)
        _version(part).unlink(missing_ok=True)
        _sync(target.parent)
    except httpx.HTTPStatusError as error:
        raise PriorUnavailableError(
            f"{url} answers {error.response.status_code}.",
            f"Look for its new address, fetch it by hand and put it at {target}, then run the same command again.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PriorUnavailableError(
            f"{url} cannot be fetched ({type(error).__name__}: {error}).",
            f"{_RESUMABLE} Without a network, fetch it elsewhere and put it at {target}.",
        ) from error
    except OSError as error:
        raise output_error(error, part) from error
    finally:
        if client is None:
            own.close()
    return found


def _fetch(client: httpx.Client, url: str, part: Path, hash_known: bool, on_bytes: OnBytes) -> None:
    version = _known_version(part)
    # Of an earlier attempt all can be kept, if the server or the hash can say whether it fits.
    there = part.stat().st_size if part.is_file() and (hash_known or version) else 0
    headers = {"Accept-Encoding": "identity"}  # a compressed answer could not be continued
    if there:
        headers["Range"] = f"bytes={there}-"
        if version:
            headers["If-Range"] = version
    with client.stream("GET", url, headers=headers) as response:
        refused = response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE
        continues = response.status_code == httpx.codes.PARTIAL_CONTENT
        if there and refused and response.headers.get("Content-Range") == f"bytes */{there}":
            return  # everything was there already; only the rename was missing
        if there and (refused or (continues and version and _version_of(response) not in ("", version))):
            _forget(part)  # it is another file by now, and not every server minds If-Range: all of it anew
            _fetch(client, url, part, hash_known, on_bytes)
            return
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise PriorUnavailableError(
                f"{url} answers with a web page, not with a file.", "Open it in a browser and fetch the file by hand."
            )
        if not continues:
            there = 0
            _forget(part)  # first, so that the new version never stands beside old bytes
            _remember_version(part, response)
        total = _total_bytes(response, there)
        _check_space(part, total, there)
        with part.open("ab" if there else "wb") as file:
            for block in response.iter_raw():  # as it comes: a block that had to fill up would be lost with the line
                file.write(block)
                there += len(block)
                on_bytes(there, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and there < total:
        raise httpx.RemoteProtocolError(f"{there} of {total} bytes came")


def _total_bytes(response: httpx.Response, there: int) -> int | None:
    """The whole file's length, as far as the answer says it; an answer that does not fit the question is refused."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None or int(match.group(1)) != there:
            raise httpx.RemoteProtocolError("the server sent another part of the file than it was asked for")
        if match.group(2) != "*":
            return int(match.group(2))
    length = response.headers.get("Content-Length")
    return there + int(length) if length is not None else None


def _version(part: Path) -> Path:
    """Beside the part: the server's name for the version of the file that it is of."""
    return part.with_name(f"{part.name}.version")


def _remember_version(part: Path, response: httpx.Response) -> None:
    if name := _version_of(response):
        _version(part).write_text(name, encoding="ascii")


def _version_of(response: httpx.Response) -> str:
    tag = response.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else ""  # If-Range takes strong names only
    name = str(strong or response.headers.get("Last-Modified", ""))
    return name if name.isascii() and name.isprintable() else ""


def _known_version(part: Path) -> str:
    """What `_remember_version` kept; empty where that is nothing, or damaged."""
    try:
        name = _version(part).read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return name if name.isprintable() else ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version(part).unlink(missing_ok=True)


def _check_space(part: Path, total: int | None, there: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - there > free:
        needed, name = total - there, part.name.removesuffix(".part")
        raise DiskFullError(
            f"{name} needs {needed / 2**20:,.0f} MiB, {free / 2**20:,.0f} are free.",
            f"Free some space. {_RESUMABLE}",
        )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
