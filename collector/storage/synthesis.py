"""The summary of a trace that the summariser has not reached yet. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from collector.model import Span, TraceSummary
from collector.processors.normalize import content
from collector.summarise.summary import summarise


def summary_of(spans: Sequence[Span]) -> TraceSummary:
    """What it will say, of at least one span with its original, marked as ``stale``."""
    return replace(summarise(spans, content).summary, stale=True)
