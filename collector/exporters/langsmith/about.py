"""What LangSmith keeps beside a run's inputs and outputs: usage, metadata, error, events. Pure and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from collector.exporters.api import Record
from collector.exporters.langsmith.ids import time
from collector.exporters.langsmith.jsons import encode
from collector.model import CALL_KINDS, PICO_USD, Content, Span, Usage

Json = dict[str, Any]

MAX_EVENTS: Final = 200
MAX_LINKS: Final = 32
#: Of attributes that are only shown: entries, characters of each, bytes together.
MAX_OTHERS: Final = 100
MAX_TEXT: Final = 1_024
MAX_BYTES: Final = 16_384
_MAX_ERROR: Final = 64_000

#: LangChain's names of providers where they are not ours (``ls_provider``).
_PROVIDERS: Final = {
    "aws": "amazon_bedrock",
    "google": "google_genai",
    "mistral": "mistralai",
    "x-ai": "xai",
}
_PARAMETERS: Final = {
    "ls_temperature": ("temperature",),
    "ls_max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens"),
    "ls_stop": ("stop", "stop_sequences"),
}
#: Beginnings of attributes whose values are told elsewhere: inputs, outputs, usage, model, owner, error.
_TOLD: Final = (
    "ai.", "all_messages", "embedding.", "enduser.id", "error.", "exception.", "final_result", "gen_ai.completion",
    "gen_ai.conversation.id", "gen_ai.input", "gen_ai.operation", "gen_ai.output", "gen_ai.prompt", "gen_ai.provider",
    "gen_ai.request", "gen_ai.response", "gen_ai.retrieval", "gen_ai.system", "gen_ai.tool", "gen_ai.usage", "input.",
    "langfuse.observation.", "langfuse.trace.", "langsmith.", "llm.", "logfire.json_schema", "logfire.msg", "message",
    "metadata", "mlflow.", "openinference.", "output.", "pydantic_ai.all_messages", "request_data", "reranker.",
    "response_data", "retrieval.", "session.id", "tag.tags", "tool.", "tool_arguments", "tool_call", "tool_response",
    "traceloop.", "tracekit.project", "user.id",
)  # fmt: skip
#: Of a span whose inputs and outputs no dialect knows, all but these are shown.
_OWNER: Final = (
    "enduser.id", "error.", "exception.", "metadata", "openinference.span.kind", "session.id", "tag.tags",
    "tracekit.project", "user.id",
)  # fmt: skip
_RUNTIME: Final = {
    "sdk": "telemetry.sdk.name",
    "sdk_version": "telemetry.sdk.version",
    "runtime": "process.runtime.name",
    "runtime_version": "process.runtime.version",
    "platform": "os.type",
}
_RESOURCE: Final = ("service.", "deployment.", "host.name", "k8s.pod.name", "cloud.region")


def is_call(span: Span) -> bool:
    """Whether its usage is to be added up. LangSmith adds up every run of a model: what repeats another is none."""
    return span.kind in CALL_KINDS and span.duplicate_of is None


def usage_of(span: Span) -> Json | None:
    """LangSmith's ``usage_metadata``; unknown counts are left out. The cost is there where the application told it:
    else LangSmith has prices of its own."""
    told = _tokens(span.usage) if span.usage is not None else {}
    cost = span.cost
    if cost is not None and cost.reported_total is not None:
        told["total_cost"] = cost.reported_total / PICO_USD
        if cost.status == "reported":
            for name, pico in (("input_cost", cost.input), ("output_cost", cost.output)):
                if pico is not None:
                    told[name] = pico / PICO_USD
    return told or None


def _tokens(usage: Usage) -> Json:
    entering = {"cache_read": usage.cache_read_tokens, "cache_creation": usage.cache_write_tokens}
    leaving = {"reasoning": usage.reasoning_tokens, "audio": usage.audio_output_tokens}
    told = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "input_token_details": _known(entering | {"audio": usage.audio_input_tokens}) or None,
        "output_token_details": _known(leaving) or None,
    }
    return _known(told)


def extra_of(record: Record, content: Content, usage: Json | None) -> Json:
    span = record.facts
    metadata = others_of(span, _TOLD if _has_content(content) else _OWNER)
    metadata |= dict(span.metadata or {}) | _model(span, content) | _owner(record) | _ours(record)
    if usage:
        metadata["usage_metadata" if is_call(span) else "tracekit.usage"] = usage
    extra: Json = {"metadata": metadata}
    if runtime := _known({name: span.resource.get(key) for name, key in _RUNTIME.items()}):
        extra["runtime"] = _known(runtime | {"library": span.scope})
    if content.parameters:
        model = {"model": span.request_model} if span.request_model else {}
        extra["invocation_params"] = model | content.parameters
    if content.tool is not None and content.tool.call_id is not None:
        extra["tool_call_id"] = content.tool.call_id
    return extra


def _model(span: Span, content: Content) -> Json:
    """What LangChain says of a model, and LangSmith shows, prices and filters by."""
    if span.kind not in CALL_KINDS:
        return {}
    kind = {"llm": "chat" if content.input_messages or content.output_messages else "llm"}.get(span.kind)
    told: Json = {
        "ls_provider": _PROVIDERS.get(span.provider or "", span.provider),
        "ls_model_name": span.request_model or span.response_model,
        "ls_model_type": kind,
        "response_model": span.response_model,
    }
    for name, keys in _PARAMETERS.items():
        told[name] = next((content.parameters[key] for key in keys if content.parameters.get(key) is not None), None)
    if isinstance(told["ls_stop"], str):
        told["ls_stop"] = [told["ls_stop"]]
    return _known(told)


def _owner(record: Record) -> Json:
    """Every run of a thread has to say so; who does not is of its nearest ancestor's."""
    nearest = (record.facts, *reversed(record.ancestry))
    session = next((span.session_id for span in nearest if span.session_id), None)
    user = next((span.user_id for span in nearest if span.user_id), None)
    return _known({"session_id": session, "user_id": user})


