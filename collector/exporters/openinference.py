"""Any span in OpenInference's words (https://github.com/Arize-ai/openinference). Pure.

Everything a span said stays in its attributes, foreign conventions too. What is known of it in canonical form is added
where its own OpenInference does not say it, or says it so that readers of the convention do not count it: kinds in
lower case, tokens as text, documents as one JSON text. Such values move to ``ORIGINAL`` + their name.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span as WiredSpan

from collector.exporters.api import Record
from collector.exporters.attributes import clean, encoded, json_text, plain, plain_value
from collector.exporters.openinference_content import (
    documents_at,
    embeddings_at,
    messages_at,
    said_by,
    tools_at,
    vector_of,
    written,
)
from collector.model import CALL_KINDS, PICO_USD, Attributes, Content, Prompt, Span, Tool
from collector.processors.dialects.documents import documents_in, listed
from collector.processors.values import json_object, json_or_text, number
from tracekit.semconv import COST_SOURCE, OPENINFERENCE_KINDS

#: What an attribute is called that stood where OpenInference has something else.
ORIGINAL: Final = "tracekit.original."
#: What ``tracekit.cost.source`` says of costs that the collector worked out.
COST_OF_COLLECTOR: Final = "collector"
KIND: Final = "openinference.span.kind"
#: Names that readers take apart at their dots: a value at an inner node hides what is below it.
_NESTED: Final = (
    "openinference.",
    "llm.",
    "input.",
    "output.",
    "retrieval.",
    "reranker.",
    "embedding.",
    "tool.",
    "session.",
    "user.",
    "tag.",
)
_KNOWN_KINDS: Final = frozenset(OPENINFERENCE_KINDS.values())
_USAGE: Final = (
    ("llm.token_count.prompt", "input_tokens"),
    ("llm.token_count.completion", "output_tokens"),
    ("llm.token_count.total", "total_tokens"),
    ("llm.token_count.prompt_details.cache_read", "cache_read_tokens"),
    ("llm.token_count.prompt_details.cache_write", "cache_write_tokens"),
    ("llm.token_count.prompt_details.audio", "audio_input_tokens"),
    ("llm.token_count.completion_details.reasoning", "reasoning_tokens"),
    ("llm.token_count.completion_details.audio", "audio_output_tokens"),
)
#: Our ids of providers -> OpenInference's, where they differ.
_PROVIDERS: Final = {"mistral": "mistralai", "x-ai": "xai", "moonshotai": "moonshot"}
_SYSTEMS: Final = {"openai": "openai", "anthropic": "anthropic", "cohere": "cohere", "mistral": "mistralai"}
#: OpenInference's Google GenAI instrumentation writes calls without their message: no reader finds them there.
_STRAY: Final = "message.tool_calls"
_CHATS: Final = ("llm.input_messages", "llm.output_messages")


def rewrite(wired: WiredSpan, record: Record, attributes: Attributes | None = None) -> None:
    """Make a span as it was sent one in OpenInference: with identity, name, times and status as the columns have them,
    and ``attributes`` (``attributes_of`` where not given). All else stays (kind, trace state, flags), mended."""
    span = record.span
    wired.trace_id, wired.span_id = span.trace_id, span.span_id
    wired.parent_span_id = span.parent_span_id or b""
    wired.name = clean(span.name)
    wired.start_time_unix_nano, wired.end_time_unix_nano = span.start_ns, span.end_ns
    _state(wired, span)
    _replace(wired, attributes_of(record) if attributes is None else attributes)
    for event, told in zip(wired.events, span.events, strict=True):
        event.name = clean(told.name)
        _replace(event, plain(told.attributes))
    for position in reversed(range(len(wired.links))):
        link = wired.links[position]
        if any(link.trace_id) and any(link.span_id):
            _replace(link, plain(span.links[position].attributes))
        else:
            del wired.links[position]


def attributes_of(record: Record) -> Attributes:
    """The span's own, and OpenInference's: scalars and lists of scalars (``attributes.plain``)."""
    span, content = record.span, record.content
    told = _Told(plain(span.attributes))
    told.put(KIND, _kind(span, told.get(KIND)))
    _owned(told, span)
    if span.kind in CALL_KINDS:
        _called(told, span, content)
    _chatted(told, content)
    _found(told, span, content)
    _embedded(told, content)
    if content.tool is not None and span.kind == "tool":
        _ran(told, content.tool)
    if content.prompt is not None:
        _prompted(told, content.prompt)
    _in_and_out(told, span, content)
    return told.settled()


class _Told:
    """A span's attributes while they are completed."""

    def __init__(self, said: Attributes) -> None:
        self._found = said
        self._trees = {".".join(key.split(".", 2)[:2]) for key in said if key.count(".") > 1}

    def get(self, key: str) -> Any:
        return self._found.get(key)

    def under(self, prefix: str) -> list[str]:
        return [key for key in self._found if key.startswith(prefix + ".")]

    def put(self, key: str, value: Any) -> None:
        """This is what counts; another value that was there moves."""
        value = plain_value(value)
        before = self._found.get(key)
        self._found[key] = value
        if before is not None and (before != value or before.__class__ is not value.__class__):
            self._found[ORIGINAL + key] = before

    def fill(self, key: str, value: Any) -> None:
        """Where the span does not say it itself."""
        if value is not None and self._found.get(key) in (None, ""):
            self._found[key] = plain_value(value)

    def fill_tree(self, prefix: str, values: Attributes) -> None:
        """As ``fill``, for what is flattened: positions of two lists do not mix."""
        if prefix not in self._trees:
            self._found |= values

    def move_tree(self, prefix: str) -> None:
        self._trees.discard(prefix)
        for key in self.under(prefix):
            self._found[ORIGINAL + key] = self._found.pop(key)

    def has_tree(self, prefix: str) -> bool:
        return prefix in self._trees

    def settled(self) -> Attributes:
        """All of them, what hides others moved."""
        inner: set[str] = set()
        for key in self._found:
            if key.startswith(_NESTED):
                at = key.rfind(".")
                while at > 0 and key[:at] not in inner:
                    inner.add(key[:at])
                    at = key.rfind(".", 0, at)
        return {ORIGINAL + key if key in inner else key: value for key, value in self._found.items()}


