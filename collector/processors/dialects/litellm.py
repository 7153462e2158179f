"""LiteLLM's own callback (https://docs.litellm.ai/docs/observability/opentelemetry_integration): OTel's convention, and
beside it a cost and the whole usage, the latter as Python writes a dict.
"""

from __future__ import annotations

from typing import Any, Final

from collector.model import Attributes, Content, Span
from collector.processors.dialects.base import Marked, fill_cost
from collector.processors.dialects.usages import fill_usage_of
from collector.processors.values import json_object

_USAGE: Final = "metadata.usage_object"
_COST: Final = "gen_ai.cost.total_cost"
#: A usage is never longer, and reading it costs by its length.
_MAX_USAGE: Final = 2048
_WORDS: Final = (("'", '"'), ("None", "null"), ("True", "true"), ("False", "false"))


class LiteLLM(Marked):
    marks = frozenset({_USAGE, _COST})

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        usage = _dict(get(_USAGE))
        if usage:
            fill_usage_of(span, usage)
        fill_cost(span, get(_COST), get("gen_ai.cost.input_cost"), get("gen_ai.cost.output_cost"))

    def content(self, span: Span, attributes: Attributes) -> Content:
        return Content()


def _dict(value: Any) -> dict[str, Any] | None:
    """The object that Python's words for a dict of names, numbers and None tell."""
    if not isinstance(value, str) or len(value) > _MAX_USAGE:
        return None
    for python, json in _WORDS:
        value = value.replace(python, json)
    return json_object(value)
