"""What a span says in OpenTelemetry's conventions for generative AI, whatever conventions it came in. Pure and total.

Convention: open-telemetry/semantic-conventions-genai, ``docs/gen-ai/gen-ai-spans.md`` and ``docs/registry``, current
form (``gen_ai.provider.name``, messages as JSON of parts). What it has no name for (tags, metadata, cost, chains'
inputs and outputs) is in the span's own attributes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from collector.exporters.api import Record
from collector.exporters.genai_messages import messages_json, parts_of
from collector.exporters.jsontext import json_of
from collector.model import CALL_KINDS, Attributes, Content, Message, Span, Usage
from collector.processors.inout import input_of
from collector.processors.providers import provider_id
from collector.processors.values import count, number
from tracekit import semconv

#: Before the name of an attribute of this convention whose value contradicts what the collector found: the value.
REPLACED: Final = "tracekit.original."

_OPERATION: Final = semconv.GEN_AI_OPERATION_NAME
_PROVIDER: Final = semconv.GEN_AI_PROVIDER_NAME
_INSTRUCTIONS: Final = "gen_ai.system_instructions"
#: The convention's words by kind, the usual one first.
_OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "llm": ("chat", "text_completion", "generate_content"),
    "embedding": ("embeddings",),
    "retriever": ("retrieval",),
    "reranker": ("rerank",),
    "tool": ("execute_tool",),
    "agent": ("invoke_agent", "create_agent"),
}
_CLAIMED: Final = frozenset(word for words in _OPERATIONS.values() for word in words)
#: Ids of genai-prices -> the convention's, where they differ. Google's and Azure's stand for all of theirs.
_PROVIDERS: Final = {
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google": "gcp.gen_ai",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "x-ai": "x_ai",
}
#: Whose APIs take system instructions apart from the chat: only these are told apart.
_INSTRUCTED: Final = frozenset({"anthropic", "aws", "google"})
_USAGE: Final = (
    (semconv.GEN_AI_INPUT_TOKENS, "input_tokens"),
    (semconv.GEN_AI_OUTPUT_TOKENS, "output_tokens"),
    (semconv.GEN_AI_CACHE_READ_TOKENS, "cache_read_tokens"),
    (semconv.GEN_AI_CACHE_WRITE_TOKENS, "cache_write_tokens"),
    (semconv.GEN_AI_REASONING_TOKENS, "reasoning_tokens"),
    (semconv.GEN_AI_AUDIO_INPUT_TOKENS, "audio_input_tokens"),
    (semconv.GEN_AI_AUDIO_OUTPUT_TOKENS, "audio_output_tokens"),
)
_AGENT_NAMES: Final = (semconv.AGENT_NAME, "agent_name", "langsmith.metadata.lc_agent_name", "traceloop.entity.name")


def attributes(record: Record) -> Attributes:
    """To be set on the span as it was sent: what is missing, and what contradicts the facts; the value that was there
    then goes under ``REPLACED``. None removes."""
    span = record.span
    found = _facts(span)
    found |= {key: value for key, value in _contents(span, record.content).items() if key not in span.attributes}
    return {key: value for key, value in found.items() if value is not None or key in span.attributes}


def _facts(span: Span) -> Attributes:
    sent = span.attributes
    found: Attributes = {}
    _correct(found, sent, _OPERATION, _operation(span))
    for key, value in ((semconv.SESSION_ID, span.session_id), (semconv.USER_ID, span.user_id)):
        found |= {} if key in sent else {key: value}
    if semconv.GEN_AI_CONVERSATION_ID not in sent:
        found[semconv.GEN_AI_CONVERSATION_ID] = span.session_id
    if span.error is not None and semconv.ERROR_TYPE not in sent:
        found[semconv.ERROR_TYPE] = span.error.type
    if span.kind in CALL_KINDS:
        _call(found, span)
    elif span.kind == "agent" and semconv.GEN_AI_AGENT_NAME not in sent:
        found[semconv.GEN_AI_AGENT_NAME] = _agent_name(span)
    return found


def _operation(span: Span) -> Any:
    """None where the convention has no word for this kind of span and the span claims to be another."""
    sent = span.attributes.get(_OPERATION)
    words = _OPERATIONS.get(span.kind)
    if words is None:
        return None if isinstance(sent, str) and sent in _CLAIMED else sent
    return sent if sent in words else words[0]


def _call(found: Attributes, span: Span) -> None:
    sent = span.attributes
    if span.provider is not None and provider_id(sent.get(_PROVIDER)) != span.provider:
        _correct(found, sent, _PROVIDER, _PROVIDERS.get(span.provider, span.provider))
    first = span.time_to_first_token_ns
    for key, value in (
        (semconv.GEN_AI_REQUEST_MODEL, span.request_model),
        (semconv.GEN_AI_RESPONSE_MODEL, span.response_model),
        (semconv.GEN_AI_RESPONSE_ID, span.response_id),
        (semconv.GEN_AI_TIME_TO_FIRST_CHUNK, None if first is None else first / 1e9),
    ):
        if key not in sent:
            found[key] = value
    if span.finish_reasons is not None and not isinstance(sent.get(semconv.GEN_AI_FINISH_REASONS), list):
        _correct(found, sent, semconv.GEN_AI_FINISH_REASONS, span.finish_reasons)
    if span.usage is not None and not span.usage.estimated:
        _count(found, sent, span.usage)


def _count(found: Attributes, sent: Attributes, usage: Usage) -> None:
    for key, name in _USAGE:
        value = getattr(usage, name)
        if value is not None:
            _correct(found, sent, key, value)


def _correct(found: Attributes, sent: Attributes, key: str, value: Any) -> None:
    """What was sent stays beside what is right."""
    if key not in sent:
        found[key] = value
    elif sent[key].__class__ is not value.__class__ or sent[key] != value:
        found[key], found[REPLACED + key] = value, sent[key]


def _agent_name(span: Span) -> str | None:
    for key in _AGENT_NAMES:
        if isinstance(name := span.attributes.get(key), str) and name:
            return name
    return span.name.removeprefix("invoke_agent ") or None


def _contents(span: Span, content: Content) -> Attributes:
    found = _parameters(content.parameters) if span.kind in CALL_KINDS else {}
    if (tell := _BY_KIND.get(span.kind)) is not None:
        found |= tell(span, content)
    if content.prompt is not None and content.prompt.name:
        found[semconv.GEN_AI_PROMPT_NAME] = content.prompt.name
    return found


def _chat(span: Span, content: Content) -> Attributes:
    """Messages; a call or an agent that has none, but a text, is told as if the user and the assistant had said it."""
    asked, answered = content.input_messages, content.output_messages
    if span.kind in ("llm", "agent"):
        asked = asked or _said("user", content.input)
        answered = answered or _said("assistant", content.output)
    found: Attributes = {}
    apart = len([message for message in asked if message.role == "system"]) == 1 and asked[0].role == "system"
    if apart and span.provider in _INSTRUCTED:
        found[_INSTRUCTIONS] = json_of(parts_of(asked[0]))
        asked = asked[1:]
    if asked:
        found[semconv.GEN_AI_INPUT_MESSAGES] = messages_json(asked)
    if answered:
        found[semconv.GEN_AI_OUTPUT_MESSAGES] = messages_json(answered, span.finish_reasons or ())
    return found


def _said(role: str, value: Any) -> list[Message]:
    if not isinstance(value, str) or not value:
        return []
    return [Message(role, value, [{"type": "text", "text": value}])]


def _tool(span: Span, content: Content) -> Attributes:
    tool = content.tool
    arguments = content.input if tool is None or tool.arguments is None else tool.arguments
    result = content.output if tool is None or tool.result is None else tool.result
    return {
        semconv.GEN_AI_TOOL_NAME: (tool and tool.name) or span.name.removeprefix("execute_tool "),
        semconv.GEN_AI_TOOL_CALL_ID: tool and tool.call_id,
        semconv.GEN_AI_TOOL_DESCRIPTION: tool and tool.description,
        semconv.GEN_AI_TOOL_ARGUMENTS: _json(arguments),
        semconv.GEN_AI_TOOL_RESULT: _json(result),
    }


def _retrieval(span: Span, content: Content) -> Attributes:
    documents = [
        {name: value for name, value in members.items() if value is not None}
        for one in content.documents
        for members in ({"id": one.id, "score": one.score, "content": one.text, "metadata": one.metadata},)
    ]
    query = input_of(content)
    return {
        semconv.GEN_AI_RETRIEVAL_QUERY: query if isinstance(query, str) else None,
        semconv.GEN_AI_RETRIEVAL_DOCUMENTS: json_of(documents) if documents else None,
    }


def _embeddings(span: Span, content: Content) -> Attributes:
    for one in content.embeddings:
        if dimensions := one.dimensions or len(one.vector or ()):
            return {semconv.GEN_AI_EMBEDDING_DIMENSIONS: dimensions}
    return {}


_BY_KIND: Final[dict[str, Callable[[Span, Content], Attributes]]] = {
    **dict.fromkeys(("llm", "agent", "chain"), _chat),
    "tool": _tool,
    "retriever": _retrieval,
    "reranker": _retrieval,
    "embedding": _embeddings,
}


def _json(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_of(value)


def _texts(value: Any) -> list[str] | None:
    found = [value] if isinstance(value, str) else value
    return found if isinstance(found, list) and found and all(isinstance(item, str) for item in found) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


#: What libraries call a parameter -> (the convention's name, as what it is told).
_PARAMETERS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "temperature": ("temperature", number),
    "top_p": ("top_p", number),
    "top_k": ("top_k", number),
    "frequency_penalty": ("frequency_penalty", number),
    "presence_penalty": ("presence_penalty", number),
    "max_tokens": ("max_tokens", count),
    "max_completion_tokens": ("max_tokens", count),
    "max_output_tokens": ("max_tokens", count),
    "max_tokens_to_sample": ("max_tokens", count),
    "seed": ("seed", count),
    "n": ("choice.count", count),
    "choice.count": ("choice.count", count),
    "stop": ("stop_sequences", _texts),
    "stop_sequences": ("stop_sequences", _texts),
    "encoding_formats": ("encoding_formats", _texts),
    "encoding_format": ("encoding_formats", _texts),
    "stream": ("stream", _flag),
}


def _parameters(parameters: dict[str, Any]) -> Attributes:
    found: Attributes = {}
    for key, value in parameters.items():
        if key in _PARAMETERS and value is not None:
            name, told = _PARAMETERS[key]
            found.setdefault(semconv.GEN_AI_REQUEST + name, told(value))
    tools = parameters.get("tools")
    if isinstance(tools, list) and tools:
        found[semconv.GEN_AI_TOOL_DEFINITIONS] = json_of(tools)
    return found
