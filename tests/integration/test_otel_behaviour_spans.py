"""Spans of tracekit's own provider behave as OpenTelemetry's SDK has it: every test runs against both."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from otel_behaviour import Made, comparable, remote, under


class Fault(Exception):
    pass


@pytest.fixture(params=["tracekit", "opentelemetry"])
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


def _raise(span: Any, escape: bool) -> None:
    try:
        raise Fault("broken")
    except Fault as error:
        span.record_exception(error, {"attempt": 2}, escaped=escape)


def _attribute_types(span: Any) -> None:
    span.set_attributes({"text": "a", "whole": 1, "real": 1.5, "flag": True, "texts": ["a", "b"], "numbers": (1, 2)})
    span.set_attribute("text", "replaced")
    span.set_attribute("none", None)
    span.set_attribute("mixed", [1, "a", True])
    span.set_attribute("nested", {"a": [1, {"b": 2}]})


def _attributes_after_the_list_changed(span: Any) -> None:
    values = ["a", "b"]
    span.set_attribute("values", values)
    values.append("c")


def _empty_and_odd_keys(span: Any) -> None:
    span.set_attribute("", "no name")
    span.set_attribute("ü", "named")


def _events(span: Any) -> None:
    span.add_event("plain")
    span.add_event("with", {"name": "x", "numbers": [1, 2]})
    span.add_event("when", None, 1_500)


def _events_of_changing_attributes(span: Any) -> None:
    given = {"list": [1]}
    span.add_event("given", given)
    given["list"].append(2)
    given["more"] = [3]


def _links(span: Any) -> None:
    span.add_link(remote(), {"why": "batch"})
    span.add_link(trace_api.INVALID_SPAN_CONTEXT)
    span.add_link(trace_api.INVALID_SPAN_CONTEXT, {"why": "kept for its words"})
    span.add_link(remote(0, trace_id=0, vendor="state"))


def _names_and_kinds(span: Any) -> None:
    span.update_name("other")


def _status(*steps: Any) -> Callable[[Any], None]:
    def run(span: Any) -> None:
        for step in steps:
            span.set_status(*step)

    return run


def _after_the_end(span: Any) -> None:
    span.set_attribute("before", 1)
    span.end()
    span.set_attribute("after", 1)
    span.set_attributes({"after": 1})
    span.add_event("after")
    span.add_link(remote())
    span.update_name("after")
    span.set_status(StatusCode.ERROR)
    span.record_exception(Fault("after"))


SCENARIOS: dict[str, Callable[[Any], None]] = {
    "nothing": lambda span: None,
    "attribute types": _attribute_types,
    "changed lists": _attributes_after_the_list_changed,
    "odd keys": _empty_and_odd_keys,
    "events": _events,
    "events of changing attributes": _events_of_changing_attributes,
    "links": _links,
    "update_name": _names_and_kinds,
    "status ok": _status((StatusCode.OK,)),
    "status with words": _status((StatusCode.ERROR, "no")),
    "status object": _status((Status(StatusCode.ERROR, "no"),)),
    "ok is final": _status((StatusCode.OK,), (StatusCode.ERROR, "late")),
    "unset is ignored": _status((StatusCode.ERROR, "no"), (StatusCode.UNSET,)),
    "the last error wins": _status((StatusCode.ERROR, "first"), (StatusCode.ERROR, "second")),
    "words without error": _status((StatusCode.OK, "words")),
    "exception": lambda span: _raise(span, False),
    "escaped exception": lambda span: _raise(span, True),
    "after the end": _after_the_end,
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_span_says_of_itself_what_the_sdks_span_says(scenario: str) -> None:
    found = []
    for kind in ("tracekit", "opentelemetry"):
        made = Made(kind)
        span = made.start(
            "work", kind=SpanKind.CONSUMER, attributes={"given": 1, "text": "given"}, links=[Link(remote())]
        )
        SCENARIOS[scenario](span)
        span.end()
        found.append(comparable(made.one()))
    assert found[0] == found[1]


def test_it_is_a_span_of_the_api_and_readable_while_it_runs(made: Made) -> None:
    span = made.start(attributes={"a": 1})
    assert isinstance(span, trace_api.Span) and isinstance(span, ReadableSpan)
    assert span.is_recording() and span.end_time is None and span.start_time is not None
    assert span.attributes == {"a": 1} and span.name == "work" and span.kind is SpanKind.INTERNAL
    assert span.status.is_unset and list(span.events) == [] and list(span.links) == []
    span.end()
    assert not span.is_recording() and span.end_time is not None and span.end_time >= span.start_time


def test_the_attributes_that_are_handed_out_cannot_be_changed(made: Made) -> None:
    span = made.start(attributes={"a": 1})
    with pytest.raises(TypeError):
        span.attributes["a"] = 2
    span.add_event("e", {"a": 1})
    with pytest.raises(TypeError):
        span.events[0].attributes["a"] = 2


def test_bytes_stay_bytes(made: Made) -> None:
    span = made.start()
    span.set_attribute("bytes", b"\x00abc")
    assert span.attributes == {"bytes": b"\x00abc"}


def test_ids_of_a_root(made: Made) -> None:
    context = made.start().get_span_context()
    assert context.is_valid and not context.is_remote and context.trace_flags.sampled
    assert context.trace_flags.random_trace_id
    assert made.start().get_span_context().trace_id != context.trace_id


def test_a_child_of_a_local_span(made: Made) -> None:
    root = made.start("root")
    child = made.start("child", context=under(root))
    grandchild = made.start("grandchild", context=under(child))
    assert root.parent is None and child.parent == root.get_span_context()
    assert grandchild.parent == child.context
    assert {one.context.trace_id for one in (root, child, grandchild)} == {root.context.trace_id}
    assert not child.parent.is_remote and child.context.trace_flags == root.context.trace_flags


def test_a_child_of_a_remote_span_keeps_trace_flags_and_state(made: Made) -> None:
    parent = remote(3, vendor="abc")
    child = made.start(context=under(parent))
    assert child.parent == parent and child.parent.is_remote
    context = child.get_span_context()
    assert (context.trace_id, int(context.trace_flags)) == (parent.trace_id, 3)
    assert context.trace_state.get("vendor") == "abc" and not context.is_remote
    assert int(made.start(context=under(remote(1))).get_span_context().trace_flags) == 1


def test_the_current_span_is_the_parent_where_no_context_is_given(made: Made) -> None:
    outer = made.start("outer")
    with trace_api.use_span(outer):
        assert trace_api.get_current_span() is outer
        inner = made.start("inner")
        other = made.start("other", context=under(trace_api.INVALID_SPAN))
    assert inner.parent == outer.get_span_context() and other.parent is None
    assert trace_api.get_current_span() is trace_api.INVALID_SPAN


def test_an_ended_parent_is_still_a_parent(made: Made) -> None:
    root = made.start("root")
    root.end()
    assert made.start("late", context=under(root)).parent == root.get_span_context()


def test_given_times(made: Made) -> None:
    span = made.start(start_time=1_000)
    span.end(2_500)
    assert (made.one().start_time, made.one().end_time) == (1_000, 2_500)
    span = made.start(start_time=0)
    span.end(0)
    assert (made.ended()[1].start_time, made.ended()[1].end_time) == (0, 0)


def test_only_the_first_end_counts(made: Made) -> None:
    span = made.start()
    span.end(span.start_time + 5)
    span.end(span.start_time + 50)
    assert len(made.ended()) == 1 and made.one().end_time == made.one().start_time + 5  # type: ignore[operator]


def test_use_span_records_what_escapes(made: Made) -> None:
    with pytest.raises(Fault), trace_api.use_span(made.start(), end_on_exit=True):
        raise Fault("broken")
    span = made.one()
    assert span.status.status_code is StatusCode.ERROR and span.status.description == "Fault: broken"
    (event,) = span.events
    assert event.name == "exception" and event.attributes is not None
    assert str(event.attributes["exception.type"]).endswith("Fault")
    assert event.attributes["exception.message"] == "broken"
    assert "broken" in str(event.attributes["exception.stacktrace"])


def test_use_span_records_nothing_where_it_is_told_so(made: Made) -> None:
    span = made.start()
    with (
        pytest.raises(Fault),
        trace_api.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False),
    ):
        raise Fault
    assert made.one().status.is_unset and not made.one().events


def test_as_a_context_manager_it_ends_with_its_error(made: Made) -> None:
    with pytest.raises(Fault), made.start():
        raise Fault("broken")
    assert made.one().status.status_code is StatusCode.ERROR and len(made.one().events) == 1
    with made.start("fine"):
        pass
    assert made.ended()[1].status.is_unset


def test_an_error_of_a_child_and_of_its_parent(made: Made) -> None:
    parent = made.start("parent")
    with (
        pytest.raises(Fault),
        trace_api.use_span(parent, end_on_exit=True),
        trace_api.use_span(made.start("child"), end_on_exit=True),
    ):
        raise Fault("broken")
    child, outer = made.ended()
    assert child.parent == outer.context
    assert [len(one.events) for one in (child, outer)] == [1, 1]


@pytest.mark.parametrize("kind", ["tracekit", "opentelemetry"])
@pytest.mark.parametrize(
    "limits",
    [
        SpanLimits(max_events=2, max_links=2, max_span_attributes=3),
        SpanLimits(max_event_attributes=1, max_link_attributes=1, max_attribute_length=3),
        SpanLimits(max_span_attribute_length=4),
        SpanLimits(max_attributes=0, max_events=0, max_links=0, max_span_attributes=0),
        SpanLimits(*[SpanLimits.UNSET] * 8),
    ],
)
def test_limits(kind: str, limits: SpanLimits) -> None:
    made = Made(kind, limits=limits)
    span = made.start(links=[Link(remote(), {"a": "long text", "b": 1}) for _ in range(4)])
    for number in range(5):
        span.set_attribute(f"key{number}", "a long text")
        span.add_event(f"event{number}", {"a": "long text", "b": 1})
    span.end()
    found = made.one()
    assert found.attributes is not None
    most = limits.max_span_attributes
    kept = 5 if most is None else min(5, most)
    assert (len(found.attributes), found.dropped_attributes) == (kept, 5 - kept)
    length = limits.max_span_attribute_length
    assert all(value == "a long text"[:length] for value in found.attributes.values())
    expected = Made("opentelemetry", limits=limits)
    reference = expected.start(links=[Link(remote(), {"a": "long text", "b": 1}) for _ in range(4)])
    for number in range(5):
        reference.add_event(f"event{number}", {"a": "long text", "b": 1})
    reference.end()
    for name in ("events", "links", "dropped_events", "dropped_links"):
        one, other = getattr(found, name), getattr(expected.one(), name)
        if isinstance(one, int):
            assert one == other
        else:
            assert [dict(item.attributes) for item in one] == [dict(item.attributes) for item in other]
            assert [getattr(item, "name", "") for item in one] == [getattr(item, "name", "") for item in other]


def test_nothing_keeps_ended_spans_alive() -> None:
    made = Made("tracekit")
    made.memory.shutdown()
    gc.collect()
    gc.disable()
    try:
        before = len([one for one in gc.get_objects() if isinstance(one, ReadableSpan)])
        parent = made.start()
        for _ in range(50):
            # Each beneath the one before, as in a task that starts the next.
            child = made.start(context=under(parent))
            parent.end()
            parent = child
        parent.end()
        del parent, child
        assert len([one for one in gc.get_objects() if isinstance(one, ReadableSpan)]) <= before + 1
    finally:
        gc.enable()
