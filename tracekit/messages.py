"""Chat messages of any shape (OpenAI chat and responses, Anthropic, LangChain; dicts and objects) as one shape.

That shape is OpenTelemetry's: ``{"role", "parts": [{"type", ...}], "name"?, "finish_reason"?}``. Texts are taken by
reference; bounding and masking come when they are written (see ``tracekit.emit``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tracekit.reading import get, is_a, is_list, list_of, parsed, text_of

Part = dict[str, Any]
Message = dict[str, Any]

#: base64 beyond so many characters is left out, and its size said instead
MAX_MEDIA_CHARS: Final = 65_536
_TEXT: Final = frozenset((str,))
#: where OpenAI's messages keep what is not in their content
_BESIDE: Final = frozenset(("tool_calls", "reasoning_content", "reasoning", "refusal", "audio"))
_LANGCHAIN_ROLES: Final = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}


def read_messages(value: Any) -> list[Message]:
    """The messages of a list of them, of one, or of a user's text. Anything else has none."""
    if is_a(value, str):
        return [{"role": "user", "parts": [text_part(value)]}]
    if not is_list(value):
        value = [value]
    return [message for item in list(value) if (message := read_message(item)) is not None]


def read_message(value: Any) -> Message | None:
    if type(value) is dict and len(value) == 2:
        # {"role", "content"}, as most are
        role, content = value.get("role"), value.get("content")
        if type(role) is str and type(content) is str and content and role != "tool":
            return {"role": role, "parts": [{"type": "text", "content": content}]}
    if is_a(value, str):
        return {"role": "user", "parts": [text_part(value)]}
    if is_a(value, tuple) and len(value) == 2 and is_a(value[0], str):
        return {"role": _LANGCHAIN_ROLES.get(value[0], value[0]), "parts": parts_of(value[1])}
    kind = text_of(value, "type")
    if kind in _ITEMS:
        part = _ITEMS[kind](value)
        return {"role": "tool" if part["type"] == "tool_call_response" else "assistant", "parts": [part]}
    role = text_of(value, "role") or (_LANGCHAIN_ROLES.get(kind, kind) if kind else None)
    content = get(value, "content")
    if role is None or (content is None and not _has_calls(value)):
        return None
    parts = _tool_result_parts(value, content) if role == "tool" else _parts_beside(value, parts_of(content))
    message: Message = {"role": role, "parts": parts}
    name = text_of(value, "name")
    if name:
        message["name"] = name
    return message


def parts_of(content: Any) -> list[Part]:
    """The parts of a message's content: text, one block or a list of blocks."""
    if is_a(content, str):
        return [text_part(content)] if content else []
    if not is_list(content):
        content = [content]
    return [part for block in list(content) if (part := part_of(block)) is not None]


def part_of(block: Any) -> Part | None:
    if is_a(block, str):
        return text_part(block)
    kind = text_of(block, "type")
    if kind is None:
        text = text_of(block, "text")
        return None if text is None else text_part(text)
    make = _PARTS.get(kind) or _ITEMS.get(kind)
    return make(block) if make is not None else {"type": kind, "content": block}


def text_part(text: str) -> Part:
    return {"type": "text", "content": text}


def call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    part: Part = {"type": "tool_call", "name": name if is_a(name, str) else "", "arguments": parsed(arguments)}
    if is_a(call_id, str):
        part["id"] = call_id
    return part


def result_part(call_id: Any, response: Any) -> Part:
    part: Part = {"type": "tool_call_response", "response": response}
    if is_a(call_id, str):
        part["id"] = call_id
    return part


def frozen_size(messages: list[Message]) -> int | None:
    """How many characters messages hold that nobody else can change: texts only. None where there is more."""
    total = 0
    for message in messages:
        for part in message["parts"]:
            if not _TEXT.issuperset(map(type, part.values())):
                return None
            total += sum(map(len, part.values()))
    return total


def text_in(messages: list[Message]) -> str | None:
    """The text of messages whose parts are texts (and reasoning, which is left out) only; None where there is more."""
    texts: list[str] = []
    for message in messages:
        for part in message["parts"]:
            if part["type"] == "text":
                texts.append(part["content"])
            elif part["type"] != "reasoning":
                return None
    return "\n".join(texts) if texts else None


def _has_calls(value: Any) -> bool:
    return any(is_a(get(value, name), (list, tuple, dict)) for name in ("tool_calls", "audio"))


def _parts_beside(value: Any, parts: list[Part]) -> list[Part]:
    """The content's parts, with those that OpenAI's messages keep in fields of their own."""
    if type(value) is dict and _BESIDE.isdisjoint(value):
        return parts
    parts += [_openai_call(call) for call in list_of(value, "tool_calls")]
    for name in ("reasoning_content", "reasoning"):
        reasoning = text_of(value, name)
        if reasoning:
            parts.insert(0, {"type": "reasoning", "content": reasoning})
            break
    refusal = text_of(value, "refusal")
    if refusal:
        parts.append(text_part(refusal))
    audio = get(value, "audio")
    if text_of(audio, "data") is not None:
        parts.append(_blob("audio", None, text_of(audio, "data") or "", text_of(audio, "transcript")))
    return parts