def _ours(record: Record) -> Json:
    """By which the span is found again at this collector."""
    span = record.facts
    parent = span.parent_span_id.hex() if span.parent_span_id and not record.is_rooted else None
    return _known(
        {
            "tracekit.trace_id": span.trace_id.hex(),
            "tracekit.span_id": span.span_id.hex(),
            "tracekit.parent_span_id": parent,
            "tracekit.kind": span.kind,
            "tracekit.duplicate_of": span.duplicate_of,
            "tracekit.links": [f"{link.trace_id.hex()}:{link.span_id.hex()}" for link in span.links[:MAX_LINKS]]
            or None,
        }
    )


def others_of(span: Span, told: tuple[str, ...]) -> Json:
    """Attributes that nothing else tells, and whose service it was; typed, cut where they are long."""
    mine = ((key, value) for key, value in span.attributes.items() if not key.startswith(told))
    of_service = ((key, value) for key, value in span.resource.items() if key.startswith(_RESOURCE))
    return bounded((*of_service, *mine))


def _has_content(content: Content) -> bool:
    return any(value not in (None, [], {}) for value in map(content.__getattribute__, content.__slots__))


def bounded(pairs: Iterable[tuple[str, Any]], most: int = MAX_OTHERS) -> Json:
    told: Json = {}
    left = MAX_BYTES
    for key, value in pairs:
        short = _short(value)
        left -= len(key) + (len(short) if isinstance(short, str) else 16)
        if len(told) >= most or left < 0:
            break
        if short is not None:
            told[key] = short
    return told


def _short(value: Any) -> Any:
    if isinstance(value, dict | list | bytes):
        written = encode(value)
        return orjson.loads(written) if len(written) <= MAX_TEXT else _cut(written.decode("utf-8", "replace"))
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def error_of(span: Span) -> str | None:
    """As LangSmith's client and LangChain write an exception: its repr, then its traceback."""
    if span.status != "error":
        return None
    error = span.error
    if error is None or not (error.type or error.message or error.stacktrace):
        return span.status_message or "error"
    head = f"{error.type}({error.message or ''!r})" if error.type else error.message or "error"
    return (f"{head}\n\n{error.stacktrace}" if error.stacktrace else head)[:_MAX_ERROR]


def events_of(span: Span) -> list[Json]:
    """Without exceptions, which are the error. LangSmith takes ``new_token`` for the first token's time."""
    told = [
        {"name": event.name, "time": time(_us(event.time_ns)), "kwargs": bounded(event.attributes.items())}
        for event in span.events[:MAX_EVENTS]
        if event.name != "exception"
    ]
    first = span.time_to_first_token_ns
    if first is not None and not any(event["name"] == "new_token" for event in told):
        told.append({"name": "new_token", "time": time(_us(span.start_ns + first))})
    return told


def _us(ns: int) -> int:
    return min(max(ns, 0), 2**63 - 1) // 1000


def _known(values: Mapping[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value is not None}
