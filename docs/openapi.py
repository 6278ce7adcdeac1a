"""The OpenAPI document of the reference, written from the routes.

    python -m docs.openapi

rewrites docs/reference/openapi.json. tests/house/test_openapi.py fails where the file is not what this gives.
"""

import json
from pathlib import Path
from typing import Any

from api.app import create_app
from core.db.session import Database
from core.settings import Settings
from core.storage.memory import MemoryStore

FILE = Path(__file__).parent / "reference" / "openapi.json"


def document() -> dict[str, Any]:
    """The document: it depends on no setting, and nothing is opened for it."""
    app = create_app(Settings(), Database("sqlite://"), MemoryStore())
    return app.openapi()


def rendered() -> str:
    """As it stands in the file."""
    return f"{json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True)}\n"


def main() -> None:
    """Rewrite the file."""
    FILE.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
