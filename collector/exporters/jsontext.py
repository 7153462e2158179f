"""JSON of whatever a span carried. Pure and total."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import orjson


def json_of(value: Any) -> str:
    """Always JSON, dataclasses as objects: integers beyond 64 bits stay numbers, NaN and infinities are null, and what
    nests too deep or is of no JSON type is a text."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return json.dumps(_finite(value), default=str)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(f"({type(value).__name__} that is no JSON)")


def _finite(value: Any) -> Any:
    """Without the numbers that JSON has no way to write, and without lone surrogates (RecursionError where deep)."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if dataclasses.is_dataclass(value):
        return {one.name: _finite(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {_finite(str(key)): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
