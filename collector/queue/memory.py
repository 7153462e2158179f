"""The queue in memory: the contract of ``queue/api.py`` at its plainest. For tests, and to compare engines with."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collector.queue.api import BuriedItem, Item, ItemState, QueueStats

if TYPE_CHECKING:
    from collector.storage.forward_api import Follow


@dataclass(slots=True)
class _Entry:
    id: int
    consumer: str
    batch_id: int
    payload: dict[str, Any] | None
    created_ns: int
    due_ns: int
    state: ItemState = "ready"
    attempts: int = 0
    lease_ns: int = 0
    token: str = ""
    reason: str = ""

    def leave_claim(self, state: ItemState) -> None:
        self.state, self.token, self.lease_ns = state, "", 0


class MemoryQueue:
    """``Queue`` over a dict. Nothing survives the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, _Entry] = {}
        self._added = 0
        self._claims = 0

    def put(self, consumer: str, batch_id: int, *, now_ns: int, payload: dict[str, Any] | None = None) -> int:
        with self._lock:
            return self._add(consumer, batch_id, payload, now_ns).id

    def set_aside(self, item: Item, payload: dict[str, Any], *, reason: str, now_ns: int) -> bool:
        with self._lock:
            if any(entry.payload == payload for entry in self._buried(item.consumer)):
                return False
            entry = self._add(item.consumer, item.batch_id, payload, now_ns)
            entry.state, entry.reason, entry.attempts = "buried", reason, item.attempts
            return True

    def claim(self, consumer: str, worker: str, *, limit: int, lease_ns: int, now_ns: int) -> list[Item]:
        with self._lock:
            due = sorted(
                (
                    e
                    for e in self._entries.values()
                    if (e.consumer, e.state) == (consumer, "ready") and e.due_ns <= now_ns
                ),
                key=lambda e: (e.due_ns, e.id),
            )[:limit]
            self._claims += 1
            for entry in due:
                entry.state, entry.token = "claimed", f"{worker}/{self._claims}"
                entry.lease_ns, entry.attempts = now_ns + lease_ns, entry.attempts + 1
            return [Item(e.id, e.consumer, e.batch_id, e.attempts, e.token, e.payload) for e in due]

    def extend(self, items: list[Item], *, lease_ns: int, now_ns: int) -> list[Item]:
        with self._lock:
            ours = [item for item in items if self._ours(item)]
            for item in ours:
                self._entries[item.id].lease_ns = now_ns + lease_ns
            return ours

    def ack(self, items: list[Item]) -> int:
        with self._lock:
            ours = [item for item in items if self._ours(item)]
            for item in ours:
                del self._entries[item.id]
            return len(ours)

    def retry(self, item: Item, *, at_ns: int, error: str) -> bool:
        with self._lock:
            if entry := self._ours(item):
                entry.leave_claim("ready")
                entry.due_ns, entry.reason = at_ns, error
            return entry is not None

    def bury(self, item: Item, *, reason: str) -> bool:
        with self._lock:
            if entry := self._ours(item):
                entry.leave_claim("buried")
                entry.reason = reason
            return entry is not None

    def release(self, items: list[Item]) -> int:
        with self._lock:
            ours = [entry for item in items if (entry := self._ours(item))]
            for entry in ours:
                entry.leave_claim("ready")
                entry.attempts -= 1
            return len(ours)

    def rescue(self, *, now_ns: int) -> int:
        with self._lock:
            expired = [e for e in self._entries.values() if e.state == "claimed" and e.lease_ns <= now_ns]
            for entry in expired:
                entry.leave_claim("ready")
            return len(expired)

    def revive(self, consumer: str | None = None, *, item_id: int | None = None) -> int:
        with self._lock:
            chosen = [entry for entry in self._buried(consumer) if item_id in (None, entry.id)]
            for entry in chosen:
                entry.state, entry.attempts, entry.reason = "ready", 0, ""
            return len(chosen)

    def buried(self, consumer: str | None = None, *, limit: int = 100) -> list[BuriedItem]:
        with self._lock:
            latest = sorted(self._buried(consumer), key=lambda e: -e.id)[:limit]
            return [
                BuriedItem(e.id, e.consumer, e.batch_id, e.attempts, e.created_ns, e.reason, e.payload) for e in latest
            ]

    def stats(self, consumer: str, *, now_ns: int) -> QueueStats:
        with self._lock:
            mine = [entry for entry in self._entries.values() if entry.consumer == consumer]
        counts = {state: sum(e.state == state for e in mine) for state in ("ready", "claimed", "buried")}
        oldest = min((e.created_ns for e in mine if e.state != "buried"), default=now_ns)
        return QueueStats(**counts, lag_ns=max(0, now_ns - oldest))

    # for the store in memory, whose destinations settle items as SQL does within a transaction

    def settle(self, item: Item, follows: Iterable[Follow]) -> bool:
        with self._lock:
            entry = self._ours(item)
            if entry is None:
                return False
            del self._entries[entry.id]
            for follow in follows:
                payload = None if follow.payload is None else dict(follow.payload)
                new = self._add(follow.consumer, entry.batch_id, payload, entry.created_ns)
                new.due_ns = follow.due_ns
                if follow.reason is not None:
                    new.state, new.reason, new.attempts = "buried", follow.reason, item.attempts
            return True

    def forget(self, consumers: Iterable[str]) -> None:
        with self._lock:
            self._entries = {key: entry for key, entry in self._entries.items() if entry.consumer not in consumers}

    def entries_of(self, consumer: str) -> list[_Entry]:
        with self._lock:
            return [entry for entry in self._entries.values() if entry.consumer == consumer]

    def batches_of(self, consumer: str) -> set[int]:
        return {entry.batch_id for entry in self.entries_of(consumer)}

    def revive_of_batch(self, consumer: str, batch_id: int) -> None:
        for entry in self.entries_of(consumer):
            if entry.state == "buried" and entry.batch_id == batch_id:
                self.revive(consumer, item_id=entry.id)

    def drop_buried(self, consumer: str, item_id: int | None) -> int:
        with self._lock:
            gone = [entry.id for entry in self._buried(consumer) if item_id in (None, entry.id)]
            for one in gone:
                del self._entries[one]
            return len(gone)

    def _add(self, consumer: str, batch_id: int, payload: dict[str, Any] | None, now_ns: int) -> _Entry:
        self._added += 1
        entry = _Entry(self._added, consumer, batch_id, payload, now_ns, now_ns)
        self._entries[entry.id] = entry
        return entry

    def _ours(self, item: Item) -> _Entry | None:
        entry = self._entries.get(item.id)
        return entry if entry and entry.state == "claimed" and entry.token == item.token else None

    def _buried(self, consumer: str | None) -> Iterable[_Entry]:
        return [e for e in self._entries.values() if e.state == "buried" and consumer in (None, e.consumer)]
