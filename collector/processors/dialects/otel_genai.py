"""OpenTelemetry's semantic conventions for generative AI, current form (``gen_ai.provider.name``, messages as parts).

Token counts include cached ones by the convention; where a sender's do not, ``normalize`` sees that the parts exceed
the whole. Messages are JSON in strings on spans and may be structured values on the event
``gen_ai.client.inference.operation.details``.
"""

from __future__ import annotations

from typing import Any, Final

from collector.model import Attributes, Content, Embedding, Message, Prompt, Span, Tool
from collector.processors.dialects.base import fill_cost, fill_usage
from collector.processors.dialects.documents import document_of, listed
from collector.processors.dialects.events import messages_in_events, tool_in_events
from collector.processors.dialects.messages import build, messages_of, parts_of
from collector.processors.providers import provider_id, provider_of_host
from collector.processors.values import count, json_list, json_or_text, nanoseconds, object_or_text, text

_KINDS: Final = {
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "embeddings": "embedding",
    "retrieval": "retriever",
    "rerank": "reranker",
    "execute_tool": "tool",
    "create_agent": "agent",
    "invoke_agent": "agent",
    "invoke_workflow": "chain",
    "plan": "chain",
    # MLflow's word, where the convention has one that it does not use.
    "RETRIEVER": "retriever",
}
_SECOND: Final = 10**9
_MILLISECOND: Final = 10**6
_REQUEST: Final = "gen_ai.request."
_VARIABLE: Final = "gen_ai.prompt.variable."
_NAMED: Final = (_REQUEST, _VARIABLE)
_DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"


class OTelGenAI:
    marks: frozenset[str] = frozenset()
    content_keys: tuple[str, ...] = ()

    def matches(self, attributes: Attributes) -> bool:
        return (
            "gen_ai.operation.name" in attributes
            or "gen_ai.provider.name" in attributes
            or "gen_ai.system" in attributes
        )

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        if span.kind == "task":
            span.kind = _kind(attributes)
        if span.session_id is None:
            span.session_id = get("gen_ai.conversation.id")
        if span.user_id is None:
            span.user_id = get("gen_ai.user")
        if span.kind != "tool":
            _call(span, attributes)

    def content(self, span: Span, attributes: Attributes) -> Content:
        attributes = _with_details(span, attributes)
        get = attributes.get
        parameters, variables = _named(attributes)
        content = Content(
            input_messages=_input_messages(attributes),
            output_messages=messages_of(get("gen_ai.output.messages")),
            input=get("gen_ai.retrieval.query.text"),
            documents=[
                document_of(item, rank) for rank, item in enumerate(json_list(get("gen_ai.retrieval.documents")))
            ],
            tool=_tool(attributes),
            prompt=_prompt(attributes, variables),
            parameters=parameters,
        )
        if span.events:
            _complete_from_events(content, span)
        if content.documents:
            content.output = listed(content.documents)
        if content.tool is not None:
            content.input, content.output = content.tool.arguments, content.tool.result
        dimensions = count(get("gen_ai.embeddings.dimension.count"))
        if dimensions is not None:
            texts = [message.text for message in content.input_messages] or [None]
            content.embeddings = [Embedding(found, None, dimensions) for found in texts]
        return content


