"""Deterministic OTLP requests of LLM traces with OpenInference and gen_ai attributes.

One request is 64 traces of 8 spans (an agent: embedding, retriever, reranker, two model calls, two tools), spread over
four projects: 512 spans of about 3 kB. Trace ``t`` is the same whatever range of requests is asked for. A trace
repeats its documents and messages, so that gzip makes a ninth of it.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACES_PER_REQUEST, SPANS_PER_TRACE = 64, 8
SPANS_PER_REQUEST = TRACES_PER_REQUEST * SPANS_PER_TRACE
PROJECTS = 4
BASE_NS = 1_795_305_600_000_000_000  # 2026-11-22T00:00:00Z
STEP_NS = 25_000_000  # a new trace every 25 ms

_MODELS = [
    ("openai", "gpt-4o-mini", 0.15e-6, 0.6e-6),
    ("openai", "gpt-4o", 2.5e-6, 10e-6),
    ("anthropic", "claude-sonnet-4-5", 3e-6, 15e-6),
    ("google", "gemini-2.5-flash", 0.3e-6, 2.5e-6),
]
_SYLLABLES = [
    "ba", "re", "ti", "con", "for", "in", "ment", "pro", "sta",
    "ly", "ing", "er", "de", "mo", "ra", "ve", "sol", "qua",
]  # fmt: skip
_TOOL_SCHEMA = json.dumps(
    {
        "type": "function",
        "function": {
            "name": "lookup_order",
            "description": "Find an order by its number",
            "parameters": {
                "type": "object",
                "properties": {
                    "order_id": {"type": "string"},
                    "fields": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["order_id"],
            },
        },
    }
)
_SYSTEM = "You are a support agent. Answer from the given context only; call tools when an order number is given."


def _words() -> str:
    """Words by Zipf's law, of which every text is a cut."""
    source = random.Random(11)
    vocabulary = ["".join(source.choice(_SYLLABLES) for _ in range(source.randint(1, 4))) for _ in range(4000)]
    weights, total = [], 0.0
    for rank in range(len(vocabulary)):
        total += 1.0 / (rank + 3)
        weights.append(total)
    return " ".join(source.choices(vocabulary, cum_weights=weights, k=200_000))


_TEXT = _words()


def _text(source: random.Random, length: int) -> str:
    start = source.randrange(len(_TEXT) - length)
    return _TEXT[start : start + length]


def words(number: int, length: int) -> str:
    """The same words for the same number, ``length`` characters of them."""
    return _text(random.Random(number), length)


