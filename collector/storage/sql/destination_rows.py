"""Destinations to rows and back. Pure."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import orjson

from collector.destinations import Destination, Masking
from collector.storage.forward_api import Status, Tally
from collector.storage.sql.tables import TALLY

#: what has a column of its own
_COLUMNS: Final = frozenset({"id", "name", "kind", "state", "source", "peer", "created_ns"})
_SETTINGS: Final = tuple(one.name for one in fields(Destination) if one.name not in _COLUMNS)


def cells_of(destination: Destination) -> dict[str, Any]:
    """Every column that a destination fills, but its id."""
    settings = {name: getattr(destination, name) for name in _SETTINGS}
    return {
        "name": destination.name,
        "kind": destination.kind,
        "settings": orjson.dumps(settings).decode(),
        "state": destination.state,
        "source": destination.source,
        "peer": destination.peer,
        "created_ns": destination.created_ns,
    }


def destination_of(row: Any) -> Destination:
    settings = orjson.loads(row.settings)
    masking = settings.pop("masking", None)
    if masking is not None:
        masking = Masking(tuple(masking["patterns"]), tuple(masking["keys"]))
    settings["projects"] = tuple(settings.get("projects", ()))
    return Destination(
        name=row.name,
        kind=row.kind,
        **settings,
        masking=masking,
        state=row.state,
        source=row.source,
        id=row.id,
        created_ns=row.created_ns,
        peer=row.peer,
    )


def status_of(row: Any) -> Status:
    """Without what the queue holds."""
    return Status(
        destination_of(row),
        Tally(**{name: getattr(row, name) for name in TALLY}),
        last_sent_ns=row.last_sent_ns,
        last_error=row.last_error,
        last_error_ns=row.last_error_ns,
    )
