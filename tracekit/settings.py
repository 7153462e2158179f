"""How one setting is found: the argument, else the first variable of the environment that is set, else the default.

A value that cannot be read is logged, and the default is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any, Final, TypeVar

from tracekit.guard import logger

T = TypeVar("T")
Parse = Callable[[Any], Any]

_TRUE: Final = frozenset(("1", "true", "yes", "on"))
_FALSE: Final = frozenset(("0", "false", "no", "off"))


def setting(default: T, *variables: str, parse: Parse) -> T:
    """A field of a dataclass that ``read`` fills. ``parse`` takes an argument's value or a variable's text, and raises
    ValueError saying what is expected."""
    found: T = field(default=default, metadata={"variables": variables, "parse": parse})
    return found


def read(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among a dataclass's fields that ``given`` or the environment names."""
    found: dict[str, Any] = {}
    for item in fields(kind):
        parse: Parse | None = item.metadata.get("parse")
        if parse is None:
            continue
        variables: tuple[str, ...] = item.metadata["variables"]
        value = given.get(item.name)
        named = f"the argument {item.name}"
        if value is None or (isinstance(value, str) and not value.strip()):
            named = next((name for name in variables if env(name) is not None), "")
            value = env(named) if named else None
        if value is None:
            continue
        try:
            found[item.name] = parse(value)
        except (TypeError, ValueError) as error:
            said = error if type(error) is ValueError else "cannot be used"
            logger.warning("%s %s; using %s", named, said, item.default)
    return found


def env(*names: str) -> str | None:
    """The first of these variables that is set and not blank."""
    for name in names:
        value = os.environ.get(name, "").strip()
        if value:
            return value
    return None


def text(value: Any) -> str | None:
    """None where nothing is left without the blanks."""
    return None if value is None else str(value).strip() or None


def names(value: Any) -> tuple[str, ...]:
    """Of a text the parts between commas."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part for item in parts if (part := str(item).strip()))


def flag(value: Any) -> bool:
    if not isinstance(value, str):
        return bool(value)
    lowered = value.strip().lower()
    if lowered not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return lowered in _TRUE


def number(least: float) -> Callable[[Any], float]:
    """Smaller numbers become ``least``."""

    def parse(value: Any) -> float:
        try:
            found = float(value)
        except (TypeError, ValueError):
            found = float("nan")
        if found != found:
            raise ValueError("is not a number")
        return max(least, found)

    return parse


def portion(value: Any) -> float:
    found = number(0.0)(value)
    if found > 1.0:
        raise ValueError("must be from 0 to 1")
    return found


def whole(least: int) -> Callable[[Any], int]:
    parse = number(least)

    def parse_whole(value: Any) -> int:
        return int(min(parse(value), 1 << 62))

    return parse_whole


def one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        found = str(value).strip().lower()
        if found not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return found

    return parse
