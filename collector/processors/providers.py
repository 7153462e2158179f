"""Names of providers: from what conventions write to the ids of genai-prices."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

# fmt: off
_IDS: Final = frozenset((
    "anthropic", "aws", "azure", "cerebras", "cloudflare", "cohere", "databricks", "deepseek", "fireworks", "google",
    "groq", "mistral", "moonshotai", "novita", "openai", "openrouter", "perplexity", "together", "voyageai", "x-ai",
))
# fmt: on

_ALIASES: Final = {
    "amazon": "aws",
    "amazon_bedrock": "aws",
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azure-openai": "azure",
    "fireworks_ai": "fireworks",
    "gcp": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "google.generative-ai": "google",
    "google.vertex": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "moonshot": "moonshotai",
    "together_ai": "together",
    "togetherai": "together",
    "voyage": "voyageai",
    "voyage_ai": "voyageai",
    "x_ai": "x-ai",
    "xai": "x-ai",
}

#: Frameworks that put their own name where the provider's belongs.
# fmt: off
_FRAMEWORKS: Final = (
    "_other", "agno", "autogen", "crewai", "dspy", "haystack", "langchain", "langgraph", "litellm", "llama_index",
    "llama-index", "llamaindex", "openlit", "pydantic-ai", "pydantic_ai", "semantic_kernel", "smolagents", "strands",
    "strands-agents", "traceloop", "unknown", "vercel",
)
# fmt: on

_KNOWN: Final[dict[str, str | None]] = {
    **{name: name for name in _IDS},
    **_ALIASES,
    **dict.fromkeys(_FRAMEWORKS),
}

#: Hosts of providers that are called through OpenAI's client, which then names OpenAI.
_HOSTS: Final = {
    "api.cerebras.ai": "cerebras",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshotai",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.x.ai": "x-ai",
    "generativelanguage.googleapis.com": "google",
    "openrouter.ai": "openrouter",
}

_MODEL_PREFIXES: Final = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "google"),
    ("mistral-", "mistral"),
    ("mixtral-", "mistral"),
    ("command-", "cohere"),
    ("deepseek-", "deepseek"),
    ("grok-", "x-ai"),
)


def provider_id(name: Any) -> str | None:
    """The id of genai-prices for a provider's name. Frameworks give None; unknown names stay, in lower case."""
    try:
        return _KNOWN[name]
    except KeyError:
        pass
    except TypeError:
        return None
    if not isinstance(name, str):
        return None
    lower = name.strip().lower()
    if lower in _KNOWN:
        return _KNOWN[lower]
    # Vercel's AI SDK names the API too: ``openai.responses``.
    head = lower.partition(".")[0]
    return (_KNOWN[head] if head in _IDS else lower) or None


def provider_of_host(host: Any) -> str | None:
    """The provider behind a server address, where OpenAI's protocol is spoken by somebody else."""
    if not isinstance(host, str):
        return None
    return "azure" if host.endswith(".openai.azure.com") else _HOSTS.get(host)


def provider_of_prefix(prefix: str) -> str | None:
    """The provider that a model's ``prefix/`` names; None for organisations that are no provider."""
    return _KNOWN.get(prefix)


@lru_cache(1024)
def provider_of_model(model: str) -> str | None:
    """The provider that a model's bare name gives away."""
    lower = model.lower()
    for prefix, provider in _MODEL_PREFIXES:
        if lower.startswith(prefix):
            return provider
    return None


def is_known(provider: Any) -> bool:
    return isinstance(provider, str) and provider in _IDS