def _kind(span: Span, said: Any) -> str:
    """The span's. OpenInference's that we have no kind for stay; what is no word costs the span at Phoenix."""
    if span.kind == "task" and isinstance(said, str) and said.isascii() and said.isalpha():
        named = said.upper()
        return "UNKNOWN" if named in _KNOWN_KINDS else named
    return OPENINFERENCE_KINDS.get(span.kind, "UNKNOWN")


def _owned(told: _Told, span: Span) -> None:
    told.fill("session.id", span.session_id)
    told.fill("user.id", span.user_id)
    if span.metadata:
        said = json_object(told.get("metadata")) or {}
        if any(name not in said for name in span.metadata):
            told.put("metadata", json_text({**span.metadata, **said}))
    if span.tags and not isinstance(told.get("tag.tags"), list):
        told.put("tag.tags", span.tags)


def _called(told: _Told, span: Span, content: Content) -> None:
    model = span.response_model or span.request_model
    if span.kind == "llm":
        if model is not None:  # also where the span's is "provider/model", which nobody has a price for
            told.put("llm.model_name", model)
        told.fill("llm.request.model_name", span.request_model)
        told.fill("llm.response.model_name", span.response_model)
    else:
        told.fill("embedding.model_name" if span.kind == "embedding" else "reranker.model_name", model)
    if span.provider is not None:
        told.fill("llm.provider", _PROVIDERS.get(span.provider, span.provider))
        told.fill("llm.system", _SYSTEMS.get(span.provider))
    if span.finish_reasons:
        told.fill("llm.finish_reason", span.finish_reasons[0])
    parameters = {name: value for name, value in content.parameters.items() if name != "tools"}
    if parameters:
        told.fill(
            ("embedding" if span.kind == "embedding" else "llm") + ".invocation_parameters", json_text(parameters)
        )
    for key, name in _USAGE:
        tokens = getattr(span.usage, name, None)
        if tokens is not None:
            told.put(key, tokens)
    _priced(told, span)


