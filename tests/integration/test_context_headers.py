"""``inject`` and ``continue_trace``: what is sent, what is accepted, and what hostile headers do: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
from context_support import Spans, leaf, spans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry import trace as otel
from opentelemetry.context import get_current

import tracekit
from tracekit import trace

__all__ = ["spans"]

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def parent_of(headers: Any) -> tuple[str, str] | None:
    """Ids of the trace and the span that a span within ``headers`` hangs under; None where it begins a trace."""
    with tracekit.continue_trace(headers):
        context = otel.get_current_span().get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


@pytest.mark.parametrize("headers", [None, {}, httpx.Headers(), requests.structures.CaseInsensitiveDict()])
def test_inject_names_the_current_span(spans: Spans, headers: Any) -> None:
    with trace.span("outer") as span:
        found = tracekit.inject(headers)
    assert re.fullmatch(f"00-{span.trace_id}-{span.span_id}-0[13]", found["traceparent"])
    assert headers is None or found is headers


def test_inject_replaces_what_was_passed_on_and_adds_nothing_without_a_span(spans: Spans) -> None:
    assert tracekit.inject({"Accept": "*/*"}) == {"Accept": "*/*"}
    with trace.span("outer") as span:
        found = tracekit.inject({"Traceparent": PARENT, "Accept": "*/*"})
    assert list(found) == ["Accept", "traceparent"] and span.span_id in found["traceparent"]


def test_inject_never_raises(spans: Spans) -> None:
    class Frozen(dict[str, str]):
        def __setitem__(self, key: str, value: str) -> None:
            raise TypeError("frozen")

    frozen = Frozen(accept="*/*")
    with trace.span("outer"):
        assert tracekit.inject(frozen) is frozen


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": PARENT},
        {"TraceParent": PARENT},
        [(b"accept", b"*/*"), (b"traceparent", PARENT.encode())],
        httpx.Headers({"Traceparent": PARENT}),
        {"traceparent": f"01-{TRACE}-{SPAN}-01-of-the-future"},
    ],
    ids=["dict", "any case", "asgi", "httpx", "later version"],
)
def test_a_trace_is_continued(spans: Spans, headers: Any) -> None:
    assert parent_of(headers) == (TRACE, SPAN)
    with tracekit.continue_trace(headers):
        leaf()
    [span] = spans.all()
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.parent.is_remote
    assert get_current() == {}


def test_state_and_what_is_not_sampled(spans: Spans) -> None:
    state = {"traceparent": PARENT[:-1] + "0", "tracestate": "vendor=a,other@b=c d"}
    with tracekit.continue_trace(state):
        leaf()
        found = tracekit.inject()
    assert spans.all() == []
    assert found["tracestate"] == "vendor=a,other@b=c d"


HOSTILE: list[Any] = [
    {},
    [],
    {"traceparent": ""},
    {"traceparent": "00-0-0-01"},
    {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
    {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
    {"traceparent": f"ff-{TRACE}-{SPAN}-01"},
    {"traceparent": PARENT + "-more"},
    {"traceparent": PARENT.upper()},
    {"traceparent": "x" * 1_000_000},
    {"traceparent": None},
    [("traceparent", PARENT), ("Traceparent", PARENT)],
    {b"traceparent": b"\xff\xfe\x00"},
    {"traceparent": ["a", "list"]},
    [("one",), 5],
    None,
    5,
]


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda headers: repr(headers)[:40])
def test_what_is_no_trace_is_ignored(spans: Spans, headers: Any) -> None:
    with trace.span("outer") as outer, tracekit.continue_trace(headers):
        assert otel.get_current_span() is outer.otel
    assert parent_of(headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"tracestate": "=" * 5_000},
        {"tracestate": "a=" + "\x00"},
        {"tracestate": ",".join(f"k{number}=v" for number in range(33))},
        {"baggage": "a" * 9_000},
        {"baggage": "user.id=ok, broken, =, ;;;, a=\x7f, b=\xe9, k\x00=v"},
        {"baggage": ",".join(f"k{number}=v" for number in range(1_000))},
        {"baggage": "k=" + "v" * 5_000},
    ],
    ids=lambda headers: repr(headers)[:40],
)
def test_what_else_is_wrong_is_left_out_and_not_logged(
    spans: Spans, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert parent_of({"traceparent": PARENT, **headers}) == (TRACE, SPAN)
    with tracekit.continue_trace({"traceparent": PARENT, **headers}):
        entries = baggage.get_all()
        leaf()
    assert len(entries) <= 180 and all(len(str(value)) <= 4_096 for value in entries.values())
    assert caplog.text == ""
    assert not [key for key in spans.one("leaf").attributes if key == "user.id"], "nobody asked for baggage"


TEXT = st.text(st.characters(max_codepoint=0x2FF), max_size=40)
NAMES = st.sampled_from(["traceparent", "tracestate", "baggage", "Baggage", "other"])
PIECES = st.sampled_from(["00-", TRACE, "-", SPAN, "-01", "a", "=", "b@c", ",", ";", "%", " ", "\x00", "é"])
VALUES = st.one_of(
    TEXT,
    st.just(PARENT),
    st.lists(PIECES, max_size=12).map("".join),
    st.binary(max_size=20),
    st.none() | st.integers() | st.lists(TEXT, max_size=2),
)


@given(headers=st.lists(st.tuples(NAMES, VALUES), max_size=6))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_headers_are_safe(caplog: pytest.LogCaptureFixture, headers: list[Any]) -> None:
    found = parent_of(headers)
    assert found is None or all(re.fullmatch(r"(?!0+$)[0-9a-f]+", part) for part in found)
    assert get_current() == {} and caplog.text == ""


@pytest.fixture
def faulty() -> Iterator[Any]:
    class Faulty(dict[str, str]):
        def items(self) -> Any:
            raise RuntimeError("no")

    yield Faulty(traceparent=PARENT)


def test_headers_that_cannot_be_read(spans: Spans, faulty: Any) -> None:
    with tracekit.continue_trace(faulty):
        leaf()
    assert spans.one("leaf").parent is None
