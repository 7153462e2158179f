"""Which published packages instrument which library, in the order in which they are tried.

A package is known by the name it is installed under; where its instrumentor is, its own entry points say
(``opentelemetry_instrumentor``, as ``opentelemetry-instrument`` finds it). OpenInference comes first: it tells most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: tracekit's own; no package of somebody else's
OWN: Final = "tracekit"
OPENINFERENCE: Final = "openinference-instrumentation-"
_OTEL: Final = "opentelemetry-instrumentation-"


@dataclass(frozen=True, slots=True)
class Library:
    """``module`` is what an application imports of it. ``wrapped`` are functions that instrumentors replace
    (``module:Class.function``), by which one is seen that nobody here knows."""

    module: str
    packages: tuple[str, ...]
    wrapped: tuple[str, ...] = ()


LIBRARIES: Final[dict[str, Library]] = {
    "openai": Library(
        "openai",
        (OPENINFERENCE + "openai", _OTEL + "openai", _OTEL + "genai-openai", _OTEL + "openai-v2"),
        (
            "openai:OpenAI.request",
            "openai.resources.chat.completions.completions:Completions.create",
            "openai.resources.chat.completions:Completions.create",
        ),
    ),
    "openai-agents": Library(
        "agents",
        (
            OPENINFERENCE + "openai-agents",
            _OTEL + "openai-agents",
            _OTEL + "genai-openai-agents",
            _OTEL + "openai-agents-v2",
        ),
    ),
    "anthropic": Library(
        "anthropic",
        (OPENINFERENCE + "anthropic", _OTEL + "anthropic", _OTEL + "genai-anthropic"),
        ("anthropic.resources.messages:Messages.create",),
    ),
    "langchain": Library(
        "langchain_core", (OWN, OPENINFERENCE + "langchain", _OTEL + "langchain", _OTEL + "genai-langchain")
    ),
    "llama-index": Library("llama_index", (OPENINFERENCE + "llama-index", _OTEL + "llamaindex")),
    "litellm": Library("litellm", (OPENINFERENCE + "litellm",), ("litellm:completion",)),
    "bedrock": Library("boto3", (OPENINFERENCE + "bedrock", _OTEL + "bedrock")),
    "google-genai": Library(
        "google.genai",
        (
            OPENINFERENCE + "google-genai",
            _OTEL + "google-generativeai",
            _OTEL + "google-genai",
        ),
    ),
    "vertexai": Library("vertexai", (OPENINFERENCE + "vertexai", _OTEL + "vertexai")),
    "mistralai": Library("mistralai", (OPENINFERENCE + "mistralai", _OTEL + "mistralai")),
    "groq": Library("groq", (OPENINFERENCE + "groq", _OTEL + "groq")),
    "cohere": Library("cohere", (_OTEL + "cohere",)),
    "ollama": Library("ollama", (_OTEL + "ollama",)),
    "crewai": Library("crewai", (OPENINFERENCE + "crewai", _OTEL + "crewai")),
    "haystack": Library("haystack", (OPENINFERENCE + "haystack", _OTEL + "haystack")),
    "dspy": Library("dspy", (OPENINFERENCE + "dspy",)),
    "smolagents": Library("smolagents", (OPENINFERENCE + "smolagents",)),
    "agno": Library("agno", (OPENINFERENCE + "agno", _OTEL + "agno")),
    "mcp": Library("mcp", (OPENINFERENCE + "mcp", _OTEL + "mcp")),
    "chromadb": Library("chromadb", (_OTEL + "chromadb",)),
    "pinecone": Library("pinecone", (_OTEL + "pinecone",)),
    "qdrant": Library("qdrant_client", (_OTEL + "qdrant",)),
    "weaviate": Library("weaviate", (_OTEL + "weaviate",)),
    "milvus": Library("pymilvus", (_OTEL + "milvus",)),
    "httpx": Library("httpx", (_OTEL + "httpx",), ("httpx:HTTPTransport.handle_request",)),
    "httpx2": Library("httpx2", (_OTEL + "httpx",), ("httpx2:HTTPTransport.handle_request",)),
    "requests": Library("requests", (_OTEL + "requests",)),
    "aiohttp-client": Library("aiohttp", (_OTEL + "aiohttp-client",), ("aiohttp:ClientSession.__init__",)),
    "fastapi": Library("fastapi", (_OTEL + "fastapi",)),
    "starlette": Library("starlette", (_OTEL + "starlette",)),
}
