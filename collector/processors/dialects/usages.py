"""Usage as providers' answers and frameworks write it in JSON, into the canonical parts. Pure and total."""

from __future__ import annotations

from typing import Any, Final

from collector.model import Span
from collector.processors.dialects.base import fill_usage
from collector.processors.values import count

#: Where the parts are told: beside the whole by OpenAI (chat, Responses) and LangChain.
_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")


def fill_usage_of(span: Span, body: dict[str, Any]) -> None:
    """Set what is still unknown of the span's usage from a usage object.

    Of OpenAI (chat and Responses), Anthropic, LangChain, MLflow and Langfuse. Langfuse's ``input`` and ``output``
    leave out what its other keys name (https://langfuse.com/docs/observability/features/token-and-cost-tracking).
    """
    entering, leaving = _details(body, _INPUT_DETAILS), _details(body, _OUTPUT_DETAILS)

    def told(details: dict[str, Any], inside: tuple[str, ...], beside: tuple[str, ...]) -> Any:
        found = _first(details, inside)
        return _first(body, beside) if found is None else found

    fill_usage(
        span,
        _sum(body, "input") if "input" in body else _first(body, ("input_tokens", "prompt_tokens")),
        _sum(body, "output") if "output" in body else _first(body, ("output_tokens", "completion_tokens")),
        _first(body, ("total_tokens", "total")),
        told(
            entering,
            ("cached_tokens", "cache_read"),
            ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read"),
        ),
        told(
            entering, ("cache_write_tokens", "cache_creation"), ("cache_creation_input_tokens", "input_cache_creation")
        ),
        told(entering, ("audio_tokens", "audio"), ("input_audio_tokens", "input_audio")),
        told(leaving, ("reasoning_tokens", "reasoning"), ("output_reasoning_tokens", "output_reasoning")),
        told(leaving, ("audio_tokens", "audio"), ("output_audio_tokens", "output_audio")),
    )


def _details(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return next((body[name] for name in names if isinstance(body.get(name), dict)), {})


def _first(body: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((body[name] for name in names if body.get(name) is not None), None)


def _sum(body: dict[str, Any], side: str) -> int | None:
    """The counts of all parts whose names say which side they belong to."""
    found = [number for name, value in body.items() if side in name and (number := count(value)) is not None]
    return sum(found) if found else None
