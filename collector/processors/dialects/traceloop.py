"""OpenLLMetry and Traceloop's SDK (https://www.traceloop.com/docs/openllmetry): ``traceloop.*``.

Since 0.5 its model calls follow OTel's convention; before, messages were flattened (``gen_ai.prompt.N.role``) and
tokens went by ``gen_ai.usage.prompt_tokens``. Tokens include cached and reasoning ones.
"""

from __future__ import annotations

from typing import Any, Final

from collector.model import Attributes, Content, Message, Prompt, Span, Tool
from collector.processors.dialects.base import (
    Marked,
    branch,
    fill_owner,
    fill_usage,
    nodes_of,
    time_to_event,
    under,
    unflatten,
)
from collector.processors.dialects.bodies import arguments_in, result_in
from collector.processors.dialects.messages import build, call_part, parts_of, role_of
from collector.processors.values import json_or_text, object_or_text, text

_KIND: Final = "traceloop.span.kind"
_REQUEST: Final = "llm.request.type"
_KINDS: Final = {"workflow": "chain", "task": "task", "agent": "agent", "tool": "tool"}
_REQUESTS: Final = {"chat": "llm", "completion": "llm", "embedding": "embedding", "rerank": "reranker"}
_CHUNKS: Final = ("gen_ai.content.completion.chunk", "llm.content.completion.chunk")
_OWNED: Final = "traceloop.association.properties."
_TREES: Final = ("gen_ai.prompt.", "gen_ai.completion.", "llm.request.functions.")


class Traceloop(Marked):
    marks = frozenset(
        {
            _KIND,
            _REQUEST,
            "traceloop.workflow.name",
            "traceloop.entity.name",
            _OWNED + "session_id",
            _OWNED + "user_id",
            "gen_ai.is_streaming",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.prompt_tokens",
        }
    )
    content_keys = ("gen_ai.prompt.", "llm.request.functions.", "traceloop.entity.input", "traceloop.entity.output")

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        if span.kind == "task":
            span.kind = _REQUESTS.get(str(get(_REQUEST))) or _KINDS.get(str(get(_KIND)), "task")
        fill_owner(span, get(_OWNED + "session_id"), get(_OWNED + "user_id"))
        if span.metadata is None:
            span.metadata = under(attributes, _OWNED, ("session_id", "user_id")) or None
        _usage(span, attributes)
        if span.finish_reasons is None and (reason := get("gen_ai.completion.0.finish_reason")) is not None:
            span.finish_reasons = [reason]
        if span.events and span.time_to_first_token_ns is None:
            span.time_to_first_token_ns = time_to_event(span, *_CHUNKS)

    def content(self, span: Span, attributes: Attributes) -> Content:
        get = attributes.get
        tree = unflatten(attributes, _TREES)
        content = Content(
            input_messages=_messages(branch(tree, "gen_ai", "prompt")),
            output_messages=_messages(branch(tree, "gen_ai", "completion"), "assistant"),
            input=_entity(get("traceloop.entity.input")),
            output=_returned(get("traceloop.entity.output")),
            prompt=_prompt(attributes),
        )
        tools = nodes_of(branch(tree, "llm", "request", "functions"))
        if tools:
            content.parameters = {
                "tools": [{key: json_or_text(value) for key, value in tool.items()} for tool in tools]
            }
        if get(_KIND) == "tool":
            content.tool = Tool(text(get("traceloop.entity.name")), content.input, result_in(content.output))
        return content


def _usage(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    prompt, completion = get("gen_ai.usage.prompt_tokens"), get("gen_ai.usage.completion_tokens")
    reasoning = get("gen_ai.usage.reasoning_tokens")
    if reasoning is None:
        reasoning = get("llm.usage.reasoning_tokens")
    if prompt is None and completion is None and reasoning is None:
        return
    fill_usage(
        span,
        prompt,
        completion,
        get("llm.usage.total_tokens"),
        get("gen_ai.usage.cache_read_input_tokens"),
        get("gen_ai.usage.cache_creation_input_tokens"),
        None,
        reasoning,
        None,
    )


def _messages(tree: Any, otherwise: str = "user") -> list[Message]:
    return [_message(node, otherwise) for node in nodes_of(tree)]


def _message(node: dict[str, Any], otherwise: str) -> Message:
    parts = parts_of(object_or_text(node.get("content")))
    for call in nodes_of(node.get("tool_calls")):
        parts.append(call_part(call.get("id"), call.get("name"), call.get("arguments")))
    role = role_of(node.get("role") or otherwise)
    return build(role, parts, text(node.get("tool_call_id")))


def _entity(value: Any) -> Any:
    """What a function was called with (its one argument, its keyword arguments, or all), or LangChain's inputs."""
    found = arguments_in(json_or_text(value))
    if not isinstance(found, dict):
        return found
    if "inputs" in found:
        return found["inputs"]
    args = found.get("args")
    if isinstance(args, list) and not found.get("kwargs"):
        return args[0] if len(args) == 1 else args
    return found


def _returned(value: Any) -> Any:
    """What a function returned, or LangChain's outputs."""
    found = json_or_text(value)
    if isinstance(found, dict):
        return next((found[name] for name in ("outputs", "output") if name in found), found)
    return found


def _prompt(attributes: Attributes) -> Prompt | None:
    named = under(attributes, "traceloop.prompt.")
    if not named:
        return None
    template, variables = text(named.get("template")), json_or_text(named.get("template_variables"))
    return Prompt(template, text(named.get("version")), variables, text(named.get("key")))
