"""Laws of what goes to LangSmith: whatever a span, a run or an annotation holds, it is something that LangSmith takes,
and the same again when it is sent again."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from langsmith.schemas import FeedbackCreate
from langsmith.schemas import Run as ClientRun
from langsmith_records import records_of_changes
from langsmith_runs import run_uuid
from langsmith_strict_rules import Part, check_feedback, check_run, loaded, parts_of, time_of, unpacked
from test_dialect_laws import foreign_spans
from test_processors import JSON_TEXTS, KNOWN_TEXTS, TEXTS, VALUES, law, spans

from collector.annotations import ANNOTATOR_KINDS, Annotation, Target
from collector.codec.otlp import Original, compress
from collector.codec.runs import Attachment, RunChange
from collector.exporters.api import Record, Said
from collector.exporters.langsmith.feedback import feedback_of
from collector.exporters.langsmith.ids import Roots
from collector.exporters.langsmith.otlp import attributes_of
from collector.exporters.langsmith.parts import Item, Way, body_of, groups_of, item_of_feedback, item_of_run
from collector.exporters.langsmith.runs import document_of, run_of, runs_of
from collector.model import Span, SpanBatch
from collector.processors.chain import process
from collector.receivers.langsmith.messages import of_multipart

EMPTY = Original(compress(b""))
_RUN_FIELDS = (
    *("id", "trace_id", "parent_run_id", "dotted_order", "name", "run_type", "start_time", "end_time", "session_name"),
    *("session_id", "tags", "inputs", "outputs", "events", "extra", "error", "serialized", "reference_example_id"),
    *("attachments", "child_runs"),
)
_TELLING = st.sampled_from(
    [
        *("llm", "chat", "2026-01-02T03:04:05", str(run_uuid(1)), str(run_uuid(2)), "0001-01-01T00:00:00"),
        f"20260102T030405000000Z{run_uuid(1)}",
        f"20260102T030405000000Z{run_uuid(2)}.20260102T030406000000Z{run_uuid(1)}",
        f"20269999T999999999999Z{run_uuid(1)}",
        {"metadata": {"a": 1}},
        {"metadata": [1]},
    ]
)


def record_of(span: Span, *above: Span, is_rooted: bool = True) -> Record:
    """With everything in its facts, so that no original is needed."""
    process(SpanBatch([span]))
    record = Record(span, EMPTY, above, is_rooted)
    record.__dict__["span"] = span
    return record


def check(item: Item, way: Way = "zstd") -> dict[str, Any]:
    """As the stand-in reads it."""
    body = body_of([item], way, "b" * 32)
    if way == "batch":
        (run,) = loaded(body.content)["post"]
    else:
        headers = {name.lower(): value for name, value in body.headers.items()}
        parts = list(parts_of(unpacked(body.content, headers, 2**27), headers["content-type"]))
        run = _run_in(parts)
    check_run(run, "post")
    ClientRun(**run)
    return run


def _run_in(parts: list[Part]) -> dict[str, Any]:
    (run,) = (loaded(part.data) for part in parts if part.name.count(".") == 1 and part.name.startswith("post."))
    for part in parts:
        kind, _, *rest = part.name.split(".")
        if kind == "post" and rest:
            run[rest[0]] = loaded(part.data)
    assert isinstance(run, dict)
    return run


@law(120)
@given(foreign_spans() | spans(), st.booleans(), st.sampled_from(("zstd", "multipart", "batch")))
def test_every_span_becomes_a_run_that_is_taken(span: Span, is_rooted: bool, way: Way) -> None:
    run = run_of(record_of(span, is_rooted=is_rooted), Roots())
    found = check(item_of_run(run), way)
    again = run_of(record_of(span, is_rooted=is_rooted), Roots())
    assert run.document() == again.document()
    assert len(run.document()) < 200_000
    for name, value in attributes_of(found).items():
        assert isinstance(name, str) and isinstance(value, str | int)


@law(60)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6), st.booleans())
def test_every_order_is_taken(starts: list[int], is_rooted: bool) -> None:
    path = [
        Span(b"t" * 16, (number + 1).to_bytes(8), number.to_bytes(8) if number else None, "s", start, start)
        for number, start in enumerate(starts)
    ]
    roots = Roots()
    records = [record_of(path[at], *path[:at], is_rooted=is_rooted) for at in range(len(path))]
    runs = runs_of(records, roots)
    assert len({run.trace_id for run in runs}) == 1 and len({run.run_id for run in runs}) == len(path)
    for run in runs:
        start = time_of(check(item_of_run(run))["start_time"], "start_time")
        assert f"{start:%Y%m%dT%H%M%S%f}Z{run.run_id}" == run.dotted_order.rpartition(".")[2]
        if is_rooted:
            assert run.trace_id == UUID(bytes=b"t" * 16)


@law(120)
@given(st.dictionaries(st.sampled_from(_RUN_FIELDS), VALUES | JSON_TEXTS | _TELLING, max_size=9))
def test_every_run_that_we_take_is_taken(fields: dict[str, Any]) -> None:
    # As it comes: over the wire.
    sent = json.dumps(fields, default=str).encode("utf-8", "replace")
    boundary = "multipart/form-data; boundary=b"
    head = f'--b\r\nContent-Disposition: form-data; name="post.{run_uuid(1)}"\r\n\r\n'.encode()
    received = of_multipart(head + sent + b"\r\n--b--\r\n", boundary)
    for record in records_of_changes(*received.changes):
        found = check(item_of_run(run_of(record, Roots())))
        assert found["id"] == str(run_uuid(1))


@law(60)
@given(TEXTS, TEXTS | st.sampled_from(["text/plain", "image/png; a=b", "a/b\r\nX: y"]), st.binary(max_size=30))
def test_every_attachment_is_taken_whole(name: str, mime_type: str, data: bytes) -> None:
    change = RunChange(run_uuid(1).bytes, "post", {"id": str(run_uuid(1))}, (Attachment(name, mime_type, data),))
    (record,) = records_of_changes(change)
    item = item_of_run(run_of(record, Roots()))
    check(item)
    body = body_of([item], "multipart", "b" * 32)
    (attached,) = [p for p in parts_of(body.content, body.headers["Content-Type"]) if p.name.startswith("attachment")]
    assert attached.data == data and attached.name.count(".") == 2


@law(100)
@given(
    st.builds(
        Annotation,
        name=st.just("n") | KNOWN_TEXTS.filter(bool),
        target=st.sampled_from([Target(b"t" * 16), Target(b"t" * 16, b"s" * 8), Target(b"t" * 16, b"s" * 8, None, 3)]),
        annotator_kind=st.sampled_from(ANNOTATOR_KINDS),
        score=st.none() | st.booleans() | st.floats(-1e9, 1e9),
        label=st.none() | TEXTS,
        value=VALUES,
        correction=VALUES,
        explanation=st.none() | TEXTS,
        metadata=st.dictionaries(TEXTS, VALUES, max_size=2),
        source=st.dictionaries(st.sampled_from(("protocol", "feedback_source", "run_id", "extra")), VALUES, max_size=3),
        created_ns=st.none() | st.integers(0, 2**63 - 1),
        updated_ns=st.none() | st.integers(0, 2**63 - 1),
    )
)
def test_every_annotation_is_taken(annotation: Annotation) -> None:
    span = Span(b"t" * 16, b"s" * 8, None, "s", 5, 6) if annotation.target.span_id else None
    ((_, _, data),) = item_of_feedback(feedback_of(Said(annotation, "p", span), Roots(), None)).parts
    found = check_feedback(loaded(data))
    FeedbackCreate(**found)
    assert found["run_id"] == found["trace_id"] == str(UUID(bytes=b"t" * 16))


@law(60)
@given(st.lists(st.integers(0, 400), max_size=30), st.integers(1, 7), st.integers(100, 2_000))
def test_groups_keep_order_and_bounds(sizes: list[int], most: int, limit: int) -> None:
    items = [Item([("n", "t", b"x" * size)]) for size in sizes]
    groups = list(groups_of(items, most, limit))
    assert [item for group in groups for item in group] == items
    for group in groups:
        assert len(group) <= most
        assert len(group) == 1 or sum(item.size for item in group) <= limit


def test_a_span_without_its_original_is_sent_with_its_facts() -> None:
    record = Record(Span(b"t" * 16, b"s" * 8, None, "s", 5, 6, kind="llm"), EMPTY)
    assert document_of(record, Roots())["run_type"] == "llm"
