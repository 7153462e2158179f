"""A real Phoenix of a test's own, and what its REST API shows."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from phoenix_server import PYTHON

from collector.local_phoenix import LocalPhoenix, Settings


def started(folder: Path, port: int = 0) -> LocalPhoenix:
    phoenix = LocalPhoenix(Settings(folder, PYTHON, port=port))
    phoenix.wait_ready()
    return phoenix


def get(phoenix: LocalPhoenix, path: str) -> Any:
    with urllib.request.urlopen(phoenix.url + path, timeout=30) as answer:
        return json.loads(answer.read())


def spans_in(phoenix: LocalPhoenix) -> list[dict[str, Any]]:
    """Every span that Phoenix shows, of all projects."""
    found: list[dict[str, Any]] = []
    for project in get(phoenix, "/v1/projects?limit=100")["data"]:
        cursor = ""
        while True:
            page = get(phoenix, f"/v1/projects/{project['id']}/spans?limit=1000{cursor}")
            found += page["data"]
            if not page["next_cursor"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
    return found
