"""Runs that LangSmith's clients sent in their own protocol (``codec.run_spans``): ``@traceable`` functions, wrapped
clients, LangChain and LangGraph.

Inputs and outputs are the function's own, or LangChain's messages serialised its way; what the client found out about
a call (model, provider, usage) is in the run's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from collector.codec.run_spans import EVENTS, EXTRA, INPUTS, OUTPUTS, RUN, RUN_ID, RUN_TYPE
from collector.codec.runs import time_ns
from collector.model import Attributes, Content, Embedding, Prompt, Span, Tool
from collector.processors.dialects.base import Marked, branch, fill_cost, fill_owner
from collector.processors.dialects.bodies import answered_in, arguments_in, asked_in, result_in
from collector.processors.dialects.documents import documents_in
from collector.processors.dialects.usages import fill_usage_of
from collector.processors.providers import provider_id
from collector.processors.values import json_list, json_object, json_or_text, text

_KINDS: Final = {
    "llm": "llm",
    "chat": "llm",
    "chain": "chain",
    "agent": "agent",
    "tool": "tool",
    "retriever": "retriever",
    "reranker": "reranker",
    "embedding": "embedding",
    "embeddings": "embedding",
    "prompt": "prompt",
    "guardrail": "guardrail",
    "evaluator": "evaluator",
}
_CALLS: Final = frozenset({"llm", "embedding", "reranker"})
#: Names of what LangSmith takes for a thread (https://docs.langchain.com/langsmith/threads).
_SESSIONS: Final = ("session_id", "thread_id", "conversation_id")
#: Names of environment variables, which each run repeats, and what of them says where things are.
_ENVIRONMENT: Final = ("LANGSMITH_", "LANGCHAIN_")
_PLACES: Final = ("ENDPOINT", "URL", "KEY", "HOST", "HEADERS")
#: Tags that LangChain gives the steps of its chains.
_STEPS: Final = ("seq:step:", "map:key:", "graph:step:", "langsmith:")
#: What is shown as facts, and not as metadata too.
_NOT_METADATA: Final = frozenset({"usage_metadata", "ls_invocation_params"})
_FIRST_TOKEN: Final = "new_token"
#: Where a request's parameters lie beside its messages.
_NOT_PARAMETERS: Final = frozenset({"messages", "input", "model", "prompt"})


class LangSmith(Marked):
    marks = frozenset({RUN_ID})
    content_keys = ()

    def facts(self, span: Span, attributes: Attributes) -> None:
        extra = json_object(attributes.get(EXTRA)) or {}
        metadata = json_object(extra.get("metadata")) or {}
        if span.kind == "task":
            span.kind = _kind(span, attributes, metadata)
        session = next((found for name in _SESSIONS if (found := metadata.get(name)) is not None), None)
        fill_owner(span, session, metadata.get("user_id"))
        if span.tags is None:
            tags = json_list((json_object(attributes.get(RUN)) or {}).get("tags"))
            span.tags = [tag for tag in tags if not str(tag).startswith(_STEPS)] or None
        if span.metadata is None:
            span.metadata = {name: value for name, value in metadata.items() if _is_shown(name)} or None
        if span.kind in _CALLS:
            _call(span, attributes, extra, metadata)

    def content(self, span: Span, attributes: Attributes) -> Content:
        inputs, outputs = json_or_text(attributes.get(INPUTS)), json_or_text(attributes.get(OUTPUTS))
        extra = json_object(attributes.get(EXTRA)) or {}
        content = Content(input=_alone(inputs, "input"), output=_alone(outputs, "output"))
        kind = _KINDS.get(str(attributes.get(RUN_TYPE)))
        if kind == "llm":
            content.input_messages = asked_in(content.input)
            content.output_messages = answered_in(content.output)
            content.parameters = _parameters(inputs, extra)
        elif kind == "tool":
            content.tool = _tool(span, content, extra)
        elif kind in ("retriever", "reranker"):
            content.documents = documents_in(outputs) or documents_in({"documents": content.output})
        elif kind == "embedding":
            content.embeddings = [Embedding(found) for found in _texts(inputs)]
        elif kind == "prompt":
            content.output_messages = asked_in(content.output)
            content.prompt = Prompt(name=span.name, variables=inputs)
        return content


def _kind(span: Span, attributes: Attributes, metadata: dict[str, Any]) -> str:
    kind = _KINDS.get(str(attributes.get(RUN_TYPE)), "task")
    return "agent" if kind == "chain" and _is_agent(span.name, metadata) else kind


def _is_agent(name: str, metadata: dict[str, Any]) -> bool:
    """LangChain's agents. Their nodes inherit an agent's metadata, and have names of their own."""
    if name in ("AgentExecutor", metadata.get("lc_agent_name")):
        return True
    return metadata.get("ls_integration") == "langchain_create_agent" and "langgraph_node" not in metadata


def _call(span: Span, attributes: Attributes, extra: dict[str, Any], metadata: dict[str, Any]) -> None:
    inputs, answer = json_object(attributes.get(INPUTS)) or {}, json_object(attributes.get(OUTPUTS)) or {}
    answer = _answer(answer)
    if span.request_model is None:
        span.request_model = _requested_model(inputs, extra, metadata)
    if span.response_model is None:
        span.response_model = next(_told(answer, ("model", "model_name")), None)
    if span.provider is None:
        span.provider = provider_id(metadata.get("ls_provider"))
    if span.response_id is None:
        span.response_id = next(_told(answer, ("id",)), None)
    if span.finish_reasons is None:
        span.finish_reasons = list(dict.fromkeys(_finish_reasons(answer))) or None
    for usage in _usages(answer, metadata):
        fill_usage_of(span, usage)
        fill_cost(span, usage.get("total_cost"), usage.get("input_cost"), usage.get("output_cost"))
        break
    if span.time_to_first_token_ns is None:
        span.time_to_first_token_ns = _time_to_first_token(span, attributes.get(EVENTS))


def _answer(outputs: dict[str, Any]) -> dict[str, Any]:
    """The answer's object, out of what ``@traceable`` wraps around it."""
    inner = outputs.get("output")
    return inner if outputs.keys() <= {"output", "usage_metadata"} and isinstance(inner, dict) else outputs


