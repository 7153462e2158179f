"""One span as its detail pane shows it."""

from __future__ import annotations

import dataclasses

import pytest

from collector.model import (
    Content,
    Cost,
    Document,
    Embedding,
    ErrorInfo,
    Event,
    Link,
    Message,
    Prompt,
    Span,
    Tool,
    ToolCall,
    Usage,
)
from dashboards import detail, values
from dashboards.values import Image, Table, Text

PNG = "iVBORw0KGgo="


def span(**facts: object) -> Span:
    made = Span(b"t" * 16, b"s" * 8, None, "chat", 1_000, 2_000_001_000)
    return dataclasses.replace(made, **facts)


def facts_of(shown: detail.Detail) -> dict[str, str]:
    return {fact.name: fact.value for fact in shown.facts}


def test_a_bare_span() -> None:
    shown = detail.build(span(), Content(), 0)
    assert (shown.name, shown.kind, shown.failed, shown.error) == ("chat", "task", False, "")
    assert [figure.value for figure in shown.figures] == ["2.00 s"]
    assert facts_of(shown) == {"started": "+1 µs", "span id": (b"s" * 8).hex()}
    assert shown.attributes is None and not shown.plain


def test_usage_and_cost() -> None:
    usage = Usage(input_tokens=1_200, output_tokens=30, total_tokens=1_230, cache_read_tokens=256, reasoning_tokens=7)
    cost = Cost("computed", 310_000_000, 200_000_000, 110_000_000, "openai/gpt-4o-mini", reported_total=320_000_000)
    call = span(
        kind="llm",
        request_model="gpt-4o-mini",
        response_model="gpt-4o-mini-2024",
        provider="openai",
        usage=usage,
        cost=cost,
    )
    shown = detail.build(call, Content(), 1_000)
    assert [figure.value for figure in shown.figures] == ["2.00 s", "1.2k", "$0.00031"]
    found = facts_of(shown)
    assert found["model"] == "gpt-4o-mini → gpt-4o-mini-2024"
    assert found["input tokens"] == "1,200 (256 from cache)"
    assert found["output tokens"] == "30 (7 reasoning)"
    assert found["cost"] == "$0.00031 ($0.00020 in, $0.00011 out)"
    assert found["reported cost"] == "$0.00032"
    assert found["started"] == "+0"


@pytest.mark.parametrize(
    ("usage", "model", "reason"),
    [
        (Usage(input_tokens=1, output_tokens=1), None, "The span names no model"),
        (None, "m", "The span does not say how many tokens were used"),
        (Usage(input_tokens=1, output_tokens=1), "m", "No price is known for m of lab"),
    ],
)
def test_unpriced_says_why(usage: Usage | None, model: str | None, reason: str) -> None:
    call = span(kind="llm", usage=usage, cost=Cost(), response_model=model, provider="lab")
    cost = next(fact for fact in detail.build(call, Content(), 0).facts if fact.name == "cost")
    assert (cost.value, cost.note) == ("unpriced", reason)


def test_a_call_that_is_counted_elsewhere_leads_there() -> None:
    twin = f"{'ab' * 16}:{'cd' * 8}"
    call = span(kind="llm", usage=Usage(total_tokens=3), counted=False, duplicate_of=twin)
    counted = next(fact for fact in detail.build(call, Content(), 0).facts if fact.name == "counted")
    assert (counted.href, counted.note) == ("duplicate", twin)


def test_errors_come_with_their_stack_trace_from_the_original() -> None:
    attributes = {
        "exception.type": "app.TimeoutError",
        "exception.message": "slow",
        "exception.stacktrace": "Traceback ...",
    }
    failed = span(
        status="error",
        error=ErrorInfo("TimeoutError", "slow"),
        events=[Event("exception", 5, attributes), Event("retry", 6)],
    )
    shown = detail.build(failed, Content(), 0)
    assert shown.error == "TimeoutError: slow"
    assert shown.stacktrace == Text("Traceback ...", mono=True)
    assert [event.name for event in shown.events] == ["retry"]


def test_an_error_without_any_word() -> None:
    assert detail.build(span(status="error"), Content(), 0).error == "error"


