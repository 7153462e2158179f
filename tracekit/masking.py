"""The settings of masking as ``init`` and the environment give them. What is wrong masks more, never less."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tracekit.guard import logger, swallow
from tracekit.redaction import DEFAULT_KEYS, PATTERNS, Redactor

_ON: Final = frozenset(("1", "true", "yes", "on", "all", "default"))
_OFF: Final = frozenset(("0", "false", "no", "off", "none"))


def function(given: Any) -> Callable[[str], Any]:
    """What is no function masks every text."""
    if callable(given):
        return given  # type: ignore[no-any-return]
    logger.warning("mask must be a function; every text is masked")
    return lambda text: None


def keys(given: Any) -> tuple[str, ...]:
    """The usual names and those ``given`` (a list, or a text with commas); none where masking by name is off."""
    names = _named(given)
    if names is None:
        return DEFAULT_KEYS
    return (*DEFAULT_KEYS, *names) if names else ()


def patterns(given: Any) -> tuple[str, ...]:
    """All of them where one is not known."""
    names = _named(given)
    if names is None:
        return PATTERNS
    unknown = [name for name in names if name.lower() not in PATTERNS]
    if unknown:
        logger.warning("mask_patterns has names besides %s; using all of these", ", ".join(PATTERNS))
        return PATTERNS
    return tuple(name.lower() for name in names)


def redactor(
    mask: Callable[[str], Any] | None,
    names: tuple[str, ...] | None,
    chosen: tuple[str, ...],
    headers: Mapping[str, str],
) -> Redactor:
    """``headers`` are those that spans are sent with: where texts are looked into, the keys in them are masked too."""
    looks = mask is not None or names is not None or bool(chosen)
    return Redactor(
        DEFAULT_KEYS if names is None else names,
        chosen,
        _keys_in(headers) if looks else (),
        mask,
        lambda error: swallow("mask", error),
        in_texts=names is not None,
    )


def _keys_in(headers: Mapping[str, str]) -> list[str]:
    by_name = Redactor()
    return [value.rpartition(" ")[2] for name, value in headers.items() if by_name.hides[name]]


def _named(given: Any) -> list[str] | None:
    """The names that a list, or a text with commas, holds; empty for False and "off", None for True and "on"."""
    if given is True or (isinstance(given, str) and given.strip().lower() in _ON):
        return None
    if not given or (isinstance(given, str) and given.strip().lower() in _OFF):
        return []
    several: Iterable[Any] = given.split(",") if isinstance(given, str) else given if _is_list(given) else [given]
    return [name for one in several if (name := str(one).strip())]


def _is_list(given: Any) -> bool:
    return isinstance(given, (list, tuple, set, frozenset))
