"""OpenInference (https://github.com/Arize-ai/openinference): ``openinference.span.kind``, flattened messages.

Token counts include cached and reasoning tokens for every provider. ``llm.model_name`` is the response's model where
there was a response, so the request's is looked for in ``llm.invocation_parameters`` first.
"""

from __future__ import annotations

from typing import Any, Final

from collector.model import CALL_KINDS, Attributes, Content, Document, Embedding, Message, Prompt, Span, Tool
from collector.processors.dialects.base import branch, fill_cost, fill_usage, indexed, time_to_event, unflatten
from collector.processors.dialects.bodies import answer_in, arguments_in, result_in
from collector.processors.dialects.documents import complete, document_of, documents_in, listed
from collector.processors.dialects.messages import (
    Part,
    build,
    call_part,
    image_part,
    part_of,
    result_part,
    role_of,
    text_part,
)
from collector.processors.models import model_in, response_id_in
from collector.processors.providers import provider_id
from collector.processors.values import json_object, json_or_text, object_or_text, text
from tracekit.semconv import COST_SOURCE

_KINDS: Final = {
    "LLM": "llm",
    "EMBEDDING": "embedding",
    "RETRIEVER": "retriever",
    "RERANKER": "reranker",
    "TOOL": "tool",
    "CHAIN": "chain",
    "AGENT": "agent",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
    "PROMPT": "prompt",
}
_KIND: Final = "openinference.span.kind"
#: What is flattened into attributes with indexes in their names.
_TREES: Final = (
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.tools.",
    "message.tool_calls.",
    "retrieval.documents.",
    "reranker.output_documents.",
    "reranker.input_documents.",
    "embedding.embeddings.",
)
#: LlamaIndex's preparation of a call, which its instrumentation takes for one.
_PREPARES: Final = "._prepare_chat_with_tools"
_FIRST_TOKEN: Final = "First Token Stream Event"


class OpenInference:
    marks: frozenset[str] = frozenset()
    content_keys: tuple[str, ...] = _TREES

    def matches(self, attributes: Attributes) -> bool:
        return _KIND in attributes or "input.value" in attributes

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        # Made for this purpose, so it is believed before a kind that another dialect took from an operation.
        span.kind = _kind(get(_KIND), span.kind)
        if span.kind == "llm" and span.name.endswith(_PREPARES):
            span.kind = "task"
        if span.kind in CALL_KINDS and (span.request_model is None or span.response_model is None):
            _models(span, attributes)
        if span.kind == "llm" and span.response_id is None:
            span.response_id = response_id_in(get("output.value"))
        if span.kind != "tool" and span.kind != "retriever":
            _usage(span, attributes)
        if span.finish_reasons is None and (reason := get("llm.finish_reason")) is not None:
            span.finish_reasons = [reason]
        if span.events and span.time_to_first_token_ns is None:
            span.time_to_first_token_ns = time_to_event(span, _FIRST_TOKEN)

    def content(self, span: Span, attributes: Attributes) -> Content:
        tree = unflatten(attributes, _TREES)
        content = Content(
            input_messages=_messages(branch(tree, "llm", "input_messages")),
            output_messages=_messages(branch(tree, "llm", "output_messages")),
            input=_value(attributes, "input"),
            output=_value(attributes, "output"),
            documents=_documents(tree, attributes),
            embeddings=_embeddings(branch(tree, "embedding", "embeddings")),
            prompt=_prompt(attributes),
            parameters=_parameters(attributes, branch(tree, "llm", "tools")),
        )
        kind = attributes.get(_KIND)
        if kind == "RERANKER":
            _complete_reranking(content, tree, attributes)
        elif kind == "TOOL":
            content.tool = _tool(span, attributes, content)
        elif kind == "LLM":
            _complete_answer(content, branch(tree, "message", "tool_calls"))
        return content


def _kind(kind: Any, otherwise: str) -> str:
    if kind.__class__ is not str:
        return otherwise
    return _KINDS.get(kind) or _KINDS.get(kind.upper(), otherwise)


