"""The examples that an experiment runs over: from a list, or a JSONL, JSON or CSV file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

#: bytes of a file
MAX_FILE: Final = 256 * 1024 * 1024
MAX_EXAMPLES: Final = 100_000
_SUFFIXES: Final = (".jsonl", ".ndjson", ".json", ".csv")
#: names of an example's fields; others are metadata
_INPUT: Final = ("input", "inputs", "question")
_EXPECTED: Final = ("expected", "expected_output", "reference", "answer")


@dataclass(frozen=True, slots=True)
class Example:
    """``input`` and ``expected`` are JSON values. ``documents``: texts, or objects with ``text``, where it has any."""

    id: str
    input: Any
    expected: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    documents: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """``sha256`` is that of ids, inputs and expected outputs, in order. ``version`` as the collector counts them."""

    name: str
    examples: Sequence[Example]
    version: str | None = None

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for one in self.examples:
            digest.update(_canonical([one.id, one.input, one.expected]))
        return digest.hexdigest()


def is_file(dataset: str) -> bool:
    """Whether a text names a file, and not a dataset of the collector."""
    return dataset.lower().endswith(_SUFFIXES) or Path(dataset).is_file()


def read_file(path: Path) -> ExampleSet:
    """Raises ``ValueError`` with the line that is wrong, and for a file that is not there or too large."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"{path}: larger than {MAX_FILE >> 20} MiB")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8") from None
    try:
        rows = _rows(path.suffix.lower(), text)
        return ExampleSet(path.stem, examples_of(rows))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _rows(suffix: str, text: str) -> list[Any]:
    if suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text), strict=True)) if text.strip() else []
    if suffix == ".json":
        found = _parsed(text, "")
        rows = found.get("examples") if isinstance(found, dict) else found
        if not isinstance(rows, list):
            raise ValueError("must hold a list of examples")
        return rows
    # Not splitlines: a JSON text may hold U+2028.
    lines = enumerate(text.split("\n"), 1)
    return [_parsed(line, f"line {number}: ") for number, line in lines if line.strip()]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{where}is not JSON ({getattr(error, 'msg', 'nested too deeply')})") from None


def examples_of(rows: Iterable[Any]) -> list[Example]:
    """Of ``{"input", "expected"?, "id"?, "metadata"?, "documents"?}``; other fields become metadata. Without an id, it
    is made of the content. Raises ``ValueError`` with the number of the example (from 1) that is wrong."""
    found: list[Example] = []
    known: set[str] = set()
    for number, row in enumerate(rows, 1):
        if number > MAX_EXAMPLES:
            raise ValueError(f"more than {MAX_EXAMPLES} examples")
        one = _checked(row, number) if isinstance(row, Example) else _example(row, number)
        if isinstance(row, Mapping) and row.get("id") in (None, ""):
            one = _told_apart(one, known)
        if one.id in known:
            raise ValueError(f"example {number}: the id {one.id!r} is there twice")
        known.add(one.id)
        found.append(one)
    if not found:
        raise ValueError("there are no examples")
    return found


def _told_apart(one: Example, known: set[str]) -> Example:
    """The same content twice is two examples."""
    number, name = 1, one.id
    while name in known:
        number += 1
        name = f"{one.id}-{number}"
    return Example(name, one.input, one.expected, one.metadata, one.documents)


def _example(row: Any, number: int) -> Example:
    if not isinstance(row, Mapping):
        raise ValueError(f"example {number}: must be an object")
    if None in row:
        raise ValueError(f"example {number}: has more fields than there are columns")
    left = dict(row)
    given = next((name for name in _INPUT if name in left), None)
    if given is None:
        raise ValueError(f"example {number}: has no input")
    value = left.pop(given)
    wanted = next((name for name in _EXPECTED if name in left), None)
    expected = left.pop(wanted) if wanted else None
    metadata = left.pop("metadata", None) or {}
    documents = left.pop("documents", None) or ()
    if not isinstance(metadata, Mapping):
        metadata = {"metadata": metadata}
    if isinstance(documents, str) or not isinstance(documents, Sequence):
        raise ValueError(f"example {number}: documents must be a list")
    name = left.pop("id", None)
    made = _digest(value, expected, number)
    return Example(made if name in (None, "") else str(name), value, expected, {**left, **metadata}, documents)


def _checked(one: Example, number: int) -> Example:
    _digest(one.input, one.expected, number)
    return one


def _digest(value: Any, expected: Any, number: int) -> str:
    try:
        return hashlib.sha256(_canonical([value, expected])).hexdigest()[:16]
    except (TypeError, ValueError, RecursionError):
        raise ValueError(f"example {number}: input and expected must be JSON values") from None


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()
