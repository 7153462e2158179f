"""From the queue's items to what is to be sent for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

from collector.annotations import Annotation
from collector.codec.otlp import Original, decode_traces
from collector.codec.runs import Attachment
from collector.exporters.api import Needs, Parcel, Record, SpanKey
from collector.forwarding.choice import Choice, is_pending, way_of
from collector.model import RUN_SCOPE, Span, SpanBatch
from collector.processors.chain import process, redacted
from collector.processors.redact import ALL_PROJECTS, Redaction, Rules
from collector.queue.api import Item
from collector.queue.retry import Poison
from collector.storage.api import Store
from tracekit.redaction import MASKED

#: A trace of more spans is not searched for what is above a span.
MAX_TRACE: Final = 50_000


@dataclass(slots=True)
class Load:
    """What one item comes to. ``skipped`` spans are not for this destination, ``held`` ones wait for what is above
    them. ``whole``: every span of the item is among the records."""

    item: Item
    records: list[Record] = field(default_factory=list)
    held: list[Record] = field(default_factory=list)
    skipped: int = 0
    whole: bool = True


class Loader:
    """Of one destination. ``hold_ns``: how long a span waits for the spans above it."""

    def __init__(self, store: Store, choice: Choice, needs: Needs, hold_ns: int) -> None:
        self._store = store
        self._choice = choice
        self._needs = needs
        self._hold_ns = hold_ns
        masking = choice.destination.masking
        self.redaction = Redaction({ALL_PROJECTS: Rules(masking.patterns, masking.keys)}) if masking else None

    def load(self, item: Item, now_ns: int) -> Load:
        """Raises ``Poison`` for a payload that nobody here made."""
        load = Load(item)
        wanted = wanted_of(item)
        for span, original, way in self._spans(item):
            if wanted is not None and (span.trace_id, span.span_id) not in wanted:
                continue
            record = Record(span, original, via=way)
            if self._needs.complete and is_pending(record):
                load.whole = False
            elif self._choice.takes(span, way) and self._choice.matches(record, self._annotations_of):
                load.records.append(record)
            else:
                load.skipped += 1
                load.whole = False
        if (self._needs.ancestry or self._needs.counted) and load.records:
            self._rise(load, now_ns)
        return load

    def _spans(self, item: Item) -> Iterator[tuple[Span, Original, tuple[str, ...]]]:
        for batch_id in batches_of(item):
            batch = self._store.spans_of_batches([batch_id]).get(batch_id)
            if batch is None:
                continue
            data = self._store.originals_of(sorted({span.chunk for span in batch.spans}))
            opened: dict[int, tuple[Original, dict[int, Span]]] = {}
            for span in batch.spans:
                if span.chunk not in data:  # replaced since: what replaced it has an item of its own
                    continue
                if span.chunk not in opened:
                    opened[span.chunk] = self._opened(data[span.chunk], span)
                original, masked = opened[span.chunk]
                if masked:
                    _take_over(span, masked[span.position])
                yield span, original, way_of(batch.via.get(span.chunk), self._store.collector_id)

    def _opened(self, data: bytes, span: Span) -> tuple[Original, dict[int, Span]]:
        """An original, masked where the destination asks for that, and the spans' facts then."""
        original = Original(data)
        if self.redaction is None:
            return original, {}
        batch: SpanBatch = process(decode_traces(original.raw))
        redacted(batch, self.redaction)
        return Original(batch.chunks[0].data), {one.position: one for one in batch.spans}

    def _annotations_of(self, span: Span) -> list[Annotation]:
        return [
            said
            for _, said in self._store.annotations_about([span.span_id], [], [])
            if said.target.trace_id in (None, span.trace_id)
        ]

    # what is above a span

    def _rise(self, load: Load, now_ns: int) -> None:
        traces = sorted({record.facts.trace_id for record in load.records})
        known = {
            trace_id: {span.span_id: span for span in spans[:MAX_TRACE]}
            for trace_id, spans in self._store.spans_of_traces(traces).items()
        }
        run_ids = self._run_ids(known) if self._needs.ancestry else {}
        waits = now_ns - int((load.item.payload or {}).get("since", now_ns)) < self._hold_ns
        ready: list[Record] = []
        for record in load.records:
            spans = known.get(record.facts.trace_id, {})
            record.ancestry, is_complete = ancestry_of(record.facts, spans)
            record.is_rooted = is_complete and is_below_root((*record.ancestry, record.facts)[0], spans)
            self._name_runs(record, run_ids)
            # Whose tokens are whose is known once the root has come, for it mostly is the last to end.
            told = is_complete if self._needs.ancestry else any(one.parent_span_id is None for one in spans.values())
            (ready if told or not waits else load.held).append(record)
        load.whole = load.whole and not load.held
        load.records = ready

    def _run_ids(self, known: dict[bytes, dict[bytes, Span]]) -> dict[SpanKey, bytes]:
        traces = [trace_id for trace_id, spans in known.items() if any(s.scope == RUN_SCOPE for s in spans.values())]
        return self._store.run_ids_of(traces) if traces else {}

    def _name_runs(self, record: Record, run_ids: dict[SpanKey, bytes]) -> None:
        trace_id = record.facts.trace_id
        path = (*(span.span_id for span in record.ancestry), record.facts.span_id)
        record.run_ids = {one: run_ids[trace_id, one] for one in path if (trace_id, one) in run_ids}
        run_id = record.run_ids.get(record.facts.span_id)
        if run_id is not None:
            record.attachments_of = lambda: self._attachments(run_id)

    def _attachments(self, run_id: bytes) -> list[Attachment]:
        run = self._store.get_runs([run_id]).get(run_id)
        found = [self._store.get_attachment(run_id, info.name) for info in (run.attachments if run else ())]
        return [self._masked(attachment) for attachment in found if attachment is not None]

    def _masked(self, attachment: Attachment) -> Attachment:
        if self.redaction is None:
            return attachment
        data = self.redaction.redact_value(None, attachment.data)
        return replace(attachment, data=data if isinstance(data, bytes) else MASKED.encode())


