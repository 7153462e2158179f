"""From what is stored to what an evaluator is given (``tracekit.evals.api.Subject``). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from collector.evaluation.views import TraceView
from collector.model import PICO_USD, Content, Cost, Document, ErrorInfo, Message, Span, TraceSummary, Usage
from collector.processors.inout import input_of, output_of, trace_input_output
from tracekit.evals.api import RetrievedDocument, Subject, ToolUse

#: Documents, messages and tools that an evaluator is given at most, the first ones.
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Prepared:
    """``places``: for each of the subject's documents the span it came from and its rank there. ``project``: its own,
    of a session that of its first trace."""

    subject: Subject
    places: tuple[tuple[bytes, bytes, int], ...] = ()
    project: str = ""


def of_span(view: TraceView, span: Span) -> Prepared:
    if span.kind == "tool":
        view.contents()  # what was called and with what may stand in the call that asked for it
    content = view.content(span)
    documents, places = _documents([(span, content)])
    subject = Subject(
        input=input_of(content),
        output=output_of(content),
        documents=documents,
        messages=_messages([*content.input_messages, *content.output_messages]),
        tools=tuple(_tools([(span, content)])),
        metadata=_metadata(span.metadata, span.tags, span.name, span.session_id, span.user_id),
        kind=span.kind,
        status=span.status,
        error=_error(span.error),
        latency_ms=span.duration_ns / 1e6,
        time_to_first_token_ms=_milliseconds(span.time_to_first_token_ns),
        model=span.response_model or span.request_model,
        cost_usd=_dollars(span.cost),
        **_tokens(span.usage),
    )
    return Prepared(subject, places, view.project)


def of_trace(view: TraceView) -> Prepared:
    """Question and answer of the whole; the documents of its retrievers; its tools; the chat of its root, else of the
    call that ended last."""
    pairs = list(zip(view.spans, view.contents(), strict=True))
    documents, places = _documents([pair for pair in pairs if pair[0].kind == "retriever"])
    question, answer = trace_input_output(view.spans, view.content)
    summary = view.summary
    calls = [span for span in view.spans if span.kind == "llm"]
    last = max(calls, key=lambda span: span.end_ns, default=None)
    subject = Subject(
        input=question,
        output=answer,
        documents=documents,
        messages=_messages(_chat(view, last)),
        tools=tuple(_tools([pair for pair in pairs if pair[0].kind == "tool"])[:MOST]),
        metadata=_metadata(summary.metadata, summary.tags, summary.name, summary.session_id, summary.user_id),
        kind=view.root.kind,
        status=summary.status,
        error=_error(summary.error),
        latency_ms=summary.duration_ns / 1e6,
        time_to_first_token_ms=_milliseconds(summary.time_to_first_token_ns),
        model=None if last is None else last.response_model or last.request_model,
        cost_usd=_dollars(summary.cost),
        **_tokens(summary.usage),
    )
    return Prepared(subject, places, view.project)


def of_session(session_id: str, views: Sequence[TraceView]) -> Prepared:
    """A conversation, one turn for each trace in the order they began. Latency is the sum of the turns'."""
    turns = [of_trace(view) for view in views]
    subjects = [turn.subject for turn in turns]
    messages = [
        {"role": role, "content": text}
        for subject in subjects
        for role, text in (("user", subject.input_text), ("assistant", subject.output_text))
        if text
    ]
    summaries = [view.summary for view in views]
    subject = Subject(
        input=subjects[0].input,
        output=subjects[-1].output,
        documents=[document for one in subjects for document in one.documents][:MOST],
        messages=messages[-2 * MOST :],
        tools=[tool for one in subjects for tool in one.tools][:MOST],
        metadata={"session_id": session_id, "traces": len(views), **_shared(summaries)},
        kind="chain",
        status="error" if any(one.status == "error" for one in subjects) else subjects[-1].status,
        error=next((one.error for one in reversed(subjects) if one.error), None),
        latency_ms=sum(one.latency_ms or 0.0 for one in subjects),
        time_to_first_token_ms=subjects[0].time_to_first_token_ms,
        input_tokens=_sum([one.input_tokens for one in subjects]),
        output_tokens=_sum([one.output_tokens for one in subjects]),
        total_tokens=_sum([one.total_tokens for one in subjects]),
        cost_usd=_sum([one.cost_usd for one in subjects]),
        model=subjects[-1].model,
    )
    return Prepared(subject, tuple(place for turn in turns for place in turn.places)[:MOST], views[0].project)


