"""Runs as LangSmith's client tells them, without the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from collector.codec.run_spans import batch_of
from collector.codec.runs import Attachment, RunChange, RunHead
from collector.model import SpanBatch
from collector.processors.chain import process


def run_uuid(number: int) -> UUID:
    """Version 7, of 2026-01-02; those of a row begin with the same bytes."""
    return UUID(int=(0x019B7C4D0000_7000_8000 << 48) + number + 1)


def started(run: int, parent: int | None = None, trace: int | None = None, **fields: Any) -> RunChange:
    """A post; the trace of a run without parent is its own."""
    return _change(run, "post", parent, trace, {"start_time": at(run), **fields})


def ended(run: int, parent: int | None = None, trace: int | None = None, **fields: Any) -> RunChange:
    """A patch."""
    return _change(run, "patch", parent, trace, {"end_time": at(run + 1), **fields})


def attached(run: int, name: str, data: bytes, mime_type: str = "text/plain") -> RunChange:
    return RunChange(run_uuid(run).bytes, "post", {}, (Attachment(name, mime_type, data),), len(data))


def at(second: int) -> str:
    return f"2026-01-02T03:{second // 60:02}:{second % 60:02}.000000+00:00"


def spans_of(runs: Sequence[RunHead]) -> SpanBatch:
    """As the pipeline makes them."""
    return process(batch_of(runs))


def submit(store: Any, *changes: RunChange) -> Any:
    return store.submit_runs(changes, spans_of).result(30)


def _change(run: int, kind: Any, parent: int | None, trace: int | None, fields: dict[str, Any]) -> RunChange:
    ids = {
        "id": str(run_uuid(run)),
        "trace_id": str(run_uuid(trace if trace is not None else run)),
        "parent_run_id": None if parent is None else str(run_uuid(parent)),
    }
    name = {"name": f"run {run}", "run_type": "chain", "session_name": "p"} if kind == "post" else {}
    return RunChange(run_uuid(run).bytes, kind, {**ids, **name, **fields}, (), 200)
