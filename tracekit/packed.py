"""Containers as the JSON text that orjson makes of them: kept by the application's thread, read by another.

One text is the quickest copy there is that nobody can change, and one object that the garbage collector need not look
at. Names of secrets are looked for when it is read, before anything leaves the process. Without orjson nothing is
packed, and ``tracekit.freeze`` copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from gc import is_tracked
from typing import Any, Final

from tracekit.capture import Capture
from tracekit.freeze import CONTAINERS, NODE, SCALARS, NotPlain, copy_of, shapes_of, size_of_keys
from tracekit.slabs import Kept, keep

_TEXTS: Final = {str}
_DICTS: Final = {dict}
#: of longer lists of dicts, every eighth is measured
_FEW: Final = 16
_EVERY: Final = 8
#: once some told too little, all are measured for so many values
_WARY_FOR: Final = 1_000
#: records with more text than that, on average, are copied: to copy text costs more than to look at many parts
_LONG: Final = 512


def _orjson() -> tuple[Callable[..., bytes] | None, int, Callable[[memoryview], Any] | None]:
    try:
        import orjson
    except ImportError:
        return None, 0, None
    exactly = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
    return orjson.dumps, exactly, orjson.loads


_wary = 0
_dumps, _EXACTLY, _loads = _orjson()


def pack(value: dict[str, Any] | list[Any], capture: Capture) -> Kept | None:
    """The value's JSON, where it is plain and not too large; None where it must be looked at more closely."""
    if _dumps is None:
        return None
    global _wary
    limits = capture.limits
    if _wary:
        _wary -= 1
    try:
        if _room(value, limits.max_chars, limits.max_depth, limits.max_items) < 0:
            return None
        packed = _dumps(value, None, _EXACTLY)
    except Exception:  # noqa: BLE001 - not plain, too large, changing meanwhile
        return None
    if len(packed) <= limits.max_chars:
        return keep(packed)
    _wary = _WARY_FOR
    return None


def keep_arguments(given: dict[str, Any], capture: Capture) -> tuple[dict[str, Any] | Kept, int]:
    """The arguments as nobody else can change them, and about how many characters they make.

    The dict itself must be the caller's own. Raises NotPlain, with some values replaced by copies already.
    """
    total = size_of_keys(given, capture)
    limits = capture.limits
    for name, item in given.items():
        kind = type(item)
        if kind is str:
            total += len(item)
        elif kind in SCALARS:
            pass
        elif kind in CONTAINERS:
            if kind is list and has_records(item):
                packed = pack(given, capture)
                if packed is not None:
                    return packed, packed.size
            given[name], size = copy_of(item, kind, capture, limits.max_depth, limits.max_chars - total)
            total += size
        else:
            raise NotPlain
    if total > limits.max_chars:
        raise NotPlain
    return given, total


def keep_result(value: Any, kind: type, capture: Capture) -> tuple[Any, int]:
    """A text or a container as nobody else can change it, and about how many characters it makes. Raises NotPlain."""
    limits = capture.limits
    if kind is str:
        if len(value) > limits.max_chars:
            raise NotPlain
        return value, len(value) + 1
    if kind is list and has_records(value):
        packed = pack(value, capture)
        if packed is not None:
            return packed, packed.size
    return copy_of(value, kind, capture, limits.max_depth, limits.max_chars)


def has_records(value: list[Any]) -> bool:
    """Whether this is a long list of dicts, for which packing pays: long texts are better taken by reference."""
    return len(value) > _FEW and type(value[0]) is dict


def unpack(packed: Kept) -> Any:
    """A value that was packed; the caller's own."""
    assert _loads is not None
    return _loads(packed.view())


def is_clean(value: Any, capture: Capture) -> bool:
    """Whether there is nothing to mask by its name in an unpacked value, and nothing that is too deep or too long."""
    try:
        _look(value, capture, shapes_of(capture.redactor), capture.limits.max_depth)
    except NotPlain:
        return False
    return True


def _look(value: Any, capture: Capture, shapes: dict[Any, int], depth: int) -> None:
    if depth == 0 or len(value) > capture.limits.max_items:
        raise NotPlain
    if type(value) is dict:
        if tuple(value) not in shapes:
            size_of_keys(value, capture)
        if not is_tracked(value):
            return
        value = value.values()
    elif len(value) == 2 and capture.redactor.is_secret_pair(value):
        raise NotPlain
    elif _are_records(value) and depth > 1 and shapes.keys() >= set(map(tuple, value)):
        return
    for item in value:
        if type(item) is dict or type(item) is list:
            _look(item, capture, shapes, depth - 1)


def _room(value: Any, left: int, depth: int, most_items: int) -> int:
    """What is left of so many characters behind a container of plain types. Raises NotPlain where nothing is, and for
    any other type: a tuple is read differently than a list, which is all that JSON has.

    It bounds the time that packing takes.
    """
    count = len(value)
    left -= NODE * (count + 1)
    if left < 0 or depth == 0 or count > most_items:
        raise NotPlain
    if type(value) is dict:
        return _room_of(value.values(), left, depth, most_items)
    if count > _FEW:
        kinds = set(map(type, value))
        if kinds == _TEXTS:
            return left - sum(map(len, value))
        if kinds <= SCALARS:
            return left
        if kinds == _DICTS and not any(map(is_tracked, value)):
            # That nothing is nested in them is known so; how long they are is told by some.
            chars = parts = 0
            every = 1 if _wary else _EVERY
            for record in value[::every]:
                parts += len(record)
                for part in record.values():
                    if type(part) is str:
                        chars += len(part)
            if every * chars > _LONG * count:
                raise NotPlain
            return left - every * (NODE * parts + chars)
    return _room_of(value, left, depth, most_items)


def _room_of(items: Iterable[Any], left: int, depth: int, most_items: int) -> int:
    for item in items:
        kind = type(item)
        if kind is str:
            left -= len(item)
        elif kind is dict and not is_tracked(item):
            left -= NODE * len(item)
            for part in item.values():
                if type(part) is str:
                    left -= len(part)
        elif kind is dict or kind is list:
            left = _room(item, left, depth - 1, most_items)
        elif kind not in SCALARS:
            raise NotPlain
        if left < 0:
            raise NotPlain
    return left


def _are_records(value: list[Any]) -> bool:
    """Whether these are dicts without containers in them: those that the garbage collector need not know."""
    return set(map(type, value)) == _DICTS and not any(map(is_tracked, value))
