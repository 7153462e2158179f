"""Records as the collector hands them to an exporter, of the requests that ``benchmarks.ingest`` sends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collector.codec.otlp import Original, decode_traces
from collector.exporters.api import Needs, Parcel, Record
from collector.model import Span
from collector.pipeline import WANTED
from collector.processors.chain import process
from collector.processors.price import Pricer


def records_of(body: bytes, pricer: Pricer) -> list[Record]:
    """Fresh ones, of which nothing has been decoded but the facts; every trace is whole in its request."""
    batch = process(decode_traces(body, WANTED), pricer)
    originals = [Original(chunk.data) for chunk in batch.chunks]
    by_id = {(span.trace_id, span.span_id): span for span in batch.spans}
    return [Record(span, originals[span.chunk], _above(span, by_id)) for span in batch.spans]


def parcels_of(bodies: Sequence[list[Record]], needs: Needs) -> Iterator[Parcel]:
    """A parcel for each body, in as many as its spans need; for files, as few as there can be."""
    groups = [[record for body in bodies for record in body]] if needs.bundles else bodies
    for number, records in enumerate(groups):
        for first in range(0, len(records), needs.spans):
            yield Parcel(records[first : first + needs.spans], f"{number:08x}{first:08x}")


def _above(span: Span, by_id: dict[tuple[bytes, bytes], Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    parent = span.parent_span_id
    while parent is not None:
        above = by_id[span.trace_id, parent]
        found.insert(0, above)
        parent = above.parent_span_id
    return tuple(found)
