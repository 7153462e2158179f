"""Canonical facts and content of a span, whatever conventions its attributes follow. Pure.

``facts`` runs for every span that arrives; ``content`` when a span is read, over the original, so that nothing heavy
is stored twice and a better dialect improves old traces too. Both ask the dialects in their order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from collector.model import CALL_KINDS, Attributes, Content, Document, ErrorInfo, Span, Usage
from collector.processors.dialects import dialects_of
from collector.processors.models import split_provider, without_date
from collector.processors.providers import is_known, provider_of_model
from collector.processors.sanitize import bound_error, bound_facts
from collector.processors.tools import complete_tools
from collector.processors.values import count, text

DEFAULT_PROJECT: Final = "default"
#: How LangSmith writes an exception where its message belongs: its repr, with the traceback right behind.
_REPR: Final = re.compile(r"(?P<type>[A-Z]\w*)\((['\"])(?P<message>.*?)\2,?\)(?=Traceback|\Z)", re.S)


def facts(span: Span) -> None:
    """Fill the span's facts (kind to error) from its attributes, events, status and resource, fit to be stored.

    Facts that are known already stay. Attributes, events, links and resource are only read.
    """
    attributes = span.attributes
    _placed(span, attributes)
    _attributed(span, attributes)
    for dialect in dialects_of(attributes):
        if dialect.matches(attributes):
            dialect.facts(span, attributes)
    if span.usage is not None:
        settle(span.usage, span.kind)
    if span.status == "error":
        span.error = error(span)
    bound_facts(span)
    if span.kind in CALL_KINDS:
        _called(span)
    elif span.provider is not None and not is_known(span.provider):
        span.provider = None


def contents(spans: Sequence[Span]) -> list[Content]:
    """The content of each of one trace's spans, each completed by what the others tell about it."""
    found = [content(span) for span in spans]
    complete_tools(found)
    return found


def content(span: Span) -> Content:
    """Messages, documents, tool, input and output of a span, from its original alone (``codec.otlp.spans_of``)."""
    attributes = span.attributes
    merged: Content | None = None
    for dialect in dialects_of(attributes):
        if dialect.matches(attributes):
            found = dialect.content(span, attributes)
            merged = found if merged is None else _merge(merged, found)
    return Content() if merged is None else merged


def error(span: Span) -> ErrorInfo | None:
    """Why a span with status error failed, bounded; None for any other span.

    From the last exception event, else ``error.type`` and the status message (``TypeName: what happened``).
    """
    if span.status != "error":
        return None
    found = ErrorInfo()
    for event in span.events:
        if event.name == "exception":
            get = event.attributes.get
            found = ErrorInfo(
                text(get("exception.type")), text(get("exception.message")), text(get("exception.stacktrace"))
            )
    if found.type == "Exception" and (raised := _REPR.match(found.message or "")):
        found.type, found.message = raised["type"], raised["message"]
    # Langfuse's message stands beside a status that it leaves unset.
    kind, message = _told(span.status_message or text(span.attributes.get("langfuse.observation.status_message")) or "")
    found.type = _class_name(found.type or text(span.attributes.get("error.type")) or kind)
    found.message = found.message or message or None
    return bound_error(found)


def settle(usage: Usage, kind: str) -> None:
    """Make the parts of a usage agree: wholes include their parts, and there is a total where it can be told."""
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    if cached and usage.input_tokens is not None and cached > usage.input_tokens:
        # Parts larger than the whole: this sender's input tokens leave the cached ones out.
        usage.input_tokens, usage.total_tokens = count(usage.input_tokens + cached), None
    reasoning = usage.reasoning_tokens
    if reasoning and usage.output_tokens is not None and reasoning > usage.output_tokens:
        usage.output_tokens, usage.total_tokens = count(usage.output_tokens + reasoning), None
    if usage.input_tokens is None and kind == "embedding":
        usage.input_tokens = usage.total_tokens
    if usage.total_tokens is None and usage.input_tokens is not None:
        if usage.output_tokens is not None:
            usage.total_tokens = count(usage.input_tokens + usage.output_tokens)
        elif kind == "embedding":
            usage.total_tokens = usage.input_tokens


def _placed(span: Span, attributes: Attributes) -> None:
    resource = span.resource
    service = resource.get("service.name")
    if service is not None:
        span.service = service
    project = attributes.get("tracekit.project") or resource.get("openinference.project.name")
    if project:
        span.project = project
    elif isinstance(service, str) and service and not service.startswith("unknown_service"):
        # SDKs name a service that has no name "unknown_service[:program]".
        span.project = service
    else:
        span.project = DEFAULT_PROJECT


def _attributed(span: Span, attributes: Attributes) -> None:
    """What any span may say, whatever else it speaks."""
    get = attributes.get
    session = get("session.id")
    if session is not None:
        span.session_id = session
    user = get("user.id")
    if user is None:
        user = get("enduser.id")
    if user is not None:
        span.user_id = user
    tags = get("tag.tags")
    if tags is not None:
        span.tags = tags
    metadata = get("metadata")
    if metadata is not None:
        span.metadata = metadata


def _called(span: Span) -> None:
    """What the names of a call's models give away.

    Where only the response's model is known, its alias stands for what was asked for: dated snapshots are what
    providers answer with, aliases what applications ask for.
    """
    request, response = span.request_model, span.response_model
    if request is None and response is not None:
        request = span.request_model = without_date(response)
    if request is not None and "/" in request:
        span.request_model, span.provider = split_provider(request, span.provider)
    if response is not None and "/" in response:
        span.response_model, span.provider = split_provider(response, span.provider)
    if span.provider is None and request is not None:
        span.provider = provider_of_model(request)


def _told(message: str) -> tuple[str | None, str]:
    """Type and message of a status message as OpenTelemetry's SDKs write it for an exception."""
    head, separator, rest = message.partition(": ")
    name = head.rpartition(".")[2]
    if separator and name[:1].isupper() and head.replace(".", "_").isidentifier():
        return head, rest
    return None, message


def _class_name(name: str | None) -> str | None:
    return name.rpartition(".")[2] or name if name else None


def _merge(lead: Content, other: Content) -> Content:
    """``lead`` with its gaps filled from ``other``."""
    lead.input_messages = lead.input_messages or other.input_messages
    lead.output_messages = lead.output_messages or other.output_messages
    lead.input = other.input if lead.input is None else lead.input
    lead.output = other.output if lead.output is None else lead.output
    lead.documents = _joined(lead.documents, other.documents)
    if not any(embedding.text or embedding.vector for embedding in lead.embeddings):
        lead.embeddings = other.embeddings or lead.embeddings
    lead.parameters = {**other.parameters, **lead.parameters}
    lead.tool = _filled(lead.tool, other.tool)
    lead.prompt = _filled(lead.prompt, other.prompt)
    return lead


def _joined(lead: list[Document], other: list[Document]) -> list[Document]:
    """``lead``, each with its gaps filled from the one with its id in ``other``; ``other`` where there is none."""
    by_id = {document.id: document for document in other}
    for document in lead:
        if document.id is not None:
            _filled(document, by_id.get(document.id))
    return lead or other


def _filled(lead: Any, other: Any) -> Any:
    if lead is None or other is None:
        return other if lead is None else lead
    for name in lead.__slots__:
        if getattr(lead, name) is None:
            setattr(lead, name, getattr(other, name))
    return lead
