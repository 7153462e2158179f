"""Spans with facts, as the summariser reads them: small numbers for ids, seconds for times."""

from __future__ import annotations

from typing import Any

from collector.model import Content, Cost, Message, Span, SummaryUpdate, Usage
from collector.summarise.summary import summarise

SECOND = 10**9
T0 = 1_767_323_045 * SECOND
TRACE = bytes(15) + b"\x01"


def span_id(number: int) -> bytes:
    return (number + 1).to_bytes(8, "big")


def named(number: int) -> str:
    """As ``duplicate_of`` names a span."""
    return f"{TRACE.hex()}:{span_id(number).hex()}"


def span(
    number: int, parent: int | None = None, kind: str = "chain", *, at: float = 0, lasts: float = 1, **facts: Any
) -> Span:
    start = T0 + round(at * SECOND)
    return Span(
        TRACE,
        span_id(number),
        None if parent is None else span_id(parent),
        facts.pop("name", f"span {number}"),
        start,
        start + round(lasts * SECOND),
        kind=kind,
        **facts,
    )


def llm(
    number: int, parent: int | None = None, tokens: tuple[int | None, int | None] | None = (10, 5), **more: Any
) -> Span:
    usage = None
    if tokens is not None:
        known = [count for count in tokens if count is not None]
        usage = Usage(tokens[0], tokens[1], sum(known) if len(known) == 2 else None)
    return span(number, parent, more.pop("kind", "llm"), usage=more.pop("usage", usage), **more)


def price(total: int | None, status: Any = "computed") -> Cost:
    return Cost("unpriced") if total is None else Cost(status, total, total // 2, total - total // 2)


def no_content(_: Span) -> Content:
    return Content()


def chat(question: str, answer: str) -> Content:
    return Content(input_messages=[Message("user", question)], output_messages=[Message("assistant", answer)])


def update_of(*spans: Span, contents: dict[int, Content] | None = None) -> SummaryUpdate:
    by_id = {span_id(number): content for number, content in (contents or {}).items()}
    return summarise(spans, lambda one: by_id.get(one.span_id, Content()))


def counted(update: SummaryUpdate) -> list[int]:
    """Numbers of the spans that are counted calls."""
    return [int.from_bytes(call.span_id, "big") - 1 for call in update.calls]


def uncounted(update: SummaryUpdate) -> dict[int, str | None]:
    return {int.from_bytes(number, "big") - 1: of for number, of in update.uncounted.items()}
