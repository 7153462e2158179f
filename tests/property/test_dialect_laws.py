"""A law of every dialect: whatever the attributes hold that it knows, nothing is raised and nothing read changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from test_processors import JSON_TEXTS, NAMES, PRICER, TEXTS, VALUES, law

from collector.model import KINDS, Event, Span, SpanBatch
from collector.processors.chain import process
from collector.processors.dialects import DIALECTS
from collector.processors.inout import trace_input_output
from collector.processors.normalize import contents

_LANGFUSE = (
    "type input output model.name model.parameters usage_details cost_details level completion_start_time "
    "status_message prompt.name metadata.ls_model_name metadata.finish_reason metadata.tool_call_id"
)
_MLFLOW = "spanType spanInputs spanOutputs chat.tokenUsage chat.tools llm.cost llm.model llm.provider trace.session"
_TRACELOOP = "span.kind entity.input entity.output entity.name association.properties.session_id prompt.template"
_GEN_AI = (
    "prompt prompt.0.content prompt.1.tool_calls.0.name completion completion.0.role completion.0.finish_reason "
    "usage.prompt_tokens usage.completion_tokens usage.reasoning_tokens usage.raw cost.total_cost is_streaming"
)
_VERCEL = (
    "operationId prompt prompt.messages prompt.tools response.text response.toolCalls response.object value values "
    "usage.inputTokens usage.outputTokens usage.reasoningTokens toolCall.args toolCall.result embeddings embedding "
    "telemetry.metadata.sessionId telemetry.metadata.tags settings.context.userId response.msToFirstChunk"
)
_LANGSMITH = "span.kind span.tags trace.session_name metadata.usage_metadata metadata.session_id metadata.ls_provider"
_OTHERS = (
    "model llm.request.type llm.usage.total_tokens llm.request.functions.0.name request_data logfire.span_type "
    "metadata.usage_object pydantic_ai.all_messages tool_arguments tool_response agent_name model_name final_result"
)
_PREFIXES = {
    "langfuse.observation.": _LANGFUSE,
    "mlflow.": _MLFLOW,
    "traceloop.": _TRACELOOP,
    "gen_ai.": _GEN_AI,
    "ai.": _VERCEL,
    "langsmith.": _LANGSMITH,
    "": _OTHERS,
}
_FOREIGN = [prefix + name for prefix, names in _PREFIXES.items() for name in names.split()]
_MARKS = sorted(mark for dialect in DIALECTS for mark in dialect.marks)
_EVENTS = (
    "exception",
    "gen_ai.choice",
    "gen_ai.tool.message",
    "gen_ai.user.message",
    "mlflow.chunk.item.0",
    "gen_ai.content.completion.chunk",
)
#: what senders write, and the same a little wrong
_TELLING = st.sampled_from(
    [
        *("generation", "tool", "retriever", "embedding", "ERROR", "workflow", "chat", "llm", "ai.toolCall"),
        *("ai.embed", "ai.generateText.doGenerate", '"CHAT_MODEL"', '"TOOL"', '"RETRIEVER"', "9999-12-31T23:59:59Z"),
        *('{"input": 5, "input_cache_read": 3}', '{"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}'),
        *("{'prompt_tokens': 3, 'x': None}", "{'prompt_tokens': [}", '[["user"]]', '[["user", 3]]', "[[[[]]]]"),
        *('{"messages": [[{"id": ["a"], "kwargs": {"content": [1, {"toolUse": 3}]}}]]}', '{"messages": [[]]}'),
        *('{"generations": [[{"text": 3, "message": {}}], 4]}', '{"type": "constructor", "kwargs": {"content": 3}}'),
        *('{"args": 3}', '{"args": [], "kwargs": 3}', '{"inputs": 3}', '{"role": 3, "content": {"type": "function"}}'),
    ]
)
_VALUES = VALUES | JSON_TEXTS | _TELLING
_ATTRIBUTES = st.dictionaries(st.sampled_from(_FOREIGN) | st.sampled_from(_MARKS + NAMES), _VALUES, max_size=9)
_TOLD = st.dictionaries(st.sampled_from(("content", "message", "id", "role", "tool_calls")), _VALUES, max_size=4)


@st.composite
def foreign_spans(draw: st.DrawFn) -> Span:
    event = Event(draw(st.sampled_from(_EVENTS)), draw(st.integers(0, 2**64)), draw(_TOLD))
    start, end = draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**64 - 1))
    span = Span(bytes(16), bytes(7) + b"\1", None, draw(TEXTS), start, end)
    span.status, span.attributes, span.events = (
        draw(st.sampled_from(("ok", "error", "unset"))),
        draw(_ATTRIBUTES),
        [event],
    )
    return span


@law(150)
@given(foreign_spans())
def test_no_dialect_raises_or_changes_what_it_reads(span: Span) -> None:
    attributes, events = repr(span.attributes), repr(span.events)
    faults: list[Exception] = []
    process(SpanBatch([span]), PRICER, lambda _, fault: faults.append(fault))
    assert not faults
    assert span.kind in KINDS
    trace_input_output([span], lambda one: contents([one])[0])
    assert (repr(span.attributes), repr(span.events)) == (attributes, events)
