"""What model calls cost: by a dated table of overrides first, then by genai-prices. Pure.

Amounts are integer pico-USD, computed here from the prices per million tokens rather than by the library's decimals:
the same to the last pico-USD (a test holds them to each other) and fifty times faster. The price in force when the
span started counts, so history keeps its prices.

A cost that the application reported is kept as ``reported_total``. Where the call can be priced here the computed
amounts lead (``computed``); where it cannot, the reported ones do (``reported``); else the call is ``unpriced``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from collector.model import CALL_KINDS, PICO_USD, Cost, Span, Usage
from collector.processors.values import INT64_MAX

_MILLION: Final = 10**6
_MINUTE: Final = 60 * 10**9
_DAY: Final = 24 * 60 * _MINUTE
#: More different models than this in one process are somebody's mistake: start over rather than grow.
_MAX_ENTRIES: Final = 4096
#: Attributes by which a response says at which service level it was served.
_TIERS: Final = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in pico-USD per million tokens, ``request`` in pico-USD per call. None: no price of its own, so these
    tokens cost what their whole costs; without a price for the whole they cannot be priced."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    audio_input: int | None = None
    cache_audio_read: int | None = None
    reasoning: int | None = None
    audio_output: int | None = None
    request: int = 0

    def amounts(self, usage: Usage, output_needed: bool) -> tuple[int, int] | None:
        """Input and output cost in pico-USD; None where the usage is unknown, inconsistent or not covered."""
        tokens_in, tokens_out = usage.input_tokens, usage.output_tokens
        if tokens_in is None or (tokens_out is None and output_needed) or not (tokens_in or tokens_out):
            return None
        paid_in = self._input(tokens_in, usage)
        paid_out = self._output(tokens_out or 0, usage)
        if paid_in is None or paid_out is None:
            return None
        return (paid_in + 500_000) // _MILLION, (paid_out + 500_000) // _MILLION

    def _input(self, rest: int, usage: Usage) -> int | None:
        paid = 0
        cached, audio = usage.cache_read_tokens or 0, usage.audio_input_tokens or 0
        if self.cache_audio_read is not None and cached and audio:
            # How many cached tokens were audio is not told: as few as the numbers allow.
            both = max(0, cached + audio - rest)
            if both > min(cached, audio):
                return None
            paid, rest, cached, audio = both * self.cache_audio_read, rest - both, cached - both, audio - both
        if self.cache_read is not None and cached:
            paid, rest = paid + cached * self.cache_read, rest - cached
        if self.cache_write is not None and usage.cache_write_tokens:
            paid, rest = paid + usage.cache_write_tokens * self.cache_write, rest - usage.cache_write_tokens
        if self.audio_input is not None and audio:
            paid, rest = paid + audio * self.audio_input, rest - audio
        return _with_rest(paid, rest, self.input)

    def _output(self, rest: int, usage: Usage) -> int | None:
        paid = 0
        if self.reasoning is not None and usage.reasoning_tokens:
            paid, rest = usage.reasoning_tokens * self.reasoning, rest - usage.reasoning_tokens
        if self.audio_output is not None and usage.audio_output_tokens:
            paid, rest = paid + usage.audio_output_tokens * self.audio_output, rest - usage.audio_output_tokens
        return _with_rest(paid, rest, self.output)


def _with_rest(paid: int, rest: int, rate: int | None) -> int | None:
    if rest == 0:
        return paid
    return None if rest < 0 or rate is None else paid + rest * rate


@dataclass(frozen=True, slots=True)
class Override:
    """A price of the user's own, in USD per million tokens, for calls that start in ``from_ns <= start < until_ns``.

    ``model`` is compared without regard to case; ``provider`` None holds for every provider. Of several in force the
    one with the latest ``from_ns`` counts.
    """

    model: str
    provider: str | None = None
    input_mtok: Decimal | None = None
    output_mtok: Decimal | None = None
    cache_read_mtok: Decimal | None = None
    cache_write_mtok: Decimal | None = None
    audio_input_mtok: Decimal | None = None
    audio_output_mtok: Decimal | None = None
    from_ns: int = 0
    until_ns: int | None = None

    def plan(self) -> _Plan:
        rates = Rates(
            input=_pico(self.input_mtok),
            output=_pico(self.output_mtok),
            cache_read=_pico(self.cache_read_mtok),
            cache_write=_pico(self.cache_write_mtok),
            audio_input=_pico(self.audio_input_mtok),
            audio_output=_pico(self.audio_output_mtok),
        )
        return _Plan(f"override:{self.model}", (), (rates,))


@dataclass(frozen=True, slots=True)
class _Plan:
    """``rates[n]`` holds for calls with more input tokens than ``starts[n - 1]`` (the whole call, not what exceeds)."""

    price_id: str
    starts: tuple[int, ...]
    rates: tuple[Rates, ...]

    def cost(self, usage: Usage, output_needed: bool) -> Cost | None:
        rates = self.rates[bisect_left(self.starts, usage.input_tokens or 0)] if self.starts else self.rates[0]
        amounts = rates.amounts(usage, output_needed)
        if amounts is None:
            return None
        total = amounts[0] + amounts[1] + rates.request
        return Cost("computed", total, amounts[0], amounts[1], self.price_id) if total <= INT64_MAX else None


@dataclass(slots=True)
class _Entry:
    """What is known about the prices of one model: ``flat`` where they never change, else by window of time."""

    flat: _Plan | None = None
    overrides: list[tuple[Override, _Plan]] = field(default_factory=list)
    provider: Any = None
    model: Any = None
    context: dict[str, str] | None = None
    window: int = _DAY
    windows: dict[int, _Plan] = field(default_factory=dict)

    def plan(self, start_ns: int) -> _Plan | None:
        for override, own in self.overrides:
            if override.from_ns <= start_ns and (override.until_ns is None or start_ns < override.until_ns):
                return own
        if self.model is None:
            return None
        plan = self.windows.get(start_ns // self.window)
        if plan is None:
            if len(self.windows) >= _MAX_ENTRIES:
                self.windows.clear()
            plan = self.windows[start_ns // self.window] = self._resolve(start_ns)
        return plan

    def _resolve(self, start_ns: int) -> _Plan:
        at = datetime.fromtimestamp(start_ns // 10**9, UTC)
        return _plan_of(f"{self.provider.id}:{self.model.id}", self.model.get_prices(at, self.context))


class Pricer:
    """Prices spans. ``price`` may be called from several threads."""

    def __init__(self, overrides: Sequence[Override] = ()) -> None:
        self._overrides: dict[tuple[str | None, str], list[tuple[Override, _Plan]]] = {}
        for override in overrides:
            own = (override, override.plan())
            self._overrides.setdefault((override.provider, override.model.lower()), []).append(own)
        self._entries: dict[tuple[str | None, str | None, str | None, Any], _Entry] = {}

    def warm(self) -> None:
        """Load the price data, which takes most of a second: for a background thread. Otherwise the first call does."""
        _providers()

    def price(self, span: Span) -> None:
        """Set the cost of a model call, in place; spans of other kinds keep what the application reported, if so."""
        if span.kind not in CALL_KINDS:
            return
        usage, reported = span.usage, span.cost
        if usage is not None and (plan := self._plan(span)) is not None:
            cost = plan.cost(usage, span.kind == "llm")
            if cost is not None:
                if reported is not None:
                    cost.reported_total = reported.reported_total
                span.cost = cost
                return
        if reported is None:
            span.cost = Cost()

    def _plan(self, span: Span) -> _Plan | None:
        get = span.attributes.get
        tier = get(_TIERS[0])
        if tier is None:
            tier = get(_TIERS[1])
        key = (span.provider, span.response_model, span.request_model, tier if tier.__class__ is str else None)
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= _MAX_ENTRIES:
                self._entries.clear()
            entry = self._entries[key] = self._look_up(*key)
        return entry.flat or entry.plan(span.start_ns)

    def _look_up(self, provider: str | None, response: str | None, request: str | None, tier: str | None) -> _Entry:
        """The response's model names what was really used; the request's may be the only one that is known."""
        entry = _Entry()
        for model in (response, request):
            if model:
                if provider is not None:
                    entry.overrides += self._overrides.get((provider, model.lower()), ())
                entry.overrides += self._overrides.get((None, model.lower()), ())
                if entry.model is None:
                    entry.provider, entry.model = _find(provider, model)
        entry.overrides.sort(key=lambda own: -own[0].from_ns)
        if entry.model is not None:
            _describe(entry, tier)
        return entry


def _providers() -> list[Any]:
    from genai_prices import data_snapshot  # slow to import, and a collector without model calls never needs it

    return data_snapshot.get_snapshot().providers


def _find(provider: str | None, model: str) -> tuple[Any, Any]:
    """Provider and model of genai-prices, or (None, None). Does not fill the library's caches, which have no bound."""
    providers = _providers()
    for known in providers:
        if known.id == provider or (provider is None and known.model_match and known.model_match.is_match(model)):
            found = known.find_model(model, all_providers=providers)
            return (known, found) if found is not None else (None, None)
    return None, None


