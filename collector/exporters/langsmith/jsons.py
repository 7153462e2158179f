"""Any value as JSON that any parser reads. Pure and total."""

from __future__ import annotations

import base64
from math import isfinite, isnan
from typing import Any, Final

import orjson

from collector.processors.values import INT64_MAX, MAX_JSON_DEPTH

#: Python writes no more digits than some thousands.
_LONG: Final = 10**300
TOO_DEEP: Final = "[nested too deep]"


def encode(value: Any) -> bytes:
    """Bytes as base64; numbers that JSON has not, or not within 64 bits, as text; lone surrogates as U+FFFD."""
    try:
        return orjson.dumps(_plain(value))
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(_plain(value, mend=True))


def _plain(value: Any, depth: int = 0, *, mend: bool = False) -> Any:
    kind = value.__class__
    if kind is str:
        return _mended(value) if mend else value
    if value is None or kind is bool:
        return value
    if isinstance(value, int):
        return int(value) if -INT64_MAX - 1 <= value <= INT64_MAX else str(value) if abs(value) < _LONG else hex(value)
    if isinstance(value, float):
        return value if isfinite(value) else "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict | list | tuple):
        if depth >= MAX_JSON_DEPTH:
            return TOO_DEEP
        below = depth + 1
        if isinstance(value, dict):
            return {
                _mended(str(key)) if mend else str(key): _plain(item, below, mend=mend) for key, item in value.items()
            }
        return [_plain(item, below, mend=mend) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    return _mended(str(value))


def _mended(text: str) -> str:
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
