"""Chat messages in the shapes that libraries write them, as canonical ``Message``s. Pure and total.

One converter knows OTel's parts, OpenAI's and Anthropic's content blocks and LangChain's serialised messages: several
conventions embed each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from collector.model import Message, ToolCall
from collector.processors.values import json_or_text, json_text, object_or_text, text

Part = dict[str, Any]

_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "aimessagechunk": "assistant",
    "model": "assistant",
    "chat": "assistant",
    "tool-call": "assistant",
    "tool": "tool",
    "function": "tool",
    "reasoning": "assistant",
    "function_call": "assistant",
    "function_call_output": "tool",
    # class names of LangChain's serialised messages
    "systemmessage": "system",
    "humanmessage": "user",
    "aimessage": "assistant",
    "toolmessage": "tool",
}

#: What a tool's result names its call by; the last two are Vercel's and Bedrock's.
_CALL_IDS: Final = ("tool_call_id", "tool_use_id", "call_id", "id", "toolCallId", "toolUseId")

#: Items of OpenAI's Responses API, which have a type instead of a role and are a single part.
_ITEMS: Final = ("reasoning", "function_call", "function_call_output")


def role_of(name: Any) -> str:
    """system, user, assistant or tool. An unknown role is an input of some kind: user."""
    return _ROLES.get(name.lower(), "user") if isinstance(name, str) else "user"


def messages_of(value: Any) -> list[Message]:
    """The messages of a JSON text, a list, or a single message. Anything else has none."""
    value = json_or_text(value)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return []
    return [message for item in value if (message := message_of(item)) is not None]


def message_of(value: Any) -> Message | None:
    """One message; text alone is the user's."""
    if isinstance(value, str):
        return build("user", [text_part(value)])
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        return build(role_of(value[0]), parts_of(value[1]))
    if not isinstance(value, dict):
        return None
    value = _unwrap_langchain(value)
    role = role_of(value.get("role") or value.get("type"))
    call_id = text(value.get("tool_call_id") or value.get("call_id"))
    if value.get("type") in _ITEMS:
        return build(role, parts_of(value), call_id)
    parts = parts_of(value["parts"] if "parts" in value else value.get("content"))
    parts += _beside_content(value, {part.get("id") for part in parts if part["type"] == "tool_call"})
    return build(role, parts, call_id, text(value.get("name")))


