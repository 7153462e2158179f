"""Attributes that many spans have in common: written once, for all of them."""

from __future__ import annotations

from typing import Any


class Shared(dict[str, Any]):
    """Never changed once it is made. ``encoded`` is for whoever encodes it first."""

    __slots__ = ("encoded",)

    encoded: bytes | None

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.encoded = None
