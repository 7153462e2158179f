"""What only a trace's spans together tell about a tool run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from collector.model import Content, Tool, ToolCall


def complete_tools(contents: Sequence[Content]) -> None:
    """Give tool runs the arguments that the model called them with, where their own span kept but a text.

    ``contents`` are those of one trace's spans, changed in place. A run belongs to the call with its id; without an
    id to the call of its name whose only argument is that text.
    """
    runs = [content.tool for content in contents if content.tool and not isinstance(content.tool.arguments, dict)]
    if not runs:
        return
    calls = [call for content in contents for call in _calls(content) if isinstance(call.arguments, dict)]
    by_id = {call.id: call for call in calls if call.id}
    for run in runs:
        call = by_id.get(run.call_id) if run.call_id else None
        if call is None:
            call = next((call for call in calls if _only_argument_of(call, run)), None)
        if call is not None:
            run.arguments, run.call_id = call.arguments, run.call_id or call.id


def _calls(content: Content) -> Iterable[ToolCall]:
    for message in (*content.output_messages, *content.input_messages):
        yield from message.tool_calls


def _only_argument_of(call: ToolCall, run: Tool) -> bool:
    arguments: dict[str, Any] = call.arguments
    return call.name == run.name and len(arguments) == 1 and str(next(iter(arguments.values()))) == str(run.arguments)
