"""Prices from genai-prices, on the export thread only."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from sdk_support import Collector, collector

import tracekit
from tracekit import cost, semconv, trace

__all__ = ["collector"]

CALL: dict[str, Any] = {
    semconv.SPAN_KIND: "LLM",
    semconv.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini",
    semconv.GEN_AI_PROVIDER_NAME: "openai",
    semconv.GEN_AI_INPUT_TOKENS: 1000,
    semconv.GEN_AI_OUTPUT_TOKENS: 500,
}
NOW = 1_780_000_000 * 10**9


def test_the_price_is_genai_prices() -> None:
    found = cost.cost_attributes({**CALL, semconv.GEN_AI_CACHE_READ_TOKENS: 400}, NOW)
    usage = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400)
    expected = calc_price(usage, model_ref="gpt-4o-mini", provider_id="openai")
    assert found[semconv.LLM_COST_TOTAL] == float(expected.total_price)
    assert found[semconv.LLM_COST_PROMPT] == float(expected.input_price)
    assert found[semconv.LLM_COST_COMPLETION] == float(expected.output_price)
    assert found[semconv.COST_SOURCE] == "genai-prices"
    assert Decimal(str(found[semconv.LLM_COST_TOTAL])) > 0


def test_the_request_model_and_a_missing_provider_will_do() -> None:
    attributes = {**CALL, semconv.GEN_AI_REQUEST_MODEL: "claude-sonnet-4-5"}
    del attributes[semconv.GEN_AI_RESPONSE_MODEL], attributes[semconv.GEN_AI_PROVIDER_NAME]
    assert cost.cost_attributes(attributes, NOW)[semconv.LLM_COST_TOTAL] > 0


@pytest.mark.parametrize(
    "changed",
    [
        {semconv.GEN_AI_RESPONSE_MODEL: "no-such-model"},
        {semconv.SPAN_KIND: "CHAIN"},
        {semconv.LLM_COST_TOTAL: 0.5},
        {semconv.GEN_AI_INPUT_TOKENS: None, semconv.GEN_AI_OUTPUT_TOKENS: None},
        {semconv.GEN_AI_CACHE_READ_TOKENS: 5000},
        {semconv.GEN_AI_RESPONSE_MODEL: None},
        {semconv.GEN_AI_PROVIDER_NAME: "no-such-provider"},
    ],
)
def test_unknown_is_not_free(changed: dict[str, Any]) -> None:
    attributes = {key: value for key, value in {**CALL, **changed}.items() if value is not None}
    assert cost.cost_attributes(attributes, NOW) == {}


def test_costs_arrive_and_are_computed_off_the_calling_thread(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    computed = cost.cost_attributes

    def watched(attributes: Any, start_ns: int) -> Any:
        threads.add(threading.current_thread().name)
        return computed(attributes, start_ns)

    monkeypatch.setattr(cost, "cost_attributes", watched)
    tracekit.init(endpoint=collector.url, set_global=False, interval=0.01)

    @trace.llm(name="call")
    def call(model: str) -> Any:
        return {"role": "assistant", "content": "x", "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}

    call("gpt-4o-mini")
    with trace.span("told", kind="llm") as span:
        span.set_model("gpt-4o-mini")
        span.set_usage(input_tokens=10)
        span.set_cost(0.25)
    assert tracekit.shutdown().pending == 0
    sent = {span.name: {item.key: item.value for item in span.attributes} for span in collector.spans()}
    assert sent["call"]["llm.cost.total"].double_value == pytest.approx(0.00045)
    assert sent["call"]["tracekit.cost.source"].string_value == "genai-prices"
    assert sent["told"]["llm.cost.total"].double_value == 0.25
    assert "tracekit.cost.source" not in sent["told"]
    assert threads == {"tracekit-export"}
