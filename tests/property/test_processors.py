"""Laws of the processors: total over hostile input, the same call however it is told, money exact to the last digit."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from genai_prices import Usage as LibraryUsage
from genai_prices import calc_price, data_snapshot
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from collector.model import KINDS, Cost, Event, Span, SpanBatch, Usage
from collector.processors.chain import process
from collector.processors.inout import trace_input_output
from collector.processors.normalize import content, contents, facts
from collector.processors.price import Pricer
from collector.processors.sanitize import sanitize
from collector.processors.values import INT64_MAX, json_or_text

_NAMES = (
    "gen_ai.operation.name gen_ai.provider.name gen_ai.system gen_ai.request.model gen_ai.response.model",
    "gen_ai.response.id gen_ai.response.finish_reasons gen_ai.conversation.id gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens gen_ai.response.time_to_first_chunk gen_ai.server.time_to_first_token",
    "gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions gen_ai.tool.name",
    "gen_ai.tool.call.arguments gen_ai.tool.definitions operation.cost gen_ai.retrieval.documents",
    "gen_ai.embeddings.dimension.count gen_ai.prompt.variable.x gen_ai.request.temperature",
    "openinference.span.kind input.value input.mime_type output.value output.mime_type llm.model_name",
    "llm.provider llm.system llm.invocation_parameters llm.token_count.prompt llm.token_count.completion",
    "llm.token_count.total llm.finish_reason llm.token_count.prompt_details.cache_read llm.cost.total",
    "llm.cost.prompt llm.input_messages.0.message.role llm.input_messages.0.message.content",
    "llm.input_messages.7.message.contents.0.message_content.text llm.input_messages.0.message",
    "llm.output_messages.12.message.tool_calls.0.tool_call.function.arguments llm.tools.0.tool",
    "llm.output_messages.0.message.contents.1.message_content.type llm.output_messages.0.message.contents",
    "message.tool_calls.0.tool_call.function.name retrieval.documents.0.document.content",
    "retrieval.documents.1.document retrieval.documents.0.document.score reranker.output_documents.0.document.id",
    "embedding.embeddings.0.embedding.vector embedding.model_name tool.name tool.parameters",
    "llm.prompt_template.variables session.id user.id tag.tags metadata tracekit.project error.type",
    "server.address openai.response.service_tier",
)
NAMES = [name for line in _NAMES for name in line.split()]
PRICER = Pricer()
KNOWN_TEXTS = st.sampled_from(
    [
        "chat",
        "LLM",
        "TOOL",
        "RETRIEVER",
        "RERANKER",
        "EMBEDDING",
        "openai",
        "gpt-4o",
        "application/json",
        "",
        "\0",
        "{",
        "[[]]",
    ]
)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)  # with NUL and lone surrogates
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=4) | TEXTS | KNOWN_TEXTS
MEMBERS = st.sampled_from(
    ["role", "content", "parts", "type", "text", "id", "tool_calls", "function", "name", "metadata"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS | TEXTS, inner, max_size=4),
    max_leaves=5,
)
JSON_TEXTS = VALUES.map(lambda value: json.dumps(value, default=str))
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES) | TEXTS, VALUES | JSON_TEXTS, max_size=8)


def law(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def spans(draw: st.DrawFn, number: int = 1) -> Span:
    event = Event(
        draw(st.sampled_from(["exception", "First Token Stream Event"])), draw(st.integers(0, 2**64)), draw(ATTRIBUTES)
    )
    return Span(
        bytes(16),
        number.to_bytes(8, "big"),
        draw(st.none() | st.integers(0, 4).map(lambda parent: parent.to_bytes(8, "big"))),
        draw(TEXTS),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.sampled_from(["ok", "error", "unset"])),
        draw(TEXTS),
        draw(st.none() | TEXTS),
        draw(st.dictionaries(st.sampled_from(["service.name", "openinference.project.name"]), VALUES)),
        draw(ATTRIBUTES),
        [event],
    )


def fits(value: Any, limit: int) -> bool:
    """Whether PostgreSQL and SQLite take it as it is."""
    return isinstance(value, str) and 0 < len(value) <= limit and "\0" not in value and bool(value.encode())


@law(100)
@given(spans())
def test_whatever_a_span_carries_its_facts_fit_their_columns(span: Span) -> None:
    attributes, events = repr(span.attributes), repr(span.events)
    faults: list[Exception] = []
    process(SpanBatch([span]), PRICER, lambda _, fault: faults.append(fault))
    assert not faults
    assert (repr(span.attributes), repr(span.events)) == (attributes, events)
    assert 0 <= span.start_ns <= span.end_ns <= INT64_MAX
    assert span.kind in KINDS
    assert fits(span.project, 256) and (not span.name or fits(span.name, 1024))
    error = span.error
    for value in (span.scope, span.service, span.request_model, span.response_model, span.provider, span.response_id):
        assert value is None or fits(value, 256)
    for value in (span.session_id, span.user_id, *(span.tags or ()), *(span.finish_reasons or ())):
        assert value is None or fits(value, 256)
    for value in (error.type, error.message, error.stacktrace) if error else ():
        assert value is None or fits(value, 65_536)
    usage, cost = span.usage, span.cost
    numbers = [span.time_to_first_token_ns]
    if usage is not None:
        numbers += [value for name in Usage.__slots__ if (value := getattr(usage, name)) is not True]
        if usage.input_tokens is not None:
            assert usage.input_tokens >= (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    if cost is not None:
        numbers += [cost.total, cost.input, cost.output, cost.reported_total]
        assert (cost.total is None) == (cost.status == "unpriced")
    assert all(number is None or 0 <= number <= INT64_MAX for number in numbers)
    assert span.metadata is None or b"\\u0000" not in orjson.dumps(span.metadata)


@law(40)
@given(spans())
def test_facts_are_the_same_the_second_time(span: Span) -> None:
    sanitize(SpanBatch([span]))
    facts(span)
    once = repr(span)
    facts(copy.copy(span))
    assert repr(span) == once


@law(60)
@given(st.lists(st.integers(0, 3).flatmap(spans), min_size=1, max_size=2))
def test_whatever_spans_carry_their_content_can_be_read(found: list[Span]) -> None:
    process(SpanBatch(found))
    for each in contents(found):
        for message in (*each.input_messages, *each.output_messages):
            assert message.role in ("system", "user", "assistant", "tool")
            assert message.text is None or isinstance(message.text, str)
            assert all(isinstance(part["type"], str) for part in message.parts)
    trace_input_output(found, content)


TOKENS = st.none() | st.integers(0, 10**7)


@law(60)
@given(TOKENS, TOKENS, TOKENS, TOKENS, st.data())
def test_two_names_of_one_number_are_one_number(
    input_tokens: int | None, output_tokens: int | None, cached: int | None, reasoning: int | None, data: st.DataObject
) -> None:
    assume(input_tokens is not None or output_tokens is not None)
    genai = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        "gen_ai.usage.cache_read.input_tokens": cached,
        "gen_ai.usage.reasoning.output_tokens": reasoning,
    }
    openinference = {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": input_tokens,
        "llm.token_count.completion": output_tokens,
        "llm.token_count.prompt_details.cache_read": cached,
        "llm.token_count.completion_details.reasoning": reasoning,
    }
    mixed = {
        key: value
        for key, value in {**genai, **openinference}.items()
        if value is not None and data.draw(st.booleans())
    }
    usages = []
    for attributes in (genai, openinference, {**genai, **openinference}):
        span = Span(bytes(16), bytes(8), None, "call", 1, 2, attributes=attributes)
        facts(span)
        usages.append(span.usage)
    assert usages[0] == usages[1] == usages[2]
    span = Span(bytes(16), bytes(8), None, "call", 1, 2, attributes=mixed)
    facts(span)
    if span.usage is not None and span.usage.input_tokens is not None and usages[0] is not None:
        assert span.usage.input_tokens in (input_tokens, usages[0].input_tokens)


@law(60)
@given(st.lists(st.integers(0, 999), min_size=1, max_size=12, unique=True))
def test_flattened_indexes_count_as_numbers(indexes: list[int]) -> None:
    attributes: dict[str, Any] = {"openinference.span.kind": "LLM"}
    for index in indexes:
        attributes[f"llm.input_messages.{index}.message.content"] = str(index)
    found = content(Span(bytes(16), bytes(8), None, "call", 1, 2, attributes=attributes))
    assert [message.text for message in found.input_messages] == [str(index) for index in sorted(indexes)]


@law(60)
@given(VALUES)
def test_json_in_strings_is_read_and_everything_else_is_left(value: Any) -> None:
    if isinstance(value, str):
        assert isinstance(json_or_text(value), str | int | float | list | dict | bool | None)
    else:
        assert json_or_text(value) is value


@cache
def priced_models() -> list[tuple[str, str]]:
    """Every model whose tokens have a price, as (provider, model)."""
    found = []
    for provider in data_snapshot.get_snapshot().providers:
        for model in provider.models:
            if provider.find_model(model.id) is None:
                continue
            alternatives = model.prices if isinstance(model.prices, list) else [None]
            prices = [model.prices if part is None else part.prices for part in alternatives]
            if all(price.input_mtok is not None and price.output_mtok is not None for price in prices):
                found.append((provider.id, model.id))
    return found


PART = st.integers(0, 300_000)


@law(200)
@given(
    st.integers(0, 10**6),
    st.tuples(PART, PART, PART, PART),
    st.tuples(PART, PART, PART),
    st.just(0) | PART,
    st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from([None, "flex", "priority", "default"]),
)
def test_prices_are_those_of_genai_prices(
    pick: int, ins: tuple[int, int, int, int], outs: tuple[int, int, int], hidden: int, when: datetime, tier: str | None
) -> None:
    provider, model = priced_models()[pick % len(priced_models())]
    when = when.replace(tzinfo=UTC, microsecond=0)
    usage = Usage(
        input_tokens=max(0, sum(ins) - hidden),  # with something hidden its parts overlap, or contradict it
        output_tokens=sum(outs),
        cache_read_tokens=ins[1],
        cache_write_tokens=ins[2],
        audio_input_tokens=ins[3],
        reasoning_tokens=outs[1],
        audio_output_tokens=outs[2],
    )
    assume(usage.input_tokens or usage.output_tokens)
    span = Span(bytes(16), bytes(8), None, "call", int(when.timestamp()) * 10**9, 0, kind="llm", usage=usage)
    span.provider, span.response_model = provider, model
    span.attributes = {"openai.response.service_tier": tier} if tier else {}
    PRICER.price(span)
    overlap = max(0, ins[1] + ins[3] - (usage.input_tokens or 0)) if ins[1] and ins[3] else 0
    given_usage = LibraryUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        input_audio_tokens=usage.audio_input_tokens,
        output_audio_tokens=usage.audio_output_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        cache_audio_read_tokens=overlap,
    )
    context = {"service_tier": tier} if tier else None
    try:
        expected = calc_price(
            given_usage, model, provider_id=provider, genai_request_timestamp=when, price_context=context
        )
    except ValueError:
        assert span.cost == Cost("unpriced")
        return
    cost = span.cost
    assert cost is not None and cost.total is not None and cost.input is not None and cost.output is not None
    assert cost.price_id == f"{expected.provider.id}:{expected.model.id}"
    for ours, theirs, parts in (
        (cost.input, expected.input_price, 1),
        (cost.output, expected.output_price, 1),
        (cost.total, expected.total_price, 2),
    ):
        assert abs(Decimal(ours) - theirs * 10**12) <= parts
