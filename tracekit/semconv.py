"""Attribute names that tracekit writes: OpenTelemetry GenAI, OpenInference, and the few of its own. Constants only."""

from __future__ import annotations

from typing import Final

# --- OpenInference -------------------------------------------------------------------------------------------------
SPAN_KIND: Final = "openinference.span.kind"
INPUT_VALUE: Final = "input.value"
INPUT_MIME_TYPE: Final = "input.mime_type"
OUTPUT_VALUE: Final = "output.value"
OUTPUT_MIME_TYPE: Final = "output.mime_type"
MIME_JSON: Final = "application/json"
MIME_TEXT: Final = "text/plain"

SESSION_ID: Final = "session.id"
USER_ID: Final = "user.id"
TAGS: Final = "tag.tags"
METADATA: Final = "metadata"
#: resource attribute: the project that a service's spans belong to
PROJECT_NAME: Final = "openinference.project.name"

LLM_PROVIDER: Final = "llm.provider"
LLM_SYSTEM: Final = "llm.system"
LLM_MODEL_NAME: Final = "llm.model_name"
LLM_FINISH_REASON: Final = "llm.finish_reason"
LLM_INVOCATION_PARAMETERS: Final = "llm.invocation_parameters"
#: followed by ``.N.message.role`` and so on
LLM_INPUT_MESSAGES: Final = "llm.input_messages"
LLM_OUTPUT_MESSAGES: Final = "llm.output_messages"
#: followed by ``.N.tool.json_schema``
LLM_TOOLS: Final = "llm.tools"

LLM_TOKENS_PROMPT: Final = "llm.token_count.prompt"
LLM_TOKENS_COMPLETION: Final = "llm.token_count.completion"
LLM_TOKENS_TOTAL: Final = "llm.token_count.total"
LLM_TOKENS_CACHE_READ: Final = "llm.token_count.prompt_details.cache_read"
LLM_TOKENS_CACHE_WRITE: Final = "llm.token_count.prompt_details.cache_write"
LLM_TOKENS_AUDIO_INPUT: Final = "llm.token_count.prompt_details.audio"
LLM_TOKENS_REASONING: Final = "llm.token_count.completion_details.reasoning"
LLM_TOKENS_AUDIO_OUTPUT: Final = "llm.token_count.completion_details.audio"

#: US dollars, doubles
LLM_COST_PROMPT: Final = "llm.cost.prompt"
LLM_COST_COMPLETION: Final = "llm.cost.completion"
LLM_COST_TOTAL: Final = "llm.cost.total"

PROMPT_TEMPLATE: Final = "llm.prompt_template.template"
PROMPT_VERSION: Final = "llm.prompt_template.version"
PROMPT_VARIABLES: Final = "llm.prompt_template.variables"
PROMPT_ID: Final = "prompt.id"

#: followed by ``.N.document.{id,content,score,metadata}``
RETRIEVAL_DOCUMENTS: Final = "retrieval.documents"
RERANKER_INPUT_DOCUMENTS: Final = "reranker.input_documents"
RERANKER_OUTPUT_DOCUMENTS: Final = "reranker.output_documents"
RERANKER_QUERY: Final = "reranker.query"
RERANKER_MODEL_NAME: Final = "reranker.model_name"
RERANKER_TOP_K: Final = "reranker.top_k"

#: followed by ``.N.embedding.{text,vector}``
EMBEDDINGS: Final = "embedding.embeddings"
EMBEDDING_MODEL_NAME: Final = "embedding.model_name"

TOOL_NAME: Final = "tool.name"
TOOL_DESCRIPTION: Final = "tool.description"
TOOL_PARAMETERS: Final = "tool.parameters"
TOOL_CALL_ID: Final = "tool_call.id"
AGENT_NAME: Final = "agent.name"

#: span event at the time of a stream's first token
FIRST_TOKEN_EVENT: Final = "First Token Stream Event"

# --- OpenTelemetry GenAI -------------------------------------------------------------------------------------------
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_PROMPT_NAME: Final = "gen_ai.prompt.name"

GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
#: followed by ``temperature``, ``max_tokens`` and so on
GEN_AI_REQUEST: Final = "gen_ai.request."
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
#: seconds, a double
GEN_AI_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"

GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

GEN_AI_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
GEN_AI_REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
GEN_AI_AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"

GEN_AI_RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"
GEN_AI_RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"
GEN_AI_RETRIEVAL_TOP_K: Final = "gen_ai.retrieval.top_k"
GEN_AI_EMBEDDING_DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"

GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_TYPE: Final = "gen_ai.tool.type"
GEN_AI_TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
GEN_AI_TOOL_RESULT: Final = "gen_ai.tool.call.result"

# --- OpenTelemetry, general ----------------------------------------------------------------------------------------
SERVICE_NAME: Final = "service.name"
ERROR_TYPE: Final = "error.type"
EXCEPTION_EVENT: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

# --- tracekit ------------------------------------------------------------------------------------------------------
#: Instrumentation scope of every span that tracekit starts.
SCOPE: Final = "tracekit"
#: Span attribute: the project of this one span, set by ``tracekit.context(project=)``. A collector that knows it
#: lets it win over the resource's ``openinference.project.name`` and ``service.name``.
TRACEKIT_PROJECT: Final = "tracekit.project"
#: Span attribute, boolean: the stream was dropped before its end, so the output is what had come by then.
STREAM_INCOMPLETE: Final = "tracekit.stream.incomplete"
#: Span attribute beside ``llm.cost.*``: what computed them. Absent where the application reported the cost itself.
COST_SOURCE: Final = "tracekit.cost.source"

#: Span kinds (as in the API) -> ``openinference.span.kind``.
OPENINFERENCE_KINDS: Final[dict[str, str]] = {
    "llm": "LLM",
    "embedding": "EMBEDDING",
    "retriever": "RETRIEVER",
    "reranker": "RERANKER",
    "tool": "TOOL",
    "chain": "CHAIN",
    "agent": "AGENT",
    "guardrail": "GUARDRAIL",
    "evaluator": "EVALUATOR",
    "prompt": "PROMPT",
    "task": "UNKNOWN",
}
#: Span kinds -> ``gen_ai.operation.name``, where OpenTelemetry has a word for it.
OPERATIONS: Final[dict[str, str]] = {
    "llm": "chat",
    "embedding": "embeddings",
    "retriever": "retrieval",
    "reranker": "rerank",
    "tool": "execute_tool",
    "agent": "invoke_agent",
}

# --- HTTP ----------------------------------------------------------------------------------------------------------
#: header of a collector's answers; its value is the version of what it understands beyond OTLP (1: zstd)
COLLECTOR_HEADER: Final = "tracekit-collector"
