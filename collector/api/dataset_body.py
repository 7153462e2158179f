"""Bodies about datasets and experiments as what the store takes. Pure. Whatever is wrong is named by JSON pointer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from collector.api.values import time_of
from collector.datasets.experiments import MAX_REPETITIONS, STATES, Experiment, ExperimentRun
from collector.datasets.model import (
    FIELDS,
    MAX_TEXT,
    Change,
    Example,
    Invalid,
    canonical,
    check_name,
    check_tag,
    checked,
    too_deep,
)
from collector.model import PICO_USD

#: Runs or examples that one request may bring, and faults that are told.
MAX_ITEMS: Final = 10_000
MAX_FAULTS: Final = 20
_ID: Final = re.compile("[0-9a-f]{32}", re.ASCII)
_MAX_INT: Final = 2**63 - 1


class FaultyBody(ValueError):
    """``faults``: JSON pointer to what is wrong there; the pointer ``""`` is the body."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{pointer or 'the body'}: {text}" for pointer, text in faults.items()))
        self.faults = dict(faults)


@dataclass(slots=True)
class Reader:
    """Takes the fields of one object, and collects what is wrong with them."""

    body: Mapping[str, Any]
    known: tuple[str, ...]
    place: str = ""
    faults: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.body.keys() - set(self.known):
            self.fault(str(name)[:100], f"there is no such field; there are {', '.join(self.known)}")

    def fault(self, name: str, text: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults[f"{self.place}/{name.replace('~', '~0').replace('/', '~1')}"] = text

    def take(self, name: str, read: Callable[[Any], Any], default: Any = None) -> Any:
        """What is null is not given."""
        value = self.body.get(name)
        if value is None:
            return default
        try:
            return read(value)
        except Invalid as fault:
            self.fault(name, str(fault))
        except ValueError as fault:
            self.fault(name, str(fault))
        return default

    def check(self) -> None:
        if self.faults:
            raise FaultyBody(self.faults)


def dataset_fields(body: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    """``name``, ``description`` and ``metadata``, those that are there. Raises ``FaultyBody``."""
    reader = Reader(body, ("name", "description", "metadata"))
    found = {}
    if new or "name" in body:
        found["name"] = reader.take("name", check_name)
        if found["name"] is None and not reader.faults:
            reader.fault("name", "is missing")
    if "description" in body:
        found["description"] = reader.take("description", text)
    if "metadata" in body:
        found["metadata"] = reader.take("metadata", json_object, {})
    reader.check()
    return found


def change_of(body: Mapping[str, Any]) -> Change:
    """Raises ``FaultyBody``."""
    reader = Reader(body, ("add", "update", "remove", "replace", "deduplicate", "base_version", "note"))
    change = Change(
        add=examples_of(reader, "add"),
        update=_updates(reader),
        remove=tuple(_list(reader, "remove", lambda value, _: identifier(value))),
        replace=reader.take("replace", boolean, False),
        deduplicate=reader.take("deduplicate", boolean, True),
        base_version=reader.take("base_version", lambda value: whole(value, 0, 2**31 - 1)),
        note=reader.take("note", text),
    )
    reader.check()
    return change


def examples_of(reader: Reader, name: str) -> tuple[Example, ...]:
    return tuple(_list(reader, name, lambda value, place: example_of(value, place, reader.faults)))


def example_of(body: Any, place: str, faults: dict[str, str]) -> Example | None:
    if not isinstance(body, dict):
        raise Invalid("must be an object")
    reader = Reader(body, ("id", *FIELDS), place, faults)
    id_ = reader.take("id", identifier)
    try:
        said = {name: body[name] for name in FIELDS if name in body}
        return checked(Example(**{"input": None, **said, "metadata": said.get("metadata") or {}}, id=id_))
    except Invalid as fault:
        reader.fault(fault.field or "input", str(fault))
        return None


def tag_fields(body: Mapping[str, Any]) -> int:
    reader = Reader(body, ("version",))
    version = reader.take("version", lambda value: whole(value, 0, 2**31 - 1))
    if version is None and not reader.faults:
        reader.fault("version", "is missing")
    reader.check()
    assert isinstance(version, int)
    return version


def experiment_of(body: Mapping[str, Any]) -> tuple[Experiment, str | None]:
    """With version 0, and what its version is called: a number, a tag, or None for the newest. Raises
    ``FaultyBody``."""
    reader = Reader(body, ("name", "dataset", "version", "metadata", "state", "baseline"))
    for name in ("name", "dataset"):
        if body.get(name) is None:
            reader.fault(name, "is missing")
    experiment = Experiment(
        reader.take("name", check_name, ""),
        reader.take("dataset", check_name, ""),
        0,
        reader.take("metadata", json_object, {}),
        reader.take("state", _state, "running"),
        reader.take("baseline", check_tag),
    )
    version = reader.take("version", _reference)
    reader.check()
    return experiment, version


def _reference(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Invalid("must be a version's number, or a tag")
    return str(value)


def experiment_changes(body: Mapping[str, Any]) -> dict[str, Any]:
    reader = Reader(body, ("metadata", "state", "baseline"))
    found: dict[str, Any] = {}
    if "metadata" in body:
        found["metadata"] = reader.take("metadata", json_object, {})
    if body.get("state") is not None:
        found["state"] = reader.take("state", _state)
    if "baseline" in body:
        found["baseline"] = reader.take("baseline", check_tag)
    reader.check()
    return found


_RUN_FIELDS: Final = (
    "example_id", "repetition", "output", "error", "trace_id", "latency_ms", "input_tokens", "output_tokens",
    "total_tokens", "cost", "scores", "started_at",
)  # fmt: skip


def runs_of(body: Mapping[str, Any], now_ns: int) -> list[ExperimentRun]:
    """Raises ``FaultyBody``."""
    reader = Reader(body, ("runs",))
    found = _list(reader, "runs", lambda value, place: _run_of(value, place, reader.faults, now_ns))
    reader.check()
    return found


def _run_of(body: Any, place: str, faults: dict[str, str], now_ns: int) -> ExperimentRun | None:
    if not isinstance(body, dict):
        raise Invalid("must be an object")
    reader = Reader(body, _RUN_FIELDS, place, faults)
    example_id = reader.take("example_id", identifier)
    if example_id is None:
        reader.fault("example_id", "must be 32 hexadecimal digits")
        return None
    tokens = {
        name: reader.take(name, lambda value: whole(value, 0, _MAX_INT))
        for name in ("input_tokens", "output_tokens", "total_tokens")
    }
    return ExperimentRun(
        example_id,
        reader.take("repetition", lambda value: whole(value, 0, MAX_REPETITIONS - 1), 0),
        reader.take("output", json_value),
        reader.take("error", lambda value: _is_text(value)[:MAX_TEXT]),
        reader.take("trace_id", identifier),
        reader.take("latency_ms", number),
        **tokens,
        cost=reader.take("cost", pico_usd),
        scores=reader.take("scores", _scores, ()),
        started_ns=reader.take("started_at", lambda value: time_of(_is_text(value), now_ns)),
    )


def _scores(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not all(isinstance(one, dict) and one.get("name") for one in value):
        raise Invalid("must be an array of objects, each with at least a name")
    return tuple(json_value(value))


def _updates(reader: Reader) -> dict[bytes, Mapping[str, Any]]:
    def update(value: Any, place: str) -> tuple[bytes, Mapping[str, Any]]:
        if not isinstance(value, dict):
            raise Invalid("must be an object")
        fields = {name: said for name, said in value.items() if name != "id"}
        inner = Reader(fields, FIELDS, place, reader.faults)
        try:
            return identifier(value.get("id")), fields
        except Invalid as fault:
            inner.fault("id", str(fault))
            return b"", {}

    return dict(_list(reader, "update", update))


def _list(reader: Reader, name: str, read: Callable[[Any, str], Any]) -> list[Any]:
    value = reader.body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        reader.fault(name, f"must be an array of {MAX_ITEMS} at most")
        return []
    found = []
    for number_, item in enumerate(value):
        try:
            one = read(item, f"{reader.place}/{name}/{number_}")
        except Invalid as fault:
            reader.faults[f"{reader.place}/{name}/{number_}"] = str(fault)
            one = None
        if one is not None:
            found.append(one)
        if len(reader.faults) >= MAX_FAULTS:
            break
    return found


def identifier(value: Any) -> bytes:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Invalid("must be 32 hexadecimal digits")
    return bytes.fromhex(value)


def text(value: Any) -> str:
    found = _is_text(value)
    if len(found) > MAX_TEXT or "\0" in found:
        raise Invalid(f"must be text of {MAX_TEXT} characters at most, without NUL")
    return found


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid("must be true or false")
    return value


def whole(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise Invalid(f"must be a whole number from {least} to {most}")
    return value


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise Invalid("must be a number, 0 or more")
    return float(value)


def pico_usd(value: Any) -> int:
    """Of a number or a decimal text, in US dollars."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 40:
            raise InvalidOperation
        pico = Decimal(str(value)) * PICO_USD
        if not pico.is_finite() or not 0 <= pico <= _MAX_INT:
            raise InvalidOperation
    except InvalidOperation:
        raise Invalid("must be an amount in US dollars: 0.0012 or '0.0012'") from None
    return int(pico)


def json_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid("must be an object")
    json_value(value)
    return value


def json_value(value: Any) -> Any:
    if too_deep(value):
        raise Invalid("is nested too deep")
    canonical(value)
    return value


def _is_text(value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid("must be text")
    return value


def _state(value: Any) -> Any:
    if value not in STATES:
        raise Invalid(f"must be one of {', '.join(STATES)}")
    return value
