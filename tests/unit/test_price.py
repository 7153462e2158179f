"""What calls cost: overrides, genai-prices by date and level of service, reported costs, and unknown ones."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import data_snapshot, types

from collector.model import Cost, Span, Usage
from collector.processors.price import Override, Pricer

USAGE = Usage(1000, 100, 1100)


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 10**9


def call(model: str | None, provider: str | None = "openai", **fields: Any) -> Span:
    defaults: dict[str, Any] = {"kind": "llm", "usage": USAGE, "start_ns": at(2026, 11, 22), "end_ns": at(2026, 11, 22)}
    return Span(bytes(16), bytes(8), None, "call", response_model=model, provider=provider, **{**defaults, **fields})


def cost_of(span: Span, *overrides: Override) -> Cost | None:
    Pricer(overrides).price(span)
    return span.cost


def test_a_priced_call() -> None:
    # 0.15 and 0.60 USD per million tokens
    found = cost_of(call("gpt-4o-mini-2024-07-18"))
    assert found == Cost("computed", 210_000_000, 150_000_000, 60_000_000, "openai:gpt-4o-mini")


def test_cached_tokens_have_their_own_price() -> None:
    found = cost_of(call("gpt-4o-mini", usage=Usage(1000, 100, 1100, cache_read_tokens=400)))
    assert found is not None and found.input == 600 * 150_000 + 400 * 75_000


@pytest.mark.parametrize(
    "span",
    [
        call("no-such-model"),
        call("gpt-4o-mini", "no-such-provider"),
        call(None),
        call("gpt-4o-mini", usage=None),
        call("gpt-4o-mini", usage=Usage()),
        call("gpt-4o-mini", usage=Usage(input_tokens=10)),
        call("gpt-4o-mini", usage=Usage(output_tokens=10)),
        call("gpt-4o-mini", usage=Usage(0, 0, 0)),
        call("gpt-4o-mini", usage=Usage(10, 1, 11, cache_read_tokens=20)),
        call("gpt-4o-mini", usage=Usage(2**62, 2**62)),
        call("whisper-1"),
        call("rerank", "cohere", kind="reranker", usage=None),
    ],
)
def test_unknown_is_unpriced_not_free(span: Span) -> None:
    assert cost_of(span) == Cost("unpriced", None, None, None, None, None)


def test_spans_that_are_no_calls_keep_what_was_reported() -> None:
    reported = Cost("reported", 5, None, None, None, 5)
    assert cost_of(call("gpt-4o", kind="agent")) is None
    assert cost_of(call("gpt-4o", kind="agent", cost=reported)) is reported


def test_a_reported_cost_is_kept_beside_the_computed_one() -> None:
    found = cost_of(call("gpt-4o-mini", cost=Cost("reported", 5, 3, 2, None, 5)))
    assert found == Cost("computed", 210_000_000, 150_000_000, 60_000_000, "openai:gpt-4o-mini", 5)
    unknown = cost_of(call("no-such-model", cost=Cost("reported", 5, 3, 2, None, 5)))
    assert unknown == Cost("reported", 5, 3, 2, None, 5)


def test_an_embedding_needs_no_output_tokens() -> None:
    found = cost_of(call("text-embedding-3-small", kind="embedding", usage=Usage(1000, None, 1000)))
    assert found is not None and (found.status, found.total, found.output) == ("computed", 20_000_000, 0)


def test_the_requests_model_prices_a_call_whose_answer_names_an_unknown_one() -> None:
    found = cost_of(call("ft:internal:7", request_model="gpt-4o-mini"))
    assert found is not None and found.price_id == "openai:gpt-4o-mini"


def test_without_a_provider_the_model_tells() -> None:
    found = cost_of(call("claude-sonnet-4-5-20250929", None))
    assert found is not None and found.price_id == "anthropic:claude-sonnet-4-5"


def test_history_keeps_its_prices() -> None:
    pricer = Pricer()
    before, after = (call("o3", start_ns=start) for start in (at(2025, 6, 9, 23), at(2025, 6, 10)))
    for span in (after, before):
        pricer.price(span)
    assert before.cost is not None and before.cost.total == 1000 * 10_000_000 + 100 * 40_000_000
    assert after.cost is not None and after.cost.total == 1000 * 2_000_000 + 100 * 8_000_000


def test_long_inputs_have_the_price_of_their_tier() -> None:
    short, long = (call("claude-sonnet-4-5", "anthropic", usage=Usage(n, 10, n + 10)) for n in (200_000, 200_001))
    assert (found := cost_of(short)) is not None and found.input == 200_000 * 3_000_000
    assert (found := cost_of(long)) is not None and found.input == 200_001 * 6_000_000


def test_the_level_of_service_has_its_price() -> None:
    plain, flex = (call("gpt-5-mini", attributes={"openai.response.service_tier": t}) for t in ("auto", "flex"))
    assert (one := cost_of(plain)) is not None and (other := cost_of(flex)) is not None
    assert one.total is not None and one.total == 2 * (other.total or 0)


def test_overrides_come_first_and_are_dated() -> None:
    old = Override("GPT-4o-mini", input_mtok=Decimal(1), output_mtok=Decimal(2), from_ns=at(2026, 1, 1))
    new = Override("gpt-4o-mini", "openai", Decimal(3), Decimal(4), from_ns=at(2026, 6, 1), until_ns=at(2026, 7, 1))
    pricer = Pricer([old, new])
    totals = []
    for start in (at(2025, 12, 31), at(2026, 1, 1), at(2026, 6, 15), at(2026, 7, 1)):
        span = call("gpt-4o-mini", start_ns=start)
        pricer.price(span)
        assert span.cost is not None
        totals.append((span.cost.total, span.cost.price_id))
    assert totals == [
        (210_000_000, "openai:gpt-4o-mini"),
        (1_200_000_000, "override:GPT-4o-mini"),
        (3_400_000_000, "override:gpt-4o-mini"),
        (1_200_000_000, "override:GPT-4o-mini"),
    ]


def test_overrides_price_models_that_nobody_else_knows() -> None:
    own = Override("in-house", input_mtok=Decimal("0.0000005"), output_mtok=Decimal(0))
    assert cost_of(call("in-house", None), own) == Cost("computed", 500, 500, 0, "override:in-house")
    assert cost_of(call("in-house", "acme", usage=Usage(10, 5)), own) == Cost("computed", 5, 5, 0, "override:in-house")
    half = Override("in-house", input_mtok=Decimal(1))
    assert cost_of(call("in-house"), half) == Cost("unpriced")


def test_prices_by_time_of_day_change_on_whole_minutes() -> None:
    """Resolved prices are kept for a minute at a time."""
    for provider in data_snapshot.get_snapshot().providers:
        for model in provider.models:
            for part in model.prices if isinstance(model.prices, list) else ():
                if isinstance(part.constraint, types.TimeOfDateConstraint):
                    assert part.constraint.start_time.second == part.constraint.end_time.second == 0


def test_prices_by_time_of_day() -> None:
    pricer = Pricer()
    spans = [call("deepseek-chat", "deepseek", start_ns=at(2025, 8, 1, hour)) for hour in (12, 20, 12)]
    for span in spans:
        pricer.price(span)
    day, night, again = (span.cost.total for span in spans if span.cost)
    assert day == again != night
