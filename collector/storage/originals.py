"""Putting what was sent back beside the facts of a span. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from collector.codec.otlp import spans_of
from collector.model import Span


def attach(spans: Iterable[tuple[Span, int]], data_of: Callable[[int], bytes]) -> None:
    """Fill resource, attributes, events, links and status message from the originals.

    ``spans`` are (span, original id) and ``data_of`` gives the compressed chunk of an id; each is decoded once.
    """
    decoded: dict[int, list[Span]] = {}
    for span, original_id in spans:
        sent = decoded.get(original_id)
        if sent is None:
            sent = decoded[original_id] = spans_of(data_of(original_id))
        _copy(sent[span.position], span)


def _copy(sent: Span, span: Span) -> None:
    span.resource = sent.resource
    span.attributes = sent.attributes
    span.events = sent.events
    span.links = sent.links
    span.status_message = sent.status_message