def _models(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    if span.provider is None:
        named = get("llm.provider")
        span.provider = None if named is None else provider_id(named)
        if span.provider is None and (named := get("llm.system")) is not None:
            span.provider = provider_id(named)
    if span.request_model is None:
        asked = get("llm.request.model_name") or _invoked_model(attributes)
        span.request_model = asked or get("embedding.model_name") or get("reranker.model_name")
    if span.response_model is None and span.kind == "llm":
        answered = get("llm.response.model_name") or get("llm.model_name")
        if span.status == "error":
            span.request_model = span.request_model or answered
        elif answered is not None and answered != span.request_model:
            span.response_model = answered
        else:
            # Some instrumentations repeat the request's name; the provider's answer knows better.
            span.response_model = model_in(get("output.value")) or answered


def _invoked_model(attributes: Attributes) -> Any:
    parameters = attributes.get("llm.invocation_parameters")
    if parameters is None or (parameters.__class__ is str and '"model' not in parameters):
        return None
    found = json_object(parameters)
    if not found or str(found.get("id")).startswith("resp_"):
        # OpenInference's OpenAI Agents writes the response there.
        return None
    return found.get("model") or found.get("model_name")


def _usage(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    prompt = get("llm.token_count.prompt")
    completion = get("llm.token_count.completion")
    total = get("llm.token_count.total")
    if prompt is not None or completion is not None or total is not None:
        cache_read = get("llm.token_count.prompt_details.cache_read")
        if cache_read is None:
            cache_read = get("llm.token_count.prompt_details.cache_input")
        fill_usage(
            span,
            prompt,
            completion,
            total,
            cache_read,
            get("llm.token_count.prompt_details.cache_write"),
            get("llm.token_count.prompt_details.audio"),
            get("llm.token_count.completion_details.reasoning"),
            get("llm.token_count.completion_details.audio"),
        )
    cost = get("llm.cost.total")
    # What an SDK of ours worked out from a price list nobody reported.
    if cost is not None and COST_SOURCE not in attributes:
        fill_cost(span, cost, get("llm.cost.prompt"), get("llm.cost.completion"))


def _value(attributes: Attributes, side: str) -> Any:
    value = attributes.get(side + ".value")
    return json_or_text(value) if attributes.get(side + ".mime_type") == "application/json" else object_or_text(value)


def _messages(tree: Any) -> list[Message]:
    return [_message(node) for node in indexed(tree, "message")]


def _message(node: Any) -> Message:
    if not isinstance(node, dict):
        return build("user", [])
    parts = [
        part for item in indexed(node.get("contents"), "message_content") if (part := _content_part(item)) is not None
    ]
    content = text(node.get("content"))
    if content and not any(part["type"] == "text" for part in parts):
        parts.insert(0, text_part(content))
    parts += [_call(call) for call in indexed(node.get("tool_calls"), "tool_call")]
    if node.get("function_call_name") is not None:
        parts.append(call_part(None, node["function_call_name"], node.get("function_call_arguments_json")))
    return build(role_of(node.get("role")), parts, text(node.get("tool_call_id")), text(node.get("name")))


def _content_part(node: Any) -> Part | None:
    if not isinstance(node, dict):
        return None
    kind = node.get("type")
    if kind == "image" or "image" in node:
        return image_part(branch(node, "image", "image"))
    if kind == "audio" and "audio" in node:
        return part_of({"type": "audio", "audio": branch(node, "audio", "audio")})
    if kind == "tool_use" and "tool_call" in node:
        return _call(node["tool_call"])
    if kind == "tool_result":
        return result_part(node.get("tool_call_id"), node.get("text") or node.get("content"))
    return part_of(node)


def _call(call: Any) -> Part:
    function = branch(call, "function")
    return call_part(branch(call, "id"), branch(function, "name"), branch(function, "arguments"))


def _complete_answer(content: Content, stray: Any) -> None:
    """Tool calls that lost their message's prefix, and answers that are only in the provider's body."""
    calls = [_call(call) for call in indexed(stray, "tool_call")]
    if calls:
        content.output_messages.insert(0, build("assistant", calls))
    if not any(message.parts for message in content.output_messages):
        content.output_messages = answer_in(content.output) or content.output_messages


def _documents(tree: Any, attributes: Attributes) -> list[Document]:
    for path in (("retrieval", "documents"), ("reranker", "output_documents"), ("reranker", "input_documents")):
        nodes = indexed(branch(tree, *path), "document")
        if nodes:
            documents = [document_of(node, rank) for rank, node in enumerate(nodes)]
            if any(document.id is None for document in documents):
                complete(documents, documents_in(attributes.get("output.value")))
            return documents
    return []


def _complete_reranking(content: Content, tree: Any, attributes: Attributes) -> None:
    if content.input is None:
        content.input = text(attributes.get("reranker.query"))
    if content.output is None and branch(tree, "reranker", "output_documents"):
        content.output = listed(content.documents)


def _embeddings(tree: Any) -> list[Embedding]:
    found: list[Embedding] = []
    for node in indexed(tree, "embedding"):
        vector = branch(node, "vector")
        vector = vector if isinstance(vector, list) else None
        found.append(Embedding(text(branch(node, "text")), vector, None if vector is None else len(vector)))
    return found


def _tool(span: Span, attributes: Attributes, content: Content) -> Tool:
    get = attributes.get
    arguments = get("tool_call.function.arguments")
    if arguments is None:
        arguments = content.input if content.input is not None else get("tool.parameters")
    return Tool(
        text(get("tool.name") or get("tool_call.function.name")) or span.name.removesuffix(".__call__"),
        arguments_in(object_or_text(arguments)),
        result_in(content.output),
        text(get("tool_call.id") or get("tool.id")),
        text(get("tool.description")),
    )


def _prompt(attributes: Attributes) -> Prompt | None:
    get = attributes.get
    template, version = get("llm.prompt_template.template"), get("llm.prompt_template.version")
    variables, name = get("llm.prompt_template.variables"), get("prompt.id")
    if template is None and version is None and variables is None and name is None:
        return None
    return Prompt(text(template), text(version), json_or_text(variables), text(name))


def _parameters(attributes: Attributes, offered: Any) -> dict[str, Any]:
    parameters = dict(json_object(attributes.get("llm.invocation_parameters")) or {})
    parameters.pop("model", None)
    parameters.pop("model_name", None)
    tools = [schema for tool in indexed(offered, "tool") if (schema := json_or_text(branch(tool, "json_schema")))]
    if tools:
        parameters["tools"] = tools
    return parameters
