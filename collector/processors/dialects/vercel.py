"""Vercel's AI SDK (https://ai-sdk.dev/docs/ai-sdk-core/telemetry): ``ai.*`` of versions 4 to 6, and of 7's legacy.

Version 7 follows OTel's convention, with a few attributes of its own beside it. The outer spans repeat the usage of the
calls in them. Session and user go by the names that applications give their telemetry metadata.
"""

from __future__ import annotations

from typing import Any, Final

from collector.model import Attributes, Content, Embedding, Message, Span, Tool
from collector.processors.dialects.base import Marked, fill_owner, fill_usage, under
from collector.processors.dialects.bodies import asked_in
from collector.processors.dialects.messages import Part, build, part_of, text_part
from collector.processors.providers import provider_id
from collector.processors.values import json_list, json_or_text, nanoseconds, object_or_text, text

_OPERATION: Final = "ai.operationId"
_TEXT_TOKENS: Final = "ai.usage.outputTokenDetails.textTokens"
_REASONING: Final = "ai.usage.outputTokenDetails.reasoningTokens"
_METADATA: Final = "ai.telemetry.metadata."
_CONTEXT: Final = "ai.settings.context."
#: Names among them that are told by columns of their own.
_OWNERS: Final = ("sessionId", "session_id", "userId", "user_id", "tags")
_SETTINGS: Final = "ai.settings."
_CALLS: Final = (".doGenerate", ".doStream")
_MILLISECOND: Final = 10**6


class VercelAI(Marked):
    #: Of version 7 each span that has any of these attributes has one of the last.
    marks = frozenset({_OPERATION, _TEXT_TOKENS, _REASONING, _CONTEXT + "sessionId", _CONTEXT + "userId"})
    content_keys = ("ai.prompt", "ai.response.text", "ai.response.object", "ai.response.toolCalls", "ai.schema")

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        if span.kind == "task":
            span.kind = _kind(get(_OPERATION))
        for prefix in (_METADATA, _CONTEXT):
            _owned(span, attributes, prefix)
        if span.metadata is None:
            span.metadata = under(attributes, _METADATA, _OWNERS) or under(attributes, _CONTEXT, _OWNERS) or None
        if span.kind == "llm" or span.kind == "embedding":
            _call(span, attributes)
        if span.kind != "tool":
            _usage(span, attributes)

    def content(self, span: Span, attributes: Attributes) -> Content:
        get = attributes.get
        if _OPERATION not in attributes:
            return Content()
        kind = _kind(get(_OPERATION))
        content = Content(
            input=object_or_text(_first(attributes, "ai.prompt", "ai.value", "ai.values")),
            output=object_or_text(_first(attributes, "ai.response.text", "ai.response.object")),
            parameters=_parameters(attributes),
        )
        if kind == "tool":
            content.tool = _tool(attributes)
            content.input, content.output = content.tool.arguments, content.tool.result
        elif kind == "embedding":
            content.embeddings = _embeddings(attributes)
        else:
            content.input_messages = asked_in(_first(attributes, "ai.prompt.messages", "ai.prompt"))
            content.output_messages = _answer(attributes)
        return content


def _kind(operation: Any) -> str:
    if not isinstance(operation, str):
        return "task"
    if operation == "ai.toolCall":
        return "tool"
    if operation.startswith("ai.embed"):
        return "embedding"
    if operation.startswith("ai.rerank"):
        return "reranker"
    return "llm" if operation.endswith(_CALLS) else "chain"


def _owned(span: Span, attributes: Attributes, prefix: str) -> None:
    get = attributes.get
    session = _first(attributes, prefix + "sessionId", prefix + "session_id")
    fill_owner(span, session, _first(attributes, prefix + "userId", prefix + "user_id"))
    if span.tags is None:
        span.tags = get(prefix + "tags")


def _call(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    if span.request_model is None:
        span.request_model = get("ai.model.id")
    if span.response_model is None:
        span.response_model = get("ai.response.model")
    if span.provider is None:
        span.provider = provider_id(get("ai.model.provider"))
    if span.response_id is None:
        span.response_id = get("ai.response.id")
    if span.finish_reasons is None and (reason := get("ai.response.finishReason")) is not None:
        span.finish_reasons = [reason]
    if span.time_to_first_token_ns is None and (began := get("ai.response.msToFirstChunk")) is not None:
        span.time_to_first_token_ns = nanoseconds(began, _MILLISECOND)


def _usage(span: Span, attributes: Attributes) -> None:
    tokens = _first(attributes, "ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens")
    reasoning = _first(attributes, _REASONING, "ai.usage.reasoningTokens")
    if tokens is None and reasoning is None:
        return
    fill_usage(
        span,
        tokens,
        _first(attributes, "ai.usage.outputTokens", "ai.usage.completionTokens"),
        attributes.get("ai.usage.totalTokens"),
        _first(attributes, "ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
        attributes.get("ai.usage.inputTokenDetails.cacheWriteTokens"),
        None,
        reasoning,
        None,
    )


def _first(attributes: Attributes, *names: str) -> Any:
    return next((attributes[name] for name in names if attributes.get(name) is not None), None)


def _answer(attributes: Attributes) -> list[Message]:
    get = attributes.get
    parts: list[Part] = []
    if reasoning := get("ai.response.reasoning"):
        parts.append({"type": "reasoning", "text": text(reasoning)})
    answer = _first(attributes, "ai.response.text", "ai.response.object")
    if answer:
        parts.append(text_part(str(text(answer))))
    for call in json_list(get("ai.response.toolCalls")):
        if isinstance(call, dict) and (part := part_of({**call, "type": "tool-call"})) is not None:
            parts.append(part)
    return [build("assistant", parts)] if parts else []


def _tool(attributes: Attributes) -> Tool:
    get = attributes.get
    return Tool(
        text(get("ai.toolCall.name")),
        object_or_text(get("ai.toolCall.args")),
        json_or_text(get("ai.toolCall.result")),
        text(get("ai.toolCall.id")),
    )


def _embeddings(attributes: Attributes) -> list[Embedding]:
    """Values and vectors are JSON each, in a list where there are several."""
    values = attributes.get("ai.values") or [attributes.get("ai.value")]
    vectors = attributes.get("ai.embeddings") or [attributes.get("ai.embedding")]
    if not isinstance(values, list):
        return []
    vectors = vectors if isinstance(vectors, list) else []
    found: list[Embedding] = []
    for number, value in enumerate(values):
        vector = json_list(vectors[number]) if number < len(vectors) else []
        found.append(Embedding(text(json_or_text(value)), vector or None, len(vector) or None))
    return found


def _parameters(attributes: Attributes) -> dict[str, Any]:
    parameters = under(attributes, _SETTINGS)
    tools = attributes.get("ai.prompt.tools")
    if isinstance(tools, list):
        parameters["tools"] = [json_or_text(tool) for tool in tools]
    return parameters
