"""The consumer that looks whether a destination really has what it acknowledged, and sends again what it has not."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, Final

import structlog

from collector.exporters.api import Failed, Record, Rejected, SpanKey
from collector.forwarding.lane import Lane
from collector.forwarding.load import Load, payload_of
from collector.forwarding.said import follow_of_annotations
from collector.queue.api import Item
from collector.queue.retry import SECOND_NS, RetryLater
from collector.storage.forward_api import Follow, Settled, Tally

log = structlog.get_logger("collector.forwarding")

#: From one look to the next; without any progress for so long, what is missing is sent again, so many times.
LOOK_NS: Final = 2 * SECOND_NS
PATIENCE_NS: Final = 10 * SECOND_NS
RESENDS: Final = 5
#: Spans a second that a slow destination stores at least: what was sent before has its time, too. (Phoenix stores some
#: 170 a second.)
SLOWEST: Final = 50
#: Spans that are asked for in one go.
_TOGETHER: Final = 2_000


class Verify:
    """The handler of one destination's verifier."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def __call__(self, items: Sequence[Item]) -> None:
        loads: list[Load] = []
        for item in items:
            loads.append(self._lane.loader.load(item, self._lane.clock()))
            if sum(len(load.records) for load in loads) >= _TOGETHER:
                self._look(loads)
                loads = []
        if loads:
            self._look(loads)

    def _look(self, loads: Sequence[Load]) -> None:
        records = [record for load in loads for record in (*load.records, *load.held)]
        gone = {record.key for record in self._missing(records)}
        progress = len(gone) < len(records)
        tally, error = Tally(), None
        settled = []
        for load in loads:
            done, reason = self._judged(load, gone, tally, progress=progress)
            settled.append(done)
            error = reason or error
        self._lane.settle(settled, tally, error=error)

    def _judged(self, load: Load, gone: Set[SpanKey], tally: Tally, *, progress: bool) -> tuple[Settled, str | None]:
        """What becomes of one item, and the error where something of it is given up."""
        records, now = [*load.records, *load.held], self._lane.clock()
        missing = [record for record in records if record.key in gone]
        there = [record for record in records if record.key not in gone]
        follows = follow_of_annotations(self._lane, there, now) if there else []
        reason = None
        if missing:
            more, reason = self._after(load.item, load, missing, now, progress=progress)
            follows.append(more)
        tally.add(Tally(sent=len(there), retried=int(reason == "")))
        return Settled(load.item, tuple(follows)), reason or None

    def _missing(self, records: Sequence[Record]) -> list[Record]:
        if not records:
            return []
        try:
            return list(self._lane.call(self._lane.exporter.missing(records)))
        except (Failed, Rejected) as error:
            self._lane.failed(str(error))
            raise RetryLater(str(error)) from None

    def _unverified(self) -> int:
        return self._lane.store.queued(self._lane.destination.verifier)

    def _after(
        self, item: Item, load: Load, missing: Sequence[Record], now: int, *, progress: bool
    ) -> tuple[Follow, str | None]:
        """What becomes of what is not there (yet), and the error where it is given up; "" where it is sent again."""
        payload: dict[str, Any] = item.payload or {}
        since = now if progress else int(payload.get("since", now))
        resent = int(payload.get("resent", 0))
        consumer, verifier = self._lane.destination.consumer, self._lane.destination.verifier
        if now - since < PATIENCE_NS or now - since < PATIENCE_NS + self._unverified() * SECOND_NS // SLOWEST:
            return Follow(verifier, payload_of(item, missing, since=since, resent=resent), now + LOOK_NS), None
        if resent < RESENDS:
            log.warning(
                "a destination acknowledged spans that it does not have; they are sent again",
                destination=self._lane.destination.name,
                spans=len(missing),
            )
            return Follow(consumer, payload_of(item, missing, resent=resent + 1), now), ""
        reason = f"acknowledged {resent + 1} times, and still not there"
        log.error("spans were buried", destination=self._lane.destination.name, spans=len(missing), reason=reason)
        return Follow(consumer, payload_of(item, missing), now, reason), reason
