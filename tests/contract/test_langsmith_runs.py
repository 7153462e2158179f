"""Runs: merged into what is stored, and the span of each replaced by the newer one with everything derived from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langsmith_runs import attached, ended, run_uuid, spans_of, started, submit
from store_data import SECOND, catch_up

from collector.model import SummaryUpdate
from collector.processors.normalize import content
from collector.queue.api import SUMMARISE
from collector.queue.consumers import Summarise
from collector.storage.api import Overloaded, TraceQuery
from collector.storage.runs_api import RunQuery
from collector.storage.sql.writer import Limits
from collector.summarise.summary import summarise

#: 2026-01-02T03:00:00Z
THREE = 1_767_322_800 * SECOND
ROOT, CHILD = run_uuid(0).bytes, run_uuid(1).bytes


def test_a_run_is_its_post_and_its_patch(store: Any) -> None:
    assert submit(store, started(0, inputs={"q": "why"}, extra={"metadata": {"a": 1, "b": 2}})).created == 1
    assert store.get_runs([ROOT])[ROOT].status == "pending"
    patch = ended(0, outputs={"a": "so"}, inputs=None, name=None, extra={"metadata": {"b": 3}})
    assert submit(store, patch).updated == 1
    run = store.get_runs([ROOT])[ROOT]
    assert (run.name, run.status, run.project, run.is_root) == ("run 0", "success", "p", True)
    assert run.document["inputs"] == {"q": "why"}
    assert run.document["outputs"] == {"a": "so"}
    assert run.document["extra"] == {"metadata": {"a": 1, "b": 3}}


def test_a_patch_may_come_first(store: Any) -> None:
    submit(store, ended(1, 0, 0, outputs={"a": 1}))
    submit(store, started(1, 0, 0, inputs={"q": 1}, outputs={}))
    run = store.get_runs([CHILD])[CHILD]
    assert (run.trace_id, run.parent_run_id, run.status) == (ROOT, ROOT, "success")
    assert (run.document["inputs"], run.document["outputs"]) == ({"q": 1}, {"a": 1})


def test_the_span_is_the_last_eight_bytes_of_the_run(store: Any) -> None:
    submit(store, started(0), ended(0), started(1, 0, 0), ended(1, 0, 0))
    root, child = store.get_spans(ROOT)
    assert (root.span_id, root.parent_span_id, root.status) == (ROOT[8:], None, "ok")
    assert (child.span_id, child.parent_span_id) == (CHILD[8:], ROOT[8:])


def test_a_pending_run_is_there_until_its_end_replaces_it(store: Any) -> None:
    submit(store, started(0))
    (span,) = store.get_spans(ROOT)
    assert (span.status, span.duration_ns, span.attributes["langsmith.run.pending"]) == ("unset", 0, True)
    submit(store, ended(0))
    (span,) = store.get_spans(ROOT)
    assert (span.status, span.duration_ns) == ("ok", 10**9)
    assert "langsmith.run.pending" not in span.attributes


def test_the_same_again_changes_nothing(store: Any) -> None:
    changes = started(0, inputs={"q": 1}), ended(0, outputs={"a": 1})
    submit(store, *changes)
    catch_up(store)
    assert submit(store, *changes).updated == 1
    assert submit(store, changes[0]).updated == 1
    assert not store.get_trace(ROOT).stale
    assert not store.queue.claim(SUMMARISE, "test", limit=1, lease_ns=1, now_ns=2**62)


def test_the_summary_follows_a_replaced_span(store: Any) -> None:
    submit(store, started(0, inputs={"q": 1}), started(1, 0, 0), ended(1, 0, 0))
    catch_up(store)
    before = store.get_trace(ROOT)
    assert (before.span_count, before.status, before.stale) == (2, "unset", False)
    submit(store, ended(0, error="ValueError('no such order')Traceback (most recent call last): ..."))
    assert store.get_trace(ROOT).stale
    catch_up(store)
    after = store.get_trace(ROOT)
    assert (after.span_count, after.status, after.stale) == (2, "error", False)
    assert (after.error.type, after.error.message) == ("ValueError", "no such order")


def test_a_summary_of_a_span_that_was_replaced_meanwhile_is_not_stored(store: Any) -> None:
    """The slow worker read before the patch, and is done after the one that read behind it."""
    submit(store, started(0))
    catch_up(store)
    old = _summary(store)
    submit(store, ended(0, error="KeyError('x')"))
    Summarise(store, store.queue)(store.queue.claim(SUMMARISE, "test", limit=9, lease_ns=1, now_ns=2**62))
    store.complete_summaries([], [old])
    assert (store.get_trace(ROOT).status, store.get_trace(ROOT).stale) == ("error", False)


def _summary(store: Any) -> SummaryUpdate:
    spans = store.spans_of_traces([ROOT])[ROOT]
    update = summarise(spans, lambda _: content(store.get_spans(ROOT)[0]))
    update.sources = frozenset(span.chunk for span in spans)
    return update


def test_words_of_a_replaced_span_lead_nowhere(store: Any) -> None:
    submit(store, started(0, inputs={"q": "apples"}))
    catch_up(store)
    submit(store, ended(0, inputs={"q": "pears"}))
    catch_up(store)
    assert not store.list_traces(TraceQuery(q="apples")).items
    assert [item.trace_id for item in store.list_traces(TraceQuery(q="pears")).items] == [ROOT]


def test_only_one_original_of_a_run_is_kept(store: Any) -> None:
    submit(store, started(0))
    first = set(store.originals_of(range(1, 50)))
    submit(store, ended(0))
    second = set(store.originals_of(range(1, 50)))
    assert (len(first), len(second), first & second) == (1, 1, set())


def test_a_run_that_learns_its_trace_moves(store: Any) -> None:
    orphan = ended(1, outputs={"a": 1})
    orphan.fields.pop("trace_id")
    submit(store, orphan)
    catch_up(store)
    assert store.get_trace(CHILD).span_count == 1
    submit(store, started(0), started(1, 0, 0))
    catch_up(store)
    assert store.get_trace(CHILD) is None
    assert {item.trace_id for item in store.list_traces(TraceQuery()).items} == {ROOT}
    assert len(store.get_spans(ROOT)) == 2


def test_attachments_are_kept_and_listed(store: Any) -> None:
    submit(store, started(0), attached(0, "a.txt", b"first"), attached(0, "b.png", b"\x89PNG\x00", "image/png"))
    submit(store, attached(0, "a.txt", b"second"))
    listed = store.get_runs([ROOT])[ROOT].attachments
    assert [(one.name, one.mime_type, one.size) for one in listed] == [
        ("a.txt", "text/plain", 6),
        ("b.png", "image/png", 5),
    ]
    assert store.get_attachment(ROOT, "b.png").data == b"\x89PNG\x00"
    assert store.get_attachment(ROOT, "a.txt").data == b"second"
    assert store.get_attachment(ROOT, "c") is None


FOUND: list[tuple[RunQuery, list[int]]] = [
    (RunQuery(), [5, 4, 3, 2, 1, 0]),
    (RunQuery(descending=False, limit=2), [0, 1]),
    (RunQuery(is_root=True), [4, 0]),
    (RunQuery(is_root=False), [5, 3, 2, 1]),
    (RunQuery(trace_id=run_uuid(4).bytes), [5, 4]),
    (RunQuery(parent_run_id=ROOT), [3, 2, 1]),
    (RunQuery(run_type="llm"), [2]),
    (RunQuery(error=True), [3]),
    (RunQuery(error=False, is_root=True), [4, 0]),
    (RunQuery(projects=("q",)), [5, 4]),
    (RunQuery(projects=()), []),
    (RunQuery(run_ids=(CHILD, run_uuid(9).bytes)), [1]),
    (RunQuery(reference_example_ids=(run_uuid(77).bytes,)), [1]),
    (RunQuery(from_ns=THREE + 2 * SECOND, to_ns=THREE + 5 * SECOND), [4, 3, 2]),
]


def test_runs_are_found(store: Any) -> None:
    _fill(store)
    for query, numbers in FOUND:
        found = [run.run_id for run in store.query_runs(query).items]
        assert found == [run_uuid(number).bytes for number in numbers], query


def _fill(store: Any) -> None:
    submit(
        store,
        started(0),
        started(1, 0, 0, reference_example_id=str(run_uuid(77))),
        started(2, 0, 0, run_type="llm"),
        started(3, 0, 0, error="it broke"),
        started(4, session_name="q"),
        started(5, 4, 4, session_name="q"),
    )


@pytest.mark.parametrize("descending", [True, False])
def test_pages_follow_each_other_while_runs_arrive(store: Any, descending: bool) -> None:
    submit(store, *(started(number) for number in range(2, 9)))
    query, seen = RunQuery(limit=3, descending=descending), []
    while True:
        page = store.query_runs(query)
        seen += [run.run_id for run in page.items]
        if page.next_after is None:
            break
        submit(store, started(9 if descending else 1))
        query = RunQuery(limit=3, descending=descending, after=page.next_after)
    assert sorted(seen) == [run_uuid(number).bytes for number in range(2, 9)]


def test_what_no_column_takes_is_mended(store: Any) -> None:
    submit(store, started(0, name="a\0b", run_type="LLM\0", session_name="p\0", inputs={"q": "\0"}))
    run = store.get_runs([ROOT])[ROOT]
    assert (run.name, run.run_type, run.project, run.document["inputs"]) == ("ab", "llm", "p", {"q": "\0"})


def test_changes_of_one_run_at_once_all_count(store: Any) -> None:
    changes = [ended(0, extra={"metadata": {str(number): number}}) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: submit(store, change), changes))
    metadata = store.get_runs([ROOT])[ROOT].document["extra"]["metadata"]
    assert metadata == {str(number): number for number in range(24)}
    assert len(store.get_spans(ROOT)) == 1


def test_two_collectors_may_change_one_run(sql_backend: Any) -> None:
    stores = [sql_backend.open() for _ in range(3)]
    changes = [ended(0, extra={"metadata": {str(number): number}}) for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda pair: submit(stores[pair[0] % 3], pair[1]), enumerate(changes)))
    assert len(stores[0].get_runs([ROOT])[ROOT].document["extra"]["metadata"]) == 24
    assert len(stores[0].get_spans(ROOT)) == 1
    assert len(stores[0].originals_of(range(1, 200))) == 1


def test_too_much_waiting_is_refused(backend: Any) -> None:
    backend.needs("waiting")
    store = backend.open(limits=Limits(spans=2))
    futures = []
    with pytest.raises(Overloaded):
        for number in range(1000):
            futures.append(store.submit_runs([started(number)], spans_of))
    for future in futures:
        assert future.result(30).created == 1
