"""Many traces in a database within a minute or two, through the store's own interface.

64 traces of the ingest benchmark are decoded, normalised, priced and summarised once, and stored again and again under
other ids, times, users and sessions. Their originals still name the first ids, which nobody reads.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.ingest import bodies
from benchmarks.ingest.bodies import BASE_NS, STEP_NS, TRACES_PER_REQUEST
from collector.codec.otlp import decode_traces
from collector.model import Call, Chunk, Span, SpanBatch, SummaryUpdate
from collector.processors.chain import process
from collector.processors.normalize import content
from collector.processors.price import Pricer
from collector.queue.api import INDEX, SUMMARISE, Item
from collector.storage.sql.store import SqlStore
from collector.summarise.summary import summarise

#: What of a trace's words goes into the index.
_TEXT = 2000
_LEASE_NS = 600 * 10**9
_IN_FLIGHT = 8


@dataclass
class _Template:
    spans: list[Span]
    data: bytes
    update: SummaryUpdate


def fill(store: SqlStore, traces: int) -> int:
    """At least ``traces`` traces, summarised and indexed. Returns how many there are then."""
    templates = _templates()
    rounds = -(-traces // len(templates))
    waiting: deque[Future[Any]] = deque()
    for number in range(rounds):
        waiting.append(store.submit(_batch(templates, number)))
        if len(waiting) > _IN_FLIGHT:
            waiting.popleft().result()
    for future in waiting:
        future.result()
    _work(store, SUMMARISE, lambda items: _summaries(store, templates, items))
    _work(store, INDEX, lambda items: store.complete_index([(item, _texts(store, item)) for item in items]))
    return rounds * len(templates)


def store_long_trace(store: SqlStore, spans: int) -> bytes:
    """One trace of that many spans, received as any other. Returns its id."""
    trace_id, body = bodies.long_trace(spans)
    batch = process(decode_traces(body), Pricer())
    update = summarise(batch.spans, content)
    store.submit(batch).result()
    _work(store, SUMMARISE, lambda items: store.complete_summaries(items, [update]))
    _work(store, INDEX, lambda items: store.complete_index([(item, []) for item in items]))
    return trace_id


def _templates() -> list[_Template]:
    batch = process(decode_traces(bodies.request(0)), Pricer())
    found: dict[bytes, list[Span]] = {}
    for span in batch.spans:
        found.setdefault(span.trace_id, []).append(span)
    return [_Template(spans, batch.chunks[spans[0].chunk].data, summarise(spans, content)) for spans in found.values()]


def _trace_id(number: int, template: int) -> bytes:
    return struct.pack(">QQ", (number << 16) + template + 1, 0xBEC)


def _number(trace_id: bytes) -> tuple[int, int]:
    key: int = struct.unpack(">QQ", trace_id)[0] - 1
    return key >> 16, key & 0xFFFF


def _shift(number: int) -> int:
    return number * TRACES_PER_REQUEST * STEP_NS


def _who(number: int, template: int) -> tuple[str, str]:
    trace = number * TRACES_PER_REQUEST + template
    return f"session-{trace // 4 % 20000:05d}", f"user-{trace // 4 % 3000:04d}"


def _batch(templates: list[_Template], number: int) -> SpanBatch:
    batch, shift = SpanBatch(), _shift(number)
    for index, template in enumerate(templates):
        trace_id = _trace_id(number, index)
        session, user = _who(number, index)
        batch.chunks.append(Chunk(trace_id, template.data, len(template.spans)))
        batch.spans += [
            replace(
                span,
                trace_id=trace_id,
                start_ns=span.start_ns + shift,
                end_ns=span.end_ns + shift,
                chunk=index,
                session_id=session,
                user_id=user,
            )
            for span in template.spans
        ]
    return batch


def _work(store: SqlStore, consumer: str, work: Callable[[list[Item]], object]) -> None:
    while items := store.queue.claim(consumer, "fill", limit=20, lease_ns=_LEASE_NS, now_ns=time.time_ns()):
        work(items)


def _summaries(store: SqlStore, templates: list[_Template], items: list[Item]) -> None:
    trace_ids = store.traces_of_batches([item.batch_id for item in items])
    store.complete_summaries(items, list(_updates(templates, trace_ids)))


def _updates(templates: list[_Template], trace_ids: Iterable[bytes]) -> Iterator[SummaryUpdate]:
    for trace_id in trace_ids:
        number, index = _number(trace_id)
        known, shift = templates[index].update, _shift(number)
        session, user = _who(number, index)
        summary = replace(
            known.summary,
            trace_id=trace_id,
            start_ns=known.summary.start_ns + shift,
            end_ns=known.summary.end_ns + shift,
            session_id=session,
            user_id=user,
            input=f"Order {100000 + number * TRACES_PER_REQUEST + index}: {known.summary.input}",
        )
        yield SummaryUpdate(summary, [_call(call, trace_id, shift, session, user) for call in known.calls])


def _call(call: Call, trace_id: bytes, shift: int, session: str, user: str) -> Call:
    return replace(call, trace_id=trace_id, start_ns=call.start_ns + shift, session_id=session, user_id=user)


def _texts(store: SqlStore, item: Item) -> list[tuple[int, str]]:
    """One word that only this original has, and words that many have."""
    originals = store.originals_of_batch(item.batch_id)
    return [(number, f"order{number} {bodies.words(number, _TEXT)}") for number, _ in originals]


def last_start_ns(traces: int) -> int:
    return BASE_NS + traces * STEP_NS
