"""How evaluators that need no judge are made: settings that are checked, a version, one function. Pure."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tracekit.evals.api import AnnotatorKind, Evaluator, Judge, NotApplicable, Score, Subject
from tracekit.evals.registry import register

#: characters of an output that are looked at where a check costs more than a glance
MAX_CHARACTERS: Final = 100_000
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Check:
    """An evaluator made of one function. ``version`` changes with the settings and with ``revision`` of its type."""

    name: str
    version: str
    function: Callable[[Subject], Score | Sequence[Score]]
    annotator_kind: AnnotatorKind = "code"

    def __call__(self, subject: Subject) -> Sequence[Score]:
        try:
            found = self.function(subject)
        except RecursionError:
            raise NotApplicable("the input or the output is nested too deeply") from None
        return [found] if isinstance(found, Score) else found


class Options:
    """Settings, read one by one; ``done`` says which were not known. Every method raises ``ValueError`` with the
    setting's name and what is wrong with it."""

    def __init__(self, settings: Mapping[str, Any], name: str) -> None:
        self._settings = settings
        self._seen: set[str] = {"name"}
        #: what the scores are called: the setting ``name``, else that of the type
        self.name = self.text("name", name)
        if not 0 < len(self.name) <= 200:
            raise ValueError("name: must have 1 to 200 characters")

    def has(self, name: str) -> bool:
        self._seen.add(name)
        return self._settings.get(name) is not None

    def any(self, name: str, default: Any = _MISSING) -> Any:
        self._seen.add(name)
        value = self._settings.get(name, default)
        if value is _MISSING:
            raise ValueError(f"{name}: is missing")
        return value

    def text(self, name: str, default: Any = _MISSING) -> str:
        return str(self._of(name, default, lambda value: isinstance(value, str), "a text"))

    def flag(self, name: str, default: bool) -> bool:
        return bool(self._of(name, default, lambda value: isinstance(value, bool), "true or false"))

    def number(self, name: str, default: Any = _MISSING, low: float = -math.inf, high: float = math.inf) -> float:
        """``low`` and ``high`` may be reached."""
        value = float(self._of(name, default, is_number, "a number"))
        if not low <= value <= high:
            raise ValueError(f"{name}: must be from {low:g} to {high:g}")
        return value

    def count(self, name: str, default: Any = _MISSING, low: int = 1, high: int = 1_000_000) -> int:
        value = self._of(name, default, lambda value: type(value) is int, "a whole number")
        if not low <= value <= high:
            raise ValueError(f"{name}: must be from {low} to {high}")
        return int(value)

    def maybe_number(self, name: str) -> float | None:
        return self.number(name) if self.has(name) else None

    def choice(self, name: str, choices: Sequence[str], default: Any = _MISSING) -> str:
        return str(self._of(name, default, lambda value: value in choices, f"one of {', '.join(choices)}"))

    def texts(self, name: str, default: Any = _MISSING) -> list[str]:
        """At least one text, unless the default says otherwise."""
        value = self.any(name, default)
        if value is default:
            return list(value)
        if not isinstance(value, (list, tuple)) or not value or not all(isinstance(one, str) for one in value):
            raise ValueError(f"{name}: must be a list of texts")
        return list(value)

    def one_or_more(self, one: str, more: str, optional: bool = False) -> list[str]:
        """The text under ``one`` and those under ``more``; none of them may be empty."""
        found = [self.text(one)] if self.has(one) else []
        found += self.texts(more) if self.has(more) else []
        if not found and not optional:
            raise ValueError(f"{one}: is missing")
        if not all(found):
            raise ValueError(f"{one}: must not be empty")
        return found

    def done(self) -> None:
        unknown = sorted(str(name) for name in self._settings if name not in self._seen)
        if unknown:
            raise ValueError(f"{unknown[0]}: there is no such setting; there are {', '.join(sorted(self._seen))}")

    def _of(self, name: str, default: Any, fits: Callable[[Any], bool], what: str) -> Any:
        value = self.any(name, default)
        if value is not default and not fits(value):
            raise ValueError(f"{name}: must be {what}")
        return value


def define(
    type_name: str, maker: Callable[[Options], Callable[[Subject], Score | Sequence[Score]]], revision: int = 1
) -> None:
    """Register a type whose evaluators ``maker`` makes of its options."""

    def made(settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
        options = Options(settings, type_name)
        function = maker(options)
        options.done()
        return Check(options.name, version_of(type_name, revision, settings), function)

    register(type_name, made)


def version_of(type_name: str, revision: int | str, settings: Mapping[str, Any]) -> str:
    """The same for the same settings, in whatever order."""
    told = json.dumps(settings, sort_keys=True, ensure_ascii=True, default=str)
    return f"{type_name}-{revision}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def is_number(value: Any) -> bool:
    """Whether this is a finite number that a float can hold; true and false are none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


# --- what checks share ------------------------------------------------------------------------------------------------


def answer(subject: Subject) -> str:
    """The output as text, its first ``MAX_CHARACTERS``. Raises ``NotApplicable`` where there is no output."""
    if subject.output is None:
        raise NotApplicable("there is no output")
    return subject.output_text[:MAX_CHARACTERS]


def wanted(subject: Subject) -> Any:
    """What was expected. Raises ``NotApplicable`` where nothing was."""
    if subject.expected is None:
        raise NotApplicable("there is no expected output")
    return subject.expected


def verdict(name: str, passed: bool, why_not: str, why: str | None = None) -> Score:
    """Passed or not, as true or false, with the reason."""
    return Score(name, score=passed, explanation=why if passed else why_not)


def shown(text: str, limit: int = 80) -> str:
    """A text as an explanation may quote it: short, on one line."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return repr(cut)


def listed(items: Iterable[str], limit: int = 5) -> str:
    """A few texts, and how many more there are."""
    every = list(items)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(shown(item, 60) for item in every[:limit]) + more


def from_0_to_1(value: float) -> float:
    """Rounding may carry a share a little beyond its bounds."""
    return min(1.0, max(0.0, value))
