"""A model's answer in one shape, whoever gave it; ``shapes_openai`` and ``shapes_anthropic`` fill it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from tracekit.messages import Message
from tracekit.reading import attribute, is_a, is_list
from tracekit.usage import Usage


@dataclass(slots=True)
class Response:
    """``messages`` as in ``tracekit.messages``; ``usage`` inclusive; ``vectors`` of an embedding call, in order."""

    id: str | None = None
    model: str | None = None
    provider: str | None = None
    messages: list[Message] = field(default_factory=list)
    finish_reasons: list[str] = field(default_factory=list)
    usage: Usage | None = None
    vectors: list[Sequence[float]] | None = None


#: model prefix -> provider, for models that one company serves under this name
_BY_MODEL: Final = (
    (("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "ft:gpt-", "codex-", "omni-moderation"), "openai"),
    (("claude-",), "anthropic"),
    (("gemini-",), "gcp.gemini"),
    (("mistral-", "codestral-", "ministral-", "pixtral-", "magistral-"), "mistral_ai"),
    (("deepseek-",), "deepseek"),
    (("command-", "embed-english", "embed-multilingual", "rerank-"), "cohere"),
    (("grok-",), "x_ai"),
)
#: OpenTelemetry's provider name -> OpenInference's ``llm.provider`` and ``llm.system``
OPENINFERENCE_PROVIDERS: Final[dict[str, tuple[str, str | None]]] = {
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "azure.ai.openai": ("azure", "openai"),
    "gcp.gemini": ("google", "vertexai"),
    "gcp.vertex_ai": ("google", "vertexai"),
    "mistral_ai": ("mistralai", "mistralai"),
    "cohere": ("cohere", "cohere"),
    "deepseek": ("deepseek", None),
    "x_ai": ("xai", None),
    "aws.bedrock": ("aws", None),
}


@lru_cache(maxsize=1024)
def provider_of(model: str | None) -> str | None:
    """The provider that a model's name gives away; None rather than a guess."""
    if model is None or "/" in model:
        return None
    for prefixes, provider in _BY_MODEL:
        if model.startswith(prefixes):
            return provider
    return None


def is_vector(value: Any) -> bool:
    """A list or tuple of numbers, or a one-dimensional array of them."""
    if is_list(value):
        return bool(value) and all(type(number) is float or type(number) is int for number in value[:8])
    if not hasattr(type(value), "tolist"):
        return False
    shape = attribute(value, "shape")
    return is_a(shape, tuple) and len(shape) == 1
