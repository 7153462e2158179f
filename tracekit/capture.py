"""Captured values: any Python object becomes bounded text, and nothing in here can fail or consume an iterator.

Plain JSON types that are small enough go straight to the encoder (``orjson`` where it is installed). Everything else
is first copied into plain JSON types by ``plain``, within ``Limits`` and through the mask.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from tracekit.guard import swallow
from tracekit.objects import describe, expand
from tracekit.reading import as_number

#: From the strictest: nothing of arguments and results; numbers, names and ids only; everything.
MODES: Final = ("none", "metadata", "full")
#: Stands where the application's mask failed or gave no text.
MASKED: Final = "[masked]"
_UNCAPTURABLE: Final = '"[uncapturable]"'
_CYCLE: Final = "[cycle]"
#: what a number, a key or a bracket counts for, in characters: bounds the time that a value of many parts takes
_NODE: Final = 32
_INT64: Final = 2**63
_SCALARS: Final = frozenset((int, float, bool, type(None)))
_MAX_KEY: Final = 64
_ORDINARY_KEY: Final = re.compile(r"[A-Za-z_][\w.\-]*\Z", re.ASCII)


def _encoder() -> Callable[[Any], str]:
    try:
        import orjson
    except ImportError:
        encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
        return lambda value: _clean(encode(value))
    dumps = orjson.dumps
    return lambda value: dumps(value).decode()


_encode = _encoder()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one captured value may hold at most: characters of JSON, levels, items of one container."""

    max_chars: int = 262_144
    max_depth: int = 24
    max_items: int = 1_000


class Mask:
    """The application's ``mask(text) -> text``, applied to every captured text, and to keys that are no plain names.

    Fails closed: see ``MASKED``.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[str], Any]) -> None:
        self._function = function

    def __call__(self, text: str) -> str:
        try:
            masked = self._function(text)
        except Exception as error:  # noqa: BLE001 - whatever the application's code raises
            swallow("mask", error)
            return MASKED
        return str.__str__(masked) if isinstance(masked, str) else MASKED


class Capture:
    """How much of a value is kept: a mode of ``MODES``, limits, a mask."""

    __slots__ = ("_narrowed", "content", "limits", "mask", "mode", "values")

    def __init__(self, mode: str = "full", limits: Limits | None = None, mask: Mask | None = None) -> None:
        self.mode = mode
        self.limits = limits or Limits()
        self.mask = mask
        #: texts may be kept
        self.content = mode == "full"
        #: arguments and results may be looked at, for models, counts, ids and scores
        self.values = mode != "none"
        self._narrowed: dict[str, Capture] = {}

    def narrowed(self, mode: str | None) -> Capture:
        """This, or with ``mode`` where that is stricter."""
        if mode is None or MODES.index(mode) >= MODES.index(self.mode):
            return self
        found = self._narrowed.get(mode)
        if found is None:
            found = self._narrowed[mode] = Capture(mode, self.limits, self.mask)
        return found

    def text(self, value: str, limit: int | None = None) -> str:
        """A text, masked and cut to ``limit`` characters (default: the value's limit)."""
        most = self.limits.max_chars if limit is None else limit
        if self.mask is not None:
            value = self.mask(value[: most * 4])
        if len(value) > most:
            value = cut(value, most)
        return value if value.isascii() else _clean(value)

    def json(self, value: Any) -> str:
        """A value as JSON text, bounded and masked. Never raises."""
        if self.mask is None:
            found = self.snapshot(value)
            if found is not None:
                return found
        try:
            return _encode(self.plain(value))
        except Exception as error:  # noqa: BLE001 - total by contract
            swallow("capture", error)
            return _UNCAPTURABLE

    def attribute(self, value: Any) -> Any:
        """A value as OpenTelemetry carries it: text, number, boolean or a tuple of one of these; else JSON text."""
        kind = type(value)
        if kind is bool or kind is float or (kind is int and -_INT64 <= value < _INT64):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (list, tuple)) and value and len({type(item) for item in value}) == 1:
            first = value[0]
            if isinstance(first, str):
                return tuple(self.text(item) for item in value[: self.limits.max_items])
            if type(first) in (bool, int, float) and all(abs(item) < _INT64 for item in value):
                return tuple(value)
        number = as_number(value) if hasattr(value, "dtype") else None
        return number if number is not None else self.json(value)

    def snapshot(self, value: Any) -> str | None:
        """The value as JSON text if it is plain and small enough to be kept whole, else None."""
        try:
            _cost(value, self.limits.max_depth, self.limits.max_items, self.limits.max_chars)
            return _encode(value)
        except Exception:  # noqa: BLE001 - not plain, too large, changing meanwhile
            return None

    def json_of_small(self, value: Any) -> str:
        """As ``json``, for what is known to be small, plain and masked already."""
        try:
            return _encode(value)
        except Exception:  # noqa: BLE001 - a lone surrogate, a number that JSON has no word for
            return Capture(self.mode, self.limits).json(value)

    def plain(self, value: Any) -> Any:
        """A copy in plain JSON types, bounded and masked. Never raises."""
        try:
            return _Walk(self.limits, self.mask).value(value, self.limits.max_depth)
        except Exception as error:  # noqa: BLE001 - total by contract
            swallow("capture", error)
            return "[uncapturable]"


