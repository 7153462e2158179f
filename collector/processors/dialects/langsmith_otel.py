"""LangSmith's OpenTelemetry mode (https://docs.langchain.com/langsmith/trace-with-opentelemetry): runs as spans.

The run's type is believed, not its operation name (``chat`` on prompts, ``embeddings`` on retrievers). Inputs and
outputs are whole, as JSON, LangChain's messages serialised its own way.
"""

from __future__ import annotations

from typing import Any, Final

from collector.model import Attributes, Content, Span, Tool
from collector.processors.dialects.base import Marked, fill_owner, under
from collector.processors.dialects.bodies import answered_in, arguments_in, asked_in, result_in
from collector.processors.dialects.documents import documents_in
from collector.processors.dialects.usages import fill_usage_of
from collector.processors.models import model_in, response_id_in
from collector.processors.providers import provider_id
from collector.processors.values import json_object, object_or_text, text

_KIND: Final = "langsmith.span.kind"
_KINDS: Final = {
    "llm": "llm",
    "chain": "chain",
    "tool": "tool",
    "retriever": "retriever",
    "embedding": "embedding",
    "prompt": "prompt",
}
_PROJECT: Final = "langsmith.trace.session_name"
_METADATA: Final = "langsmith.metadata."
#: Names of what LangSmith takes for a thread (https://docs.langchain.com/langsmith/threads).
_SESSIONS: Final = ("session_id", "thread_id", "conversation_id")
#: Names of environment variables, which each run repeats.
_ENVIRONMENT: Final = ("LANGSMITH_", "LANGCHAIN_")


class LangSmithOTel(Marked):
    marks = frozenset({_KIND, _PROJECT, "langsmith.trace.name"})
    content_keys = ("gen_ai.prompt",)

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        if span.kind == "task":
            span.kind = _KINDS.get(str(get(_KIND)), "task")
        project = get(_PROJECT)
        if project and "tracekit.project" not in attributes:
            span.project = project
        session = next((found for name in _SESSIONS if (found := get(_METADATA + name)) is not None), None)
        fill_owner(span, session, get(_METADATA + "user_id"))
        tags = get("langsmith.span.tags")
        if span.tags is None and isinstance(tags, str):
            span.tags = [tag.strip() for tag in tags.split(",")]
        if span.metadata is None:
            found = under(attributes, _METADATA, ("session_id", "user_id", "usage_metadata"))
            span.metadata = {key: value for key, value in found.items() if not key.startswith(_ENVIRONMENT)} or None
        if span.kind == "llm":
            _call(span, attributes)

    def content(self, span: Span, attributes: Attributes) -> Content:
        get = attributes.get
        asked, answered = object_or_text(get("gen_ai.prompt")), object_or_text(get("gen_ai.completion"))
        output = _returned(answered)
        content = Content(input=asked, output=output)
        kind = get(_KIND)
        if kind == "llm":
            content.input_messages, content.output_messages = asked_in(asked), answered_in(answered)
        elif kind == "tool":
            call_id = text(get("gen_ai.tool.call.id"))
            content.tool = Tool(span.name, arguments_in(asked), result_in(output), call_id)
        elif kind == "retriever":
            content.documents = documents_in(output)
        return content


def _call(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    answer = get("gen_ai.completion")
    if span.request_model is None:
        span.request_model = get(_METADATA + "ls_model_name")
    if span.response_model is None:
        span.response_model = get("gen_ai.response.model") or model_in(answer)
    if span.provider is None:
        span.provider = provider_id(get(_METADATA + "ls_provider"))
    if span.response_id is None:
        span.response_id = get("gen_ai.response.id") or response_id_in(answer)
    usage = json_object(get(_METADATA + "usage_metadata"))
    if usage:
        fill_usage_of(span, usage)


def _returned(value: Any) -> Any:
    """A function's result, which LangSmith wraps unless it is an object."""
    return value["output"] if isinstance(value, dict) and value.keys() == {"output"} else value
