"""Runs and patches merge to the same document however they arrive."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langsmith_runs import run_uuid, spans_of, submit

from collector.codec.run_spans import batch_of, document_of
from collector.codec.runs import RunChange, head_of, merged, shown
from collector.processors.values import json_or_text
from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore

RUN = run_uuid(0).bytes
TRACE = {"id": str(run_uuid(0)), "trace_id": str(run_uuid(0))}

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)
fields = st.fixed_dictionaries(
    {name: st.just(value) for name, value in TRACE.items()},
    optional={
        "name": st.text(max_size=5),
        "inputs": objects,
        "outputs": st.none() | objects,
        "error": st.none() | st.text(max_size=5),
        "tags": st.none() | st.lists(st.text(max_size=3), max_size=3),
        "extra": st.none() | st.fixed_dictionaries({}, optional={"metadata": objects, "runtime": objects}),
    },
)


@st.composite
def told(draw: st.DrawFn) -> list[RunChange]:
    """One post and patches of different ends: what one run's client may say."""
    ends = draw(st.lists(st.integers(0, 59), unique=True, max_size=3))
    posts = [RunChange(RUN, "post", draw(fields) | {"start_time": "2026-01-02T03:00:00Z"})]
    patches = [RunChange(RUN, "patch", draw(fields) | {"end_time": f"2026-01-02T03:01:{end:02}Z"}) for end in ends]
    return posts + patches


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), told())
def test_order_repetition_and_requests_do_not_matter(data: st.DataObject, changes: list[RunChange]) -> None:
    once = merged(None, changes)
    again = data.draw(st.lists(st.sampled_from(changes), max_size=4))
    order = data.draw(st.permutations([*changes, *again]))
    document: dict[str, Any] | None = None
    while order:
        size = data.draw(st.integers(1, len(order)))
        document = merged(document, order[:size])
        order = order[size:]
    assert document == once


@settings(max_examples=30, deadline=None, derandomize=True)
@given(told())
def test_nothing_that_was_said_is_erased_by_null(changes: list[RunChange]) -> None:
    document = merged(None, changes)
    for change in changes:
        for name, value in change.fields.items():
            assert value is None or document[name] is not None
            assert not value or document[name]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(told())
def test_the_document_comes_back_from_its_span(changes: list[RunChange]) -> None:
    document = merged(None, changes)
    batch = batch_of([head_of(RUN, document)])
    assert document_of(batch.chunks[0].data) == document


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data(), told())
def test_the_stored_run_is_the_same(data: st.DataObject, changes: list[RunChange]) -> None:
    store = MemoryStore(MemoryQueue())
    for change in data.draw(st.permutations(changes + changes)):
        submit(store, change)
    head = head_of(RUN, merged(None, changes))
    run = store.get_runs([RUN])[RUN]
    assert run.document == shown(head.document)
    (span,) = store.get_spans(head.trace_id)
    assert _opened(span.attributes) == _opened(spans_of([head]).spans[0].attributes)


def _opened(attributes: dict[str, Any]) -> dict[str, Any]:
    """The order of names in an object means nothing."""
    return {name: json_or_text(value) for name, value in attributes.items()}
