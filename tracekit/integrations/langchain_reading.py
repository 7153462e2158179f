"""LangChain's messages, answers and states in tracekit's own shapes. Nothing here imports LangChain: its objects are
known by what they carry, across its versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

from tracekit.messages import MAX_MEDIA_CHARS, read_message
from tracekit.reading import as_count, get, is_a, is_list, list_of, text_of
from tracekit.response import Response, provider_of
from tracekit.usage import Usage, read_usage, with_total

_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "FunctionMessageChunk": "tool",
    "function": "tool",
}
#: blocks of a message's content that its ``tool_calls`` repeat
_CALL_BLOCKS: Final = frozenset(("tool_use", "tool_call", "tool_call_chunk", "function_call", "input_json_delta"))
#: LangChain's standard blocks -> the providers' blocks that say the same
_MEDIA: Final = {"image": "image", "audio": "audio", "video": "video", "file": "document"}
#: ``ls_provider`` (or the model's class) -> OpenTelemetry's name
_PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azureopenai": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "googlegenerativeai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "google_anthropic_vertex": "gcp.vertex_ai",
    "amazon_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrockconverse": "aws.bedrock",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
    **{
        name: name
        for name in (
            "anthropic",
            "cerebras",
            "cohere",
            "deepseek",
            "fireworks",
            "groq",
            "huggingface",
            "moonshot_ai",
            "nvidia",
            "ollama",
            "openai",
            "openrouter",
            "perplexity",
            "together",
        )
    },
}
_MODEL_KEYS: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment", "repo_id")
_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 1_000


# --- messages --------------------------------------------------------------------------------------------------------
def is_message(value: Any) -> bool:
    """Whether the value is one of LangChain's message objects."""
    fields = getattr(type(value), "__pydantic_fields__", None)
    return is_a(fields, dict) and {"additional_kwargs", "content", "type"} <= fields.keys()


def plain_message(value: Any) -> dict[str, Any]:
    """A message object in few and plain words: ``role, content`` (text or blocks) and, where there are any,
    ``reasoning_content, tool_calls`` (``id, name, args``), ``tool_call_id, name``."""
    kind = text_of(value, "type") or ""
    calls = [
        {name: get(call, name) for name in ("id", "name", "args")}
        for calls in ("tool_calls", "invalid_tool_calls")
        for call in list_of(value, calls)
    ]
    found: dict[str, Any] = {
        "role": text_of(value, "role") or _ROLES.get(kind, kind),
        "content": _content(get(value, "content"), bool(calls)),
    }
    beside = {
        "reasoning_content": text_of(get(value, "additional_kwargs"), "reasoning_content"),
        "tool_calls": calls,
        "tool_call_id": text_of(value, "tool_call_id"),
        "name": text_of(value, "name"),
    }
    return found | {name: item for name, item in beside.items() if item}


def _content(content: Any, has_calls: bool) -> Any:
    if not is_list(content):
        return content
    blocks = [_block(block) for block in content if not (has_calls and text_of(block, "type") in _CALL_BLOCKS)]
    if all(type(block) is dict and block.get("type") == "text" for block in blocks):
        return "\n".join(text_of(block, "text") or "" for block in blocks)
    return blocks


def _block(block: Any) -> Any:
    """LangChain's standard blocks in a provider's words; the providers' own stay as they are."""
    kind = text_of(block, "type")
    if kind == "reasoning" and text_of(block, "reasoning") is not None:
        return {"type": "thinking", "thinking": get(block, "reasoning")}
    if kind in ("text", "text-plain"):
        return {"type": "text", "text": text_of(block, "text") or text_of(block, "data") or ""}
    if kind in _MEDIA and get(block, "source") is None and get(block, kind) is None:
        return {"type": _MEDIA[kind], "source": _source(block)}
    return block


def _source(block: Any) -> dict[str, Any]:
    url, data = text_of(block, "url"), text_of(block, "base64") or text_of(block, "data")
    if url is not None:
        return {"type": "url", "url": url}
    if data is None:
        return {"type": "file", "file_id": text_of(block, "file_id") or text_of(block, "id") or ""}
    shown = data if len(data) <= MAX_MEDIA_CHARS else f"[{len(data)} base64 characters left out]"
    return {"type": "base64", "media_type": text_of(block, "mime_type"), "data": shown}


