"""Requests of spans as Phoenix keeps all of them. Pure.

Phoenix takes attribute names apart at their dots and parses some values as JSON, after it has answered 200; a name or
value over which that fails loses its span and those behind it in the request. Of a request it reads spans alone: what
resource, scope and links say goes with the span's attributes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, TracesData
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WiredSpan

from collector.codec.run_spans import PENDING
from collector.exporters.api import Record, SpanKey
from collector.exporters.attributes import clean, json_text, plain
from collector.exporters.openinference import ORIGINAL, attributes_of, rewrite
from collector.exporters.originals import chunks
from collector.model import CALL_KINDS, Attributes
from collector.processors.values import shallow

PROJECT: Final = "openinference.project.name"
#: Names that end so hold JSON, which Phoenix parses (its ``phoenix.trace.attributes``).
_PARSED: Final = ("metadata", "llm.prompt_template.variables", "tool.parameters")
#: Names nested deeper are flattened from there on: Phoenix's recursion ends at some hundreds.
_MAX_DEPTH: Final = 32
_MAX_INDEX: Final = 9
_ADDED_UP: Final = ("llm.token_count.", "llm.cost.", "gen_ai.usage.")


def is_complete(record: Record) -> bool:
    """Whether the span has ended: a run that is still going on will come again, and Phoenix keeps what came first."""
    return PENDING not in record.span.attributes


def has_identity(key: SpanKey) -> bool:
    """Phoenix loses spans without ids."""
    trace_id, span_id = key
    return len(trace_id) == 16 and any(trace_id) and len(span_id) == 8 and any(span_id)


def other_id(key: SpanKey) -> bytes:
    """What a span is called where Phoenix has its id in another trace, for there no two spans have the same."""
    return blake2b(key[0] + key[1], digest_size=8, person=b"tracekit-phoenix").digest()


def session_in(project: str, session: str) -> str:
    """A session's id that no other project's session has."""
    return f"{project}:{session}"


def request_of(project: str, records: Iterable[Record], renamed: Mapping[SpanKey, bytes], by_project: bool) -> bytes:
    """An ``ExportTraceServiceRequest`` of one project's spans. ``renamed``: see ``other_id``; ``by_project``: sessions
    get their project in front. Raises ``Rejected`` where an original is not stored."""
    into = ScopeSpans()
    for chunk, by_position in chunks(records):
        sent = TracesData.FromString(chunk.part(by_position))
        ordered = (by_position[position] for position in sorted(by_position))
        for resource_spans in sent.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for wired in scope_spans.spans:
                    _translate(wired, next(ordered), renamed, by_project)
                into.spans.extend(scope_spans.spans)
    resource_spans = ResourceSpans(scope_spans=[into])
    resource_spans.resource.attributes.append(KeyValue(key=PROJECT, value=AnyValue(string_value=clean(project))))
    return bytes(TracesData(resource_spans=[resource_spans]).SerializeToString())


def _translate(wired: WiredSpan, record: Record, renamed: Mapping[SpanKey, bytes], by_project: bool) -> None:
    attributes = attributes_of(record)
    facts = record.facts
    if not facts.counted or facts.kind not in CALL_KINDS:
        attributes = _uncounted(attributes)
    if facts.session_id and by_project:
        attributes[ORIGINAL + "session.id"] = facts.session_id
        attributes["session.id"] = session_in(facts.project, facts.session_id)
    rewrite(wired, record, mended(attributes | _around(record)))
    wired.span_id = renamed.get(record.key, wired.span_id)
    parent = wired.parent_span_id
    if parent:
        wired.parent_span_id = renamed.get((facts.trace_id, parent), parent)


def _uncounted(attributes: Attributes) -> Attributes:
    """Of a span whose usage is that of others: Phoenix adds up whatever stands under these names."""
    return {ORIGINAL + key if key.startswith(_ADDED_UP) else key: value for key, value in attributes.items()}


def _around(record: Record) -> Attributes:
    """What Phoenix does not read where it stands."""
    span = record.span
    found: Attributes = {f"resource.{key}": value for key, value in plain(span.resource).items()}
    if span.scope:
        found["otel.scope.name"] = span.scope
    if span.links:
        links = [
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": link.attributes}
            for link in span.links
        ]
        found["links"] = json_text(links)
    return found


def mended(attributes: Attributes) -> Attributes:
    """With names that Phoenix can take apart, and values that it can parse or does not try to."""
    found: Attributes = {}
    for key, value in attributes.items():
        key = _key(key)
        if key.endswith(_PARSED) and isinstance(value, str):
            key, value = _parsed(key, value)
        found[key] = value
    return found


def _key(key: str) -> str:
    """Digits that are no number (²) and numbers that nobody counts to are names."""
    names = key.split(".", _MAX_DEPTH)
    names[-1] = names[-1].replace(".", "_")
    strange = [position for position, name in enumerate(names) if _is_strange(name.strip())]
    for position in strange:
        names[position] = f"_{names[position]}"
    return ".".join(names) if strange or len(names) > _MAX_DEPTH else key


def _is_strange(name: str) -> bool:
    return name.isdigit() and not (name.isdecimal() and len(name) <= _MAX_INDEX)


def _parsed(key: str, value: str) -> tuple[str, Any]:
    """JSON that no database refuses, under the same name; where it nests too deep, as text under another."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        # Phoenix's parser is the same; a text that it cannot read stays a text, but one that is too deep it may.
        return (key, value) if value.count("[") + value.count("{") <= _MAX_DEPTH else (f"{key}_text", value)
    if not shallow(parsed):
        return f"{key}_text", value
    return key, json_text(parsed)
