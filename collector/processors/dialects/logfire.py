"""Logfire (https://logfire.pydantic.dev/docs/integrations/llms): OTel's convention, and the provider's usage as JSON.

Only what the convention's attributes leave out is taken from ``gen_ai.usage.raw``: cached and reasoning tokens. A
streamed call is two spans: one that ends when the stream begins, and a zero-length one with the answer and the usage.
"""

from __future__ import annotations

from typing import Final

from collector.model import Attributes, Content, Span
from collector.processors.dialects.base import Marked
from collector.processors.dialects.usages import fill_usage_of
from collector.processors.values import json_object

_RAW: Final = "gen_ai.usage.raw"
_REQUEST: Final = "request_data"


class Logfire(Marked):
    marks = frozenset({_RAW, _REQUEST})

    def facts(self, span: Span, attributes: Attributes) -> None:
        if span.kind == "llm" and _opens_stream(span, attributes):
            span.kind = "task"
        usage = json_object(attributes.get(_RAW))
        if usage:
            fill_usage_of(span, usage)

    def content(self, span: Span, attributes: Attributes) -> Content:
        return Content()


def _opens_stream(span: Span, attributes: Attributes) -> bool:
    """Whether the span only tells that a stream began: the call is the span that tells how it ended."""
    return (
        span.status != "error"
        and span.usage is None
        and attributes.get("logfire.span_type") == "span"
        and _REQUEST in attributes
        and "gen_ai.response.id" not in attributes
        and "gen_ai.output.messages" not in attributes
    )
