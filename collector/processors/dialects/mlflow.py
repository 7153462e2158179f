"""MLflow (https://mlflow.org/docs/latest/genai/tracing): ``mlflow.*``, every value JSON in a string, even a text.

Inputs and outputs are the provider's own bodies. With ``MLFLOW_ENABLE_OTEL_GENAI_SEMCONV`` its spans follow OTel's
convention instead, but name the response's model as the request's, and the request's as ``model``.
"""

from __future__ import annotations

from typing import Any, Final

from collector.model import Attributes, Content, Span, Tool
from collector.processors.dialects.base import Marked, fill_cost, fill_owner, time_to_event
from collector.processors.dialects.bodies import answered_in, arguments_in, asked_in, result_in
from collector.processors.dialects.documents import documents_in
from collector.processors.dialects.usages import fill_usage_of
from collector.processors.models import model_in, reasoning_tokens_in, response_id_in
from collector.processors.providers import provider_id
from collector.processors.values import json_list, json_object, json_or_text, text

_TYPE: Final = "mlflow.spanType"
_INPUTS: Final = "mlflow.spanInputs"
_OUTPUTS: Final = "mlflow.spanOutputs"
_KINDS: Final = {
    "LLM": "llm",
    "CHAT_MODEL": "llm",
    "CHAIN": "chain",
    "WORKFLOW": "chain",
    "AGENT": "agent",
    "TOOL": "tool",
    "RETRIEVER": "retriever",
    "EMBEDDING": "embedding",
    "RERANKER": "reranker",
    "EVALUATOR": "evaluator",
    "GUARDRAIL": "guardrail",
}
_FIRST_CHUNK: Final = "mlflow.chunk.item.0"


class MLflow(Marked):
    marks = frozenset({_TYPE, _INPUTS, _OUTPUTS, "mlflow.traceRequestId", "model"})
    content_keys = (_INPUTS,)

    def facts(self, span: Span, attributes: Attributes) -> None:
        get = attributes.get
        if span.request_model is None:
            span.request_model = _model(get("model"))
        if _TYPE not in attributes:
            return
        if span.kind == "task":
            span.kind = _KINDS.get(str(json_or_text(get(_TYPE))), "task")
        fill_owner(span, _text(get("mlflow.trace.session")), _text(get("mlflow.trace.user")))
        if span.kind == "llm" or span.kind == "embedding":
            _call(span, attributes)

    def content(self, span: Span, attributes: Attributes) -> Content:
        get = attributes.get
        asked, answered = json_or_text(get(_INPUTS)), json_or_text(get(_OUTPUTS))
        content = Content(input=asked, output=answered)
        kind = _KINDS.get(str(json_or_text(get(_TYPE))))
        if kind == "llm":
            content.input_messages, content.output_messages = asked_in(asked), answered_in(answered)
            content.parameters = _parameters(asked, attributes)
        elif kind == "tool":
            content.tool = Tool(span.name, arguments_in(asked), result_in(answered))
        elif kind in ("retriever", "reranker"):
            content.documents = documents_in(answered)
        return content


def _call(span: Span, attributes: Attributes) -> None:
    get = attributes.get
    answer = get(_OUTPUTS)
    if span.response_model is None:
        span.response_model = model_in(answer) or _text(get("mlflow.llm.model"))
    if span.provider is None:
        span.provider = provider_id(json_or_text(get("mlflow.llm.provider")))
    if span.response_id is None:
        span.response_id = response_id_in(answer)
    usage = json_object(get("mlflow.chat.tokenUsage"))
    if usage:
        fill_usage_of(span, {**usage, "output_reasoning_tokens": reasoning_tokens_in(answer)})
    cost = json_object(get("mlflow.llm.cost"))
    if cost:
        fill_cost(span, cost.get("total_cost"), cost.get("input_cost"), cost.get("output_cost"))
    if span.time_to_first_token_ns is None:
        span.time_to_first_token_ns = time_to_event(span, _FIRST_CHUNK)


def _model(value: Any) -> str | None:
    """The model in MLflow's JSON; a ``model`` that is no JSON text is another writer's."""
    quoted = isinstance(value, str) and len(value) > 2 and value[0] == value[-1] == '"'
    return _text(value) if quoted else None


def _text(value: Any) -> str | None:
    return text(json_or_text(value))


def _parameters(asked: Any, attributes: Attributes) -> dict[str, Any]:
    if not isinstance(asked, dict):
        return {}
    left_out = ("messages", "input", "prompt", "instructions", "system", "model")
    parameters = {key: value for key, value in asked.items() if key not in left_out}
    tools = json_list(attributes.get("mlflow.chat.tools"))
    return {**parameters, "tools": tools} if tools else parameters
