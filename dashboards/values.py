"""Values of any shape as something a template can lay out: a text, a table, or an image. Pure and total."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dashboards import format as fmt

#: Longer texts are cut; "copy as JSON" has them whole.
TEXT_LIMIT: Final = 50_000
#: More than this folds a text behind "show all".
FOLD_CHARS: Final = 1_200
FOLD_LINES: Final = 14
#: More entries than this are counted, not listed.
MAX_ENTRIES: Final = 500
#: Larger images are named, not shown.
MAX_IMAGE_CHARS: Final = 4_000_000
_IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(slots=True, frozen=True)
class Text:
    """``mono`` for what is no prose. ``cut`` counts the characters that were left out."""

    text: str
    mono: bool = False
    folded: bool = False
    cut: int = 0


@dataclass(slots=True, frozen=True)
class Entry:
    name: str
    value: Text


@dataclass(slots=True, frozen=True)
class Table:
    """Names and their values. ``more`` counts entries that were left out."""

    entries: list[Entry]
    more: int = 0


@dataclass(slots=True, frozen=True)
class Image:
    """``source`` is a data: URL of a raster image; without one only ``label`` is shown. ``address`` is never loaded."""

    label: str
    source: str | None = None
    address: str | None = None


def text(value: str, *, mono: bool = False) -> Text:
    shown = value[:TEXT_LIMIT]
    folded = len(shown) > FOLD_CHARS or shown.count("\n") >= FOLD_LINES
    return Text(shown, mono, folded, len(value) - len(shown))


def block(value: Any) -> Text | Table | None:
    """Text as text, a JSON object as a table, any other JSON as indented text; None for what is empty."""
    if value is None or value == "" or value == {} or value == []:
        return None
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return table(value)
    return text(fmt.pretty(value), mono=True)


def table(values: Mapping[Any, Any]) -> Table:
    entries = [Entry(str(name), cell(value)) for name, value in list(values.items())[:MAX_ENTRIES]]
    return Table(entries, max(0, len(values) - MAX_ENTRIES))


def cell(value: Any) -> Text:
    """A table's cell: bytes as hexadecimal digits, JSON indented."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return text(value.hex(), mono=True)
    return text(fmt.pretty(value), mono=True)


def image(part: Mapping[str, Any]) -> Image:
    """From a message's image part: ``url`` (data: or other), or ``mime_type`` and ``data`` in base64."""
    url, data, mime = part.get("url"), part.get("data"), part.get("mime_type")
    if isinstance(url, str) and url.startswith("data:"):
        head, _, data = url[5:].partition(",")
        mime, url = head.partition(";")[0], None
    label = str(mime or "image")
    if isinstance(data, str) and mime in _IMAGE_TYPES and len(data) <= MAX_IMAGE_CHARS and _is_base64(data):
        return Image(f"{label}, {fmt.size(len(data) * 3 // 4)}", f"data:{mime};base64,{data}")
    return Image(label, address=url if isinstance(url, str) else None)


def _is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
