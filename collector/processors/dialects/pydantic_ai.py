"""pydantic-ai (https://ai.pydantic.dev/logfire) beside OTel's convention: the whole conversation on its agent spans.

Versions before 1.1 give agent and tool spans no operation. Usage on an agent span is the sum of its calls'.
"""

from __future__ import annotations

from typing import Final

from collector.model import Attributes, Content, Span, Tool
from collector.processors.dialects.base import Marked
from collector.processors.dialects.messages import build, messages_of, parts_of
from collector.processors.values import json_or_text, object_or_text, text

_ALL: Final = "pydantic_ai.all_messages"
_ARGUMENTS: Final = "tool_arguments"


class PydanticAI(Marked):
    marks = frozenset({_ALL, "agent_name", _ARGUMENTS})
    content_keys = (_ALL,)

    def facts(self, span: Span, attributes: Attributes) -> None:
        if span.kind == "task":
            if "agent_name" in attributes and "model_name" in attributes:
                span.kind = "agent"
            elif _ARGUMENTS in attributes and "gen_ai.tool.name" in attributes:
                span.kind = "tool"

    def content(self, span: Span, attributes: Attributes) -> Content:
        get = attributes.get
        if _ARGUMENTS in attributes:
            arguments, result = object_or_text(get(_ARGUMENTS)), object_or_text(get("tool_response"))
            tool = Tool(text(get("gen_ai.tool.name")), arguments, result, text(get("gen_ai.tool.call.id")))
            return Content(input=arguments, output=result, tool=tool)
        messages = messages_of(get(_ALL))
        answer = [messages.pop()] if messages and messages[-1].role == "assistant" else []
        system = parts_of(json_or_text(get("gen_ai.system_instructions")))
        if messages and system and messages[0].role != "system":
            messages.insert(0, build("system", system))
        return Content(input_messages=messages, output_messages=answer, output=object_or_text(get("final_result")))
