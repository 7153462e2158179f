"""OTLP requests as applications send them, one trace each, deterministic. Times are ns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status, TracesData

Attributes = dict[str, Any]

STACK = """Traceback (most recent call last):
  File "/srv/shop/answer.py", line 88, in answer
    reply = client.chat.completions.create(model=MODEL, messages=messages)
  File "/srv/shop/.venv/lib/python3.12/site-packages/openai/_base_client.py", line 1047, in request
    raise self._make_status_error_from_response(err.response) from None
{kind}: {message}
"""


def trace_id(number: int) -> bytes:
    return (0x7AC0_0000 + number).to_bytes(16, "big")


def span_id(trace: int, number: int) -> bytes:
    return ((0x7AC0_0000 + trace) << 32 | number).to_bytes(8, "big")


class Trace:
    """Spans of one trace under construction; ``start`` and ``length`` are counted from ``start_ns``."""

    def __init__(self, number: int, start_ns: int, project: str = "shop") -> None:
        self.number = number
        self.trace_id = trace_id(number)
        self.start_ns = start_ns
        self.project = project
        self.count = 0
        self._scopes: dict[str, list[Span]] = {}

    def span(
        self,
        name: str,
        parent: bytes,
        start: int,
        length: int,
        attributes: Attributes,
        *,
        scope: str = "tracekit",
        error: tuple[str, str] | None = None,
        first_token: int | None = None,
    ) -> bytes:
        """Returns the new span's id. ``error`` is (exception type, message); ``first_token`` counts from ``start``."""
        self.count += 1
        begin = self.start_ns + start
        span = Span(
            trace_id=self.trace_id,
            span_id=span_id(self.number, self.count),
            parent_span_id=parent,
            name=name,
            start_time_unix_nano=begin,
            end_time_unix_nano=begin + length,
            attributes=_pairs(attributes),
        )
        if error:
            _fail(span, *error)
        if first_token is not None:
            span.events.add(name="First Token Stream Event", time_unix_nano=begin + first_token)
        self._scopes.setdefault(scope, []).append(span)
        return span.span_id

    def requests(self) -> Iterator[bytes]:
        """As exporters send them: at most 512 spans each."""
        spans = [(scope, span) for scope, spans in self._scopes.items() for span in spans]
        for first in range(0, len(spans), 512):
            yield self._request(spans[first : first + 512])

    def _request(self, spans: list[tuple[str, Span]]) -> bytes:
        found = ResourceSpans()
        names = {"service.name": f"{self.project}-api", "service.version": "2.4.1"}
        found.resource.attributes.extend(_pairs(names | {"openinference.project.name": self.project}))
        for name, group in groupby(spans, key=itemgetter(0)):
            scope = found.scope_spans.add(spans=[span for _, span in group])
            scope.scope.name = name
        return TracesData(resource_spans=[found]).SerializeToString()


def _fail(span: Span, kind: str, message: str) -> None:
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=f"{kind}: {message}"))
    details = {
        "exception.type": kind,
        "exception.message": message,
        "exception.stacktrace": STACK.format(kind=kind, message=message),
    }
    span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano, attributes=_pairs(details))


def _value(of: Any) -> AnyValue:
    if isinstance(of, bool):
        return AnyValue(bool_value=of)
    if isinstance(of, int):
        return AnyValue(int_value=of)
    if isinstance(of, float):
        return AnyValue(double_value=of)
    if isinstance(of, list):
        return AnyValue(array_value=ArrayValue(values=[_value(item) for item in of]))
    return AnyValue(string_value=str(of))


def _pairs(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(of)) for key, of in attributes.items()]


# OpenInference's attributes


def kind(name: str, **values: Any) -> Attributes:
    """A span kind with ``input``, ``output``, ``user``, ``session``, ``model``, ``provider`` and ``metadata``."""
    names = {
        "input": "input.value",
        "output": "output.value",
        "user": "user.id",
        "session": "session.id",
        "model": "llm.model_name",
        "provider": "llm.provider",
        "metadata": "metadata",
        "tags": "tag.tags",
    }
    found: Attributes = {"openinference.span.kind": name}
    for key, value in values.items():
        found[names[key]] = json.dumps(value) if isinstance(value, dict) else value
        if key in ("input", "output") and isinstance(value, dict):
            found[f"{key}.mime_type"] = "application/json"
    return found


def asked(*turns: tuple[str, str]) -> Attributes:
    return _messages("llm.input_messages", turns)


def answered(text: str) -> Attributes:
    return _messages("llm.output_messages", (("assistant", text),))


def called(call_id: str, tool: str, arguments: Any) -> Attributes:
    at = "llm.output_messages.0.message"
    call = f"{at}.tool_calls.0.tool_call"
    return {
        f"{at}.role": "assistant",
        f"{call}.id": call_id,
        f"{call}.function.name": tool,
        f"{call}.function.arguments": json.dumps(arguments),
    }


def tokens(prompt: int, completion: int, **details: int) -> Attributes:
    """``details`` as ``prompt_details__cache_read``."""
    counts = {"prompt": prompt, "completion": completion, "total": prompt + completion} | details
    return {f"llm.token_count.{name.replace('__', '.')}": count for name, count in counts.items()}


def documents(texts: list[str], prefix: str = "retrieval.documents") -> Attributes:
    found: Attributes = {}
    for number, text in enumerate(texts):
        at = f"{prefix}.{number}.document"
        found[f"{at}.id"] = f"manuals/k2.md#{number + 1}"
        found[f"{at}.content"] = text
        found[f"{at}.score"] = round(0.91 - 0.17 * number, 3)
        found[f"{at}.metadata"] = json.dumps({"source": "manuals/k2.md", "section": number + 1, "language": "en"})
    return found


def embedded(texts: list[str], vectors: list[list[float]], model: str = "text-embedding-3-small") -> Attributes:
    found: Attributes = {"embedding.model_name": model}
    for number, text in enumerate(texts):
        at = f"embedding.embeddings.{number}.embedding"
        found[f"{at}.text"] = text
        if number < len(vectors):
            found[f"{at}.vector"] = vectors[number]
    return found


def _messages(prefix: str, turns: tuple[tuple[str, str], ...]) -> Attributes:
    found: Attributes = {}
    for number, (role, content) in enumerate(turns):
        found[f"{prefix}.{number}.message.role"] = role
        found[f"{prefix}.{number}.message.content"] = content
    return found
