"""Destinations of the configuration file: stored as it says, at every start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Final

import structlog

from collector.destinations import Destination
from collector.storage.api import CannotOpen
from collector.storage.forward_api import DestinationStore, NameTaken

log = structlog.get_logger("collector.forwarding")

#: What the file does not say.
_KEPT: Final = frozenset({"id", "created_ns", "peer"})


def apply(store: DestinationStore, configured: Iterable[Destination], *, now_ns: int) -> None:
    """Add and change destinations so that they are as configured. One that the file once named and no longer does is
    paused: what waits for it is not thrown away by an edit. Raises ``CannotOpen`` where one would become another."""
    known = {one.name: one for one in store.destinations()}
    named = set()
    for destination in configured:
        named.add(destination.name)
        before = known.get(destination.name)
        if before is None:
            _add(store, destination, now_ns)
        elif before.kind != destination.kind:
            raise CannotOpen(
                f"the destination {destination.name} is of kind {before.kind}: remove it first, or choose another name"
            )
        elif replace(destination, **{name: getattr(before, name) for name in _KEPT}) != before:
            changes = {one.name: getattr(destination, one.name) for one in fields(Destination) if one.name not in _KEPT}
            if before.endpoint != destination.endpoint:
                changes["peer"] = None  # somebody else may answer there
            store.change_destination(destination.name, changes, now_ns=now_ns).result()
    for name, before in known.items():
        if before.source == "config" and name not in named and before.state == "active":
            log.warning("a destination is no longer configured: it is paused; remove it if it is not wanted", name=name)
            store.change_destination(name, {"state": "paused", "source": "operator"}, now_ns=now_ns).result()


def _add(store: DestinationStore, destination: Destination, now_ns: int) -> None:
    try:
        store.add_destination(destination, from_ns=None, now_ns=now_ns).result()
    except NameTaken:
        pass  # another process of the same configuration was faster
