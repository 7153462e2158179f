"""One span as its detail pane shows it: what matters for its kind first, what was sent last. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collector.model import CALL_KINDS, Content, Document, Embedding, Event, Message, Span
from collector.processors import normalize
from dashboards import format as fmt
from dashboards.rows import Figure, error_line, unpriced_reason
from dashboards.timeseries import Sparkline, sparkline
from dashboards.values import Image, Table, Text, block, image, table, text

Block = Text | Table | Image


@dataclass(slots=True, frozen=True)
class Part:
    """A piece of a message. ``label`` says what it is where that is not text: ``reasoning``, ``calls lookup`` ..."""

    label: str
    content: Block | None
    note: str = ""


@dataclass(slots=True, frozen=True)
class Turn:
    role: str
    parts: list[Part]
    name: str | None = None


@dataclass(slots=True, frozen=True)
class DocumentView:
    """``share`` of the greatest score, 0 to 100, for the bar beside it."""

    rank: int
    id: str | None
    text: Text | None
    score: str
    share: float | None
    metadata: Table | None


@dataclass(slots=True, frozen=True)
class EmbeddingView:
    text: Text | None
    dimensions: str
    plot: Sparkline | None


@dataclass(slots=True, frozen=True)
class Fact:
    """A line of a definition list; ``href`` is a query or path below the pages' root."""

    name: str
    value: str
    note: str = ""
    href: str = ""


@dataclass(slots=True, frozen=True)
class EventView:
    name: str
    after: str
    attributes: Table | None


@dataclass(slots=True, frozen=True)
class LinkView:
    trace_id: str
    span_id: str
    attributes: Table | None