# --- inputs and outputs of chains, graphs and tools ------------------------------------------------------------------
def plain(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """A chain's value with messages, prompts and graph commands in few words: a graph's state passes through every
    node, and its messages' many empty fields with it. Other objects stay as they are."""
    kind = type(value)
    if kind is str or depth == 0:
        return value
    if kind is dict:
        return {key: _messages(item) if key == "messages" else plain(item, depth - 1) for key, item in _some(value)}
    if kind is list or kind is tuple:
        return [plain(item, depth - 1) for item in value[:_MAX_ITEMS]]
    if is_message(value):
        return plain_message(value)
    make = _BY_NAME.get(kind.__name__) if kind.__module__.startswith(("langchain", "langgraph")) else None
    return value if make is None else plain(make(value), depth - 1)


def _some(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return list(islice(value.items(), _MAX_ITEMS))


def _messages(value: Any) -> Any:
    """A graph's messages; ``("user", "text")`` is taken for one, as LangChain does."""
    if not is_list(value):
        return plain(value)
    return [
        {"role": _ROLES.get(item[0], item[0]), "content": item[1]} if _is_pair(item) else plain(item)
        for item in value[:_MAX_ITEMS]
    ]


def _is_pair(item: Any) -> bool:
    return type(item) is tuple and len(item) == 2 and all(type(part) is str for part in item)


def _set_fields(*names: str) -> Callable[[Any], dict[str, Any]]:
    def fields(value: Any) -> dict[str, Any]:
        found = {name: get(value, name) for name in names}
        return {name: item for name, item in found.items() if item not in (None, "", (), [], {})}

    return fields


_BY_NAME: Final[dict[str, Callable[[Any], Any]]] = {
    "ChatPromptValue": lambda value: {"messages": get(value, "messages")},
    "StringPromptValue": lambda value: get(value, "text"),
    "Command": _set_fields("graph", "update", "resume", "goto"),
    "Send": _set_fields("node", "arg"),
    "Interrupt": _set_fields("value", "id"),
    "Overwrite": lambda value: get(value, "value"),
    "Document": _set_fields("id", "page_content", "metadata"),
    "ChatGeneration": lambda value: get(value, "message"),
}


# --- what a model was asked and what it answered ---------------------------------------------------------------------
def request_of(metadata: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The model that is asked, and OpenTelemetry's name of its provider, where LangChain knows them."""
    model = text_of(metadata, "ls_model_name")
    for name in _MODEL_KEYS:
        model = model or text_of(parameters, name)
    given = (text_of(metadata, "ls_provider") or "").lower()
    provider = _PROVIDERS.get(given) or provider_of(model) or given or None
    return (model.removeprefix("models/") if model else None), provider


def read_result(result: Any) -> Response:
    """The answer in an ``LLMResult`` for one prompt: each of its generations is one choice."""
    output = get(result, "llm_output")
    response = Response(id=text_of(output, "id"), model=text_of(output, "model_name") or text_of(output, "model"))
    first = list_of(result, "generations")[:1]
    for generation in first[0] if first and is_list(first[0]) else first:
        _add_generation(response, generation)
    if response.usage is None:
        response.usage = read_usage(get(output, "token_usage") or get(output, "usage"))
    response.provider = provider_of(response.model)
    return response


def _add_generation(response: Response, generation: Any) -> None:
    message = get(generation, "message")
    info = get(generation, "generation_info") or {}
    about = get(message, "response_metadata") or info
    said = {"role": "assistant", "content": text_of(generation, "text")} if message is None else plain_message(message)
    found = read_message(said)
    reason = _reason(about) or _reason(info)
    if reason is not None:
        response.finish_reasons.append(reason)
    if found is not None:
        response.messages.append(found if reason is None else found | {"finish_reason": reason})
    response.usage = response.usage or _usage(message, about)
    response.model = response.model or text_of(about, "model_name") or text_of(about, "model")
    response.id = response.id or text_of(about, "id") or _own_id(text_of(message, "id"))


def _reason(about: Any) -> str | None:
    names = ("finish_reason", "stop_reason", "done_reason", "stopReason")
    return next((found for name in names if (found := text_of(about, name))), None)


def _own_id(identity: str | None) -> str | None:
    """The provider's id of a message: LangChain makes up one from the run's where there is none."""
    return None if identity is None or identity.startswith(("run-", "lc_", "lc-")) else identity


def _usage(message: Any, about: Any) -> Usage | None:
    """LangChain's input includes cached tokens, and its output reasoning, whatever the provider's own habit."""
    found = get(message, "usage_metadata")
    if found is None:
        return read_usage(get(about, "token_usage") or get(about, "usage"))
    counts = {name: as_count(get(found, name)) for name in ("input_tokens", "output_tokens", "total_tokens")}
    details = get(found, "input_token_details")
    counts["cache_read_tokens"] = as_count(get(details, "cache_read"))
    counts["cache_write_tokens"] = _cache_write(details)
    counts["audio_input_tokens"] = as_count(get(details, "audio")) or None
    details = get(found, "output_token_details")
    counts["reasoning_tokens"] = as_count(get(details, "reasoning"))
    counts["audio_output_tokens"] = as_count(get(details, "audio")) or None
    known = {name: count for name, count in counts.items() if count is not None}
    return with_total(known) if known else None


def _cache_write(details: Any) -> int | None:
    """Anthropic's by how long they live stand beside a ``cache_creation`` of 0."""
    names = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    found = [count for name in names if (count := as_count(get(details, name))) is not None]
    return sum(found) if found else None