def _priced(told: _Told, span: Span) -> None:
    """USD. Whoever reads it again must see that nobody was charged a computed cost."""
    cost = span.cost
    if cost is None or cost.total is None or cost.status == "unpriced":
        return
    amounts = (("total", cost.total), ("prompt", cost.input), ("completion", cost.output))
    if cost.status == "computed":
        told.put(COST_SOURCE, COST_OF_COLLECTOR)
    for name, pico in amounts:
        key = f"llm.cost.{name}"
        if pico is not None and (cost.status == "computed" or number(told.get(key)) is None):
            told.put(key, pico / PICO_USD)


def _chatted(told: _Told, content: Content) -> None:
    if told.has_tree(_STRAY):
        told.move_tree("llm.output_messages")
        told.move_tree(_STRAY)
    for prefix, messages in zip(_CHATS, (content.input_messages, content.output_messages), strict=True):
        # Roles alone, as of audio, are no messages.
        if told.has_tree(prefix) and all(key.endswith(".role") for key in told.under(prefix)):
            told.move_tree(prefix)
        told.fill_tree(prefix, messages_at(prefix, messages))
    told.fill_tree("llm.tools", tools_at("llm.tools", content.parameters.get("tools")))


def _found(told: _Told, span: Span, content: Content) -> None:
    if span.kind == "reranker":
        if not told.has_tree("reranker.input_documents"):
            told.fill_tree("reranker.output_documents", documents_at("reranker.output_documents", content.documents))
        if isinstance(content.input, str):
            told.fill("reranker.query", content.input)
    elif not told.has_tree("reranker.output_documents"):
        # One JSON text counts as no document.
        documents = content.documents or documents_in(told.get("retrieval.documents"))
        told.fill_tree("retrieval.documents", documents_at("retrieval.documents", documents))


def _embedded(told: _Told, content: Content) -> None:
    told.fill_tree("embedding.embeddings", embeddings_at("embedding.embeddings", content.embeddings))
    if told.has_tree("embedding.embeddings"):
        for key in told.under("embedding.embeddings"):
            vector = vector_of(json_or_text(told.get(key))) if key.endswith(".vector") else None
            if vector is not None:
                told.put(key, vector)


def _ran(told: _Told, tool: Tool) -> None:
    told.fill("tool.name", tool.name)
    told.fill("tool.description", tool.description)
    told.fill("tool.id", tool.call_id)
    if isinstance(tool.arguments, dict):
        told.fill("tool.parameters", json_text(tool.arguments))


def _prompted(told: _Told, prompt: Prompt) -> None:
    told.fill("llm.prompt_template.template", prompt.template)
    told.fill("llm.prompt_template.version", prompt.version)
    if prompt.variables is not None:
        told.fill("llm.prompt_template.variables", json_text(prompt.variables))
    told.fill("prompt.id", prompt.name)


def _in_and_out(told: _Told, span: Span, content: Content) -> None:
    tool = content.tool if span.kind == "tool" else None
    asked, answered = content.input, content.output
    if asked is None:
        asked = tool.arguments if tool else said_by(content.input_messages, "user")
    if asked is None and content.embeddings:
        texts = [embedding.text for embedding in content.embeddings if embedding.text]
        asked = texts[0] if len(texts) == 1 else texts or None
    if answered is None:
        answered = tool.result if tool else said_by(content.output_messages, "assistant")
    if answered is None:
        answered = listed(content.documents)
    for side, value in (("input", asked), ("output", answered)):
        said = told.get(f"{side}.value")
        if said is not None:
            value = said
        if value is not None:
            shown, mime_type = written(value)
            told.put(f"{side}.value", shown)
            told.fill(f"{side}.mime_type", mime_type)


def _state(wired: WiredSpan, span: Span) -> None:
    code: Any = {"ok": 1, "error": 2}.get(span.status, 0)
    wired.status.code = code
    message = span.status_message
    if not message and span.error is not None:
        message = ": ".join(part for part in (span.error.type, span.error.message) if part)
    wired.status.message = clean(message)


def _replace(wired: Any, attributes: Attributes) -> None:
    del wired.attributes[:]
    wired.attributes.extend(encoded(attributes))