@dataclass(slots=True)
class Detail:
    """Sections that are empty are not shown. ``plain`` are (title, value) where a span has no messages."""

    trace_id: str
    span_id: str
    kind: str
    name: str
    failed: bool
    figures: list[Figure]
    error: str = ""
    stacktrace: Text | None = None
    conversation: list[Turn] = field(default_factory=list)
    answers: list[Turn] = field(default_factory=list)
    documents: list[DocumentView] = field(default_factory=list)
    more_documents: int = 0
    embeddings: list[EmbeddingView] = field(default_factory=list)
    more_embeddings: int = 0
    plain: list[tuple[str, Block]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    parameters: Table | None = None
    metadata: Table | None = None
    events: list[EventView] = field(default_factory=list)
    links: list[LinkView] = field(default_factory=list)
    attributes: Table | None = None
    resource: Table | None = None


#: More documents, embeddings, messages, events or links than this are counted, not listed.
MAX_LISTED: Final = 100


def build(span: Span, content: Content, trace_start_ns: int) -> Detail:
    """``trace_start_ns`` is what the span's start is told from."""
    detail = Detail(
        span.trace_id.hex(), span.span_id.hex(), span.kind, span.name or "(no name)", span.status == "error",
        _figures(span),
    )  # fmt: skip
    if detail.failed:
        fault = normalize.error(span) or span.error  # the stack trace is in the original only
        detail.error = error_line(fault)
        if fault and fault.stacktrace:
            detail.stacktrace = text(fault.stacktrace, mono=True)
    called = {call.id: call.name for m in content.input_messages for call in m.tool_calls if call.id and call.name}
    detail.conversation = _turns(content.input_messages, called)
    detail.answers = _turns(content.output_messages, called)
    detail.documents = _documents(content.documents)
    detail.more_documents = max(0, len(content.documents) - MAX_LISTED)
    detail.embeddings = [_embedding(e) for e in content.embeddings[:MAX_LISTED]]
    detail.more_embeddings = max(0, len(content.embeddings) - MAX_LISTED)
    detail.plain = _plain(content)
    detail.facts = _facts(span, trace_start_ns)
    detail.parameters = table(content.parameters) if content.parameters else None
    detail.metadata = table(span.metadata) if span.metadata else None
    detail.events = [_event(e, span) for e in list(span.events)[:MAX_LISTED] if not (detail.failed and _is_error(e))]
    detail.links = [_link(link.trace_id, link.span_id, link.attributes) for link in list(span.links)[:MAX_LISTED]]
    detail.attributes = table(dict(sorted(span.attributes.items()))) if span.attributes else None
    detail.resource = table(dict(sorted(span.resource.items()))) if span.resource else None
    return detail


def _figures(span: Span) -> list[Figure]:
    figures = [Figure(fmt.duration(span.duration_ns))]
    if span.usage and span.usage.total_tokens is not None:
        figures.append(Figure(fmt.compact(span.usage.total_tokens), "tokens"))
    if span.cost is not None:
        figures.append(Figure(fmt.cost(span.cost), "", _unpriced(span)))
    return figures


def _unpriced(span: Span) -> str:
    return unpriced_reason(span.cost, span.usage, span.response_model or span.request_model, span.provider)


def _turns(messages: Sequence[Message], called: dict[str, str]) -> list[Turn]:
    """``called`` names the tool of a call's id."""
    hidden = len(messages) - MAX_LISTED
    turns = [Turn(m.role, _parts(m, called), m.name) for m in messages[: MAX_LISTED if hidden > 0 else None]]
    if hidden > 0:
        turns.append(Turn("", [Part("", Text(f"{hidden} more messages; copy the span as JSON to have them all"))]))
    return turns


def _parts(message: Message, called: dict[str, str]) -> list[Part]:
    parts = [_part(part, called) for part in message.parts[:MAX_LISTED]]
    if not parts and message.text:
        parts.append(Part("", text(message.text)))
    if not any(part.get("type") == "tool_call" for part in message.parts):
        parts.extend(_call(call.name, call.id, call.arguments) for call in message.tool_calls)
    return parts


def _part(part: dict[str, Any], called: dict[str, str]) -> Part:
    kind = part.get("type")
    if kind == "text":
        return Part("", text(str(part.get("text") or "")))
    if kind == "reasoning":
        return Part("reasoning", text(str(part.get("text") or "")))
    if kind == "tool_call":
        return _call(part.get("name"), part.get("id"), part.get("arguments"))
    if kind == "tool_result":
        call_id = str(part.get("tool_call_id") or "")
        name = part.get("name") or called.get(call_id)
        return Part(f"result of {name}" if name else "result", block(part.get("result")), call_id)
    if kind == "image":
        return Part("image", image(part))
    if kind in ("audio", "file"):
        return Part(kind, _attachment(part))
    return Part(str(kind or "part"), block({name: value for name, value in part.items() if name != "type"}))


def _call(name: Any, call_id: Any, arguments: Any) -> Part:
    return Part(f"calls {name or 'tool'}", block(arguments), str(call_id or ""))


def _attachment(part: dict[str, Any]) -> Block | None:
    shown = {name: value for name, value in part.items() if name not in ("type", "data") and value is not None}
    data = part.get("data")
    if isinstance(data, str):
        shown["size"] = fmt.size(len(data) * 3 // 4)
    return block(shown)


def _documents(documents: Sequence[Document]) -> list[DocumentView]:
    top = max((abs(d.score) for d in documents if d.score is not None), default=0.0)
    return [
        DocumentView(
            rank=(document.rank if document.rank is not None else position) + 1,
            id=document.id,
            text=text(document.text) if document.text else None,
            score="" if document.score is None else fmt.score(document.score),
            share=None if document.score is None or not top else round(abs(document.score) / top * 100, 1),
            metadata=_metadata(document.metadata),
        )
        for position, document in enumerate(documents[:MAX_LISTED])
    ]


def _metadata(value: Any) -> Table | None:
    if value in (None, "", {}, []):
        return None
    return table(value if isinstance(value, dict) else {"metadata": value})


def _embedding(embedding: Embedding) -> EmbeddingView:
    vector = embedding.vector
    dimensions = len(vector) if vector else embedding.dimensions
    return EmbeddingView(
        text(embedding.text) if embedding.text else None,
        fmt.counted(dimensions, "dimension") if dimensions else "",
        sparkline(vector) if vector else None,
    )


def _plain(content: Content) -> list[tuple[str, Block]]:
    """Tool, prompt, input and output; the latter two only where no message, document or tool says the same."""
    tool, prompt = content.tool, content.prompt
    found: list[tuple[str, Any]] = []
    if prompt is not None:
        title = " ".join(part for part in ("Prompt", prompt.name, prompt.version) if part)
        found += [(title, prompt.template), ("Prompt variables", prompt.variables)]
    if tool is not None:
        found += [("Tool", tool.description), ("Arguments", tool.arguments), ("Result", tool.result)]
    if not content.input_messages and not content.embeddings and (tool is None or tool.arguments is None):
        found.append(("Input", content.input))
    if not content.output_messages and not content.embeddings and (tool is None or tool.result is None):
        found.append(("Output", None if content.documents else content.output))
    return [(title, shown) for title, value in found if (shown := block(value)) is not None]


def _facts(span: Span, trace_start_ns: int) -> list[Fact]:
    facts = [*_model_facts(span), *_usage_facts(span), *_cost_facts(span)]
    after = span.start_ns - trace_start_ns
    facts.append(Fact("started", f"+{fmt.duration(after)}" if after else "+0", fmt.exact(span.start_ns)))
    for name, value in (("service", span.service), ("scope", span.scope), ("status", span.status)):
        if value and value != "unset":
            facts.append(Fact(name, value))
    for name, value in (("user", span.user_id), ("session", span.session_id)):
        if value:
            facts.append(Fact(name, value, "", f"{name}_id"))
    if span.tags:
        facts.append(Fact("tags", ", ".join(span.tags)))
    facts.append(Fact("span id", span.span_id.hex()))
    return facts


def _model_facts(span: Span) -> list[Fact]:
    facts = []
    asked, answered = span.request_model, span.response_model
    if asked or answered:
        both = asked and answered and asked != answered
        facts.append(Fact("model", f"{asked} → {answered}" if both else str(answered or asked)))
    if span.provider:
        facts.append(Fact("provider", span.provider))
    if span.time_to_first_token_ns is not None:
        facts.append(Fact("first token", fmt.duration(span.time_to_first_token_ns)))
    if span.tokens_per_second is not None:
        facts.append(Fact("speed", fmt.per_second(span.tokens_per_second, "tokens")))
    if span.finish_reasons:
        facts.append(Fact("finish reason", ", ".join(span.finish_reasons)))
    return facts


def _usage_facts(span: Span) -> list[Fact]:
    usage = span.usage
    if usage is None:
        return []
    inside = _parts_of((usage.cache_read_tokens, "from cache"), (usage.cache_write_tokens, "into cache"),
                       (usage.audio_input_tokens, "audio"))  # fmt: skip
    outside = _parts_of((usage.reasoning_tokens, "reasoning"), (usage.audio_output_tokens, "audio"))
    note = "Counted by tracekit: the answer did not say" if usage.estimated else ""
    facts = [
        Fact("input tokens", fmt.count(usage.input_tokens) + inside, note),
        Fact("output tokens", fmt.count(usage.output_tokens) + outside, note),
    ]
    if span.counted:
        return facts
    if span.duplicate_of:
        facts.append(Fact("counted", "no, the same call was recorded twice", span.duplicate_of, "duplicate"))
    elif span.kind not in CALL_KINDS:
        facts.append(Fact("counted", "no, the calls beneath it are"))
    return facts


def _parts_of(*parts: tuple[int | None, str]) -> str:
    shown = [f"{fmt.count(value)} {name}" for value, name in parts if value]
    return f" ({', '.join(shown)})" if shown else ""


def _cost_facts(span: Span) -> list[Fact]:
    cost = span.cost
    if cost is None:
        return []
    if cost.total is None:
        return [Fact("cost", "unpriced", _unpriced(span))]
    parts = [f"{fmt.money(value)} {name}" for value, name in ((cost.input, "in"), (cost.output, "out")) if value]
    source = "reported by the application" if cost.status == "reported" else f"by the price of {cost.price_id}"
    facts = [Fact("cost", fmt.money(cost.total) + (f" ({', '.join(parts)})" if parts else ""), source)]
    if cost.reported_total is not None and cost.reported_total != cost.total:
        facts.append(Fact("reported cost", fmt.money(cost.reported_total)))
    return facts


def _is_error(event: Event) -> bool:
    return event.name == "exception"


def _event(event: Event, span: Span) -> EventView:
    attributes = table(event.attributes) if event.attributes else None
    return EventView(event.name, fmt.duration(event.time_ns - span.start_ns), attributes)


def _link(trace_id: bytes, span_id: bytes, attributes: dict[str, Any]) -> LinkView:
    return LinkView(trace_id.hex(), span_id.hex(), table(attributes) if attributes else None)
