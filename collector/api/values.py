"""Scalars as the API writes and reads them: times, money, JSON-safe values. Pure."""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from collector.model import PICO_USD

NS: Final = 10**9
#: Values nested deeper than this end in ``TOO_DEEP``: JSON writers have a limit of their own, and the text that the
#: value was parsed from is still among the attributes.
MAX_DEPTH: Final = 64
TOO_DEEP: Final = "[nested too deep]"

_EPOCH: Final = datetime(1970, 1, 1)
_FIRST_SECOND: Final = -62_135_596_800  # 0001-01-01
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59
_INT64: Final = 2**63


@lru_cache(maxsize=4096)
def _whole_second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=min(max(second, _FIRST_SECOND), _LAST_SECOND))).isoformat()


def timestamp(ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 in UTC with nine decimals; years outside 1 to 9999 are cut to those."""
    second, rest = divmod(ns, NS)
    return f"{_whole_second(second)}.{rest:09d}Z"


def milliseconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6


def usd(pico: int | None) -> str | None:
    """Pico-USD as a decimal number of USD without exponent and without trailing zeros: 31_500_000 is 0.0000315."""
    if pico is None:
        return None
    whole, rest = divmod(abs(pico), PICO_USD)
    decimals = f".{rest:012d}".rstrip("0") if rest else ""
    return f"{'-' if pico < 0 else ''}{whole}{decimals}"


def plain(value: Any, depth: int = 0) -> Any:
    """The value in JSON's own types: bytes as base64, numbers that are none as ``NaN``, ``Infinity``, ``-Infinity``."""
    kind = value.__class__
    if kind is str or value is None or kind is int or kind is bool:
        return value
    if kind is float:
        return value if math.isfinite(value) else non_finite(value)
    if isinstance(value, (dict, list, tuple)):
        if depth >= MAX_DEPTH:
            return TOO_DEEP
        below = depth + 1
        # Nearly everything is text, and long lists are vectors: a call for each would be most of a trace's rendering.
        if isinstance(value, dict):
            return {str(key): item if item.__class__ is str else plain(item, below) for key, item in value.items()}
        if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
            return value
        return [plain(item, below) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def non_finite(value: float) -> str:
    """As protobuf's JSON writes it."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def finite(value: float | None) -> float | None:
    """For fields that are numbers or unknown."""
    return value if value is not None and math.isfinite(value) else None


def encode(document: Any) -> bytes:
    """JSON of what ``plain`` gives. Integers keep all their digits; lone surrogates, which UTF-8 has not, become ?."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?)?([Zz]|[+ -]\d\d:\d\d)?", re.ASCII
)
_RELATIVE: Final = re.compile(r"(\d{1,12})([smhdw])", re.ASCII)
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def time_of(text: str, now_ns: int) -> int:
    """A point in time in nanoseconds: RFC 3339 (UTC where no zone is given), a date, ``now``, or ``24h``: so long ago.

    Cut to what 64 bits hold. Raises ``ValueError`` where it is none of these.
    """
    if text == "now":
        return now_ns
    if relative := _RELATIVE.fullmatch(text):
        ago = int(relative[1]) * _UNIT_SECONDS[relative[2]] * NS
        return max(now_ns - ago, -_INT64)
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("not a time: give RFC 3339 like 2026-11-22T10:00:00Z, or how long ago, like 24h")
    day, clock, fraction, zone = found.groups()
    # A + that was not percent-encoded arrives as a space.
    offset = "+00:00" if zone is None or zone in "Zz" else zone.replace(" ", "+")
    since = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset}") - _EPOCH.replace(tzinfo=UTC)
    ns = (since.days * 86_400 + since.seconds) * NS + int((fraction or "0").ljust(9, "0"))
    return min(max(ns, -_INT64), _INT64 - 1)
