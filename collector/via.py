"""Which collectors spans have been through, so that none sends them back or round in a circle. Pure.

Every database of a collector has an id. A collector that sends spans on says so in ``HEADER`` (HTTP header, gRPC
metadata): the ids that the spans have been through, its own the last. It answers with its id in ``COLLECTOR_HEADER``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

HEADER: Final = "tracekit-via"
#: More collectors than that in a row are taken for a circle.
MAX_HOPS: Final = 16
_ID: Final = re.compile(r"[0-9a-f]{16}\Z", re.ASCII)


def parsed(value: str | None) -> tuple[str, ...]:
    """The ids that a header names; what is no id is left out."""
    return tuple(part for part in (value or "")[:1024].replace(" ", "").split(",") if _ID.match(part))


def formatted(via: Iterable[str]) -> str:
    return ",".join(via)


def closes(via: tuple[str, ...], collector_id: str) -> bool:
    """Whether spans that come by this way have been here before, or are going round."""
    return collector_id in via or len(via) >= MAX_HOPS
