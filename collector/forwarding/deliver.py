"""The consumer that sends: an item's spans go, and what follows them is queued in the same step as the item goes.

What a destination refuses is halved until the span at fault is alone, which is buried with the reason; all others go.
What it fails over (a 500) is tried again, and halved in the queue once the destination is seen to take other things.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from collector.exporters.api import Failed, Record, Rejected
from collector.forwarding.lane import Lane
from collector.forwarding.load import Load, batches_of, parcels, payload_of
from collector.forwarding.said import Annotating, follow_of_annotations
from collector.queue.api import Item
from collector.queue.retry import SECOND_NS, Pause, RetryLater
from collector.storage.forward_api import Follow, Settled, Tally

log = structlog.get_logger("collector.forwarding")

#: How long after sending a destination is first asked whether it has what it acknowledged.
VERIFY_AFTER_NS: Final = SECOND_NS
HOLD_NS: Final = 2 * SECOND_NS
#: Until the summariser is looked for again.
SUMMARY_NS: Final = SECOND_NS // 4
#: A failing item is halved after so many attempts, and a single span buried after so many.
_HALVE_AFTER: Final = 6
_BURY_AFTER: Final = 16
#: So many refusals without one acceptance, and the rest is given up together.
_MOST_REFUSALS: Final = 32


@dataclass
class _Result:
    """What became of one load's records."""

    load: Load
    sent: list[Record] = field(default_factory=list)
    buried: list[tuple[list[Record], str]] = field(default_factory=list)
    rejected: int = 0

    @property
    def left(self) -> list[Record]:
        done = {record.key for record in self.sent}
        done |= {record.key for records, _ in self.buried for record in records}
        return [record for record in self.load.records if record.key not in done]


class _Narrowing:
    """One parcel, sent as a whole or in ever smaller parts."""

    def __init__(self, lane: Lane, way: tuple[str, ...]) -> None:
        self._lane = lane
        self._way = way
        self._refusals = 0
        self.accepted: list[Record] = []
        self.refused: list[tuple[list[Record], str]] = []
        #: (how many of them were refused, why)
        self.partly: list[tuple[list[Record], int, str]] = []
        self.peer: str | None = None

    def send(self, records: list[Record]) -> None:
        """Raises ``Failed`` with what was accepted and refused before kept."""
        try:
            receipt = self._lane.send(records, self._way)
        except Rejected as rejected:
            self._refuse(records, str(rejected))
            return
        self.peer = receipt.peer or self.peer
        if receipt.rejected >= len(records):
            self.refused.append((records, receipt.reason or "refused"))
            return
        if receipt.rejected:
            self.partly.append((records, receipt.rejected, receipt.reason))
        self.accepted += records

    def _refuse(self, records: list[Record], reason: str) -> None:
        self._refusals += 1
        hopeless = not self.accepted and self._refusals >= _MOST_REFUSALS
        if hopeless and not self._lane.health.last_ok_ns:
            # It never took anything: that is the destination's fault, or the operator's, and no span's.
            raise self._lane.pause(f"refuses everything: {reason}")
        if len(records) == 1 or hopeless:
            self.refused.append((records, reason))
            return
        middle = len(records) // 2
        self.send(records[:middle])
        self.send(records[middle:])