def test_conversation() -> None:
    content = Content(
        input_messages=[
            Message("system", "Be brief.", [{"type": "text", "text": "Be brief."}]),
            Message(
                "user", None, [{"type": "image", "mime_type": "image/png", "data": PNG}, {"type": "text", "text": "?"}]
            ),
            Message("tool", "42", [{"type": "tool_result", "tool_call_id": "c0", "name": "sum", "result": {"is": 42}}]),
            Message("user", "only text"),
            Message("assistant", None, [], [ToolCall("c9", "lookup")]),
            Message("tool", "7", [{"type": "tool_result", "tool_call_id": "c9", "result": 7}]),
        ],
        output_messages=[
            Message(
                "assistant", None, [{"type": "reasoning", "text": "hm"}], [ToolCall("c1", "sum", {"a": 1, "b": [2]})]
            ),
        ],
    )
    shown = detail.build(span(kind="llm"), content, 0)
    system, user, tool, plain, _, late = shown.conversation
    assert (system.role, system.parts[0].content) == ("system", Text("Be brief."))
    assert user.parts[0].content == Image("image/png, 9 B", f"data:image/png;base64,{PNG}")
    assert (tool.parts[0].label, tool.parts[0].note) == ("result of sum", "c0")
    assert late.parts[0].label == "result of lookup"
    assert plain.parts[0].content == Text("only text")
    reasoning, call = shown.answers[0].parts
    assert (reasoning.label, call.label) == ("reasoning", "calls sum")
    assert isinstance(call.content, Table)
    assert [(e.name, e.value.text) for e in call.content.entries] == [("a", "1"), ("b", "[\n  2\n]")]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "url": "https://example.com/a.png"},
        {"type": "image", "url": "data:image/svg+xml;base64,AAAA"},
        {"type": "image", "url": "data:text/html,<script>"},
        {"type": "image", "mime_type": "image/png", "data": "not base64!"},
        {"type": "image", "url": 7},
        {"type": "image"},
    ],
)
def test_only_raster_images_that_are_here_are_shown(part: dict[str, object]) -> None:
    assert values.image(part).source is None


def test_documents_are_ranked_with_their_share_of_the_best_score() -> None:
    documents = [
        Document("a", "first", 0.8, {"source": "x"}, 0),
        Document(None, None, 0.2, None, None),
        Document("c", "last"),
    ]
    first, second, third = detail.build(span(), Content(documents=documents, output="the same again"), 0).documents
    assert (first.rank, first.id, first.score, first.share) == (1, "a", "0.8", 100.0)
    assert (second.rank, second.score, second.share, second.text) == (2, "0.2", 25.0, None)
    assert (third.rank, third.score, third.share) == (3, "", None)


def test_embeddings_tell_their_dimensions() -> None:
    content = Content(embeddings=[Embedding("a", [0.5, -0.5], 2), Embedding("b", None, 384), Embedding("c")])
    first, second, third = detail.build(span(), content, 0).embeddings
    assert first.dimensions == "2 dimensions" and first.plot is not None
    assert second.dimensions == "384 dimensions" and second.plot is None
    assert third.dimensions == ""


def test_tool_prompt_input_and_output() -> None:
    tool = Tool("sum", {"a": 1}, None, "c1", "Adds")
    content = Content(tool=tool, input={"a": 1}, output="1", prompt=Prompt("{q}", "v2", {"q": "?"}, "ask"))
    titles = [title for title, _ in detail.build(span(), content, 0).plain]
    assert titles == ["Prompt ask v2", "Prompt variables", "Tool", "Arguments", "Output"]


def test_long_values_are_folded_and_cut() -> None:
    assert not values.text("short").folded
    assert values.text("line\n" * 20).folded
    long = values.text("x" * (values.TEXT_LIMIT + 7))
    assert (long.folded, len(long.text), long.cut) == (True, values.TEXT_LIMIT, 7)
    wide = values.table({str(n): n for n in range(values.MAX_ENTRIES + 3)})
    assert (len(wide.entries), wide.more) == (values.MAX_ENTRIES, 3)
    many = detail.build(span(), Content(input_messages=[Message("user", "x")] * 150), 0)
    assert len(many.conversation) == detail.MAX_LISTED + 1
    assert "50 more messages" in many.conversation[-1].parts[0].content.text  # type: ignore[union-attr]


def test_links_and_attributes() -> None:
    shown = detail.build(span(attributes={"b": b"\x01", "a": [1]}, links=[Link(b"x" * 16, b"y" * 8)]), Content(), 0)
    assert shown.attributes is not None
    assert [(e.name, e.value.text) for e in shown.attributes.entries] == [("a", "[\n  1\n]"), ("b", "01")]
    assert shown.links[0].trace_id == (b"x" * 16).hex()
