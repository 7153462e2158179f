"""Query parameters of datasets and experiments. Pure. Each function raises ``Faulty``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collector.api.params import DEFAULT_LIMIT, Faulty, Parameters, boolean, limit
from collector.datasets.formats.fields import Columns
from collector.datasets.formats.registry import FORMATS
from collector.datasets.model import SPLIT, TAG, Invalid, check_tag
from collector.storage.datasets_api import ExperimentQuery, ExperimentRunQuery

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """``version``: a number, a tag, or None for the newest."""

    version: str | None = None
    split: str | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    format: str = "jsonl"


@dataclass(frozen=True, slots=True)
class Imported:
    columns: Columns
    replace: bool = False
    deduplicate: bool = True
    note: str | None = None


def examples(pairs: Pairs) -> Asked:
    reader = Parameters(pairs, ("version", "split", "limit", "cursor"))
    found = Asked(
        reader.take("version", _version, None),
        reader.take("split", _split, None),
        reader.take("limit", limit, DEFAULT_LIMIT),
        reader.text("cursor"),
    )
    reader.check()
    return found


def exported(pairs: Pairs) -> Asked:
    reader = Parameters(pairs, ("format", "version", "split"))
    found = Asked(
        reader.take("version", _version, None),
        reader.take("split", _split, None),
        format=reader.take("format", _format, "jsonl"),
    )
    reader.check()
    return found


def imported(pairs: Pairs) -> Imported:
    """``input`` and ``expected`` name columns, several by commas."""
    reader = Parameters(pairs, ("input", "expected", "split", "replace", "deduplicate", "note"))
    columns = Columns(reader.take("input", _columns, ()), reader.take("expected", _columns, ()), reader.text("split"))
    found = Imported(
        columns,
        reader.take("replace", boolean, False),
        reader.take("deduplicate", boolean, True),
        reader.text("note"),
    )
    reader.check()
    return found


def diff(pairs: Pairs) -> tuple[str | None, str | None]:
    reader = Parameters(pairs, ("from", "to"))
    found = reader.take("from", _version, None), reader.take("to", _version, None)
    reader.check()
    return found


def with_experiments(pairs: Pairs) -> bool:
    reader = Parameters(pairs, ("experiments",))
    found = reader.take("experiments", boolean, False)
    reader.check()
    return found


def experiments(pairs: Pairs) -> ExperimentQuery:
    reader = Parameters(pairs, ("dataset", "name", "baseline", "limit", "cursor"))
    found = ExperimentQuery(
        reader.text("dataset"),
        reader.text("name"),
        reader.text("baseline"),
        reader.take("limit", limit, DEFAULT_LIMIT),
        reader.text("cursor"),
    )
    reader.check()
    return found


def experiment_runs(pairs: Pairs, experiment_id: bytes) -> ExperimentRunQuery:
    reader = Parameters(pairs, ("limit", "cursor"))
    found = ExperimentRunQuery(experiment_id, reader.take("limit", limit, DEFAULT_LIMIT), reader.text("cursor"))
    reader.check()
    return found


def tag(value: str) -> str:
    try:
        return check_tag(value)
    except Invalid as fault:
        raise Faulty({"tag": str(fault)}) from None


def _version(value: str) -> str | None:
    if (
        value != "latest"
        and not (value.isascii() and value.isdecimal() and len(value) < 10)
        and not TAG.fullmatch(value)
    ):
        raise ValueError("must be a version's number, or a tag")
    return value


def _split(value: str) -> str | None:
    if not SPLIT.fullmatch(value):
        raise ValueError("must be the name of a split")
    return value


def _format(value: str) -> str:
    if value not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return value


def _columns(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())
