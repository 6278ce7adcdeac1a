"""The API under test: the whole application, called in this process, with what callers do again and again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from api.app import create_app
from core.db.session import Database
from core.services import keys
from core.services.access import Scope
from core.services.delivering import collect, note
from core.settings import Settings
from core.storage.base import BlobStore
from core.storage.memory import MemoryStore
from core.webhooks.outbound import Outcome
from tests import pretend_worker
from tests.small_photos import photo, zip_of

CONSENT = {"given_by": "Ada"}


class CountingDoorbell:
    """Counts how often it is rung."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        """See `Doorbell.ring`."""
        self.rings += 1


@dataclass
class Served:
    """A served application.

    Attributes:
        client: calls it; of the local owner, or with a key.
        database: migrated.
        store: where blobs are.
        doorbell: counts.
    """

    client: TestClient
    database: Database
    store: BlobStore
    doorbell: CountingDoorbell = field(default_factory=CountingDoorbell)

    def subject(self, name: str = "Ada") -> str:
        """A new person; the id."""
        body = {"name": name, "category": "person", "consent": CONSENT}
        return self.made("POST", "/v1/subjects", 201, json=body)["id"]

    def album(self, subject_id: str, numbers: range = range(4), **fields: str) -> dict[str, Any]:
        """Send an album as a zip; the job."""
        files = {"file": ("album.zip", zip_of(numbers))}
        return self.made("POST", f"/v1/subjects/{subject_id}/album", 202, files=files, data=fields)

    def tuned(self) -> tuple[str, str]:
        """A subject with a ready checkpoint; both ids."""
        subject_id = self.subject()
        job = self.album(subject_id)
        return subject_id, pretend_worker.tune(self.database, self.store, job["id"])

    def file(self, number: int = 0) -> str:
        """Upload a photo; the id."""
        return self.made("POST", "/v1/files", 201, files={"file": (f"{number}.png", photo(number))})["id"]

    def restoration(self, **body: Any) -> dict[str, Any]:
        """Ask for a restoration of a new file; the job."""
        return self.made("POST", "/v1/restorations", 202, json={"input": {"file_id": self.file()}, **body})

    def restored(self, **body: Any) -> str:
        """A restoration that succeeded; the id."""
        job = self.restoration(mode="direct", **body)
        pretend_worker.restore(self.database, self.store, job["id"])
        return job["restoration_id"]

    def endpoint(self, **body: Any) -> dict[str, Any]:
        """A webhook endpoint, with its secret."""
        body = {"url": "https://photos.example.org/hook", **body}
        return self.made("POST", "/v1/webhook-endpoints", 201, json=body)

    def delivered(self) -> tuple[str, str]:
        """An endpoint that was told of a deleted subject; both ids."""
        endpoint_id = self.endpoint()["id"]
        self.made("DELETE", f"/v1/subjects/{self.subject()}", 200)
        parcels = {parcel.delivery_id: parcel for parcel in collect(self.database)}
        found = self.made("GET", f"/v1/webhook-endpoints/{endpoint_id}/deliveries", 200)["data"]
        delivery_id: str = next(one["id"] for one in found if one["type"] == "subject.deleted")
        note(self.database, parcels[delivery_id], Outcome(204))
        return endpoint_id, delivery_id

    def made(self, method: str, path: str, status: int, **options: Any) -> dict[str, Any]:
        """Call, expect a status, and give the answer."""
        response = self.client.request(method, path, **options)
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json()
        return found

    def key(self, owner: str, *scopes: Scope) -> dict[str, str]:
        """A new key's header."""
        with self.database.write() as session:
            _, token = keys.create(session, owner, "test", scopes or (Scope.READ, Scope.WRITE))
        return {"Authorization": f"Bearer {token}"}


@contextmanager
def served(database: Database, home: Path, store: BlobStore | None = None, **settings: Any) -> Iterator[Served]:
    """Serve, without the network.

    Args:
        database: migrated.
        home: HEIRLOOM_HOME.
        store: None: in memory.
        settings: of HEIRLOOM_*, where they are not the defaults.
    """
    store = store or MemoryStore()
    doorbell = CountingDoorbell()
    app = create_app(Settings(home=home, **settings), database, store, doorbell)
    app.state.service.forecaster.kept_seconds = 0.0  # tests do not wait
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield Served(client, database, store, doorbell)