class Deliver:
    """The handler of one destination's consumer."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._annotating = Annotating(lane)
        # The worker calls again with what it does not know to be settled.
        self._settled: deque[tuple[int, str]] = deque(maxlen=256)

    def __call__(self, items: Sequence[Item]) -> None:
        needs = self._lane.exporter.needs
        items = [item for item in items if (item.id, item.token) not in self._settled]
        if items:
            self._introduce()
        if needs.counted:
            items = self._summarised(items)
        if needs.bundles:
            items = self._bundled(items)
        loads: list[Load] = []
        for item in items:
            if item.payload is not None and "annotations" in item.payload:
                self._annotating(item)
                self._settled.append((item.id, item.token))
                continue
            loads.append(self._lane.loader.load(item, self._lane.clock()))
            # A bundle is a file of its own: it must not depend on what happens to be claimed with it.
            if needs.bundles or sum(len(load.records) for load in loads) >= needs.spans:
                self._send(loads)
                loads = []
        if loads:
            self._send(loads)

    def _introduce(self) -> None:
        try:
            self._lane.introduce()
        except (Failed, Rejected) as error:
            raise self._lane.pause(str(error)) from None

    def _summarised(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those whose batches have been summarised; the others are given back. Raises ``Pause`` where there is none."""
        lane = self._lane
        waiting = lane.store.awaiting_summary([one for item in items for one in batches_of(item)])
        early = [item for item in items if not waiting.isdisjoint(batches_of(item))]
        if early and len(early) == len(items):
            raise Pause("what came is still being summarised", lane.clock() + SUMMARY_NS)
        if early:
            lane.store.queue.release(early)
            self._settled.extend((item.id, item.token) for item in early)
        return [item for item in items if item not in early]

    def _bundled(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those that are bundles already. The others become some, before anything is sent: so what is sent together is
        the same whenever it is sent again."""
        new = {item.batch_id: item for item in items if item.payload is None}
        sizes = self._lane.store.batch_sizes(list(new))
        bundle: list[int] = []
        settled: list[Settled] = []
        for number, batch_id in enumerate(sorted(new), 1):
            bundle.append(batch_id)
            spans = sum(sizes.get(one, 0) for one in bundle)
            if number == len(new) or spans >= self._lane.exporter.needs.spans:
                follow = Follow(self._lane.destination.consumer, {"batches": bundle, "n": spans}, due_ns=0)
                settled.append(Settled(new[batch_id], (follow,)))
                bundle = []
            else:
                settled.append(Settled(new[batch_id]))
        if settled:
            self._settle(settled, Tally())
        return [item for item in items if item.payload is not None]

    def _send(self, loads: Sequence[Load]) -> None:
        results = {load.item.id: _Result(load) for load in loads}
        failed: Failed | None = None
        peer: str | None = None
        for part, way in parcels(loads, self._lane.exporter.needs):
            narrowing = _Narrowing(self._lane, way)
            try:
                narrowing.send([record for _, record in part])
            except Failed as error:
                failed = error
            _distribute(part, narrowing, results)
            peer = narrowing.peer or peer
            if failed is not None:
                break
        self._conclude(list(results.values()), failed, peer)

    def _conclude(self, results: list[_Result], failed: Failed | None, peer: str | None) -> None:
        done = [result for result in results if failed is None or not result.left or result.sent or result.buried]
        tally = Tally()
        settled = [self._settled_of(result, tally) for result in done]
        if settled:
            errors = [reason for result in done for _, reason in result.buried]
            self._settle(settled, tally, error=errors[-1] if errors else None, peer=peer)
        if failed is None:
            return
        rest = [result for result in results if result not in done]
        self._lane.failed(str(failed))
        if len(rest) == 1:
            self._failing(rest[0], str(failed))
        elif rest:
            raise RetryLater(str(failed))

    def _failing(self, result: _Result, reason: str) -> None:
        """One item by itself that the destination fails over."""
        item, records = result.load.item, result.load.records
        consumer, now = self._lane.destination.consumer, self._lane.clock()
        if self._lane.is_well and len(records) > 1 and item.attempts >= _HALVE_AFTER:
            middle = len(records) // 2
            halves = (records[:middle], records[middle:])
            follows = tuple(Follow(consumer, payload_of(item, half), now + SECOND_NS) for half in halves)
            self._settle([Settled(item, (*follows, *self._held(result.load)))], Tally(retried=1))
        elif self._lane.is_well and len(records) == 1 and item.attempts >= _BURY_AFTER:
            told = f"given up after {item.attempts} attempts: {reason}"
            log.error("a span was buried", destination=self._lane.destination.name, reason=told)
            follow = Follow(consumer, payload_of(item, records), now, told)
            self._settle([Settled(item, (follow,))], Tally(), error=told)
        else:
            raise RetryLater(reason)

    def _settled_of(self, result: _Result, tally: Tally) -> Settled:
        load, item = result.load, result.load.item
        now, consumer = self._lane.clock(), self._lane.destination.consumer
        follows = [*self._after(result, now), *self._held(load)]
        if result.left:
            follows.append(Follow(consumer, payload_of(item, result.left), now + SECOND_NS))
        for records, reason in result.buried:
            told = "a span was buried" if len(records) == 1 else "spans were buried"
            log.error(told, destination=self._lane.destination.name, spans=len(records), reason=reason)
            follows.append(Follow(consumer, payload_of(item, records), now, reason))
        verifies = self._lane.exporter.needs.verifies
        sent = 0 if verifies else len(result.sent) - result.rejected
        tally.add(Tally(sent=sent, skipped=load.skipped, rejected=result.rejected, retried=int(item.attempts > 1)))
        return Settled(item, tuple(follows))

    def _after(self, result: _Result, now: int) -> list[Follow]:
        """What comes after spans were sent: seeing whether they are there, or their annotations."""
        if not result.sent:
            return []
        if not self._lane.exporter.needs.verifies:
            return follow_of_annotations(self._lane, result.sent, now)
        item, load = result.load.item, result.load
        every = load.whole and item.payload is None and len(result.sent) == len(load.records)
        resent = {"resent": (item.payload or {}).get("resent", 0)}
        payload = {"n": len(result.sent)} | resent if every else payload_of(item, result.sent, **resent)
        return [Follow(self._lane.destination.verifier, payload | {"since": now}, now + VERIFY_AFTER_NS)]

    def _held(self, load: Load) -> list[Follow]:
        if not load.held:
            return []
        now = self._lane.clock()
        since = (load.item.payload or {}).get("since", now)
        payload = payload_of(load.item, load.held, since=since)
        return [Follow(self._lane.destination.consumer, payload, now + HOLD_NS)]

    def _settle(
        self, settled: Sequence[Settled], tally: Tally, *, error: str | None = None, peer: str | None = None
    ) -> None:
        self._lane.settle(settled, tally, error=error, peer=peer)
        self._settled.extend((one.item.id, one.item.token) for one in settled)


def _distribute(part: Sequence[tuple[Load, Record]], narrowing: _Narrowing, results: dict[int, _Result]) -> None:
    """A parcel's outcome to the loads whose records were in it."""
    owner = {id(record): results[load.item.id] for load, record in part}
    for record in narrowing.accepted:
        owner[id(record)].sent.append(record)
    for records, reason in narrowing.refused:
        for record in records:
            owner[id(record)].buried.append(([record], reason))
    for records, count, reason in narrowing.partly:
        # It is not known which: none of them counts as lost, and all of them are shown.
        first = owner[id(records[0])]
        first.rejected += count
        log.error("a destination refused some spans of many", refused=count, of=len(records), reason=reason)
        mine = [record for record in records if owner[id(record)] is first]
        first.buried.append((mine, f"{count} of {len(records)} spans were refused: {reason}"))
