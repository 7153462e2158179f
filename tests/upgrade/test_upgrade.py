"""Databases that older programs left: opened, brought up to date, read and written."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.model import Chunk, Span, SpanBatch
from collector.queue.api import INDEX, SUMMARISE
from collector.storage.api import TraceQuery, UsageQuery
from collector.storage.sql.schema import REVISIONS
from collector.storage.sql.store import open_store

DATA = Path(__file__).parent / "data"
ASKED, SHOP, LATE = (number.to_bytes(16, "big") for number in (2, 3, 4))


@pytest.fixture(params=REVISIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """The store over a database of that schema. ``make_database.py`` says what is in it."""
    path = tmp_path / "old.db"
    path.write_bytes(gzip.decompress((DATA / f"schema_{request.param}.db.gz").read_bytes()))
    store = open_store(f"sqlite:///{path}")
    yield store
    store.close()


def test_its_traces_are_listed_and_found(old: Any) -> None:
    assert {item.trace_id for item in old.list_traces(TraceQuery()).items} == {ASKED, SHOP}
    assert [item.trace_id for item in old.list_traces(TraceQuery(q="refund")).items] == [ASKED]
    assert [found.name for found in old.projects()] == ["p", "shop"]


def test_a_trace_has_its_summary_spans_and_originals(old: Any) -> None:
    trace = old.get_trace(ASKED)
    assert (trace.name, trace.user_id, trace.session_id, trace.tags) == ("ask", "ada", "s1", ["tier:gold"])
    assert (trace.span_count, trace.error_count, trace.usage.total_tokens) == (3, 1, 120)
    assert (trace.cost.total, trace.stale) == (250_000_000_000, False)
    spans = {span.name: span for span in old.get_spans(ASKED)}
    assert spans["chat"].attributes["input.value"] == "Where is my refund?"
    assert spans["chat"].request_model == "gpt-4o"
    assert (spans["lookup"].status, spans["lookup"].status_message) == ("error", "no such order")


def test_its_usage_adds_up(old: Any) -> None:
    rows = {row.group["user_id"]: row for row in old.usage(UsageQuery(group_by=("user_id",)))}
    assert rows["ada"].usage.total_tokens == 120
    assert rows["bob"].usage.total_tokens == 10


def test_work_that_was_queued_is_still_queued(old: Any) -> None:
    assert old.get_trace(LATE).stale
    for consumer in (SUMMARISE, INDEX):
        (item,) = old.queue.claim(consumer, "test", limit=9, lease_ns=1, now_ns=2**62)
        assert list(old.traces_of_batches([item.batch_id])) == [LATE]


def test_it_takes_new_spans(old: Any) -> None:
    (known,) = (span for span in old.get_spans(LATE))
    new = Span(known.trace_id, b"newspan!", None, "new", known.start_ns, known.end_ns, project="p")
    data = next(iter(old.originals_of([1]).values()))
    result = old.submit(SpanBatch([new, known], [Chunk(LATE, data, 2)])).result(30)
    assert (result.stored, result.duplicates) == (1, 1)
