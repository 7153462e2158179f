"""A judge as a configuration file or a rule describes it; everything that is wrong is said at once. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
}
#: What settings that came over the network may refer to, as for destinations: else whoever may write a rule could
#: send any variable of the collector's environment to an address of their own.
REMOTE_VARIABLES: Final = "TRACEKIT_SECRET_"
_VARIABLE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,199})\Z", re.ASCII)


class FaultyJudge(ValueError):
    """``faults``: setting to what is wrong with it."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in faults.items()))
        self.faults = dict(faults)


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """``base_url`` is without a slash at its end. ``api_key_variable``: the environment variable with the key; None
    sends none. ``timeout_s`` is for one whole request; ``max_wait_s`` for one's turn under the limits.
    ``price_provider``: genai-prices' name of who runs the model, where that is not the protocol's inventor."""

    provider: str
    base_url: str
    model: str
    api_key_variable: str | None = None
    max_concurrency: int = 4
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float = 60.0
    max_wait_s: float = 30.0
    max_output_tokens: int = 1_024
    price_provider: str | None = None


def settings_of(given: Mapping[str, Any], *, remote: bool = False) -> JudgeSettings:
    """``provider`` is "openai" (anything that speaks its protocol) or "anthropic". Raises ``FaultyJudge``."""
    faults: dict[str, str] = {}
    left = dict(given)

    def take(name: str, parse: Callable[[Any], T], otherwise: T) -> T:
        if left.get(name) is None:
            left.pop(name, None)
            return otherwise
        try:
            return parse(left.pop(name))
        except ValueError as fault:
            faults[name] = str(fault)
            return otherwise

    provider = take("provider", _provider, "openai")
    if given.get("model") is None:
        faults["model"] = "is needed"
    found = JudgeSettings(
        provider=provider,
        base_url=take("base_url", lambda value: _base_url(value, provider), PROVIDERS[provider]),
        model=take("model", _name, ""),
        api_key_variable=take("api_key", lambda value: _variable(value, remote), None),
        max_concurrency=take("max_concurrency", _whole(1, 256), 4),
        requests_per_minute=take("requests_per_minute", _number(0.1, 1e6), None),
        tokens_per_minute=take("tokens_per_minute", _number(100, 1e9), None),
        timeout_s=take("timeout_s", _number(0.01, 3_600), 60.0),
        max_wait_s=take("max_wait_s", _number(0, 3_600), 30.0),
        max_output_tokens=take("max_output_tokens", _whole(16, 100_000), 1_024),
        price_provider=take("price_provider", _name, None),
    )
    faults |= {str(name): "there is no such setting" for name in left}
    if faults:
        raise FaultyJudge(faults)
    return found


def _provider(value: Any) -> str:
    if value not in PROVIDERS:
        raise ValueError(f"must be one of {', '.join(PROVIDERS)}")
    return str(value)


def _base_url(value: Any, provider: str) -> str:
    """With the version at its end, as the providers' own clients of OpenAI want it; Anthropic's is added."""
    if not isinstance(value, str) or len(value) > 2_000 or not value.isascii() or re.search(r"[\s\x00-\x1f]", value):
        raise ValueError("must be an address")
    parts = urlsplit(value)
    try:
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        port_fits = False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits:
        raise ValueError("must be an address that begins with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not hold a user, a password, a query or a fragment")
    address = value.rstrip("/")
    if provider == "anthropic" and not address.endswith("/v1"):
        address += "/v1"
    return address


def _variable(value: Any, remote: bool) -> str:
    found = _VARIABLE.match(value) if isinstance(value, str) else None
    if found is None:  # without the value: it may be the secret itself
        raise ValueError("must say where the key is: env:NAME, never the key itself")
    if remote and not found[1].startswith(REMOTE_VARIABLES):
        raise ValueError(f"over the network, keys are those of variables like env:{REMOTE_VARIABLES}NAME")
    return found[1]


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 200 or not value.isprintable():
        raise ValueError("must be a name of at most 200 characters")
    return value.strip()


def _number(least: float, most: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError("must be a number")
        if not least <= value <= most:
            raise ValueError(f"must be from {least:g} to {most:g}")
        return float(value)

    return parse


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least:,} to {most:,}")
        return value

    return parse