def _set(target: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        pair = target.attributes.add()
        pair.key = key
        if isinstance(value, str):
            pair.value.string_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        elif isinstance(value, float):
            pair.value.double_value = value
        else:
            for item in value:
                kind = "string_value" if isinstance(item, str) else "double_value"
                setattr(pair.value.array_value.values.add(), kind, item)


def _messages(prefix: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for number, message in enumerate(messages):
        at = f"{prefix}.{number}.message."
        flat[at + "role"] = message["role"]
        if message.get("content"):
            flat[at + "content"] = message["content"]
        for index, call in enumerate(message.get("tool_calls", ())):
            call_at = f"{at}tool_calls.{index}.tool_call."
            flat[call_at + "id"] = call["id"]
            flat[call_at + "function.name"] = call["name"]
            flat[call_at + "function.arguments"] = call["args"]
    return flat


class _Trace:
    """Adds the spans of trace ``number`` to a protobuf list. The order in which it draws from its source is part of
    what makes a body what it is."""

    def __init__(self, spans: Any, number: int, trace_id: bytes | None = None) -> None:
        self.spans, self.number = spans, number
        self.source = source = random.Random(number * 2654435761 + 1)
        made = struct.pack(">QQ", source.getrandbits(64) | 1, number + 1)
        self.trace_id = trace_id or made
        self.start_ns = BASE_NS + number * STEP_NS
        self.session = f"session-{number // 4 % 20000:05d}"
        self.user = f"user-{number // 4 % 3000:04d}"
        self.provider, self.model, self.input_price, self.output_price = _MODELS[number % len(_MODELS)]
        self.failed = number % 37 == 0
        self.question = f"Order {100000 + number}: " + _text(source, 120)
        self.documents: list[dict[str, Any]] = [
            {
                "id": f"doc-{source.randrange(50000)}",
                "content": _text(source, source.randint(350, 650)),
                "score": source.random(),
            }
            for _ in range(5)
        ]
        self.answer = _text(source, source.randint(500, 1100))
        self.ids = [struct.pack(">Q", source.getrandbits(64) | 1) for _ in range(SPANS_PER_TRACE)]
        self.made = 0

    def add(self) -> None:
        self._agent()
        self._embedding()
        self._retrieval()
        self._reranking()
        context = "\n\n".join(document["content"] for document in self.documents[:3])
        asked: list[dict[str, Any]] = [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": context + "\n\nQuestion: " + self.question},
        ]
        arguments = json.dumps({"order_id": str(100000 + self.number), "fields": ["status", "total"]})
        calls = [
            {"id": f"call_{self.number:08x}{index}", "name": name, "args": arguments}
            for index, name in enumerate(("lookup_order", "refund_policy"))
        ]
        wanted = {"role": "assistant", "content": "", "tool_calls": calls}
        number = self.number
        self._call(210, 800, asked, wanted, (480 + number % 200, 60 + number % 40), "tool_calls")
        results = [self._tool(index, call) for index, call in enumerate(calls)]
        told = [*asked, wanted, *({"role": "tool", "content": result} for result in results)]
        answer = {"role": "assistant", "content": self.answer}
        self._call(1210, 1150, told, answer, (900 + number % 300, 180 + number % 150), "stop")

    def _span(
        self, name: str, start_ms: float, duration_ms: float, attributes: dict[str, Any], kind: int = 1, error: str = ""
    ) -> None:
        span = self.spans.add()
        span.trace_id, span.span_id = self.trace_id, self.ids[self.made]
        if self.made:
            span.parent_span_id = self.ids[0]
        self.made += 1
        span.name, span.kind = name, kind
        span.start_time_unix_nano = self.start_ns + int(start_ms * 1e6)
        span.end_time_unix_nano = self.start_ns + int((start_ms + duration_ms) * 1e6)
        _set(span, attributes | {"session.id": self.session, "user.id": self.user})
        span.status.code = 2 if error else 1
        if error:
            span.status.message = error
            event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano)
            trace = "Traceback (most recent call last):\n" + _text(self.source, 400)
            thrown = {"exception.type": "TimeoutError", "exception.message": error, "exception.stacktrace": trace}
            _set(event, thrown)

    def _agent(self) -> None:
        attributes = {
            "openinference.span.kind": "AGENT",
            "input.value": json.dumps({"question": self.question, "user": self.user}),
            "input.mime_type": "application/json",
            "output.value": self.answer,
            "output.mime_type": "text/plain",
            "metadata": json.dumps({"tier": "gold", "region": "eu", "build": self.number % 9}),
            "tag.tags": ["prod", "support"],
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "support_agent",
            "gen_ai.conversation.id": self.session,
        }
        self._span("support_agent", 0, 2400, attributes, error="tool failed" if self.failed else "")

    def _embedding(self) -> None:
        attributes: dict[str, Any] = {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "text-embedding-3-small",
            "input.value": self.question,
            "embedding.embeddings.0.embedding.text": self.question,
            "llm.token_count.prompt": 40,
            "llm.token_count.total": 40,
            "gen_ai.operation.name": "embeddings",
            "gen_ai.request.model": "text-embedding-3-small",
            "gen_ai.usage.input_tokens": 40,
        }
        if self.number % 10 == 0:
            vector = [self.source.uniform(-0.1, 0.1) for _ in range(384)]
            attributes["embedding.embeddings.0.embedding.vector"] = vector
        self._span("embed_query", 5, 60, attributes, kind=3)

    def _retrieval(self) -> None:
        attributes: dict[str, Any] = {
            "openinference.span.kind": "RETRIEVER",
            "input.value": self.question,
            "input.mime_type": "text/plain",
        }
        for rank, document in enumerate(self.documents):
            at = f"retrieval.documents.{rank}.document."
            attributes |= {at + name: document[name] for name in ("id", "content", "score")}
            attributes[at + "metadata"] = json.dumps({"source": "kb", "page": rank})
        self._span("retrieve", 70, 80, attributes)

    def _reranking(self) -> None:
        attributes: dict[str, Any] = {
            "openinference.span.kind": "RERANKER",
            "reranker.model_name": "bge-reranker-base",
            "reranker.query": self.question,
            "reranker.top_k": 3,
        }
        for rank, document in enumerate(self.documents):
            at = f"reranker.input_documents.{rank}.document."
            attributes |= {at + name: document[name] for name in ("id", "score")}
        best = sorted(self.documents, key=lambda document: -document["score"])[:3]
        for rank, document in enumerate(best):
            at = f"reranker.output_documents.{rank}.document."
            attributes |= {at + name: document[name] for name in ("id", "content", "score")}
        self._span("rerank", 155, 45, attributes)

    def _call(
        self,
        start_ms: float,
        duration_ms: float,
        messages: list[dict[str, Any]],
        answer: dict[str, Any],
        tokens: tuple[int, int],
        finish_reason: str,
    ) -> None:
        given, made = tokens
        parameters = {"model": self.model, "temperature": 0.2, "max_tokens": 800}
        attributes: dict[str, Any] = {
            "openinference.span.kind": "LLM",
            "llm.model_name": self.model,
            "llm.provider": self.provider,
            "llm.system": self.provider,
            "llm.invocation_parameters": json.dumps(parameters),
            "llm.tools.0.tool.json_schema": _TOOL_SCHEMA,
            "input.value": json.dumps({"messages": messages[-1:], "model": self.model}),
            "input.mime_type": "application/json",
            "output.value": json.dumps(answer),
            "output.mime_type": "application/json",
            **self._tokens_and_cost(given, made),
            **self._gen_ai(given, made, finish_reason),
            **_messages("llm.input_messages", messages),
            **_messages("llm.output_messages", [answer]),
        }
        self._span("chat " + self.model, start_ms, duration_ms, attributes, kind=3)

    def _tokens_and_cost(self, given: int, made: int) -> dict[str, Any]:
        return {
            "llm.token_count.prompt": given,
            "llm.token_count.completion": made,
            "llm.token_count.total": given + made,
            "llm.token_count.prompt_details.cache_read": given // 4,
            "llm.cost.prompt": given * self.input_price,
            "llm.cost.completion": made * self.output_price,
            "llm.cost.total": given * self.input_price + made * self.output_price,
        }

    def _gen_ai(self, given: int, made: int, finish_reason: str) -> dict[str, Any]:
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": self.provider,
            "gen_ai.provider.name": self.provider,
            "gen_ai.request.model": self.model,
            "gen_ai.response.model": self.model,
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 800,
            "gen_ai.usage.input_tokens": given,
            "gen_ai.usage.output_tokens": made,
            "gen_ai.response.id": f"chatcmpl-{self.number:012x}",
            "gen_ai.response.finish_reasons": [finish_reason],
        }

    def _tool(self, index: int, call: dict[str, Any]) -> str:
        note = _text(self.source, 260)
        result = json.dumps({"order": 100000 + self.number, "status": "shipped", "note": note})
        attributes = {
            "openinference.span.kind": "TOOL",
            "tool.name": call["name"],
            "tool.description": "Find an order by its number",
            "tool.parameters": call["args"],
            "input.value": call["args"],
            "input.mime_type": "application/json",
            "output.value": result,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call["name"],
            "gen_ai.tool.call.id": call["id"],
        }
        error = "upstream timed out after 5 s" if self.failed and index else ""
        self._span("execute_tool " + call["name"], 1020 + index * 90, 80, attributes, error=error)
        return result