def cut(text: str, most: int) -> str:
    return f"{text[:most]}… [{len(text) - most} more characters]"


def _clean(text: str) -> str:
    """The text, with lone surrogates replaced: protobuf and JSON carry UTF-8 only."""
    if text.isascii():
        return text
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()


class _NotPlain(Exception):
    """The value needs the long way."""


def _cost(value: Any, depth: int, most_items: int, most: int) -> int:
    """About how many characters of JSON a value of plain types makes; raises _NotPlain for any other, and for more than
    ``most`` characters."""
    kind = type(value)
    if kind is dict:
        items: Any = value.values()
        total = _NODE
        for key in value:
            if type(key) is not str:
                raise _NotPlain
            total += len(key)
    elif kind is list or kind is tuple:
        items, total = value, _NODE
    else:
        items, total = (value,), 0
    if depth == 0 or len(items) > most_items:
        raise _NotPlain
    for item in items:
        kind = type(item)
        if kind is str:
            total += len(item)
        elif kind in _SCALARS:
            total += _NODE
        elif kind is dict or kind is list or kind is tuple:
            total += _cost(item, depth - 1, most_items, most - total)
        else:
            raise _NotPlain
        if total > most:
            raise _NotPlain
    return total


class _Walk:
    """Copies one value into plain JSON types while its budget of characters lasts."""

    __slots__ = ("_left", "_limits", "_mask", "_path")

    def __init__(self, limits: Limits, mask: Mask | None) -> None:
        self._limits = limits
        self._left = limits.max_chars
        self._mask = mask
        self._path: set[int] = set()

    def value(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        self._left -= _NODE
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -_INT64 <= value < _INT64 else self._text(describe(value))
        if kind is float:
            return value if math.isfinite(value) else None
        if depth <= 0:
            return self._text(describe(value))
        if id(value) in self._path:
            return _CYCLE
        self._path.add(id(value))
        try:
            return self._inner(value, depth - 1)
        finally:
            self._path.discard(id(value))

    def _inner(self, value: Any, depth: int) -> Any:
        expanded = expand(value, self._limits.max_items)
        if type(expanded) is dict:
            return self._dict(expanded, depth)
        if type(expanded) is list or type(expanded) is tuple:
            return self._list(expanded, depth)
        return self.value(expanded, depth)

    def _dict(self, items: dict[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        taken = 0
        for key, item in list(islice(items.items(), self._limits.max_items)):
            if self._left <= 0:
                break
            name = self._key(key)
            kind = type(item)
            if kind is str:
                copied[name] = self._text(item)
            elif kind in _SCALARS and kind is not float and (kind is not int or -_INT64 <= item < _INT64):
                self._left -= _NODE
                copied[name] = item
            else:
                copied[name] = self.value(item, depth)
            taken += 1
        if taken < len(items):
            copied["…"] = f"[{len(items) - taken} more]"
        return copied

    def _list(self, items: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        copied: list[Any] = []
        for item in list(islice(items, self._limits.max_items)):
            if self._left <= 0:
                break
            copied.append(self.value(item, depth))
        if len(copied) < len(items):
            copied.append(f"[{len(items) - len(copied)} more]")
        return copied

    def _key(self, key: Any) -> str:
        if type(key) is str and len(key) <= _MAX_KEY and _ORDINARY_KEY.match(key):
            self._left -= len(key)
            return key
        return self._text(key if type(key) is str else describe(key))

    def _text(self, text: str) -> str:
        most = max(0, self._left)
        if self._mask is not None:
            text = self._mask(text[: most * 4])
        self._left -= len(text)
        return _clean(text if len(text) <= most else cut(text, most))
