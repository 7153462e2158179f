"""JSON Schemas of what the API answers with: the components of its OpenAPI document, field for field as ``render``."""

from __future__ import annotations

from typing import Any, Final

from collector.api import annotation_schemas
from collector.api.params import STATUSES
from collector.model import KINDS

Schema = dict[str, Any]


def described(schema: Schema, text: str) -> Schema:
    return {**schema, "description": text}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def optional(schema: Schema) -> Schema:
    """Or null: unknown."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def record(properties: dict[str, Schema], text: str, *, absent: tuple[str, ...] = ()) -> Schema:
    """All properties are always there, but for the ``absent`` ones, which may be left out."""
    required = [name for name in properties if name not in absent]
    return {"type": "object", "description": text, "properties": properties, "required": required}


TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
ANY: Final[Schema] = {"description": "Any JSON value; text where it was no JSON; null where there is none."}
FREE: Final[Schema] = {"type": "object", "additionalProperties": True}
TIME: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
    "description": "RFC 3339 in UTC, with nanoseconds.",
}
TRACE_ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
SPAN_ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
#: Links are kept as they were sent, and may name ids of a wrong length.
SENT_ID: Final[Schema] = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
USD: Final[Schema] = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": "A decimal number, in USD."}
STATUS: Final[Schema] = {"type": "string", "enum": list(STATUSES)}
ORIGINAL: Final[Schema] = described(
    FREE, "As it was sent. Bytes are base64; numbers that are none are `NaN`, `Infinity`, `-Infinity`."
)
UNKNOWN: Final = "Unknown is null, never 0."

_USAGE: Final = record(
    {
        "input_tokens": described(optional(COUNT), "The whole input, cached tokens included."),
        "output_tokens": described(optional(COUNT), "The whole output, reasoning included."),
        "total_tokens": optional(COUNT),
        "cache_read_tokens": optional(COUNT),
        "cache_write_tokens": optional(COUNT),
        "audio_input_tokens": optional(COUNT),
        "reasoning_tokens": optional(COUNT),
        "audio_output_tokens": optional(COUNT),
        "estimated": described(FLAG, "True where tokens were counted by the collector."),
    },
    f"Tokens of one call or a sum of calls. {UNKNOWN}",
)

_COST: Final = record(
    {
        "total": optional(USD),
        "input": optional(USD),
        "output": optional(USD),
        "status": {"type": "string", "enum": ["computed", "reported", "unpriced"]},
        "price_id": described(optional(TEXT), "The price that was used."),
        "reported_total": described(optional(USD), "What the application said it cost."),
    },
    f"Money. {UNKNOWN}",
)

_ERROR: Final = record(
    {
        "type": described(optional(TEXT), "The exception's class name, without its module."),
        "message": optional(TEXT),
        "stacktrace": optional(TEXT),
    },
    "Why it failed.",
)

_TOOL_CALL: Final = record(
    {"id": optional(TEXT), "name": optional(TEXT), "arguments": ANY}, "A call that the model asked for."
)

_MESSAGE: Final = record(
    {
        "role": {"type": "string", "description": "system, user, assistant or tool."},
        "text": described(optional(TEXT), "The text parts, joined."),
        "parts": described(
            array({"type": "object", "properties": {"type": TEXT}, "required": ["type"], "additionalProperties": True}),
            "Every part in order: text, reasoning, image, audio, file, tool_call, tool_result.",
        ),
        "tool_calls": array(ref("ToolCall")),
        "tool_call_id": optional(TEXT),
        "name": optional(TEXT),
    },
    "A message of a conversation.",
)

_DOCUMENT: Final = record(
    {
        "id": optional(TEXT),
        "text": optional(TEXT),
        "score": optional(NUMBER),
        "metadata": ANY,
        "rank": described(optional(COUNT), "From 0, in the order it came back."),
    },
    "A retrieved or reranked document.",
)

_EMBEDDING: Final = record(
    {"text": optional(TEXT), "vector": optional(array(optional(NUMBER))), "dimensions": optional(COUNT)},
    "An embedded text. The vector is null where the application left it out.",
)

_TOOL: Final = record(
    {
        "name": optional(TEXT),
        "arguments": ANY,
        "result": ANY,
        "call_id": optional(TEXT),
        "description": optional(TEXT),
    },
    "The tool that a span ran.",
)

_PROMPT: Final = record(
    {"template": optional(TEXT), "version": optional(TEXT), "variables": ANY, "name": optional(TEXT)},
    "The prompt template behind a call.",
)

_EVENT: Final = record({"name": TEXT, "time": TIME, "attributes": ORIGINAL}, "An event of a span, as it was sent.")
_LINK: Final = record(
    {"trace_id": SENT_ID, "span_id": SENT_ID, "attributes": ORIGINAL}, "A link to another span, as it was sent."
)

_PAYLOAD: Final[dict[str, Schema]] = {
    "parameters": described(FREE, "Invocation parameters: temperature and the like."),
    "input_messages": array(ref("Message")),
    "output_messages": array(ref("Message")),
    "input": ANY,
    "output": ANY,
    "documents": array(ref("Document")),
    "embeddings": array(ref("Embedding")),
    "tool": optional(ref("Tool")),
    "prompt": optional(ref("Prompt")),
    "attributes": ORIGINAL,
    "events": array(ref("Event")),
    "links": array(ref("Link")),
    "resource": ORIGINAL,
}

_SPAN: Final = record(
    {
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "parent_span_id": optional(SPAN_ID),
        "name": TEXT,
        "kind": {"type": "string", "enum": list(KINDS)},
        "start_time": TIME,
        "end_time": TIME,
        "duration_ms": NUMBER,
        "status": STATUS,
        "error": optional(ref("Error")),
        "service": optional(TEXT),
        "scope": described(optional(TEXT), "The instrumentation that made the span."),
        "request_model": optional(TEXT),
        "response_model": optional(TEXT),
        "response_id": optional(TEXT),
        "provider": described(optional(TEXT), "As genai-prices names it: openai, anthropic, google ..."),
        "usage": optional(ref("Usage")),
        "cost": optional(ref("Cost")),
        "counted": described(FLAG, "False where this call is counted elsewhere."),
        "duplicate_of": described(optional(TEXT), "TRACE_ID:SPAN_ID of the span that is counted instead."),
        "time_to_first_token_ms": optional(NUMBER),
        "tokens_per_second": described(
            optional(NUMBER),
            "Of a stream: output tokens over the time from the first one to the end; null where either is unknown.",
        ),
        "finish_reasons": optional(array(TEXT)),
        "session_id": described(optional(TEXT), "Its own, else its nearest ancestor's, else its trace's; so are "
                                "user_id, tags and metadata."),
        "user_id": optional(TEXT),
        "tags": array(TEXT),
        "metadata": FREE,
        **_PAYLOAD,
    },
    f"A span. {', '.join(_PAYLOAD)} are left out with payload=false.",
    absent=tuple(_PAYLOAD),
)  # fmt: skip

_TRACE_FIELDS: Final[dict[str, Schema]] = {
    "trace_id": TRACE_ID,
    "project": TEXT,
    "name": TEXT,
    "start_time": TIME,
    "end_time": TIME,
    "duration_ms": NUMBER,
    "status": STATUS,
    "error": optional(ref("Error")),
    "session_id": optional(TEXT),
    "user_id": optional(TEXT),
    "tags": array(TEXT),
    "metadata": FREE,
    "input": ANY,
    "output": ANY,
    "usage": optional(ref("Usage")),
    "cost": optional(ref("Cost")),
    "llm_calls": COUNT,
    "unpriced_calls": described(COUNT, "Calls whose price is unknown: the cost is without them."),
    "time_to_first_token_ms": optional(NUMBER),
    "span_count": COUNT,
    "error_count": described(COUNT, "Spans that failed."),
    "root_span_id": optional(SPAN_ID),
    "stale": described(FLAG, "True while the summary lags behind stored spans; it catches up by itself."),
}

_TRACE_SUMMARY: Final = record(
    _TRACE_FIELDS, "A trace without its spans. Long inputs and outputs are cut; the trace itself has them whole."
)
_TRACE: Final = record(
    {
        **_TRACE_FIELDS,
        "annotations": described(
            array(ref("Annotation")), "Of the trace, its spans and their documents, oldest first."
        ),
        "spans": described(array(ref("Span")), "In the order of their starts."),
    },
    "A trace: the user's question, the final answer, totals over its counted calls, and its spans. "
    "With payload=false without input and output.",
    absent=("input", "output"),
)

_PERCENTILES: Final = record(
    {name: optional(NUMBER) for name in ("p50", "p90", "p99")}, "Exact percentiles (nearest rank), in milliseconds."
)

_GROUP_FIELDS: Final[dict[str, Schema]] = {
    name: optional(TEXT) for name in ("user_id", "session_id", "project", "model", "provider")
} | {name: described(TEXT, "Its start, in RFC 3339.") for name in ("day", "hour")}

_USAGE_ROW: Final = {
    **record(
        {
            **_GROUP_FIELDS,
            "traces": COUNT,
            "calls": described(COUNT, "Counted calls of every kind."),
            "errors": described(COUNT, "Calls that failed."),
            "usage": ref("Usage"),
            "cost": ref("Cost"),
            "unpriced_calls": COUNT,
            "latency_ms": ref("Percentiles"),
            "time_to_first_token_ms": ref("Percentiles"),
        },
        "One group: its fields are those that group_by names.",
        absent=tuple(_GROUP_FIELDS),
    ),
    "patternProperties": {"^tag:.": optional(TEXT)},
}

_PROJECT: Final = record(
    {"name": TEXT, "traces": COUNT, "first_start_time": optional(TIME), "last_start_time": optional(TIME)},
    "A project and the traces in it.",
)

_PROBLEM: Final = record(
    {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "errors": array(ref("Fault")),
    },
    "An error, as RFC 9457 has it.",
    absent=("errors",),
)
_FAULT: Final = record(
    {"parameter": TEXT, "pointer": described(TEXT, "A JSON pointer into the body."), "detail": TEXT},
    "What was wrong, and where.",
    absent=("parameter", "pointer"),
)


def items(name: str, text: str) -> Schema:
    return record({"items": array(ref(name))}, text)


SCHEMAS: Final[dict[str, Schema]] = {
    "TracePage": record(
        {
            "items": array(ref("TraceSummary")),
            "next_cursor": described(optional(TEXT), "Give it as `cursor` for the next page; null on the last one."),
        },
        "A page of traces.",
    ),
    "TraceSummary": _TRACE_SUMMARY,
    "Trace": _TRACE,
    "Span": _SPAN,
    "Usage": _USAGE,
    "Cost": _COST,
    "Error": _ERROR,
    "Message": _MESSAGE,
    "ToolCall": _TOOL_CALL,
    "Document": _DOCUMENT,
    "Embedding": _EMBEDDING,
    "Tool": _TOOL,
    "Prompt": _PROMPT,
    "Event": _EVENT,
    "Link": _LINK,
    "UsageRows": items("UsageRow", "Usage by group, largest cost first."),
    "UsageRow": _USAGE_ROW,
    "Percentiles": _PERCENTILES,
    "Projects": items("Project", "Every project, by name."),
    "Project": _PROJECT,
    "Problem": _PROBLEM,
    "Fault": _FAULT,
    **annotation_schemas.SCHEMAS,
}
