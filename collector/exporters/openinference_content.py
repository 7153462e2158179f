"""Messages, documents, embeddings and tools as OpenInference flattens them into attributes. Pure and total."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from collector.exporters.attributes import clean, json_text
from collector.model import Attributes, Document, Embedding, Message, ToolCall
from collector.processors.values import number, text

JSON: Final = "application/json"
TEXT: Final = "text/plain"


def messages_at(prefix: str, messages: Sequence[Message]) -> Attributes:
    """``{prefix}.{i}.message.*``: ``content`` where there is only text, else ``contents`` part by part."""
    found: Attributes = {}
    for number_, message in enumerate(messages):
        at = f"{prefix}.{number_}.message"
        found[f"{at}.role"] = message.role
        found |= _contents(at, message)
        found |= _given(at, tool_call_id=message.tool_call_id, name=message.name)
        for position, call in enumerate(message.tool_calls):
            found |= _call(f"{at}.tool_calls.{position}.tool_call", call)
    return found


def documents_at(prefix: str, documents: Sequence[Document]) -> Attributes:
    """``{prefix}.{i}.document.*``; every document has at least one, for readers count them by that."""
    found: Attributes = {}
    for position, document in enumerate(documents):
        at = f"{prefix}.{position}.document"
        metadata = document.metadata
        about = _given(
            at,
            id=document.id,
            content=document.text,
            score=None if document.score is None else float(document.score),
            metadata=metadata if metadata is None or isinstance(metadata, str) else json_text(metadata),
        )
        found |= about or {f"{at}.content": ""}
    return found


def embeddings_at(prefix: str, embeddings: Sequence[Embedding]) -> Attributes:
    found: Attributes = {}
    for position, embedding in enumerate(embeddings):
        at = f"{prefix}.{position}.embedding"
        found |= _given(at, text=embedding.text, vector=vector_of(embedding.vector))
    return found


def vector_of(value: Any) -> list[float] | None:
    """A vector's numbers as floats; None for what is none (or has other things than finite numbers in it)."""
    if not isinstance(value, list) or not value:
        return None
    numbers = [number(item) for item in value]
    found = [item for item in numbers if item is not None]
    return found if len(found) == len(numbers) else None


def tools_at(prefix: str, tools: Any) -> Attributes:
    """The schemas of tools that a model was offered."""
    if not isinstance(tools, list):
        return {}
    return {f"{prefix}.{position}.tool.json_schema": json_text(tool) for position, tool in enumerate(tools)}


def written(value: Any) -> tuple[str, str]:
    """Any value as text, and that text's MIME type. Objects and lists are JSON, in a string too."""
    if isinstance(value, str):
        looks = value.lstrip()[:1]
        return clean(value), JSON if looks in ("{", "[") and value.rstrip()[-1:] in ("}", "]") else TEXT
    if isinstance(value, list | dict):
        return json_text(value), JSON
    return clean(text(value) or ""), TEXT


def said_by(messages: Sequence[Message], role: str) -> Any:
    """What stands for a chat: the last text of that role, else all of it as a JSON value; None where there is none."""
    for message in reversed(messages):
        if message.role == role and message.text:
            return message.text
    return [_as_json(message) for message in messages] or None


def _as_json(message: Message) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call.arguments)}}
        for call in message.tool_calls
    ]
    found = {"role": message.role, "content": message.text, "tool_calls": calls, "tool_call_id": message.tool_call_id}
    return {name: value for name, value in found.items() if value}


def _call(at: str, call: ToolCall) -> Attributes:
    found = _given(f"{at}.function", name=call.name, arguments=_arguments(call.arguments))
    found |= _given(at, id=call.id)
    # A call of which nothing is known is still one.
    return found or {f"{at}.function.name": ""}


def _arguments(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)


def _contents(at: str, message: Message) -> Attributes:
    parts = [part for part in message.parts if part.get("type") != "tool_call"]
    kinds = {part.get("type") for part in parts}
    alone = kinds <= {"text"} or (kinds == {"tool_result"} and len(parts) == 1)
    if alone:
        return {} if message.text is None else {f"{at}.content": clean(message.text)}
    found: Attributes = {}
    for position, part in enumerate(parts):
        kind = part.get("type")
        make = _PARTS.get(kind, _other) if isinstance(kind, str) else _other
        found |= _given(f"{at}.contents.{position}.message_content", **make(part))
    return found


def _given(at: str, **values: Any) -> Attributes:
    """Those that are known; ``__`` in a name stands for a dot."""
    return {
        f"{at}.{name.replace('__', '.')}": clean(value) if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }


def _text(part: dict[str, Any]) -> Attributes:
    return {"type": part["type"], "text": text(part.get("text"))}


def _image(part: dict[str, Any]) -> Attributes:
    return {"type": "image", "image__image__url": _address(part, "image/png")}


def _audio(part: dict[str, Any]) -> Attributes:
    return {
        "type": "audio",
        "audio__audio__url": _address(part, "audio/wav"),
        "audio__audio__mime_type": text(part.get("mime_type")),
        "audio__audio__transcript": text(part.get("text")),
        "text": text(part.get("text")),
    }


def _file(part: dict[str, Any]) -> Attributes:
    return {
        "type": "document",
        "document__document__url": _address(part, "application/octet-stream"),
        "document__document__id": text(part.get("file_id")),
        "document__document__name": text(part.get("name")),
        "document__document__mime_type": text(part.get("mime_type")),
    }


def _result(part: dict[str, Any]) -> Attributes:
    return {
        "type": "tool_result",
        "tool_call_id": text(part.get("tool_call_id")),
        "text": text(part.get("result")),
    }


def _other(part: dict[str, Any]) -> Attributes:
    return {"type": text(part.get("type")) or "unknown", "text": json_text(part)}


def _address(part: dict[str, Any], otherwise: str) -> str | None:
    """A URL, or the data itself as one (RFC 2397)."""
    if part.get("url") is not None:
        return text(part["url"])
    data = part.get("data")
    if not isinstance(data, str):
        return None
    return data if data.startswith("data:") else f"data:{text(part.get('mime_type')) or otherwise};base64,{data}"


_PARTS: Final[dict[str, Callable[[dict[str, Any]], Attributes]]] = {
    "text": _text,
    "reasoning": _text,
    "image": _image,
    "audio": _audio,
    "file": _file,
    "tool_result": _result,
}
