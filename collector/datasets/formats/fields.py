"""Rows of somebody's file as examples: which columns are what. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from collector.datasets.model import FIELDS, SOURCE, SPLIT, Example, Invalid, checked

#: Faults of a file that are told; there may be as many as it has lines.
MAX_FAULTS: Final = 20
#: What the columns are called elsewhere, the first that is there counts.
INPUTS: Final = ("input", "inputs", "question", "query", "prompt")
OUTPUTS: Final = ("expected", "expected_output", "output", "outputs", "answer", "reference", "ideal")
_ID: Final = re.compile("[0-9a-f]{32}", re.ASCII)


class BadFile(ValueError):
    """``faults``: (line or row, counted from 1; what is wrong), ``MAX_FAULTS`` at most. 0: the file as a whole."""

    def __init__(self, faults: Iterable[tuple[int, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"line {line}: {text}" if line else text for line, text in self.faults))


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are the input and the expected output; several become an object. Where none are named, they are
    found by ``INPUTS`` and ``OUTPUTS``. Whatever is nothing else becomes metadata."""

    input: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    split: str | None = None


def example_of(row: Mapping[str, Any], columns: Columns) -> Example:
    """Raises ``Invalid``."""
    rest = dict(row)
    given = _taken(rest, columns.input or _first(rest, INPUTS))
    expected = _taken(rest, columns.expected or _first(rest, OUTPUTS))
    if given is None and not columns.input and isinstance(rest.get("messages"), list):
        given, expected = _chat(rest.pop("messages"), expected)
    if given is None:
        raise Invalid(f"there is no input; name its column ({_known(row)})", "input")
    metadata = rest.pop("metadata", None) or {}
    if not isinstance(metadata, Mapping):
        raise Invalid("must be an object", "metadata")
    split = rest.pop(columns.split or "split", None) or None
    if split is not None and not (isinstance(split, str) and SPLIT.fullmatch(split)):
        raise Invalid("must be a short name: letters, digits, . _ -", "split")
    source = rest.pop("source") if _is(rest.get("source"), SOURCE) else None
    id_ = bytes.fromhex(rest.pop("id")) if _is(rest.get("id"), _ID) else None
    rest = {name: value for name, value in rest.items() if not (name in ("id", "source") and value in (None, ""))}
    return checked(Example(given, expected, {**metadata, **rest}, split, source, id_))


def collected(rows: Iterable[tuple[int, Mapping[str, Any] | Exception]], columns: Columns, bound: int) -> list[Example]:
    """Of numbered rows, or of what is wrong with one. Raises ``BadFile`` with all that is wrong."""
    found: list[Example] = []
    faults: list[tuple[int, str]] = []
    for line, row in rows:
        try:
            if isinstance(row, Exception):
                raise row
            found.append(example_of(row, columns))
        except Invalid as fault:
            faults.append((line, f"{fault.field}: {fault}" if fault.field else str(fault)))
        if len(faults) == MAX_FAULTS:
            break
        if len(found) > bound:
            faults.append((line, f"more than {bound} examples"))
            break
    if faults:
        raise BadFile(faults)
    return found


def parsed(text: str | bytes, field: str = "") -> Any:
    """JSON. Raises ``Invalid``."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"is no JSON: {error}", field) from None


def is_own(row: Mapping[str, Any]) -> bool:
    """Whether this is a row as we write them."""
    return row.keys() <= {"id", *FIELDS} and "input" in row


def _taken(rest: dict[str, Any], names: tuple[str, ...]) -> Any:
    missing = [name for name in names if name not in rest]
    if missing:
        raise Invalid(f"there is no column {missing[0]} ({_known(rest)})")
    found = {name: rest.pop(name) for name in names}
    return next(iter(found.values()), None) if len(found) < 2 else found


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    return next(((name,) for name in names if name in row), ())


def _chat(messages: list[Any], expected: Any) -> tuple[Any, Any]:
    """A chat whose last message is the model's: what OpenAI's fine-tuning takes."""
    last = messages[-1] if messages else None
    if expected is None and len(messages) > 1 and isinstance(last, Mapping) and last.get("role") == "assistant":
        return messages[:-1], last.get("content")
    return messages or None, expected


def _is(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _known(row: Mapping[str, Any]) -> str:
    return f"there are {', '.join(str(name)[:50] for name in list(row)[:20])}"