def build(role: str, parts: list[Part], tool_call_id: str | None = None, name: str | None = None) -> Message:
    """A message whose text and tool calls are those of its parts."""
    texts: list[str] = []
    results: list[Part] = []
    calls: list[ToolCall] = []
    for part in parts:
        kind = part["type"]
        if kind == "text" or (kind == "audio" and part.get("text")):
            texts.append(part["text"])
        elif kind == "tool_call":
            calls.append(ToolCall(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_result":
            results.append(part)
    if results and role == "user" and len(results) == len(parts):
        # Anthropic's way, and pydantic-ai's: what a tool said comes in a user's message.
        role = "tool"
    if tool_call_id is None and len(results) == 1:
        tool_call_id = results[0].get("tool_call_id")
    if not texts and role == "tool":
        texts = [_as_text(part.get("result")) for part in results]
    return Message(role, "\n".join(texts) if texts else None, parts, calls, tool_call_id, name)


def parts_of(content: Any) -> list[Part]:
    """The parts of a message's content: text, one block, or a list of blocks."""
    if content is None or content == "":
        return []
    if isinstance(content, list):
        return [part for block in content if (part := part_of(block)) is not None]
    part = part_of(content)
    return [] if part is None else [part]


def part_of(block: Any) -> Part | None:
    """One content block as a part with a canonical ``type``; blocks of unknown type stay as they are."""
    if block is None:
        return None
    if isinstance(block, str):
        return text_part(block)
    if not isinstance(block, dict):
        return text_part(_as_text(block))
    kind = block.get("type")
    make = _PARTS.get(kind) if isinstance(kind, str) else None
    if make is not None:
        return make(block)
    if "text" in block:
        return _text_block(block)
    for name, make in _BEDROCK.items():
        if isinstance(block.get(name), dict):
            return make(block[name])
    return {**block, "type": kind if isinstance(kind, str) else "unknown"}


def text_part(content: str) -> Part:
    return {"type": "text", "text": content}


def call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    return {"type": "tool_call", "id": text(call_id), "name": text(name), "arguments": object_or_text(arguments)}


def result_part(call_id: Any, result: Any, name: Any = None) -> Part:
    part: Part = {"type": "tool_result", "tool_call_id": text(call_id), "result": _plain_result(result)}
    if name is not None:
        part["name"] = text(name)
    return part


def image_part(source: Any) -> Part:
    """From a URL (data URLs too), ``{"url": ...}`` or Anthropic's ``{"media_type", "data"}``."""
    if not isinstance(source, dict):
        return {"type": "image", "url": text(source)}
    if isinstance(source.get("data"), str):
        return {"type": "image", "mime_type": text(source.get("media_type")), "data": source["data"]}
    return {"type": "image", "url": text(source.get("url"))}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json_text(value)


def _plain_result(result: Any) -> Any:
    """A list of text blocks is its text; JSON in a string is its value; Vercel's typed output is its value."""
    if isinstance(result, dict) and result.keys() == {"type", "value"}:
        result = result["value"]
    if isinstance(result, list) and result and all(isinstance(item, dict) and "text" in item for item in result):
        return "\n".join(_as_text(item["text"]) for item in result)
    return object_or_text(result)


def _text_block(block: Part) -> Part:
    content = block.get("text")
    if content is None:
        content = block.get("content")
    if isinstance(content, list | dict):
        inner = [part["text"] for part in parts_of(content) if part["type"] == "text"]
        content = "\n".join(inner) if inner else json_text(content)
    return text_part(_as_text(content))


def _reasoning(block: Part) -> Part:
    for key in ("content", "thinking", "text", "reasoning", "summary"):
        found = block.get(key)
        if isinstance(found, list):
            found = "\n".join(part["text"] for part in parts_of(found) if part.get("text"))
        if found:
            return {"type": "reasoning", "text": _as_text(found)}
    return {"type": "reasoning", "text": ""}


def _tool_call(block: Part) -> Part:
    function = block.get("function")
    if isinstance(function, dict):
        return call_part(block.get("id"), function.get("name"), function.get("arguments"))
    arguments = next((block[key] for key in ("arguments", "args", "input") if block.get(key) is not None), None)
    if arguments is None:
        arguments = block.get("server_tool_call")
    call_id = next((block[key] for key in _CALL_IDS if block.get(key)), None)
    return call_part(call_id, block.get("name") or block.get("toolName"), arguments)


def _tool_result(block: Part) -> Part:
    keys = ("response", "result", "content", "output", "server_tool_call_response")
    result = next((block[key] for key in keys if block.get(key) is not None), None)
    call_id = next((block[key] for key in _CALL_IDS if block.get(key)), None)
    return result_part(call_id, result, block.get("name") or block.get("toolName"))


def _image(block: Part) -> Part:
    return image_part(block.get("image_url") or block.get("source") or block.get("image") or block.get("url"))


def _audio(block: Part) -> Part:
    audio = block.get("input_audio") or block.get("audio")
    source = audio if isinstance(audio, dict) else block
    part: Part = {"type": "audio", "mime_type": text(source.get("mime_type") or source.get("format"))}
    for key, name in (("data", "data"), ("url", "url"), ("transcript", "text")):
        if isinstance(source.get(key), str):
            part[name] = source[key]
    return part


def _file(block: Part) -> Part:
    """OTel's blob, file and uri, which carry their modality; OpenAI's file."""
    modality = block.get("modality")
    part: Part = {"type": modality if modality in ("image", "audio") else "file"}
    source = block["file"] if isinstance(block.get("file"), dict) else block
    names = (("content", "data"), ("file_data", "data"), ("uri", "url"), ("file_id", "file_id"), ("filename", "name"))
    for key, name in (*names, ("mime_type", "mime_type")):
        if source.get(key) is not None:
            part[name] = text(source[key])
    return part


def _refusal(block: Part) -> Part:
    return text_part(_as_text(block.get("refusal")))


_PARTS: Final[dict[str, Callable[[Part], Part]]] = {
    **dict.fromkeys(("text", "input_text", "output_text"), _text_block),
    **dict.fromkeys(("reasoning", "thinking", "summary_text"), _reasoning),
    **dict.fromkeys(
        ("tool_call", "tool_use", "function_call", "function", "server_tool_call", "tool-call"), _tool_call
    ),
    **dict.fromkeys(
        ("tool_call_response", "tool_result", "function_call_output", "server_tool_call_response", "tool-result"),
        _tool_result,
    ),
    **dict.fromkeys(("image", "image_url", "input_image"), _image),
    **dict.fromkeys(("audio", "input_audio"), _audio),
    **dict.fromkeys(("blob", "file", "uri", "input_file"), _file),
    "refusal": _refusal,
}


def _bedrock_reasoning(block: Part) -> Part:
    inner = block.get("reasoningText")
    return _reasoning(inner if isinstance(inner, dict) else block)


#: Bedrock's blocks have no type, but one member that names it.
_BEDROCK: Final[dict[str, Callable[[Part], Part]]] = {
    "toolUse": _tool_call,
    "toolResult": _tool_result,
    "reasoningContent": _bedrock_reasoning,
}


def _beside_content(value: Part, seen: set[Any]) -> list[Part]:
    """A message's tool calls (unless its content had them already) and audio."""
    parts: list[Part] = []
    calls = value.get("tool_calls")
    if isinstance(calls, list):
        parts += [part for call in calls if isinstance(call, dict) and (part := _tool_call(call))["id"] not in seen]
    audio = value.get("audio")
    if isinstance(audio, dict):
        parts.append(_audio(audio))
    return parts


def _unwrap_langchain(value: Part) -> Part:
    """LangChain's ``{"lc", "id": [..., class], "kwargs"}`` and ``{"type", "data"}`` around a message."""
    kwargs, data, path = value.get("kwargs"), value.get("data"), value.get("id")
    if isinstance(kwargs, dict) and isinstance(path, list) and path:
        return {"role": path[-1], **kwargs, "type": path[-1]}
    if isinstance(data, dict) and "content" in data:
        return {"role": value.get("type"), **data}
    return value
