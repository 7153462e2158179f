"""Hostile and broken values: what is stored fits its column, and one bad span loses nothing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collector.model import Chunk, Cost, Event, Span, SpanBatch
from collector.processors import chain
from collector.processors.chain import process
from collector.processors.normalize import facts
from collector.processors.price import Pricer
from collector.processors.sanitize import clean, sanitize

MAX = 2**63 - 1
SPAN_ID = bytes(range(8))


def batch_of(**fields: Any) -> SpanBatch:
    defaults: dict[str, Any] = {"parent_span_id": None, "name": "name", "start_ns": 10, "end_ns": 20}
    span = Span(bytes(16), SPAN_ID, **{**defaults, **fields})
    return SpanBatch([span], [Chunk(bytes(16), b"original", 1)])


@pytest.mark.parametrize(
    ("start", "end", "mended"),
    [
        (10, 20, (10, 20)),
        (10, 5, (10, 10)),
        (10, 0, (10, 10)),
        (0, 20, (20, 20)),
        (0, 0, (0, 0)),
        (10, 2**64 - 1, (10, MAX)),
        (2**64 - 1, 20, (20, 20)),
        (2**64 - 1, 2**64 - 1, (MAX, MAX)),
        (-5, 20, (20, 20)),
    ],
)
def test_times(start: int, end: int, mended: tuple[int, int]) -> None:
    (span,) = sanitize(batch_of(start_ns=start, end_ns=end)).spans
    assert (span.start_ns, span.end_ns) == mended


@pytest.mark.parametrize(
    ("name", "mended"),
    [
        ("plain", "plain"),
        ("a\0b\0", "ab"),
        ("\0", ""),
        ("ü☃", "ü☃"),
        ("x\ud800y", "x\ufffdy"),
        ("\ud83d\ude00", "😀"),
        ("n" * 2000, "n" * 1024),
    ],
)
def test_names(name: str, mended: str) -> None:
    batch = sanitize(batch_of(name=name, scope=name))
    assert batch.spans[0].name == mended
    assert batch.spans[0].scope == (mended[:256] or None)
    assert batch.chunks == [Chunk(bytes(16), b"original", 1)]


def test_a_span_is_not_its_own_parent() -> None:
    assert sanitize(batch_of(parent_span_id=SPAN_ID)).spans[0].parent_span_id is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        ("", None),
        ("\0", None),
        (7, "7"),
        (True, "True"),
        (b"\xff", "\ufffd"),
        (["a"], '["a"]'),
        ("ab", "a"),
    ],
)
def test_clean(value: Any, found: str | None) -> None:
    assert clean(value, 1 if value == "ab" else 100) == found


def test_facts_of_hostile_attributes_are_bounded() -> None:
    long = "é\0" * 100_000
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": long,
        "gen_ai.response.model": ["a", "list"],
        "gen_ai.provider.name": {"a": "dict"},
        "gen_ai.response.id": long,
        "gen_ai.response.finish_reasons": [long, None, 3],
        "gen_ai.usage.input_tokens": 2**70,
        "gen_ai.usage.output_tokens": -4,
        "session.id": long,
        "user.id": b"\xff\x00",
        "tracekit.project": "\0",
        "tag.tags": [str(number) for number in range(1000)],
        "metadata": {"deep": [[[]]] * 3, "long": long, "big": 2**80, "\0": 1, "nan": float("nan"), "ok": "yes"},
    }
    nested: list[Any] = []
    for _ in range(90):
        nested = [nested]
    attributes["metadata"]["nested"] = nested  # type: ignore[index]
    events = [Event("exception", 1, {"exception.message": long, "exception.stacktrace": long, "exception.type": long})]
    batch = batch_of(attributes=attributes, events=events, status="error")
    faults: list[Exception] = []
    (span,) = process(batch, on_fault=lambda _, fault: faults.append(fault)).spans
    assert not faults
    assert span.request_model == "é" * 128
    assert span.response_model == '["a","list"]'
    assert (span.provider, span.project, span.user_id) == (None, "default", "\ufffd")
    assert span.session_id == span.response_id == "é" * 128
    assert span.finish_reasons == ["é" * 128, "3"]
    assert span.tags is not None and len(span.tags) == 64
    assert span.usage is not None and (span.usage.input_tokens, span.usage.output_tokens) == (None, None)
    assert span.metadata == {"deep": [[[]]] * 3, "long": "é" * 2048, "big": str(2**80), "nan": None, "ok": "yes"} | {
        "nested": None
    }
    assert len(orjson.dumps(span.metadata)) < 20_000
    assert span.error is not None and span.error.message == "é" * 2048
    assert span.error.stacktrace == "é" * 32_768
    assert span.error.type == "é" * 128


def test_metadata_beyond_its_bound_keeps_what_fits() -> None:
    values = {f"key{number}": "v" * 1000 for number in range(100)}
    (span,) = process(batch_of(attributes={"metadata": orjson.dumps(values).decode()})).spans
    assert span.metadata is not None
    assert list(span.metadata) == list(values)[: len(span.metadata)]
    assert 14_000 < len(orjson.dumps(span.metadata)) <= 16_384
    (span,) = process(batch_of(attributes={"metadata": '{"a": "x\\u0000y"}'})).spans
    assert span.metadata == {"a": "xy"}


def test_a_span_that_cannot_be_normalised_is_kept_as_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(span: Span) -> None:
        facts(span)
        if span.name == "bad":
            raise KeyError("hostile")

    monkeypatch.setattr(chain, "facts", failing)
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "tracekit.project": "p"}
    batch = batch_of(name="bad", attributes=attributes)
    batch.spans += batch_of(name="good", attributes=attributes).spans
    faults: list[tuple[str, str]] = []
    process(batch, on_fault=lambda span, fault: faults.append((span.name, type(fault).__name__)))
    bad, good = batch.spans
    assert faults == [("bad", "KeyError")]
    assert (bad.kind, bad.request_model, bad.project) == ("task", None, "default")
    assert (good.kind, good.request_model, good.project) == ("llm", "m", "p")


def test_a_span_that_cannot_be_priced_is_unpriced(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Pricer, span: Span) -> None:
        raise ArithmeticError

    monkeypatch.setattr(Pricer, "price", failing)
    batch = process(batch_of(attributes={"gen_ai.operation.name": "chat"}), Pricer())
    assert (batch.spans[0].kind, batch.spans[0].cost) == ("llm", Cost("unpriced"))
