"""Examples as a table of texts, for formats with columns. Pure.

A column of plain texts has its field's name (``input``); one that holds anything else is JSON and called so
(``input_json``): so a reader knows what it has, and nothing is lost on the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from collector.datasets.formats.fields import parsed
from collector.datasets.model import Example, Invalid, canonical

JSON: Final = "_json"
_TEXTS: Final = ("split", "source")


def table(examples: Sequence[Example], *, nulls: bool) -> dict[str, list[str | None]]:
    """Column to cells. ``nulls``: whether the format tells nothing from an empty text."""
    columns: dict[str, list[str | None]] = {"id": [example.id.hex() if example.id else None for example in examples]}
    for field in ("input", "expected"):
        values = [getattr(example, field) for example in examples]
        if _is_text(values, nulls):
            columns[field] = values
        else:
            columns[f"{field}{JSON}"] = [canonical(value).decode() for value in values]
    columns[f"metadata{JSON}"] = [canonical(dict(example.metadata)).decode() for example in examples]
    for field in _TEXTS:
        columns[field] = [getattr(example, field) for example in examples]
    return columns


def row_of(cells: Mapping[str, Any], *, nulls: bool) -> Mapping[str, Any] | Exception:
    """The row that was a line of a table; what is wrong with it where it is none of ours."""
    found: dict[str, Any] = {}
    try:
        for name, cell in cells.items():
            empty = cell is None or (not nulls and cell == "")
            field = name.removesuffix(JSON)
            if field != name and field:
                if not (empty or isinstance(cell, str)):
                    raise Invalid("must be text that holds JSON", name)
                found[field] = None if empty else parsed(cell, name)
            else:
                found[name] = None if empty else cell
    except Invalid as fault:
        return fault
    return found


def _is_text(values: Sequence[Any], nulls: bool) -> bool:
    return all(value is None or (isinstance(value, str) and (nulls or value != "")) for value in values)
