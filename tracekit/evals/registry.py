"""Evaluators by name, as rules and configuration files name them: ``{"type": "contains", "value": "refund"}``.

Every module of evaluators puts its makers in; ``make`` is asked by rules of the collector and by experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tracekit.evals.api import Evaluator, Judge

#: Makes an evaluator of its settings; a judge is given to those that ask for one. Raises ``ValueError`` with what is
#: wrong with the settings.
Maker = Callable[[Mapping[str, Any], Judge | None], Evaluator]

_MAKERS: Final[dict[str, tuple[Maker, bool]]] = {}


def register(type_name: str, maker: Maker, *, needs_judge: bool = False) -> None:
    _MAKERS[type_name] = (maker, needs_judge)


def types() -> list[str]:
    """Every name that ``make`` knows."""
    _load()
    return sorted(_MAKERS)


def needs_judge(type_name: str) -> bool:
    """Raises ``ValueError`` for a name that there is not."""
    return _found(type_name)[1]


def make(settings: Mapping[str, Any], judge: Judge | None = None) -> Evaluator:
    """Of ``{"type": ..., more settings}``. Raises ``ValueError``."""
    type_name = settings.get("type")
    if not isinstance(type_name, str):
        raise ValueError("type: must name an evaluator")
    maker, asks = _found(type_name)
    if asks and judge is None:
        raise ValueError(f"{type_name} asks a judge, and none is configured")
    return maker({name: value for name, value in settings.items() if name != "type"}, judge)


def _found(type_name: str) -> tuple[Maker, bool]:
    _load()
    if type_name not in _MAKERS:
        raise ValueError(f"there is no evaluator {type_name!r}; there are {', '.join(sorted(_MAKERS))}")
    return _MAKERS[type_name]


def _load() -> None:
    """Import the modules that register something."""
    import importlib

    for name in ("checks", "retrieval", "relevance", "functions", "adapters", "judges", "verdict"):
        importlib.import_module(f"tracekit.evals.{name}")
