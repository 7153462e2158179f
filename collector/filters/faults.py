"""What is wrong with a filter, said so that it can be mended."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class FilterFault(ValueError):
    """``column`` counts from 1, in characters. ``str()`` is a sentence that names it."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


def meant(name: str, known: Iterable[str]) -> str:
    """ "did you mean ...?" where a known name is near, else the list of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
