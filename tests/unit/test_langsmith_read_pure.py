"""The pure parts of LangSmith's reading half: filters, feedback, links."""

from __future__ import annotations

import uuid
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.annotations import Annotation, Target
from collector.keys import Keys
from collector.model import Cost, Span, Usage
from collector.receivers.langsmith.feedback import FeedbackFault, changes_of, feedback_annotation
from collector.receivers.langsmith.feedback_json import feedback, stats
from collector.receivers.langsmith.run_reads_attachments import AttachmentLinks
from collector.receivers.langsmith.run_reads_fields import RunView, figures_of
from collector.receivers.langsmith.run_reads_filter import FilterFault, matches, parse
from collector.storage.memory import MemoryStore
from collector.storage.runs_api import Run

RUN, TRACE = uuid.UUID(int=1 << 100 | 5).bytes, uuid.UUID(int=1 << 100 | 4).bytes
SECOND = 10**9


def view(*annotations: Annotation, **document: Any) -> RunView:
    start = 1_795_305_600 * SECOND  # 2026-11-22T00:00:00Z
    run = Run(RUN, TRACE, TRACE, "shop", "chat", "llm", start, start + 2 * SECOND, "success", None, document)
    return RunView(run, b"p" * 16, "", [], annotations=list(annotations))


def said(name: str, **fields: Any) -> Annotation:
    return Annotation(name, Target(TRACE, RUN[8:]), id=b"i" * 16, created_ns=0, updated_ns=0, **fields)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('eq(name, "chat")', True),
        ("eq(name, 'chat')", True),
        ('eq("name", "chat")', True),
        ('neq(run_type, "llm")', False),
        (" and( eq(name,\n\"chat\") , lte(latency, 2) ) ", True),
        ("lt(latency, 2)", False),
        ("gt(latency, 1.5e0)", True),
        ("eq(error, null)", True),
        ("neq(error, null)", False),
        ("eq(is_root, false)", True),
        ("gt(total_tokens, 0)", False),
        ('gt(start_time, "2026-11-21")', True),
        ('lte(end_time, "2026-11-22T00:00:02+00:00")', True),
        ('in(name, ["a", "chat"])', True),
        ("in(name, [])", False),
        ('has(tags, "a\\"b")', True),
        ('has(tags, "c")', False),
        ('has(metadata, "k")', True),
        ("has(metadata, '{\"k\": 1, \"m\": 2}')", False),
        ('and(eq(metadata_key, "k"), eq(metadata_value, 1))', True),
        ('and(eq(metadata_key, "k"), eq(metadata_value, 2))', False),
        ('and(eq(input_key, "q"), eq(input_value, "why"))', True),
        ('eq(output_key, "q")', False),
        ('and(eq(feedback_key, "a"), eq(feedback_score, 1))', True),
        ('and(eq(feedback_key, "a"), gt(feedback_score, 1))', False),
        ('and(or(eq(name, "x"), eq(feedback_key, "b")), eq(feedback_source, "model"))', True),
        ('search("WHY")', True),
        ('search("how")', False),
        ('gt(name, 5)', False),
    ],
)  # fmt: skip
def test_filters(text: str, holds: bool) -> None:
    run = view(
        said("a", score=True), said("b", score=2.0, annotator_kind="llm"),
        tags=['a"b'], extra={"metadata": {"k": 1, "m": 3}}, inputs={"q": "why"},
    )  # fmt: skip
    assert matches(parse(text), run) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "early"),
        ("eq", "early"),
        ("eq(name", "early"),
        ("eq(name, )", "')'"),
        ("eq(name, chat)", "quotes"),
        ('eq(name, "a") eq(name, "b")', "after the end"),
        ('like(name, "a%")', "like is not supported"),
        ("eq(colour, 1)", "colour"),
        ("in(name, 1)", "["),
        ('gt(start_time, "soon")', "ISO 8601"),
        ("and()", "')'"),
        ('eq(name, "a)', "not understood"),
        ("and(" * 40 + 'eq(name, "a")' + ")" * 40, "nested"),
        ("x" * 10_001, "longer"),
    ],
)
def test_what_is_no_filter_is_said(text: str, says: str) -> None:
    with pytest.raises(FilterFault, match=f".*{says.replace('[', chr(92) + '[').replace(')', chr(92) + ')')}"):
        parse(text)


@settings(max_examples=50)
@given(st.text(alphabet="eqandorhasin(),[]\"'\\ 12.name_tags-", max_size=60))
def test_no_text_makes_a_filter_fail_otherwise(text: str) -> None:
    try:
        node = parse(text)
    except FilterFault:
        return
    assert matches(node, view()) in (True, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["id", "run_id", "trace_id", "session_id", "key", "score", "value", "comment",
                                        "correction", "feedback_source", "extra", "created_at"]), JSON))  # fmt: skip