def _openai_call(call: Any) -> Part:
    """OpenAI's ``{id, function: {name, arguments}}`` or LangChain's ``{id, name, args}``."""
    function = get(call, "function")
    if function is None:
        custom = get(call, "custom")
        if custom is not None:
            return call_part(get(call, "id"), get(custom, "name"), get(custom, "input"))
        return call_part(get(call, "id"), get(call, "name"), get(call, "args"))
    return call_part(get(call, "id"), get(function, "name"), get(function, "arguments"))


def _tool_result_parts(value: Any, content: Any) -> list[Part]:
    return [result_part(get(value, "tool_call_id"), _plain_text(content))]


def _plain_text(content: Any) -> Any:
    """A list of text blocks is its text."""
    if not is_list(content):
        return content
    parts = parts_of(content)
    if parts and all(part["type"] == "text" for part in parts):
        return "\n".join(part["content"] for part in parts)
    return parts


def _media(data: str) -> str:
    return data if len(data) <= MAX_MEDIA_CHARS else f"[{len(data)} base64 characters left out]"


def _blob(modality: str, mime_type: str | None, data: str, transcript: str | None = None) -> Part:
    part: Part = {"type": "blob", "modality": modality, "content": _media(data)}
    if mime_type:
        part["mime_type"] = mime_type
    if transcript:
        part["transcript"] = transcript
    return part


def _text(block: Any) -> Part:
    return text_part(text_of(block, "text") or text_of(block, "refusal") or "")


def _by_url(modality: str, url: str) -> Part:
    head, comma, data = url.partition(",")
    if comma and head.startswith("data:"):
        return _blob(modality, head[5:].partition(";")[0], data)
    return {"type": "uri", "modality": modality, "uri": url}


def _image_url(block: Any) -> Part:
    image = get(block, "image_url")
    url = image if is_a(image, str) else text_of(image, "url")
    if url is not None:
        return _by_url("image", url)
    return {"type": "file", "modality": "image", "file_id": text_of(block, "file_id") or ""}


def _input_audio(block: Any) -> Part:
    audio = get(block, "input_audio")
    return _blob("audio", f"audio/{text_of(audio, 'format') or 'wav'}", text_of(audio, "data") or "")


def _file(block: Any) -> Part:
    source = get(block, "file") or block
    data = text_of(source, "file_data")
    if data is not None:
        return _by_url("document", data) if data.startswith("data:") else _blob("document", None, data)
    url = text_of(source, "file_url")
    if url is not None:
        return _by_url("document", url)
    return {"type": "file", "modality": "document", "file_id": text_of(source, "file_id") or ""}


def _anthropic_media(block: Any) -> Part:
    modality = text_of(block, "type") or "document"
    source = get(block, "source")
    if text_of(source, "type") == "text":
        return text_part(text_of(source, "data") or "")
    data, url = text_of(source, "data"), text_of(source, "url")
    if data is not None:
        return _blob(modality, text_of(source, "media_type"), data)
    if url is not None:
        return {"type": "uri", "modality": modality, "uri": url}
    return {"type": "file", "modality": modality, "file_id": text_of(source, "file_id") or ""}


def _thinking(block: Any) -> Part:
    return {"type": "reasoning", "content": text_of(block, "thinking") or text_of(block, "text") or ""}


def _reasoning_item(block: Any) -> Part:
    texts = [text_of(item, "text") or "" for name in ("summary", "content") for item in list_of(block, name)]
    return {"type": "reasoning", "content": "\n".join(texts)}


_PARTS: Final[dict[str, Callable[[Any], Part]]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "refusal"), _text),
    **dict.fromkeys(("image_url", "input_image"), _image_url),
    "input_audio": _input_audio,
    **dict.fromkeys(("file", "input_file"), _file),
    **dict.fromkeys(("image", "document"), _anthropic_media),
    **dict.fromkeys(("thinking", "redacted_thinking"), _thinking),
    **dict.fromkeys(
        ("tool_use", "server_tool_use"),
        lambda block: call_part(get(block, "id"), get(block, "name"), get(block, "input")),
    ),
    "tool_result": lambda block: result_part(get(block, "tool_use_id"), _plain_text(get(block, "content"))),
}
#: items of OpenAI's responses API that stand beside messages
_ITEMS: Final[dict[str, Callable[[Any], Part]]] = {
    **dict.fromkeys(
        ("function_call", "custom_tool_call"),
        lambda item: call_part(
            get(item, "call_id"), get(item, "name"), get(item, "arguments") or get(item, "input") or ""
        ),
    ),
    **dict.fromkeys(
        ("function_call_output", "custom_tool_call_output"),
        lambda item: result_part(get(item, "call_id"), _plain_text(get(item, "output"))),
    ),
    "reasoning": _reasoning_item,
}
