"""Reading foreign objects: the same field of a dict, a pydantic model or any object with attributes.

Values are believed by their type only, so that mocks and half-shaped objects read as empty instead of as nonsense.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")


def is_a(value: Any, kinds: type[T] | tuple[type[T], ...]) -> TypeGuard[T]:
    """Whether a value is of a type. ``isinstance`` asks the value for its ``__class__``, too: lazy objects make
    themselves up to answer that, and whatever they raise is raised."""
    return issubclass(type(value), kinds)


def is_list(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return issubclass(type(value), (list, tuple))


def attribute(value: Any, name: str) -> Any:
    """An attribute of any object; None where there is none, or where it cannot be had. Never raises, except
    KeyboardInterrupt."""
    try:
        return getattr(value, name, None)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a foreign object may raise anything
        return None


def get(value: Any, name: str) -> Any:
    """A key of a mapping or an attribute of anything else; None where there is none."""
    if value is None:
        return None
    if type(value) is dict:
        return value.get(name)
    if is_a(value, Mapping):
        return value.get(name)
    return attribute(value, name)


def getter(value: Any) -> Callable[[str], Any]:
    """``get`` for many fields of one value."""
    if type(value) is dict or is_a(value, Mapping):
        found: Callable[[str], Any] = value.get
        return found
    return lambda name: attribute(value, name)


def text_of(value: Any, name: str) -> str | None:
    found = value.get(name) if type(value) is dict else get(value, name)
    return found if type(found) is str else str.__str__(found) if is_a(found, str) else None


def list_of(value: Any, name: str) -> list[Any]:
    found = get(value, name)
    return list(found) if is_list(found) else []


def as_count(value: Any) -> int | None:
    """A token count: a non-negative whole number."""
    if type(value) is int:
        return value if 0 <= value < 2**53 else None
    if is_a(value, bool) or not is_a(value, (int, float)):
        return None
    return int(value) if 0 <= value < 2**53 and value == int(value) else None


def as_number(value: Any) -> float | None:
    """A finite float from any number (numpy's too); None for anything else."""
    if type(value) is float:
        return value if abs(value) < float("inf") else None
    if is_a(value, (bool, str)):
        return None
    try:
        number = float(value)
    except Exception:  # noqa: BLE001 - a foreign __float__
        return None
    return number if abs(number) < float("inf") else None


def _loader() -> Callable[[str], Any]:
    try:
        import orjson
    except ImportError:
        return json.loads
    return orjson.loads


_loads = _loader()


def parsed(text: Any) -> Any:
    """The JSON value of a text, or the text where it is none. Anything else as it is."""
    if not is_a(text, str):
        return text
    try:
        return _loads(text)
    except (ValueError, RecursionError):
        return text
