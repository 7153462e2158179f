"""Attribute values of any type as numbers, text and JSON. Pure and total: what does not fit is None or stays text."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

import orjson

from collector.model import PICO_USD

INT64_MAX: Final = 2**63 - 1
#: JSON nested deeper stays text: nobody reads it, and serialisers refuse it.
MAX_JSON_DEPTH: Final = 64


def count(value: Any) -> int | None:
    """A token count: a whole number from 0 to 2^63-1, also as a float or in a string; None for anything else."""
    if value.__class__ is not int:
        value = _whole(value)
    return value if value is not None and 0 <= value <= INT64_MAX else None


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
        return int(value)
    return None


def number(value: Any) -> float | None:
    """A finite number, also in a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def pico_usd(value: Any) -> int | None:
    """USD as pico-USD; None for what is negative, not finite or beyond 2^63-1 pico-USD."""
    if value.__class__ is float and 0 <= value < 1_000_000:
        return int(value * PICO_USD + 0.5)
    usd = number(value)
    if usd is None or usd < 0:
        return None
    pico = round(usd * PICO_USD)
    return pico if pico <= INT64_MAX else None


def nanoseconds(value: Any, per_unit: int) -> int | None:
    """A duration given in a unit of ``per_unit`` nanoseconds; None for what is negative or beyond 2^63-1."""
    if value.__class__ is int:
        return ns if 0 <= (ns := value * per_unit) <= INT64_MAX else None
    found = number(value)
    if found is None or found < 0:
        return None
    ns = round(found * per_unit)
    return ns if ns <= INT64_MAX else None


def text(value: Any) -> str | None:
    """The value as text: strings as they are, other scalars by ``str``, lists and dicts as JSON, nothing as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | dict):
        return json_text(value)
    return str(value)


def json_text(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        return str(value)


def json_or_text(value: Any) -> Any:
    """The JSON value that a string holds, or the string where it holds none; anything else as it is."""
    if value.__class__ is not str or not value or value[0] not in '{["-0123456789tfn \t\r\n':
        return value
    try:
        parsed = orjson.loads(value)
    except ValueError:
        return value
    # Counting brackets is quicker than walking, and settles nearly all.
    if value.count("{") + value.count("[") > MAX_JSON_DEPTH and not shallow(parsed):
        return value
    return parsed


def object_or_text(value: Any) -> Any:
    """As ``json_or_text``, but only objects and arrays are parsed: the text ``42`` or ``true`` stays text."""
    if value.__class__ is str and value.lstrip()[:1] not in ("{", "["):
        return value
    return json_or_text(value)


def json_object(value: Any) -> dict[str, Any] | None:
    """The JSON object that the value is or holds."""
    parsed = json_or_text(value)
    return parsed if isinstance(parsed, dict) else None


def json_list(value: Any) -> list[Any]:
    """The JSON array that the value is or holds; empty where there is none."""
    parsed = json_or_text(value)
    return parsed if isinstance(parsed, list) else []


def shallow(value: Any) -> bool:
    """Whether a parsed JSON value nests at most ``MAX_JSON_DEPTH`` levels."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_JSON_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if node.__class__ is dict else node)
            if child.__class__ is dict or child.__class__ is list
        ]
        if not level:
            return True
    return False
