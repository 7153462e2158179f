"""Records as the collector would hand them to an exporter, from the requests that it would have got."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from collector.codec.otlp import Original, decode_traces
from collector.exporters.api import Parcel, Record
from collector.pipeline import WANTED
from collector.processors.chain import process


def records_of(*bodies: bytes) -> list[Record]:
    """Of protobuf requests, in the order of their spans."""
    found = []
    for body in bodies:
        batch = process(decode_traces(body, WANTED))
        originals = [Original(chunk.data) for chunk in batch.chunks]
        # The columns have nothing of attributes, events, links and resource.
        bare = [
            replace(span, attributes={}, events=(), links=(), resource={}, status_message="") for span in batch.spans
        ]
        found += [Record(span, originals[span.chunk]) for span in bare]
    return found


def parcel_of(records: Sequence[Record], key: str = "0123456789abcdef", via: Iterable[str] = ()) -> Parcel:
    return Parcel(records, key, tuple(via))
