"""What only a trace's spans together tell about a tool run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from collector.model import Content, ToolCall


def complete_tools(contents: Sequence[Content]) -> None:
    """Give tool runs the arguments that the model called them with, where their own span kept but a text.

    ``contents`` are those of one trace's spans, changed in place. A run belongs to the call with its id; without an
    id to the call of its name whose only argument is that text.
    """
    runs = [content.tool for content in contents if content.tool and not isinstance(content.tool.arguments, dict)]
    if not runs:
        return
    by_id: dict[str, ToolCall] = {}
    by_argument: dict[tuple[str | None, str], ToolCall] = {}
    for content in contents:
        for call in _calls(content):
            if isinstance(call.arguments, dict):
                if call.id:
                    by_id.setdefault(call.id, call)
                if len(call.arguments) == 1:
                    by_argument.setdefault((call.name, str(next(iter(call.arguments.values())))), call)
    for run in runs:
        found = by_id.get(run.call_id) if run.call_id else None
        found = found or by_argument.get((run.name, str(run.arguments)))
        if found is not None:
            run.arguments, run.call_id = found.arguments, run.call_id or found.id


def _calls(content: Content) -> Iterable[ToolCall]:
    for message in (*content.output_messages, *content.input_messages):
        yield from message.tool_calls
