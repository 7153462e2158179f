"""Redaction on the server: what a project's rules name is masked before anything of a span is stored. Pure.

The original changes too: ``SpanBatch.chunks`` are decoded, masked and encoded again. Spans of projects without rules
are not touched. Fails closed: a span that cannot be redacted is stored without content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from collector.codec.otlp import attributes_of, compress, decompress
from collector.model import Event, Link, Span, SpanBatch
from tracekit.redaction import DEFAULT_KEYS, MASKED, PATTERNS, Redactor
from tracekit.redaction_keys import is_harmless

#: the rules of projects that have none of their own
ALL_PROJECTS: Final = "*"
_CODES: Final = {"unset": Status.STATUS_CODE_UNSET, "ok": Status.STATUS_CODE_OK, "error": Status.STATUS_CODE_ERROR}


@dataclass(frozen=True, slots=True)
class Rules:
    """``patterns`` of ``tracekit.redaction.PATTERNS``; ``keys`` besides its usual names of secrets."""

    patterns: tuple[str, ...] = PATTERNS
    keys: tuple[str, ...] = ()


@dataclass(slots=True)
class Redacted:
    """The spans whose content was changed or looked at, and how many had to lose theirs."""

    spans: list[Span] = field(default_factory=list)
    failed: int = 0


class Redaction:
    """Rules by project; ``ALL_PROJECTS`` holds for those without rules of their own. ``secrets`` are masked as they
    are (the collector's own keys)."""

    def __init__(self, rules: Mapping[str, Rules], secrets: tuple[str, ...] = ()) -> None:
        self._redactors = {
            project: Redactor((*DEFAULT_KEYS, *rule.keys), rule.patterns, secrets, in_texts=True)
            for project, rule in rules.items()
        }
        self._otherwise = self._redactors.get(ALL_PROJECTS)

    def redact_value(self, project: str | None, value: Any) -> Any:
        """A value of JSON types as the project's rules leave it: for receivers that keep more than spans. Where the
        project is not known yet (None), every project's rules hold."""
        if project is None:
            for redactor in self._redactors.values():
                value = redactor.value(value)
            return value
        rules = self._of(project)
        return value if rules is None else rules.value(value)

    def redact(self, batch: SpanBatch) -> Redacted:
        """Mask every span whose project has rules, and its original, in place. Facts are not looked at: they must be
        made again. Never raises."""
        done = Redacted()
        concerned: dict[int, list[Span]] = defaultdict(list)
        for span in batch.spans:
            if self._of(span.project) is not None:
                concerned[span.chunk].append(span)
        for number, spans in concerned.items():
            chunk = batch.chunks[number]
            try:
                message = TracesData.FromString(decompress(chunk.data))
                done.failed += self._message(message, {span.position: span for span in spans})
            except Exception:  # noqa: BLE001 - fails closed, for all that lies in the chunk
                several = sorted((span for span in batch.spans if span.chunk == number), key=lambda span: span.position)
                message = _bare(several)
                done.failed += len(several)
                done.spans += [span for span in several if span not in spans]
            chunk.data = compress(message.SerializeToString())
            done.spans += spans
        return done

    def _of(self, project: str) -> Redactor | None:
        return self._redactors.get(project, self._otherwise)

    def _message(self, message: TracesData, spans: Mapping[int, Span]) -> int:
        """Mask a chunk's spans by their positions; returns how many lost their content."""
        message.DiscardUnknownFields()
        failed = position = 0
        for resource_spans in message.resource_spans:
            last = None
            touched: list[Span] = []
            for scope_spans in resource_spans.scope_spans:
                for wired in scope_spans.spans:
                    span = spans.get(position)
                    position += 1
                    if span is None:
                        continue
                    last = self._of(span.project) or last
                    touched.append(span)
                    failed += _span(wired, span, last or Redactor(patterns=PATTERNS))
                if last is not None:
                    _pairs(scope_spans.scope.attributes, last)
            if last is not None:
                _pairs(resource_spans.resource.attributes, last)
                resource = attributes_of(resource_spans.resource.attributes)
                for span in touched:
                    span.resource = resource
        return failed


def _span(wired: Any, span: Span, redactor: Redactor) -> int:
    """Mask one span as sent and as decoded; 1 where it lost its content instead."""
    try:
        wired.name = redactor.text(wired.name)
        wired.status.message = redactor.text(wired.status.message)
        _pairs(wired.attributes, redactor)
        for event in wired.events:
            event.name = redactor.text(event.name)
            _pairs(event.attributes, redactor)
        for link in wired.links:
            _pairs(link.attributes, redactor)
        failed = 0
    except Exception:  # noqa: BLE001 - fails closed
        del wired.attributes[:], wired.events[:], wired.links[:]
        wired.name, wired.status.message = MASKED, ""
        failed = 1
    given = span.attributes.get("tracekit.project")
    span.name, span.status_message = wired.name, wired.status.message
    span.attributes = attributes_of(wired.attributes)
    if given is not None:
        span.attributes["tracekit.project"] = given
    span.events = [Event(one.name, one.time_unix_nano, attributes_of(one.attributes)) for one in wired.events]
    span.links = [Link(one.trace_id, one.span_id, attributes_of(one.attributes)) for one in wired.links]
    return failed


def _pairs(pairs: Any, redactor: Redactor) -> None:
    """Mask OTLP KeyValues in place."""
    items = {pair.key: _plain(pair.value) for pair in pairs}
    named = redactor.names_secret(items)
    for pair in pairs:
        secret = redactor.hides[pair.key] and not is_harmless(pair.key, items[pair.key])
        if secret or (named and pair.key.lower() == "value"):
            _replace(pair.value, MASKED)
        else:
            _value(pair.value, redactor)
        name = redactor.text(pair.key)
        if name != pair.key:
            pair.key = name


def _plain(value: Any) -> Any:
    """A value as far as its name's meaning depends on it."""
    which = value.WhichOneof("value")
    if which == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    return None if which is None else [] if which == "array_value" else getattr(value, which)


def _value(value: Any, redactor: Redactor) -> None:
    """Mask an OTLP AnyValue in place."""
    which = value.WhichOneof("value")
    if which == "kvlist_value":
        _pairs(value.kvlist_value.values, redactor)
    elif which == "array_value":
        values = value.array_value.values
        if len(values) == 2 and redactor.is_secret_pair([_plain(values[0]), _plain(values[1])]):
            _replace(values[1], MASKED)
        for item in values:
            _value(item, redactor)
    elif which is not None:
        found = getattr(value, which)
        kept = redactor.value(found)
        if kept != found:
            _replace(value, kept)


def _replace(value: Any, text: str) -> None:
    value.Clear()
    value.string_value = text


def _bare(spans: list[Span]) -> TracesData:
    """The originals of a chunk that cannot be read: what the spans are, without what they hold."""
    message = TracesData()
    scope_spans = message.resource_spans.add().scope_spans.add()
    for span in spans:
        span.name, span.status_message, span.position = MASKED, "", len(scope_spans.spans)
        span.attributes, span.events, span.links, span.resource = {}, (), (), {}
        wired = scope_spans.spans.add(
            trace_id=span.trace_id, span_id=span.span_id, parent_span_id=span.parent_span_id or b"", name=MASKED
        )
        wired.start_time_unix_nano, wired.end_time_unix_nano = span.start_ns, span.end_ns
        wired.status.code = _CODES[span.status]
    return message