def _describe(entry: _Entry, tier: str | None) -> None:
    """Set what of the model's prices depends on time and service level."""
    from genai_prices import types

    model = entry.model
    variants = model.price_variants or ()
    if tier is not None and any(own is model for own in entry.provider.models):
        entry.context = {"service_tier": tier}
    prices = model.prices if isinstance(model.prices, list) else ()
    constraints = [part.constraint for part in (*prices, *variants) if part.constraint is not None]
    if any(isinstance(constraint, types.TimeOfDateConstraint) for constraint in constraints):
        entry.window = _MINUTE
    if not constraints and not entry.overrides:
        entry.flat = entry._resolve(0)


def _plan_of(price_id: str, price: Any) -> _Plan:
    """The library's ``ModelPrice`` with its tiers multiplied out."""
    from genai_prices import types

    prices = {key: value for key, value in price.__dict__.items() if value is not None}
    tiers = [value.tiers for value in prices.values() if isinstance(value, types.TieredPrices)]
    starts = sorted({tier.start for tier_list in tiers for tier in tier_list})
    rates = [_rates_of({key: _in_tier(value, start) for key, value in prices.items()}) for start in (-1, *starts)]
    return _Plan(price_id, tuple(starts), tuple(rates))


def _in_tier(price: Any, start: int) -> Decimal:
    """The price for inputs just larger than ``start``."""
    if isinstance(price, Decimal):
        return price
    found: Decimal = price.base
    for tier in price.tiers:
        if tier.start <= start:
            found = tier.price
    return found


def _rates_of(prices: dict[str, Decimal]) -> Rates:
    get = prices.get
    per_thousand_calls = _pico(get("requests_kcount"))
    return Rates(
        input=_pico(get("input_mtok")),
        output=_pico(get("output_mtok")),
        cache_read=_pico(get("cache_read_mtok")),
        cache_write=_pico(get("cache_write_mtok")),
        audio_input=_pico(get("input_audio_mtok")),
        cache_audio_read=_pico(get("cache_audio_read_mtok")),
        reasoning=_pico(get("output_reasoning_mtok")),
        audio_output=_pico(get("output_audio_mtok")),
        request=(per_thousand_calls or 0) // 1000,
    )


def _pico(usd: Decimal | None) -> int | None:
    return None if usd is None else int((usd * PICO_USD).to_integral_value())
