"""Token usage in the providers' shapes -> one set of counts -> attributes.

Counts are inclusive: ``input_tokens`` holds the cached and audio tokens too, ``output_tokens`` the reasoning ones.
Anthropic's API leaves cached tokens out of its input; they are added here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tracekit import semconv
from tracekit.conventions import Conventions
from tracekit.reading import as_count, getter

Usage = dict[str, int]

#: count -> the attribute that carries it, in GenAI's word and in OpenInference's
_ATTRIBUTES: Final[dict[str, tuple[str | None, str]]] = {
    "input_tokens": (semconv.GEN_AI_INPUT_TOKENS, semconv.LLM_TOKENS_PROMPT),
    "output_tokens": (semconv.GEN_AI_OUTPUT_TOKENS, semconv.LLM_TOKENS_COMPLETION),
    "total_tokens": (None, semconv.LLM_TOKENS_TOTAL),
    "cache_read_tokens": (semconv.GEN_AI_CACHE_READ_TOKENS, semconv.LLM_TOKENS_CACHE_READ),
    "cache_write_tokens": (semconv.GEN_AI_CACHE_WRITE_TOKENS, semconv.LLM_TOKENS_CACHE_WRITE),
    "audio_input_tokens": (semconv.GEN_AI_AUDIO_INPUT_TOKENS, semconv.LLM_TOKENS_AUDIO_INPUT),
    "reasoning_tokens": (semconv.GEN_AI_REASONING_TOKENS, semconv.LLM_TOKENS_REASONING),
    "audio_output_tokens": (semconv.GEN_AI_AUDIO_OUTPUT_TOKENS, semconv.LLM_TOKENS_AUDIO_OUTPUT),
}
COUNTS: Final = tuple(_ATTRIBUTES)
#: where usage objects have more than the plain counts
_FURTHER: Final = frozenset(
    (
        "prompt_tokens_details",
        "input_tokens_details",
        "completion_tokens_details",
        "output_tokens_details",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    )
)


def read_usage(usage: Any) -> Usage | None:
    """The counts of an OpenAI (chat, responses, embeddings) or Anthropic usage object or dict; None if it has none."""
    if usage is None:
        return None
    field = getter(usage)
    prompt = as_count(field("prompt_tokens"))
    inputs = prompt if prompt is not None else as_count(field("input_tokens"))
    outputs = as_count(field("completion_tokens"))
    if outputs is None:
        outputs = as_count(field("output_tokens"))
    total = as_count(field("total_tokens"))
    if inputs is None and outputs is None and total is None:
        return None
    counts: dict[str, int | None] = {"input_tokens": inputs, "output_tokens": outputs, "total_tokens": total}
    if type(usage) is not dict or not _FURTHER.isdisjoint(usage):
        _add_details(field, counts)
        _add_anthropic_cache(field, counts, exclusive=prompt is None)
    return with_total({name: count for name, count in counts.items() if count is not None})


def _add_details(field: Callable[[str], Any], counts: dict[str, int | None]) -> None:
    into = field("prompt_tokens_details") or field("input_tokens_details")
    if into is not None:
        of = getter(into)
        counts["cache_read_tokens"] = as_count(of("cached_tokens"))
        counts["cache_write_tokens"] = as_count(of("cache_write_tokens"))
        counts["audio_input_tokens"] = as_count(of("audio_tokens")) or None
    out = field("completion_tokens_details") or field("output_tokens_details")
    if out is not None:
        of = getter(out)
        reasoning = as_count(of("reasoning_tokens"))
        counts["reasoning_tokens"] = reasoning if reasoning is not None else as_count(of("thinking_tokens"))
        counts["audio_output_tokens"] = as_count(of("audio_tokens")) or None


def with_total(usage: Usage) -> Usage:
    if "total_tokens" not in usage and "input_tokens" in usage and "output_tokens" in usage:
        usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
    return usage


def usage_attributes(usage: Usage, conventions: Conventions) -> dict[str, int]:
    """A total that says no more than its parts is left out where OpenInference is not asked for."""
    attributes: dict[str, int] = {}
    for name, count in usage.items():
        genai, openinference = _ATTRIBUTES[name]
        if conventions.genai and genai is not None:
            attributes[genai] = count
        if conventions.openinference or (genai is None and count != _sum(usage)):
            attributes[openinference] = count
    return attributes


def _sum(usage: Usage) -> int | None:
    if "input_tokens" in usage and "output_tokens" in usage:
        return usage["input_tokens"] + usage["output_tokens"]
    return None


def _add_anthropic_cache(field: Callable[[str], Any], counts: dict[str, int | None], exclusive: bool) -> None:
    """Proxies repeat these names beside OpenAI's ``prompt_tokens``, which include them already."""
    read = as_count(field("cache_read_input_tokens"))
    written = as_count(field("cache_creation_input_tokens"))
    if read is None and written is None:
        return
    if exclusive:
        counts["input_tokens"] = (counts["input_tokens"] or 0) + (read or 0) + (written or 0)
    counts["cache_read_tokens"], counts["cache_write_tokens"] = read, written