def ancestry_of(span: Span, spans: Mapping[bytes, Span]) -> tuple[tuple[Span, ...], bool]:
    """The spans above, the root first, and whether they go up to a root."""
    path: list[Span] = []
    seen = {span.span_id}
    parent = span.parent_span_id
    while parent is not None:
        above = spans.get(parent)
        if above is None or parent in seen:
            return tuple(reversed(path)), False
        seen.add(parent)
        path.append(above)
        parent = above.parent_span_id
    return tuple(reversed(path)), True


def is_below_root(top: Span, spans: Mapping[bytes, Span]) -> bool:
    """Whether this parentless span is the one that its trace is taken to begin with."""
    roots = [one for one in spans.values() if one.parent_span_id is None]
    return not roots or top.span_id == min(roots, key=lambda one: (one.start_ns, one.span_id)).span_id


def _take_over(span: Span, masked: Span) -> None:
    """What masking left of the facts that people write."""
    for name in ("name", "status_message", "session_id", "user_id", "tags", "metadata", "error", "service"):
        setattr(span, name, getattr(masked, name))


def batches_of(item: Item) -> list[int]:
    found = (item.payload or {}).get("batches", [item.batch_id])
    if not isinstance(found, list) or not all(isinstance(one, int) for one in found):
        raise Poison("the item names no batches")
    return found


def wanted_of(item: Item) -> set[SpanKey] | None:
    """The spans that the item stands for; None for all of its batch."""
    names = (item.payload or {}).get("spans")
    if names is None:
        return None
    try:
        return {(bytes.fromhex(one[:32]), bytes.fromhex(one[33:])) for one in names}
    except (TypeError, ValueError):
        raise Poison("the item names no spans") from None


def key_text(key: SpanKey) -> str:
    """How payloads name a span."""
    return f"{key[0].hex()}:{key[1].hex()}"


def payload_of(item: Item, records: Sequence[Record], **more: Any) -> dict[str, Any]:
    """Of an item that stands for these records of ``item``."""
    names = [key_text(record.key) for record in records]
    batches = (item.payload or {}).get("batches")
    return {"n": len(names), "spans": names, **({"batches": batches} if batches else {}), **more}


def parcels(loads: Sequence[Load], needs: Needs) -> Iterator[tuple[list[tuple[Load, Record]], tuple[str, ...]]]:
    """The loads' records in parcels of the size that the exporter wants, those of one way together."""
    by_way: dict[tuple[str, ...], list[tuple[Load, Record]]] = {}
    for load in loads:
        for record in load.records:
            by_way.setdefault(record.via, []).append((load, record))
    for way, every in by_way.items():
        part: list[tuple[Load, Record]] = []
        size = 0
        for load, record in every:
            weight = len(record.original.raw) // max(1, len(record.original))
            if part and (len(part) >= needs.spans or size + weight > needs.bytes):
                yield part, way
                part, size = [], 0
            part.append((load, record))
            size += weight
        yield part, way


def parcel_of(records: Sequence[Record], way: tuple[str, ...], collector_id: str) -> Parcel:
    digest = blake2b(collector_id.encode(), digest_size=12)
    for record in records:
        digest.update(record.facts.trace_id + record.facts.span_id)
    return Parcel(records, digest.hexdigest(), way)