def digest_of(subject: Subject, evaluator_version: str) -> bytes:
    """16 bytes that are the same for what the same evaluator would see the same of."""
    encoded = orjson.dumps(
        subject, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_DATACLASS, default=str
    )
    return blake2b(evaluator_version.encode() + b"\0" + encoded, digest_size=16).digest()


def _documents(
    pairs: Sequence[tuple[Span, Content]],
) -> tuple[list[RetrievedDocument], tuple[tuple[bytes, bytes, int], ...]]:
    found: list[RetrievedDocument] = []
    places: list[tuple[bytes, bytes, int]] = []
    seen: set[tuple[str | None, str]] = set()
    for span, content in pairs:
        for rank, document in enumerate(content.documents):
            if not document.text or (document.id, document.text) in seen or len(found) >= MOST:
                continue
            seen.add((document.id, document.text))
            found.append(_document(document, len(found)))
            places.append((span.trace_id, span.span_id, rank))
    return found, tuple(places)


def _document(document: Document, position: int) -> RetrievedDocument:
    metadata = document.metadata if isinstance(document.metadata, Mapping) else {}
    return RetrievedDocument(document.text or "", position, document.id, document.score, metadata)


def _chat(view: TraceView, last: Span | None) -> list[Message]:
    for span in (view.root, last):
        if span is not None:
            content = view.content(span)
            if content.input_messages or content.output_messages:
                return [*content.input_messages, *content.output_messages]
    return []


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"role": one.role, "content": one.text or ""} for one in messages if one.text][-MOST:]


def _tools(pairs: Sequence[tuple[Span, Content]]) -> list[ToolUse]:
    return list(_tool_uses(pairs))


def _tool_uses(pairs: Sequence[tuple[Span, Content]]) -> Iterator[ToolUse]:
    for span, content in pairs:
        if content.tool is not None:
            tool = content.tool
            yield ToolUse(tool.name or span.name, tool.arguments, tool.result, _error(span.error))
        for message in content.output_messages if span.kind == "llm" else ():
            for call in message.tool_calls:
                yield ToolUse(call.name or "", call.arguments)


def _metadata(
    metadata: Mapping[str, Any] | None, tags: Sequence[str] | None, name: str, session: str | None, user: str | None
) -> dict[str, Any]:
    told = {"name": name, "tags": list(tags or ()), "session_id": session, "user_id": user}
    return {key: value for key, value in told.items() if value} | dict(metadata or {})


def _shared(summaries: Sequence[TraceSummary]) -> dict[str, Any]:
    """What every trace's metadata says alike."""
    first, *others = [summary.metadata for summary in summaries]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _error(error: ErrorInfo | None) -> str | None:
    if error is None:
        return None
    return ": ".join(part for part in (error.type, error.message) if part) or None


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6


def _dollars(cost: Cost | None) -> float | None:
    return None if cost is None or cost.total is None else cost.total / PICO_USD


def _tokens(usage: Usage | None) -> dict[str, int | None]:
    names = ("input_tokens", "output_tokens", "total_tokens")
    return {name: None if usage is None else getattr(usage, name) for name in names}


def _sum(values: Sequence[Any]) -> Any:
    """None where nothing is known, and where a part is not."""
    return None if not values or any(value is None for value in values) else sum(values)