def test_any_object_is_feedback_or_refused(body: dict[str, Any]) -> None:
    try:
        annotation = feedback_annotation(body)
    except FeedbackFault as fault:
        assert str(fault)
        return
    assert annotation.name and "\0" not in annotation.name


def test_feedback_is_about_its_runs_span() -> None:
    ids = {"id": str(uuid.UUID(int=9)), "run_id": str(uuid.UUID(bytes=RUN)), "trace_id": str(uuid.UUID(bytes=TRACE))}
    assert feedback_annotation({**ids, "key": "k"}).target == Target(TRACE, RUN[8:])
    assert feedback_annotation({**ids, "key": "k", "trace_id": None}).target == Target(None, RUN[8:])
    assert feedback_annotation({**ids, "key": "k", "run_id": None}).target == Target(TRACE)
    alone = feedback_annotation({"key": "k", "session_id": ids["id"]})
    assert (alone.target, alone.id, alone.identifier) == (Target(session_id=ids["id"]), None, "")
    assert feedback_annotation({**ids, "key": "k"}).identifier == ids["id"]


def test_feedback_comes_back_as_it_was_sent() -> None:
    ids = {"id": str(uuid.UUID(int=9)), "run_id": str(uuid.UUID(bytes=RUN)), "trace_id": str(uuid.UUID(bytes=TRACE))}
    body = {
        **ids, "key": "k", "score": False, "value": "bad", "comment": "why", "correction": {"a": 1},
        "feedback_source": {"type": "model", "metadata": {"__run": {"run_id": ids["run_id"]}}},
        "session_id": ids["id"], "extra": {"x": 1}, "feedback_group_id": ids["id"],
    }  # fmt: skip
    annotation = feedback_annotation(body)
    assert (annotation.annotator_kind, annotation.label, annotation.explanation) == ("llm", "bad", "why")
    told = feedback(annotation)
    assert {name: told[name] for name in body} == body
    assert told["score"] is False


def test_an_annotation_of_ours_is_feedback_too() -> None:
    told = feedback(said("k", label="good", annotator_kind="code"), RUN)
    assert (told["run_id"], told["value"], told["feedback_source"]["type"]) == (
        str(uuid.UUID(bytes=RUN)),
        "good",
        "api",
    )


def test_changes_name_what_they_change() -> None:
    assert changes_of({"score": None}) == {"score": None}
    assert changes_of({"value": 5, "comment": None}) == {"value": 5, "label": None, "explanation": None}


def test_feedback_adds_up() -> None:
    found = stats([said("a", score=True), said("a", score=0.0, label="x"), said("b", label="x", explanation="e")])
    assert (found["a"]["n"], found["a"]["avg"], found["a"]["min"], found["a"]["max"]) == (2, 0.5, 0.0, 1.0)
    assert found["a"]["stdev"] == pytest.approx(0.7071, abs=1e-4)
    assert (found["b"]["avg"], found["b"]["values"], found["b"]["comments"]) == (None, {"x": 1}, ["e"])


def test_figures_are_of_counted_calls_and_add_up_the_tree() -> None:
    def span(number: int, parent: int | None, tokens: int | None, counted: bool = True) -> Span:
        span_id, above = number.to_bytes(8, "big"), None if parent is None else parent.to_bytes(8, "big")
        usage, cost = (Usage(tokens, 1, tokens + 1), Cost("computed", tokens)) if tokens else (None, None)
        return Span(TRACE, span_id, above, "s", number, 100, usage=usage, cost=cost, counted=counted,
                    time_to_first_token_ns=7 if tokens else None)  # fmt: skip

    found = figures_of([span(1, None, 30, counted=False), span(2, 1, 10), span(3, 1, None), span(4, 3, 20)])
    own, subtree = found[(1).to_bytes(8, "big")]
    assert own.usage.total_tokens is None and own.cost.total is None
    assert (subtree.usage.total_tokens, subtree.cost.total, subtree.first_token_ns) == (32, 30, 9)
    assert found[(3).to_bytes(8, "big")][1].usage.total_tokens == 21


def test_a_link_ends() -> None:
    keys, now = Keys(["one", "two"]), [1000.0]
    links = AttachmentLinks(MemoryStore(), keys, anyio.CapacityLimiter(1), lambda: now[0])
    link = links.link(RUN, "a b&c")
    assert "a+b%26c" in link and "expires=4600" in link
    signature = link.rpartition("signature=")[2]
    claim = f"attachment {RUN.hex()} until 4600: a b&c"
    assert keys.signed(claim, signature) and not keys.signed(claim + "x", signature)
    assert not Keys(["two"]).signed(claim, signature) and Keys(["two", "one"]).signed(claim, signature)
    assert not Keys([]).signed(claim, signature)
