"""What a model call cost, from genai-prices where it is installed.

Runs on the export thread only: importing the prices takes a third of a second, a calculation a tenth of a millisecond.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final

from tracekit import semconv
from tracekit.guard import swallow
from tracekit.importing import imports

_HOUR: Final = 3_600 * 10**9
_SOURCE: Final = "genai-prices"
PRICED: Final = frozenset(("LLM", "EMBEDDING", "RERANKER"))
#: OpenTelemetry's provider names -> genai-prices'
_PROVIDERS: Final = {
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "azure.ai.openai": "azure",
    "aws.bedrock": "aws",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
#: genai-prices' name, OpenInference's and GenAI's
_COUNTS: Final = (
    ("input_tokens", semconv.LLM_TOKENS_PROMPT, semconv.GEN_AI_INPUT_TOKENS),
    ("output_tokens", semconv.LLM_TOKENS_COMPLETION, semconv.GEN_AI_OUTPUT_TOKENS),
    ("cache_read_tokens", semconv.LLM_TOKENS_CACHE_READ, semconv.GEN_AI_CACHE_READ_TOKENS),
    ("cache_write_tokens", semconv.LLM_TOKENS_CACHE_WRITE, semconv.GEN_AI_CACHE_WRITE_TOKENS),
    ("input_audio_tokens", semconv.LLM_TOKENS_AUDIO_INPUT, semconv.GEN_AI_AUDIO_INPUT_TOKENS),
    ("output_audio_tokens", semconv.LLM_TOKENS_AUDIO_OUTPUT, semconv.GEN_AI_AUDIO_OUTPUT_TOKENS),
)
#: what is counted under which attribute; a later one wins
_USAGE: Final = tuple((name, key) for at in (1, 2) for name, key in ((row[0], row[at]) for row in _COUNTS))
_MODELS: Final = (
    semconv.GEN_AI_RESPONSE_MODEL,
    semconv.GEN_AI_REQUEST_MODEL,
    semconv.LLM_MODEL_NAME,
    semconv.EMBEDDING_MODEL_NAME,
    semconv.RERANKER_MODEL_NAME,
)

Counts = tuple[tuple[str, int], ...]


def installed() -> bool:
    try:
        return "genai_prices" in sys.modules or find_spec("genai_prices") is not None
    except (ImportError, ValueError):
        return False


def cost_attributes(attributes: Mapping[str, Any], start_ns: int) -> dict[str, Any]:
    """``llm.cost.*`` in US dollars for a model call's attributes; empty where the application gave a cost, where the
    usage is unknown, or where there is no price: unknown is not free."""
    get = attributes.get
    if get(semconv.SPAN_KIND) not in PRICED or semconv.LLM_COST_TOTAL in attributes:
        return {}
    counts = tuple({name: attributes[key] for name, key in _USAGE if key in attributes}.items())
    model = next((model for name in _MODELS if (model := get(name))), None)
    if not isinstance(model, str) or not counts:
        return {}
    provider = get(semconv.GEN_AI_PROVIDER_NAME, get(semconv.LLM_PROVIDER))
    price = _price(
        model, _PROVIDERS.get(provider, provider) if isinstance(provider, str) else None, counts, start_ns // _HOUR
    )
    if price is None:
        return {}
    prompt, completion, total = price
    return {
        semconv.LLM_COST_PROMPT: prompt,
        semconv.LLM_COST_COMPLETION: completion,
        semconv.LLM_COST_TOTAL: total,
        semconv.COST_SOURCE: _SOURCE,
    }


@lru_cache(maxsize=4096)
def _price(model: str, provider: str | None, counts: Counts, hour: int) -> tuple[float, float, float] | None:
    """(input, output, total) in US dollars in an hour since the epoch; None where there is no price."""
    try:
        with imports():  # the first calculation imports the prices, too
            found = _calculator()(model, provider, dict(counts), datetime.fromtimestamp(hour * 3600, UTC))
    except LookupError:
        return None
    except Exception as error:  # noqa: BLE001 - a foreign library, on counts that a foreign server gave
        swallow("cost", error)
        return None
    return float(found.input_price), float(found.output_price), float(found.total_price)


@lru_cache(maxsize=1)
def _calculator() -> Callable[[str, str | None, dict[str, int], datetime], Any]:
    from genai_prices import Usage, calc_price

    def calculate(model: str, provider: str | None, counts: dict[str, int], when: datetime) -> Any:
        return calc_price(Usage(**counts), model_ref=model, provider_id=provider, genai_request_timestamp=when)

    return calculate
