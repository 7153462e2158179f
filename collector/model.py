"""The canonical model: what every dialect is normalised into, and what storage, API and pages speak.

Pure: no I/O, no clock, no environment. Times are integer nanoseconds since the Unix epoch (UTC), durations integer
nanoseconds, money integer pico-USD (10^-12 USD, exact for every published price per token), ids raw bytes.
``None`` means unknown and is never replaced by 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

#: An OTLP attribute value as Python has it (bytes stay bytes).
Value = Any
Attributes = dict[str, Value]

KINDS: Final = (
    "llm",
    "embedding",
    "retriever",
    "reranker",
    "tool",
    "chain",
    "agent",
    "guardrail",
    "evaluator",
    "prompt",
    "task",
)
#: Scope of the spans that a later message may replace: those of runs.
RUN_SCOPE: Final = "langsmith"
#: Kinds whose usage is a model call of its own; on every other kind usage is a repetition of descendants.
CALL_KINDS: Final = frozenset({"llm", "embedding", "reranker"})

Status = Literal["ok", "error", "unset"]
CostStatus = Literal["computed", "reported", "unpriced"]

PICO_USD: Final = 10**12


@dataclass(slots=True)
class Usage:
    """Token counts of one call or a sum of calls.

    ``input_tokens`` includes cache reads, cache writes and audio; ``output_tokens`` includes reasoning and audio,
    whatever the provider's own habit. ``None`` is unknown.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_output_tokens: int | None = None
    estimated: bool = False


@dataclass(slots=True)
class Cost:
    """Money in pico-USD. ``unpriced`` has no amounts: unknown is not free."""

    status: CostStatus = "unpriced"
    total: int | None = None
    input: int | None = None
    output: int | None = None
    price_id: str | None = None
    reported_total: int | None = None


@dataclass(slots=True)
class ErrorInfo:
    """``type`` is the exception's class name without its module."""

    type: str | None = None
    message: str | None = None
    stacktrace: str | None = None


@dataclass(slots=True)
class Event:
    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class Link:
    trace_id: bytes
    span_id: bytes
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class ToolCall:
    """``arguments`` is the parsed JSON value, or the text as sent where it is not JSON."""

    id: str | None
    name: str | None
    arguments: Any = None


@dataclass(slots=True)
class Message:
    """``role`` is system, user, assistant or tool. ``parts`` keeps every part in order (text, reasoning, image,
    audio, file, tool_call, tool_result), each a dict with at least ``type``; ``text`` is the text parts joined."""

    role: str
    text: str | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str | None = None
    name: str | None = None


@dataclass(slots=True)
class Document:
    """A retrieved or reranked document; ``rank`` counts from 0 in the order it came back."""

    id: str | None = None
    text: str | None = None
    score: float | None = None
    metadata: Any = None
    rank: int | None = None


@dataclass(slots=True)
class Embedding:
    """``vector`` is None where the instrumentation left it out."""

    text: str | None = None
    vector: list[float] | None = None
    dimensions: int | None = None


@dataclass(slots=True)
class Tool:
    name: str | None = None
    arguments: Any = None
    result: Any = None
    call_id: str | None = None
    description: str | None = None


@dataclass(slots=True)
class Prompt:
    template: str | None = None
    version: str | None = None
    variables: Any = None
    name: str | None = None


@dataclass(slots=True)
class Content:
    """What a span carried, derived from its original when it is read (never stored twice).

    ``input`` and ``output`` are text, or the JSON value where they were JSON.
    """

    input_messages: list[Message] = field(default_factory=list)
    output_messages: list[Message] = field(default_factory=list)
    input: Any = None
    output: Any = None
    documents: list[Document] = field(default_factory=list)
    embeddings: list[Embedding] = field(default_factory=list)
    tool: Tool | None = None
    prompt: Prompt | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One span: its identity, its original attributes, and the facts that storage keeps in columns.

    Receivers fill the first two groups; processors the facts; the summariser ``counted`` and ``duplicate_of``.
    ``chunk`` and ``position`` say where in ``SpanBatch.chunks`` the untouched original lies.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    name: str
    start_ns: int
    end_ns: int
    status: Status = "unset"
    status_message: str = ""
    scope: str | None = None
    resource: Attributes = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    events: list[Event] | tuple[()] = ()
    links: list[Link] | tuple[()] = ()
    chunk: int = 0
    position: int = 0
    # facts
    project: str = "default"
    service: str | None = None
    kind: str = "task"
    request_model: str | None = None
    response_model: str | None = None
    provider: str | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    time_to_first_token_ns: int | None = None
    finish_reasons: list[str] | None = None
    response_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    error: ErrorInfo | None = None
    counted: bool = True
    duplicate_of: str | None = None

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns

    @property
    def tokens_per_second(self) -> float | None:
        """How fast a stream came once it had begun: its output tokens over the time from the first one to the end.

        None where the first token's time or the count is unknown, where the count is an estimate, and where all came
        at once (within a millisecond).
        """
        first, usage = self.time_to_first_token_ns, self.usage
        if first is None or usage is None or usage.estimated or not usage.output_tokens:
            return None
        lasted = self.duration_ns - first
        return usage.output_tokens * 1e9 / lasted if lasted >= 1_000_000 else None


@dataclass(slots=True)
class Chunk:
    """The originals of one trace's spans in one request: a serialised OTLP ``TracesData`` message, zstd-compressed.

    Chunks of one batch can be decompressed and concatenated: protobuf joins repeated fields.
    """

    trace_id: bytes
    data: bytes
    span_count: int
    #: the collectors that sent it on (``collector.via``), where one did
    via: str | None = None


@dataclass(slots=True)
class SpanBatch:
    """What one request brought: spans, and the chunks that hold their originals."""

    spans: list[Span] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    #: spans refused for good, with the first reasons (OTLP partial success)
    rejected: int = 0
    rejected_reasons: list[str] = field(default_factory=list)
    #: spans that lost their content because it could not be redacted
    emptied: int = 0


@dataclass(slots=True)
class TraceSummary:
    """One trace without its spans, as lists show it and ``GET /api/v1/traces`` gives it."""

    trace_id: bytes
    project: str
    name: str
    start_ns: int
    end_ns: int
    status: Status
    span_count: int
    error_count: int = 0
    root_span_id: bytes | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    #: text or a JSON value; in lists cut to PREVIEW_CHARS
    input: Any = None
    output: Any = None
    error: ErrorInfo | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    llm_calls: int = 0
    unpriced_calls: int = 0
    time_to_first_token_ns: int | None = None
    stale: bool = False

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


#: How much of a trace's input and output its summary keeps.
PREVIEW_CHARS: Final = 2000


@dataclass(slots=True)
class Call:
    """One counted model call with what it inherits from its trace: the row that usage and cost are added up from."""

    trace_id: bytes
    span_id: bytes
    project: str
    kind: str
    start_ns: int
    duration_ns: int
    status: Status
    model: str | None = None
    provider: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    time_to_first_token_ns: int | None = None


@dataclass(slots=True)
class SummaryUpdate:
    """What the summariser found for one trace, stored in one transaction: replaces what was there."""

    summary: TraceSummary
    calls: list[Call]
    #: every span whose usage and cost are counted elsewhere -> the ``TRACE:SPAN`` it repeats, None where it is a sum
    #: of others; all other spans of the trace are counted
    uncounted: dict[bytes, str | None] = field(default_factory=dict)
    #: originals (``Span.chunk``) of the spans that may be replaced: once one of them is gone, this is outdated
    sources: frozenset[int] = frozenset()