def _requested_model(inputs: dict[str, Any], extra: dict[str, Any], metadata: dict[str, Any]) -> str | None:
    parameters = json_object(extra.get("invocation_params")) or {}
    found = (
        metadata.get("ls_model_name"),
        parameters.get("model"),
        parameters.get("model_name"),
        inputs.get("model"),
    )
    return next((name for name in found if isinstance(name, str) and name), None)


def _usages(answer: dict[str, Any], metadata: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of one call, the one that knows most first: they repeat each other."""
    messages = [usage for message in _messages(answer) if (usage := json_object(message.get("usage_metadata")))]
    found = (
        metadata.get("usage_metadata"),
        answer.get("usage_metadata"),
        messages[0] if len(messages) == 1 else None,
        branch(answer, "llm_output", "token_usage"),
        answer.get("usage"),
    )
    yield from (usage for usage in found if isinstance(usage, dict) and usage)


def _generations(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in json_list(answer.get("generations")):
        for generation in group if isinstance(group, list) else [group]:
            if isinstance(generation, dict):
                yield generation


def _messages(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """LangChain's messages of an answer, without what they are wrapped in."""
    for generation in _generations(answer):
        message = generation.get("message")
        if isinstance(message, dict):
            kwargs = message.get("kwargs") or message.get("data")
            yield kwargs if isinstance(kwargs, dict) else message


def _told(answer: dict[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    """What the provider's answer says of itself, wherever LangChain has put it."""
    places = [
        answer,
        branch(answer, "llm_output"),
        *(message.get("response_metadata") for message in _messages(answer)),
    ]
    places += [generation.get("generation_info") for generation in _generations(answer)]
    for place in places:
        for name in names if isinstance(place, dict) else ():
            value = place.get(name)
            if isinstance(value, str) and value:
                yield value


def _finish_reasons(answer: dict[str, Any]) -> Iterator[str]:
    choices = [choice.get("finish_reason") for choice in json_list(answer.get("choices")) if isinstance(choice, dict)]
    generated = [branch(generation, "generation_info", "finish_reason") for generation in _generations(answer)]
    said = [branch(message, "response_metadata", "finish_reason") for message in _messages(answer)]
    stopped = [branch(message, "response_metadata", "stop_reason") for message in _messages(answer)]
    for reason in (*choices, *generated, *said, *stopped, answer.get("stop_reason")):
        if isinstance(reason, str) and reason:
            yield reason


def _time_to_first_token(span: Span, events: Any) -> int | None:
    for event in json_list(events):
        if isinstance(event, dict) and event.get("name") == _FIRST_TOKEN:
            at = time_ns(event.get("time"))
            return at - span.start_ns if at is not None and at >= span.start_ns else None
    return None


def _is_shown(name: str) -> bool:
    """Not where this collector or another backend is, which every run repeats from its environment."""
    if name.startswith(_ENVIRONMENT):
        return not any(place in name for place in _PLACES)
    return name not in _NOT_METADATA


def _alone(value: Any, name: str) -> Any:
    """A function's one value, which LangSmith wraps unless it is an object; an empty object is none."""
    return value[name] if isinstance(value, dict) and value.keys() == {name} else value or None


def _parameters(inputs: Any, extra: dict[str, Any]) -> dict[str, Any]:
    """LangChain's invocation parameters, else what a wrapped client was called with beside its messages."""
    found = json_object(extra.get("invocation_params")) or json_object(inputs) or {}
    return {
        name: value
        for name, value in found.items()
        if value is not None and name not in _NOT_PARAMETERS and not name.startswith("_")
    }


def _tool(span: Span, content: Content, extra: dict[str, Any]) -> Tool:
    result = content.output
    call_id = extra.get("tool_call_id")
    if call_id is None and isinstance(result, dict):
        call_id = result.get("tool_call_id")
    return Tool(span.name, arguments_in(json_or_text(content.input)), result_in(result), text(call_id))


def _texts(inputs: Any) -> list[str]:
    """What was embedded."""
    if not isinstance(inputs, dict):
        return []
    found = next((inputs[name] for name in ("texts", "documents", "input", "text", "query") if inputs.get(name)), None)
    return [item for item in (found if isinstance(found, list) else [found]) if isinstance(item, str)]
