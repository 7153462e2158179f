"""A share of the traces, the same in every service, and every trace with an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from sdk_support import Collector, collector

import tracekit
from tracekit import trace
from tracekit.sampling import Errors, Sampling, ShareOfTraces

__all__ = ["collector"]

ELSEWHERE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{}"


@pytest.fixture(autouse=True)
def switched_off() -> Iterator[None]:
    yield
    tracekit.shutdown(0)


def in_share(trace_id: str, rate: float) -> bool:
    return int(trace_id, 16) & TraceIdRatioBased.TRACE_ID_LIMIT < TraceIdRatioBased.get_bound_for_rate(rate)


@trace(name="step")
def step(number: int) -> None:
    if number % 10 == 0:
        raise ValueError(number)


@trace(name="work")
def work(number: int, ids: list[str]) -> None:
    ids.append(tracekit.current_span().trace_id)
    try:
        step(number)
    except ValueError:
        pass


def sent(collector: Collector) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for span in collector.spans():
        found.setdefault(span.trace_id.hex(), []).append(span.name)
    return found


@pytest.mark.parametrize("own", [True, False], ids=["own", "joined"])
def test_the_share_and_every_trace_with_an_error_arrive_whole(collector: Collector, own: bool) -> None:
    provider = None if own else TracerProvider()
    before = tracekit.stats()
    tracekit.init(endpoint=collector.url, sample_rate=0.25, set_global=False, tracer_provider=provider)
    ids: list[str] = []
    for number in range(100):
        work(number, ids)
    assert tracekit.flush().pending == 0
    wanted = {found for number, found in enumerate(ids) if number % 10 == 0 or in_share(found, 0.25)}
    found = sent(collector)
    assert set(found) == wanted and {tuple(names) for names in found.values()} == {("step", "work")}
    assert 10 <= len(wanted) < 70
    now = tracekit.stats()
    assert now.ended - before.ended == 2 * len(wanted)
    assert now.sampled_out - before.sampled_out == 2 * (100 - len(wanted))


def test_the_environment_and_a_bad_rate(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRACEKIT_SAMPLE_RATE", "0")
    tracekit.init(endpoint=collector.url, set_global=False)
    ids: list[str] = []
    for number in range(11):
        work(number, ids)
    tracekit.flush()
    assert set(sent(collector)) == {ids[0], ids[10]}
    monkeypatch.setenv("TRACEKIT_SAMPLE_RATE", "7")
    tracekit.init(endpoint=collector.url, set_global=False)
    assert "must be from 0 to 1" in caplog.text
    work(1, ids)
    tracekit.flush()
    assert ids[-1] in sent(collector)


def test_a_parent_elsewhere_decides(collector: Collector) -> None:
    tracekit.init(endpoint=collector.url, sample_rate=0.0, set_global=False)
    ids: list[str] = []
    for flags, number in (("01", 1), ("00", 1), ("00", 10)):
        with tracekit.continue_trace({"traceparent": ELSEWHERE.replace("0af7", f"{number:02}{flags}").format(flags)}):
            work(number, ids)
    tracekit.flush()
    assert set(sent(collector)) == {ids[0], ids[2]}


class Ended:
    """As much of an ended span as is looked at."""

    def __init__(self, trace_id: int, root: bool = False, failed: bool = False) -> None:
        self.context = trace_api.SpanContext(trace_id, 1, False)
        self.parent = None if root else trace_api.SpanContext(trace_id, 2, False)
        self.status = trace_api.Status(trace_api.StatusCode.ERROR if failed else trace_api.StatusCode.UNSET)


def test_what_is_held_is_bounded_and_late_spans_go_where_their_trace_went() -> None:
    errors: Any = Errors(most=4)
    spans = [Ended(trace_id) for trace_id in (1, 1, 2, 2, 3)]
    assert [errors.ended(span) for span in spans] == [[]] * 5
    assert errors.sampled_out == 2  # the oldest trace was given up
    failing = Ended(2, failed=True)
    assert errors.ended(failing) == [spans[2], spans[3], failing]
    late = Ended(2)
    assert errors.ended(late) == [late]
    assert errors.ended(Ended(3, root=True)) == [] and errors.sampled_out == 4
    assert errors.ended(Ended(3)) == [] and errors.sampled_out == 5
    again = Ended(3, failed=True)
    assert errors.ended(again) == [again]
    for trace_id in range(10, 20_000):
        errors.ended(Ended(trace_id, root=True, failed=trace_id % 2 == 0))
    assert len(errors._kept) == len(errors._left) == 4_096 and not errors._held


def test_without_a_rate_samplers_decide() -> None:
    span: Any = Ended(5, root=True, failed=True)
    assert Sampling(None).chosen(span, True) == [] == Sampling(1.0).chosen(span, True)
    assert "0.5" in ShareOfTraces(0.5).get_description()
