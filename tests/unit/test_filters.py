"""The filter language: what it says, and how it says what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.filters.faults import FilterFault
from collector.filters.matches import SpanRecord, TraceRecord, matches
from collector.filters.nodes import Node, Scope
from collector.filters.parse import MAX_CHARS, parse
from collector.model import Content, Cost, Span, TraceSummary, Usage

SPAN = Span(
    b"t" * 16, b"s" * 8, None, "lookup", 0, 1_500_000_000, status="error", kind="tool", usage=Usage(10, 5, 15),
    cost=Cost("computed", total=10_000_000_000), metadata={"tier": "gold", "n": 3, "on": True, "list": ["a"]},
    tags=["prod"], attributes={"x.y": 0.5}, request_model="gpt-4o",
)  # fmt: skip
TRACE = TraceSummary(b"t" * 16, "p", "answer", 0, 10**9, "ok", 2, cost=Cost("computed", total=5), input={"q": "é"})


def holds(expression: str) -> bool:
    return matches(parse(expression, "span"), SpanRecord(SPAN, lambda _span: Content(input="give a refund")))


@pytest.mark.parametrize(
    "expression",
    [
        "kind == 'tool' and cost > 0.009 and 'refund' in input and user_id == None",
        "cost == 0.01",
        "0.01 <= cost < 0.02",
        "cost != 0.0100000000000001",
        "duration_ms == 1500 and duration_ms > 1499.9999",
        "attributes['x.y'] >= 0.5 and span.attributes['x.y'] < 1",
        "metadata.tier == 'gold' and metadata['n'] == 3.0 and metadata.on and metadata.on == true",
        "metadata.n != true and not metadata.n",
        "'a' in metadata.list and 'prod' in tags and 'x' not in tags",
        "metadata.missing == None and metadata.missing is None",
        "status in ['ok', 'error'] and kind not in ('llm',)",
        "not output > 'a'",
        "request_model.startswith('gpt-') and request_model.endswith('o')",
        "input_tokens == 10",
        "-1 < total_tokens",
        "counted or false",
        " kind == 'tool'\n and status == 'error' ",
    ],
)
def test_what_holds(expression: str) -> None:
    assert holds(expression)
    assert not holds(f"not ({expression})")


def test_a_trace_is_asked_about_its_spans() -> None:
    record = TraceRecord(TRACE, lambda: [SpanRecord(SPAN, lambda _span: Content())])
    assert matches(parse("any(span.kind == 'tool') and all(span.status == 'error')", "trace"), record)
    assert matches(parse("'é' in input and cost < 0.01 and duration_ms == 1000", "trace"), record)
    assert not matches(parse("any(span.kind == 'tool' and span.status == 'ok')", "trace"), record)


@pytest.mark.parametrize(
    ("expression", "scope", "column", "says"),
    [
        ("", "trace", 1, "empty"),
        ("status = 'ok'", "trace", 1, "write =="),
        ("status == 'ok' and costs > 1", "trace", 20, "did you mean cost?"),
        ("kind == 'llm'", "trace", 1, "any(span.kind"),
        ("cost > 'much'", "span", 8, "cost is a number"),
        ("name == 5", "span", 9, "put quotes"),
        ("cost > None", "span", 8, "nothing is smaller"),
        ("tags == 'a'", "span", 9, "'x' in tags"),
        ("5 in name", "span", 1, "only a text"),
        ("'a' in cost", "span", 8, "nothing can be in it"),
        ("cost", "span", 1, "compare cost"),
        ("metadata == 'a'", "span", 1, "needs a key"),
        ("name['a'] == 1", "span", 1, "take a key"),
        ("metadata[1] == 1", "span", 10, "a key in brackets is a text"),
        ("any(kind == 'llm')", "trace", 5, "span.kind"),
        ("any(span.kind == 'llm')", "span", 1, "about one span"),
        ("any(any(span.kind == 'llm'))", "trace", 5, "about one span"),
        ("any(span.kind == 'a' for span in spans)", "trace", 1, "takes one condition"),
        ("__import__('os')", "span", 1, "a field stands here"),
        ("name.lower() == 'a'", "span", 1, "a field stands here"),
        ("name == kind", "span", 9, "a value stands here"),
        ("'é' in name and wrong == 1", "span", 17, "no field of a span"),
        ("name == 'a'\nand nam == 'b'", "span", 17, "did you mean name?"),
        ("cost > 1e999", "span", 8, "too large"),
        ("name == '\\0'", "span", 9, "NUL"),
        ("(" * 500, "span", 200, "no expression"),
        ("not " * 300 + "true", "span", 101, "too deeply nested"),
        ("'a'", "span", 1, "says nothing"),
        ("x" * (MAX_CHARS + 1), "span", MAX_CHARS + 1, "longer than"),
    ],
)
def test_what_is_wrong_is_said_at_its_column(expression: str, scope: Scope, column: int, says: str) -> None:
    with pytest.raises(FilterFault) as fault:
        parse(expression, scope)
    assert says in str(fault.value)
    assert fault.value.column == column


@given(
    st.text(max_size=60) | st.text(alphabet="anotyspkid.=<>()[]'\" 0123", max_size=40),
    st.sampled_from(["trace", "span"]),
)
def test_any_text_is_a_filter_or_a_fault(text: str, scope: Scope) -> None:
    try:
        node: Node = parse(text, scope)
    except FilterFault as fault:
        assert 1 <= fault.column <= len(text) + 1
    else:
        hash(node)
