"""Datasets, their examples and versions. Pure.

A version is a set of examples that never changes: whatever is added, updated or removed makes the next one. Its hash
is of the examples alone, in no order, so it is the same on every engine, on every machine and after every restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

import orjson

#: Bounds. An example counts as its canonical JSON.
MAX_EXAMPLES: Final = 100_000
MAX_EXAMPLE_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_TEXT: Final = 2_000

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
#: No number, and not the word for the newest version.
TAG: Final = re.compile(r"(?!\d+\Z)(?!latest\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
SPLIT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
SOURCE: Final = re.compile(r"[0-9a-f]{32}(:[0-9a-f]{16})?", re.ASCII)
LATEST: Final = "latest"

#: What an example says, and what a change may set.
FIELDS: Final = ("input", "expected", "metadata", "split", "source")
Field = Literal["input", "expected", "metadata", "split", "source"]


class Invalid(ValueError):
    """What was given is no example, name or tag. ``field`` says which part of it."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Example:
    """``input`` and ``expected`` are JSON values; ``expected`` None: nobody said what would be right. ``source``:
    the span it was made from, ``TRACE:SPAN``, or the trace. ``id``: 16 bytes; None until it is stored."""

    input: Any
    expected: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None
    source: str | None = None
    id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """``version``: the newest; 0 is the empty one that it begins with."""

    id: bytes
    name: str
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    example_count: int = 0
    created_ns: int = 0
    updated_ns: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """``hash``: 64 hex digits, see ``version_hash``. The counts say how it differs from the one before."""

    version: int
    hash: str
    example_count: int
    added: int
    updated: int
    removed: int
    note: str | None
    created_ns: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What makes a version of the one before.

    ``add``: an example with an id that is there replaces that one; one without an id is left out where the same input
    and expected output are there already, unless ``deduplicate`` is off. ``update``: fields by id. ``remove``: ids.
    ``replace``: what ``add`` does not say is removed, so that the new version holds just that.
    ``base_version``: only if this is still the newest.
    """

    add: tuple[Example, ...] = ()
    update: Mapping[bytes, Mapping[str, Any]] = field(default_factory=dict)
    remove: tuple[bytes, ...] = ()
    replace: bool = False
    deduplicate: bool = True
    base_version: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """The version that a change made, or found as it was. ``ids``: of ``Change.add``, in its order."""

    version: int
    hash: str
    added: int
    updated: int
    removed: int
    duplicates: int
    ids: tuple[bytes, ...]


class Known(NamedTuple):
    """What is kept of an example beside itself. ``hash`` of all of it, ``same`` of input and expected output;
    ``position`` orders examples as they came. A tuple, for there are very many."""

    position: int
    hash: bytes
    same: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """An example that two versions have, and the fields in which it differs."""

    before: Example
    after: Example
    fields: tuple[str, ...]


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces. Raises ``Invalid`` for what is no JSON (NaN counts as null)."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"is no JSON value: {error}") from None


def document_of(example: Example) -> dict[str, Any]:
    """The fields of an example, as they are exported and hashed."""
    return {
        "id": None if example.id is None else example.id.hex(),
        "input": example.input,
        "expected": example.expected,
        "metadata": dict(example.metadata),
        "split": example.split,
        "source": example.source,
    }


def said_json(example: Example) -> str:
    """What an example says, but for what is short: as it is stored."""
    said = {"input": example.input, "expected": example.expected, "metadata": dict(example.metadata)}
    return canonical(said).decode()


def example_hash(example: Example) -> bytes:
    """32 bytes, of everything that an example says and its id."""
    return sha256(canonical(document_of(example))).digest()


def same_hash(example: Example) -> bytes:
    """16 bytes, of what makes two examples the same one: input and expected output."""
    return sha256(canonical([example.input, example.expected])).digest()[:16]


def new_id(same: bytes, taken: Mapping[bytes, Any] | set[bytes]) -> bytes:
    """The id of a new example: made of its content, so that the same file makes the same ids everywhere."""
    number = 0
    while True:
        found = sha256(b"example" + same + number.to_bytes(4, "big")).digest()[:16]
        if found not in taken:
            return found
        number += 1


def version_hash(hashes: Iterable[bytes]) -> str:
    """Of the hashes of all examples of a version, in any order."""
    return sha256(b"".join(sorted(hashes))).hexdigest()


def checked(example: Example) -> Example:
    """The example as it is stored. Raises ``Invalid``."""
    if example.id is not None and len(example.id) != 16:
        raise Invalid("must be 32 hexadecimal digits", "id")
    if not isinstance(example.metadata, Mapping) or not all(isinstance(key, str) for key in example.metadata):
        raise Invalid("must be an object", "metadata")
    if example.split is not None and not (isinstance(example.split, str) and SPLIT.fullmatch(example.split)):
        raise Invalid("must be a short name: letters, digits, . _ -", "split")
    if example.source is not None and not (isinstance(example.source, str) and SOURCE.fullmatch(example.source)):
        raise Invalid("must be TRACE_ID:SPAN_ID or TRACE_ID, in lower-case hexadecimal digits", "source")
    for name in ("input", "expected", "metadata"):
        if too_deep(getattr(example, name)):
            raise Invalid(f"is nested deeper than {MAX_DEPTH} levels", name)
        try:
            value = canonical(getattr(example, name))
        except Invalid as error:
            raise Invalid(str(error), name) from None
        if len(value) > MAX_EXAMPLE_BYTES:
            raise Invalid(f"is larger than {MAX_EXAMPLE_BYTES} bytes", name)
    if example.input is None:
        raise Invalid("is missing", "input")
    return example


def too_deep(value: Any) -> bool:
    """Whether it is nested deeper than ``MAX_DEPTH``; never recurses deeper itself."""
    level, depth = [value], 0
    while level:
        depth += 1
        below: list[Any] = []
        for one in level:
            if isinstance(one, Mapping):
                below.extend(item for item in one.values() if isinstance(item, Mapping | list | tuple))
            elif isinstance(one, list | tuple):
                below.extend(item for item in one if isinstance(item, Mapping | list | tuple))
        if depth > MAX_DEPTH:
            return True
        level = below
    return False


def updated(example: Example, fields: Mapping[str, Any]) -> Example:
    """With these fields set. Raises ``Invalid``."""
    unknown = fields.keys() - set(FIELDS)
    if unknown:
        raise Invalid(f"there is no such field; there are {', '.join(FIELDS)}", min(unknown))
    changes = dict(fields)
    if changes.get("metadata", {}) is None:
        changes["metadata"] = {}
    return checked(replace(example, **changes))


def differing(before: Example, after: Example) -> tuple[str, ...]:
    """The fields in which two examples differ."""
    return tuple(name for name in FIELDS if canonical(getattr(before, name)) != canonical(getattr(after, name)))


def check_name(name: Any) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Invalid("must begin with a letter or digit and hold letters, digits, . _ - (100 at most)", "name")
    return name


def check_tag(tag: Any) -> str:
    if not isinstance(tag, str) or not TAG.fullmatch(tag):
        raise Invalid("must be a short name (letters, digits, . _ -), no number, and not 'latest'", "tag")
    return tag