def _scope_of(request: Any, project: str) -> Any:
    resource_spans = request.resource_spans.add()
    resource = {
        "service.name": project,
        "openinference.project.name": project,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "deployment.environment.name": "bench",
    }
    _set(resource_spans.resource, resource)
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "bench", "1"
    return scope_spans


def request(number: int) -> bytes:
    """The body of request ``number``."""
    body = ExportTraceServiceRequest()
    per_project = TRACES_PER_REQUEST // PROJECTS
    for project in range(PROJECTS):
        spans = _scope_of(body, f"project-{project}").spans
        first = number * TRACES_PER_REQUEST + project * per_project
        for trace in range(first, first + per_project):
            _Trace(spans, trace).add()
    return body.SerializeToString()


def long_trace(spans: int, number: int = 1_000_000) -> tuple[bytes, bytes]:
    """(trace id, body) of one trace of that many spans: agents one after another, each with its seven spans."""
    body = ExportTraceServiceRequest()
    target = _scope_of(body, "project-0").spans
    trace_id = struct.pack(">QQ", 1, number)
    while len(target) < spans:
        _Trace(target, number + len(target), trace_id).add()
    del target[spans:]
    for span in target:
        if not span.parent_span_id and span is not target[0]:
            span.parent_span_id = target[0].span_id
    return trace_id, body.SerializeToString()


def write(folder: Path, count: int) -> None:
    """``folder/000000.pb.gz`` and so on, gzip level 6 as exporters send it, and the same without ``.gz``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        body = request(number)
        (folder / f"{number:06d}.pb").write_bytes(body)
        (folder / f"{number:06d}.pb.gz").write_bytes(gzip.compress(body, 6, mtime=0))
