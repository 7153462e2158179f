"""The queue that derived work starts from: one item per batch and consumer, written with the spans they come from.

Decision 5 of the plan: a crash at any instant neither loses nor doubles an item. Workers claim with a lease and
extend it while they work; what a crashed worker held is rescued when its lease has run out; a shutdown gives its
items back; an item that keeps failing is buried with its reason, stays visible and can be revived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

ItemState = Literal["ready", "claimed", "buried"]

#: Consumers that every batch has an item for.
SUMMARISE = "summarise"
INDEX = "index"


@dataclass(slots=True, frozen=True)
class Item:
    """``token`` names this claim: an ack, retry, bury or release with an outdated token does nothing.
    ``attempts`` counts claims so far, this one included."""

    id: int
    consumer: str
    batch_id: int
    attempts: int
    token: str
    payload: dict[str, Any] | None = None


@dataclass(slots=True, frozen=True)
class BuriedItem:
    """What is shown of an item that was given up. ``reason`` is why."""

    id: int
    consumer: str
    batch_id: int
    attempts: int
    created_ns: int
    reason: str
    payload: dict[str, Any] | None = None


@dataclass(slots=True)
class QueueStats:
    """``lag_ns``: age of the oldest item that is not buried; 0 when there is none."""

    ready: int
    claimed: int
    buried: int
    lag_ns: int


class Queue(Protocol):
    """Items leave by ``ack``, or with the results of their work. Every call is one transaction; ``now_ns`` is the
    caller's clock. Raises ``storage.api.Unavailable`` where the database is away."""

    def put(self, consumer: str, batch_id: int, *, now_ns: int, payload: dict[str, Any] | None = None) -> int:
        """Add an item that is due at once, and return its id. (Storing a batch adds those of its consumers.)"""
        ...

    def set_aside(self, item: Item, payload: dict[str, Any], *, reason: str, now_ns: int) -> bool:
        """Add a buried item for one part of what ``item`` stands for, so that the rest can be completed. False where
        the consumer has one with this payload already."""
        ...

    def claim(self, consumer: str, worker: str, *, limit: int, lease_ns: int, now_ns: int) -> list[Item]:
        """Up to ``limit`` items that are ready and due, oldest first; no two workers get the same item."""
        ...

    def extend(self, items: list[Item], *, lease_ns: int, now_ns: int) -> list[Item]:
        """Heartbeat. Returns those still ours."""
        ...

    def ack(self, items: list[Item]) -> int:
        """Done: remove. Returns how many were still ours."""
        ...

    def retry(self, item: Item, *, at_ns: int, error: str) -> bool: ...

    def bury(self, item: Item, *, reason: str) -> bool: ...

    def release(self, items: list[Item]) -> int:
        """Give back untouched (shutdown): ready at once, the attempt not counted."""
        ...

    def rescue(self, *, now_ns: int) -> int:
        """Items whose lease has run out become ready again. Returns how many."""
        ...

    def revive(self, consumer: str | None = None, *, item_id: int | None = None) -> int:
        """Buried items become ready with attempts reset."""
        ...

    def buried(self, consumer: str | None = None, *, limit: int = 100) -> list[BuriedItem]:
        """The items given up, the latest first."""
        ...

    def stats(self, consumer: str, *, now_ns: int) -> QueueStats: ...
