"""One captured span, as a test looks at it, and trees of them as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tracekit import semconv

#: (name, kind, children)
Tree = tuple[str, str, list[Any]]

_KINDS: Final = {shown: kind for kind, shown in semconv.OPENINFERENCE_KINDS.items()}
_USAGE: Final = "gen_ai.usage."
_MAX_SHOWN: Final = 200


class CapturedSpan:
    """``kind`` as in ``tracekit.semconv.OPENINFERENCE_KINDS``; ``otel`` is OpenTelemetry's span; times are nanoseconds
    of a clock that reads 1 ms later each time."""

    def __init__(self, span: ReadableSpan) -> None:
        self.otel = span
        self.name = span.name
        self.parent: CapturedSpan | None = None
        self.children: list[CapturedSpan] = []
        self.start_ns = span.start_time or 0
        self.end_ns = span.end_time or 0
        self.attributes: dict[str, Any] = dict(span.attributes or {})
        self._time_first_token()

    def _time_first_token(self) -> None:
        """In the clock of the capture."""
        for event in self.otel.events:
            if event.name == semconv.FIRST_TOKEN_EVENT and semconv.GEN_AI_TIME_TO_FIRST_CHUNK in self.attributes:
                self.attributes[semconv.GEN_AI_TIME_TO_FIRST_CHUNK] = (event.timestamp - self.start_ns) / 1e9

    @property
    def kind(self) -> str:
        return _KINDS.get(str(self.attributes.get(semconv.SPAN_KIND)), "task")

    @property
    def trace_id(self) -> str:
        return format(self.otel.context.trace_id, "032x") if self.otel.context is not None else ""

    @property
    def span_id(self) -> str:
        return format(self.otel.context.span_id, "016x") if self.otel.context is not None else ""

    @property
    def input(self) -> Any:
        """What went in: a model call's messages, else text, or the value that JSON holds; None where nothing was
        captured."""
        return self._value(semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE, semconv.GEN_AI_INPUT_MESSAGES)

    @property
    def output(self) -> Any:
        """What came out, in the same forms."""
        return self._value(semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE, semconv.GEN_AI_OUTPUT_MESSAGES)

    @property
    def usage(self) -> dict[str, int]:
        """Token counts by their names in OpenTelemetry: ``{"input_tokens": 3, "output_tokens": 5}``."""
        return {key[len(_USAGE) :]: value for key, value in self.attributes.items() if key.startswith(_USAGE)}

    @property
    def model(self) -> str | None:
        """The model that answered, else the one that was asked."""
        return self.attributes.get(semconv.GEN_AI_RESPONSE_MODEL) or self.attributes.get(semconv.GEN_AI_REQUEST_MODEL)

    @property
    def status(self) -> str:
        """ "ok", "error" or "unset"."""
        return self.otel.status.status_code.name.lower()

    @property
    def error(self) -> str | None:
        """``Type: message`` of a failed span."""
        if self.otel.status.status_code is not StatusCode.ERROR:
            return None
        kind, said = self.attributes.get(semconv.ERROR_TYPE), self.otel.status.description
        return ": ".join(str(part) for part in (kind, said) if part) or "error"

    @property
    def events(self) -> list[tuple[str, Mapping[str, Any]]]:
        return [(event.name, dict(event.attributes or {})) for event in self.otel.events]

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r}>"

    def _value(self, key: str, mime_key: str, messages_key: str) -> Any:
        messages = self.attributes.get(messages_key)
        if isinstance(messages, str):
            return json.loads(messages)
        value = self.attributes.get(key)
        is_json = isinstance(value, str) and self.attributes.get(mime_key) == semconv.MIME_JSON
        return json.loads(str(value)) if is_json else value


def tree_of(span: CapturedSpan) -> Tree:
    return span.name, span.kind, [tree_of(child) for child in span.children]


def rendered(span: CapturedSpan, values: bool, depth: int = 0) -> Iterator[str]:
    """A span and those beneath it, a line each, indented."""
    indent = "  " * depth
    model = f" {span.model}" if span.model and values else ""
    yield f"{indent}{span.name} ({span.kind}){model}"
    if values:
        shown = (("input", span.input), ("output", span.output), ("usage", span.usage or None))
        yield from (f"{indent}  {name}: {_short(value)}" for name, value in shown if value is not None)
    if span.error is not None:
        yield f"{indent}  error: {span.error if values else span.attributes.get(semconv.ERROR_TYPE, 'error')}"
    for child in span.children:
        yield from rendered(child, values, depth + 1)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("\n", "\\n")
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