def _call(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    if span.request_model is None:
        span.request_model = get("gen_ai.request.model")
    if span.response_model is None:
        span.response_model = get("gen_ai.response.model")
    if span.provider is None:
        span.provider = _provider(attributes)
    if span.response_id is None:
        span.response_id = get("gen_ai.response.id")
    input_tokens = get("gen_ai.usage.input_tokens")
    output_tokens = get("gen_ai.usage.output_tokens")
    if input_tokens is not None or output_tokens is not None:
        _usage(span, attributes, input_tokens, output_tokens)
    if span.kind == "llm":
        if span.finish_reasons is None:
            span.finish_reasons = get("gen_ai.response.finish_reasons")
        if span.time_to_first_token_ns is None:
            span.time_to_first_token_ns = _time_to_first_token(attributes)


def _kind(attributes: Attributes) -> str:
    operation = attributes.get("gen_ai.operation.name")
    if operation.__class__ is str:
        return _KINDS.get(operation, "task")
    return "llm" if operation is None and "gen_ai.request.model" in attributes else "task"


def _provider(attributes: Attributes) -> str | None:
    name = attributes.get("gen_ai.provider.name")
    if name is None:
        name = attributes.get("gen_ai.system")
        if name is None:
            return None
    provider = provider_id(name)
    if provider == "openai":
        return provider_of_host(attributes.get("server.address")) or provider
    return provider


def _usage(span: Span, attributes: Attributes, input_tokens: Any, output_tokens: Any) -> None:
    get = attributes.get
    cache_write = get("gen_ai.usage.cache_creation.input_tokens")
    if cache_write is None:
        cache_write = get("gen_ai.usage.cache_write.input_tokens")
    reasoning = get("gen_ai.usage.reasoning.output_tokens")
    if reasoning is None:
        reasoning = get("gen_ai.usage.details.reasoning_tokens")
    fill_usage(
        span,
        input_tokens,
        output_tokens,
        get("gen_ai.usage.total_tokens"),
        get("gen_ai.usage.cache_read.input_tokens"),
        cache_write,
        get("gen_ai.usage.audio.input_tokens"),
        reasoning,
        get("gen_ai.usage.audio.output_tokens"),
    )
    cost = get("operation.cost")
    if cost is not None:
        fill_cost(span, cost)


def _time_to_first_token(attributes: Attributes) -> int | None:
    get = attributes.get
    seconds = get("gen_ai.response.time_to_first_chunk")
    if seconds is None:
        seconds = get("gen_ai.client.operation.time_to_first_chunk")
    if seconds is not None:
        return nanoseconds(seconds, _SECOND)
    server = get("gen_ai.server.time_to_first_token")
    # The convention says seconds; senders of milliseconds send whole numbers.
    return None if server is None else nanoseconds(server, _MILLISECOND if isinstance(server, int) else _SECOND)


def _with_details(span: Span, attributes: Attributes) -> Attributes:
    """The attributes with what the inference event adds to them."""
    for event in span.events:
        if event.name == _DETAILS_EVENT:
            attributes = {**event.attributes, **attributes}
    return attributes


def _complete_from_events(content: Content, span: Span) -> None:
    """What older versions of the convention told by an event for each message."""
    if content.tool is not None:
        if content.tool.arguments is None and content.tool.result is None:
            content.tool.arguments, content.tool.result = tool_in_events(span)
        return
    asked, answered = messages_in_events(span)
    content.input_messages = content.input_messages or asked
    content.output_messages = content.output_messages or answered


def _input_messages(attributes: Attributes) -> list[Message]:
    messages = messages_of(attributes.get("gen_ai.input.messages"))
    system = build("system", parts_of(json_or_text(attributes.get("gen_ai.system_instructions"))))
    if system.parts and not any(message.role == "system" and message.text == system.text for message in messages):
        messages.insert(0, system)
    return messages


def _tool(attributes: Attributes) -> Tool | None:
    name = attributes.get("gen_ai.tool.name")
    arguments = attributes.get("gen_ai.tool.call.arguments")
    if name is None and arguments is None:
        return None
    return Tool(
        text(name),
        object_or_text(arguments),
        _result(attributes.get("gen_ai.tool.call.result")),
        text(attributes.get("gen_ai.tool.call.id")),
        text(attributes.get("gen_ai.tool.description")),
    )


def _result(value: Any) -> Any:
    """Some senders write a text as JSON, in quotes."""
    quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"'
    return json_or_text(value) if quoted else object_or_text(value)


def _prompt(attributes: Attributes, variables: dict[str, Any]) -> Prompt | None:
    name = attributes.get("gen_ai.prompt.name")
    if name is None and not variables:
        return None
    return Prompt(None, text(attributes.get("gen_ai.prompt.version")), variables or None, text(name))


def _named(attributes: Attributes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Request parameters and prompt variables, by their own names."""
    parameters: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.startswith(_NAMED):
            if key.startswith(_REQUEST):
                parameters[key[len(_REQUEST) :]] = value
            else:
                variables[key[len(_VARIABLE) :]] = value
    parameters.pop("model", None)
    tools = json_list(attributes.get("gen_ai.tool.definitions"))
    if tools:
        parameters["tools"] = tools
    return parameters, variables
