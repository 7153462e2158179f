"""Copies of plain values that nobody else can change: made on the application's thread, written as JSON on another.

Texts and numbers are taken by reference, containers copied. Bounded as ``tracekit.capture`` bounds: what is not plain,
too large, or has anything in it that its name says is a secret, is refused, and is read at once by the caller.
"""

from __future__ import annotations

from typing import Any, Final

from tracekit.capture import Capture

#: what a number, a key or a bracket counts for, in characters
NODE: Final = 32
SCALARS: Final = frozenset((int, float, bool, type(None)))
CONTAINERS: Final = frozenset((dict, list, tuple))
#: larger dicts are looked through each time
_MAX_SHAPE: Final = 32
_MAX_SHAPES: Final = 4_096
#: stays negative whatever texts are added to it
_UNKNOWN: Final = -(1 << 62)

#: the redactor in use, and the sizes of the keys that are no secrets to it
_shapes: tuple[Any, dict[Any, int]] = (None, {})


class NotPlain(Exception):
    """The value has parts that are no plain JSON types, are secrets by their names, or are too many."""


def copy_of(value: Any, kind: type, capture: Capture, depth: int, most: int) -> tuple[Any, int]:
    """A copy of a container, and about how many characters it makes. Raises NotPlain."""
    if depth == 0 or len(value) > (most_items := capture.limits.max_items):
        raise NotPlain
    if kind is dict:
        return _copied_dict(value.copy(), capture, depth, most)
    if len(value) == 2 and capture.redactor.is_secret_pair(value):
        raise NotPlain
    copied = list(value)
    total = NODE
    of, shapes = _shapes
    if of is not capture.redactor or depth < 2:
        shapes = {}
    number = -1
    for item in copied:
        number += 1
        kind_of = type(item)
        if kind_of is dict:
            # Lists of small dicts (messages, documents) are most of what applications pass: without a call each.
            if len(item) > most_items:
                raise NotPlain
            copied[number] = item = item.copy()
            size = shapes.get(tuple(item), _UNKNOWN)
            for part in item.values():
                if type(part) is str:
                    size += len(part)
                elif type(part) not in SCALARS:
                    size = _UNKNOWN
                    break
            total += size if size >= 0 else _copied_dict(item, capture, depth - 1, most - total)[1]
        elif kind_of is str:
            total += len(item)
        elif kind_of in SCALARS:
            total += NODE
        elif kind_of in CONTAINERS:
            copied[number], size = copy_of(item, kind_of, capture, depth - 1, most - total)
            total += size
        else:
            raise NotPlain
        if total > most:
            raise NotPlain
    return copied if kind is list else tuple(copied), total


def _copied_dict(copied: dict[Any, Any], capture: Capture, depth: int, most: int) -> tuple[Any, int]:
    """``copied`` with its containers replaced by copies."""
    total = size_of_keys(copied, capture)
    for key, item in copied.items():
        kind = type(item)
        if kind is str:
            total += len(item)
        elif kind in CONTAINERS:
            copied[key], size = copy_of(item, kind, capture, depth - 1, most - total)
            total += size
        elif kind not in SCALARS:
            raise NotPlain
    if total > most or depth == 0:
        raise NotPlain
    return copied, total


def size_of_keys(items: dict[Any, Any], capture: Capture) -> int:
    """What a dict's keys and brackets make. The same few shapes come again and again, and need no second look."""
    of, shapes = _shapes
    if of is not capture.redactor:
        shapes = shapes_of(capture.redactor)
    keys = tuple(items)
    size = shapes.get(keys)
    return _measured(keys, items, capture, shapes) if size is None else size


def _measured(keys: tuple[Any, ...], items: dict[Any, Any], capture: Capture, shapes: dict[Any, int]) -> int:
    redactor = capture.redactor
    hides = redactor.hides
    if len(keys) > capture.limits.max_items or any(type(key) is not str or hides[key] for key in keys):
        raise NotPlain
    if "value" in items or "Value" in items:
        if redactor.names_secret(items):
            raise NotPlain
        return _size_of(keys)
    size = _size_of(keys)
    if len(keys) <= _MAX_SHAPE:
        if len(shapes) >= _MAX_SHAPES:
            shapes.clear()
        shapes[keys] = size
    return size


def _size_of(keys: tuple[str, ...]) -> int:
    return NODE * (len(keys) + 1) + sum(map(len, keys))


def shapes_of(redactor: Any) -> dict[Any, int]:
    """The sizes of the keys that are no secrets to a redactor, as far as they are known."""
    global _shapes
    if _shapes[0] is not redactor:
        _shapes = (redactor, {})
    return _shapes[1]
