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
from tracekit.objects import Description, describe, expand
from tracekit.reading import as_number, is_a, is_list
from tracekit.redaction import MASKED, Redactor
from tracekit.redaction_keys import is_harmless
from tracekit.redaction_modes import METADATA, NONE

#: From the strictest: nothing of arguments and results; numbers, names and ids only; everything.
MODES: Final = ("none", "metadata", "full")
KEPT: Final = {"metadata": METADATA, "none": NONE}
_UNCAPTURABLE: Final = '"[uncapturable]"'
_CYCLE: Final = "[cycle]"
#: what a number, a key or a bracket counts for, in characters: bounds the time that a value of many parts takes
_NODE: Final = 32
_INT64: Final = 2**63
_SCALARS: Final = frozenset((int, float, bool, type(None)))
_MAX_KEY: Final = 64
_MAX_DESCRIPTION: Final = 2_000
#: a secret that goes on behind the part of a text which is looked into is no longer than this within it
_LONGEST_SECRET: Final = 8_192
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


#: What holds where nobody said anything: values are masked by the names of their keys.
BY_NAME: Final = Redactor(on_fault=lambda error: swallow("mask", error))


class Capture:
    """How much of a value is kept: a mode of ``MODES``, limits, a redactor (default: ``BY_NAME``)."""

    __slots__ = ("_narrowed", "content", "defers", "limits", "mask", "mode", "redactor", "values")

    def __init__(self, mode: str = "full", limits: Limits | None = None, redactor: Redactor | None = None) -> None:
        self.mode = mode
        self.limits = limits or Limits()
        self.redactor = redactor or BY_NAME
        #: masks a text; None where texts are not looked into
        self.mask = self.redactor.text if self.redactor.scans else None
        #: masking may wait: it is no function of the application's, which expects to be called at once
        self.defers = not self.redactor.calls
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
            found = self._narrowed[mode] = Capture(mode, self.limits, self.redactor)
        return found

    def text(self, value: str, limit: int | None = None) -> str:
        """A text, masked and cut to ``limit`` characters (default: the value's limit)."""
        most = self.limits.max_chars if limit is None else limit
        if self.mask is not None:
            value = masked(self.mask, value, most)
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

    def attribute(self, value: Any, key: str = "") -> Any:
        """A value as OpenTelemetry carries it: text, number, boolean or a tuple of one of these; else JSON text.

        ``[masked]`` where ``key`` is the name of a secret, and where it is content and content may not be kept.
        """
        kind = type(value)
        if self.redactor.hides[key] and not is_harmless(key, value):
            return MASKED
        if not self.content and not KEPT[self.mode].keeps(key, value):
            return MASKED
        if kind is bool or kind is float or (kind is int and -_INT64 <= value < _INT64):
            return value if kind is not int else self.redactor.number(value)
        if is_a(value, str):
            return self.text(value)
        if is_list(value) and value and len({type(item) for item in value}) == 1:
            first = value[0]
            if is_a(first, str):
                return tuple(self.text(item) for item in value[: self.limits.max_items])
            if type(first) in (bool, int, float) and all(abs(item) < _INT64 for item in value):
                return tuple(value)
        number = as_number(value) if hasattr(type(value), "dtype") else None
        return number if number is not None else self.json(value)

    def snapshot(self, value: Any) -> str | None:
        """The value as JSON text if it is plain and small enough to be kept whole, else None."""
        try:
            _cost(value, self.redactor, self.limits.max_depth, self.limits.max_items, self.limits.max_chars)
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
            return _Walk(self.limits, self.redactor, self.mask).value(value, self.limits.max_depth)
        except Exception as error:  # noqa: BLE001 - total by contract
            swallow("capture", error)
            return "[uncapturable]"


def masked(mask: Callable[[str], str], text: str, most: int) -> str:
    """A text, masked before it is cut to ``most`` characters: half a secret is not known for one.

    Of a text much longer than that, the beginning is looked into and the rest left out.
    """
    window = most * 4 + _LONGEST_SECRET
    if len(text) <= window:
        return mask(text)
    return mask(text[:window])[:-_LONGEST_SECRET] + "…"


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


def _cost(value: Any, redactor: Redactor, depth: int, most_items: int, most: int) -> int:
    """About how many characters of JSON a value of plain types makes; raises _NotPlain for any other, for one with
    something to mask in it, and for more than ``most`` characters."""
    kind = type(value)
    if kind is dict:
        items: Any = value.values()
        total = _NODE
        hides = redactor.hides
        for key in value:
            if type(key) is not str or hides[key]:
                raise _NotPlain
            total += len(key)
        if "value" in value and redactor.names_secret(value):
            raise _NotPlain
    elif kind is list or kind is tuple:
        items, total = value, _NODE
        if len(items) == 2 and redactor.is_secret_pair(items):
            raise _NotPlain
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
            total += _cost(item, redactor, depth - 1, most_items, most - total)
        else:
            raise _NotPlain
        if total > most:
            raise _NotPlain
    return total


class _Walk:
    """Copies one value into plain JSON types while its budget of characters lasts."""

    __slots__ = ("_left", "_limits", "_mask", "_path", "_redactor")

    def __init__(self, limits: Limits, redactor: Redactor, mask: Callable[[str], str] | None) -> None:
        self._limits = limits
        self._redactor = redactor
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
            return self._redactor.number(value) if -_INT64 <= value < _INT64 else self._described(describe(value))
        if kind is float:
            return value if math.isfinite(value) else None
        if depth <= 0:
            return self._described(describe(value))
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
        return self._described(expanded) if type(expanded) is Description else self.value(expanded, depth)

    def _dict(self, items: dict[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        taken = 0
        for key, item in list(islice(items.items(), self._limits.max_items)):
            if self._left <= 0:
                break
            name = self._key(key)
            kind = type(item)
            if type(key) is str and self._redactor.hides_in(items, key, item):
                self._left -= _NODE
                copied[name] = MASKED
            elif kind is str:
                copied[name] = self._text(item)
            elif kind in _SCALARS and kind is not float and kind is not int:
                self._left -= _NODE
                copied[name] = item
            else:
                copied[name] = self.value(item, depth)
            taken += 1
        if self._redactor.names_secret(items):
            copied |= dict.fromkeys(copied.keys() & {"value", "Value"}, MASKED)
        if taken < len(items):
            copied["…"] = f"[{len(items) - taken} more]"
        return copied

    def _list(self, items: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        if self._redactor.is_secret_pair(items):
            items = (items[0], MASKED)
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
        return self._text(key) if type(key) is str else self._described(describe(key))

    def _described(self, text: str) -> str:
        text = self._redactor.description(str.__str__(text))
        text = text if len(text) <= _MAX_DESCRIPTION else text[:_MAX_DESCRIPTION] + "…"
        most = max(0, self._left)
        self._left -= len(text)
        return _clean(text if len(text) <= most else cut(text, most))

    def _text(self, text: str) -> str:
        most = max(0, self._left)
        if self._mask is not None:
            text = masked(self._mask, text, most)
        self._left -= len(text)
        return _clean(text if len(text) <= most else cut(text, most))
