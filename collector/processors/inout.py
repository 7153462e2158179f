"""What went into a whole trace and what came out of it: the user's question and the final answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from collector.model import Content, Message, Span
from collector.processors.dialects.bodies import answer_in
from collector.processors.dialects.messages import messages_of

#: Looked at when the root says nothing. What a user said and got lies near the top and the ends of a trace.
_CANDIDATES: Final = 24
#: Names that the user's words go by among a function's arguments.
_QUESTIONS: Final = ("question", "query", "user_input", "user_message", "message", "prompt", "task")
#: Shorter texts are in any prompt by chance.
_MIN_QUESTION: Final = 8
_MAX_LEAVES: Final = 256
#: Kinds whose input and output are a user's question and an answer rather than a step's.
_CONVERSATIONAL: Final = frozenset({"agent", "chain", "llm"})
#: Names under which frameworks keep the chat in a JSON value.
_CHATS: Final = ("messages", "chat_history", "input_messages")


def trace_input_output(spans: Sequence[Span], content_of: Callable[[Span], Content]) -> tuple[Any, Any]:
    """The user's question and the final answer of one trace, each text, a JSON value or None.

    Text where it can be told (a chat's last user message, the last text of the answer), else the JSON value of the
    root. ``spans`` is the trace in any order, with facts; ``content_of`` is asked lazily, mostly for the root alone.
    """
    if not spans:
        return None, None
    contents: dict[bytes, Content] = {}

    def content(span: Span) -> Content:
        found = contents.get(span.span_id)
        if found is None:
            found = contents[span.span_id] = content_of(span)
        return found

    root = _root(spans)

    def others(first: Callable[[Span], tuple[int, int]], told: Callable[[Content], Any]) -> Iterator[Any]:
        found = [span for span in spans if span is not root and span.kind in _CONVERSATIONAL]
        for span in sorted(found, key=first)[:_CANDIDATES]:
            yield told(content(span))

    return (
        _told(input_of(content(root)), others(lambda span: (span.start_ns, -span.end_ns), input_of), _question_in),
        _told(output_of(content(root)), others(lambda span: (-span.end_ns, span.start_ns), output_of), _answer_in),
    )


def input_of(content: Content) -> Any:
    """The last user message where the span held a chat, else its input."""
    chat = content.input_messages or _chat_in(content.input)
    question = _last_text(chat, "user") or _named_question(content.input)
    return content.input if question is None else question


def output_of(content: Content) -> Any:
    """The last text of the answer where the span held a chat, else its output."""
    chat = content.output_messages or answer_in(content.output) or _chat_in(content.output)
    answer = _last_text(chat, "assistant")
    return content.output if answer is None else answer


def _named_question(value: Any) -> str | None:
    """``{"question": ...}``, as a function's arguments mostly are."""
    if not isinstance(value, dict):
        return None
    arguments = value.get("kwargs") or value
    if not isinstance(arguments, dict):
        return None
    found = [arguments[name] for name in _QUESTIONS if isinstance(arguments.get(name), str)]
    return found[0] if len(found) == 1 and found[0] else None


def _told(of_root: Any, of_others: Iterator[Any], find: Callable[[Any, str], str | None]) -> Any:
    """What the root says, as text where another span's text shows which part of it that is; else what others say."""
    if isinstance(of_root, str) and of_root:
        return of_root
    if isinstance(of_root, dict | list) and of_root and not _is_stream(of_root):
        text = next((value for value in of_others if isinstance(value, str) and value), None)
        return (find(of_root, text) if text else None) or of_root
    values = [value for value in of_others if value not in (None, "", [], {})]
    return next((value for value in values if isinstance(value, str)), values[0] if values else of_root)


def _question_in(value: Any, asked: str) -> str | None:
    """The one text in a JSON value that the model was asked with."""
    found = {leaf for leaf in _leaves(value) if len(leaf) >= _MIN_QUESTION and leaf in asked}
    return found.pop() if len(found) == 1 else None


def _answer_in(value: Any, answered: str) -> str | None:
    """The one text in a JSON value that has the model's answer."""
    found = {leaf for leaf in _leaves(value) if answered in leaf}
    return found.pop() if len(found) == 1 else None


def _is_stream(value: Any) -> bool:
    """Whether the output is a stream's repr, taken before it was read."""
    return any("generator object" in leaf for leaf in _leaves(value))


def _leaves(value: Any) -> list[str]:
    """The first texts in a JSON value."""
    found: list[str] = []
    waiting = [value]
    while waiting and len(found) < _MAX_LEAVES:
        node = waiting.pop()
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, dict | list) and len(waiting) < _MAX_LEAVES:
            waiting += node.values() if isinstance(node, dict) else node
    return found


def _root(spans: Sequence[Span]) -> Span:
    """The earliest span without a parent; where the root has not come, the earliest whose parent has not."""
    roots = [span for span in spans if span.parent_span_id is None]
    if not roots:
        present = {span.span_id for span in spans}
        roots = [span for span in spans if span.parent_span_id not in present] or list(spans)
    return min(roots, key=lambda span: (span.start_ns, -span.end_ns))


def _last_text(chat: list[Message], role: str) -> str | None:
    return next((message.text for message in reversed(chat) if message.role == role and message.text), None)


def _chat_in(value: Any) -> list[Message]:
    """The messages that a JSON value holds the way frameworks keep them (``{"messages": [...]}``)."""
    if isinstance(value, dict):
        for name in _CHATS:
            if isinstance(value.get(name), list):
                return _chat_in(value[name])
        return []
    if not isinstance(value, list) or not value:
        return []
    if isinstance(value[0], list):
        return _chat_in(value[0])
    if all(isinstance(item, dict) and _is_message(item) for item in value):
        return messages_of(value)
    return []


def _is_message(item: dict[str, Any]) -> bool:
    if "role" in item:
        return "content" in item or "parts" in item or "tool_calls" in item
    inner = item.get("data", item.get("kwargs", item))
    return isinstance(inner, dict) and "content" in inner and ("type" in item or "id" in item)
