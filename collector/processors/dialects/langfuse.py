"""Langfuse's SDKs (https://langfuse.com/integrations/native/opentelemetry): ``langfuse.observation.*``.

An observation's model is the one that answered. Errors are a level: the span's status often stays unset. Values of
metadata are JSON in strings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from collector.model import Attributes, Content, Prompt, Span, Tool
from collector.processors.dialects.base import Marked, fill_cost, fill_owner, under
from collector.processors.dialects.bodies import answered_in, arguments_in, asked_in, result_in
from collector.processors.dialects.documents import documents_in
from collector.processors.dialects.usages import fill_usage_of
from collector.processors.providers import provider_id
from collector.processors.values import json_object, json_or_text, nanoseconds, object_or_text, text

_TYPE: Final = "langfuse.observation.type"
_KINDS: Final = {
    "generation": "llm",
    "embedding": "embedding",
    "retriever": "retriever",
    "tool": "tool",
    "agent": "agent",
    "chain": "chain",
    "guardrail": "guardrail",
    "evaluator": "evaluator",
}
_METADATA: Final = "langfuse.observation.metadata."
_FINISH: Final = "finish_reason"
_TRACE_METADATA: Final = "langfuse.trace.metadata."


class Langfuse(Marked):
    marks = frozenset(
        {
            _TYPE,
            "langfuse.observation.input",
            "langfuse.observation.output",
            "langfuse.observation.model.name",
            "langfuse.observation.level",
            "langfuse.trace.name",
            "langfuse.trace.tags",
            "langfuse.session.id",
            "langfuse.user.id",
            "langfuse.environment",
        }
    )
    content_keys = ("langfuse.observation.input", "langfuse.observation.output")

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        if span.kind == "task":
            span.kind = _kind(get(_TYPE))
        fill_owner(span, get("langfuse.session.id"), get("langfuse.user.id"))
        if span.tags is None:
            span.tags = get("langfuse.trace.tags")
        if span.metadata is None:
            found = {**under(attributes, _TRACE_METADATA), **under(attributes, _METADATA, (_FINISH,))}
            span.metadata = {key: json_or_text(value) for key, value in found.items()} or None
        if get("langfuse.observation.level") == "ERROR":
            span.status = "error"
        if span.kind == "llm" or span.kind == "embedding":
            _call(span, attributes)

    def content(self, span: Span, attributes: Attributes) -> Content:
        get = attributes.get
        content = Content(
            input=object_or_text(get("langfuse.observation.input")),
            output=object_or_text(get("langfuse.observation.output")),
            parameters=json_object(get("langfuse.observation.model.parameters")) or {},
            prompt=_prompt(attributes),
        )
        kind = get(_TYPE)
        if kind == "generation":
            content.input_messages = asked_in(content.input)
            content.output_messages = answered_in(content.output)
        elif kind == "tool":
            call_id = text(json_or_text(get(_METADATA + "tool_call_id")))
            content.tool = Tool(span.name, arguments_in(content.input), result_in(content.output), call_id)
        elif kind == "retriever":
            content.documents = documents_in(content.output)
        return content


def _kind(kind: Any) -> str:
    return _KINDS.get(kind, "task") if isinstance(kind, str) else "task"


def _call(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    if span.response_model is None:
        span.response_model = get("langfuse.observation.model.name")
    if span.request_model is None:
        span.request_model = text(json_or_text(get(_METADATA + "ls_model_name")))
    if span.provider is None:
        span.provider = provider_id(json_or_text(get(_METADATA + "ls_provider")))
    usage = json_object(get("langfuse.observation.usage_details"))
    if usage:
        fill_usage_of(span, usage)
    cost = json_object(get("langfuse.observation.cost_details"))
    # Calls that failed are given a cost of 0.
    if cost and cost.get("total"):
        fill_cost(span, cost.get("total"), cost.get("input"), cost.get("output"))
    if span.finish_reasons is None and (reason := get(_METADATA + _FINISH)) is not None:
        span.finish_reasons = [json_or_text(reason)]
    if span.time_to_first_token_ns is None:
        span.time_to_first_token_ns = _time_to_first_token(span, get("langfuse.observation.completion_start_time"))


def _time_to_first_token(span: Span, began: Any) -> int | None:
    """From the point in time at which the answer began."""
    began = json_or_text(began)
    if not isinstance(began, str):
        return None
    try:
        seconds = datetime.fromisoformat(began).timestamp()
    except (ValueError, OverflowError):
        return None
    # To the microsecond, which is what Langfuse sends.
    return nanoseconds(round(seconds * 1_000_000) * 1000 - span.start_ns, 1)


def _prompt(attributes: Attributes) -> Prompt | None:
    name = attributes.get("langfuse.observation.prompt.name")
    return (
        None
        if name is None
        else Prompt(None, text(attributes.get("langfuse.observation.prompt.version")), None, text(name))
    )
