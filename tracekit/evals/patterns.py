"""Regular expressions whose time is bounded: Python's syntax, searched by a lazily made automaton. Pure.

Python's ``re`` tries one way after another, and ``(a+)+b`` takes longer than anybody waits; it cannot be stopped
either. Here all ways are followed at once (K. Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968), so
that the time is at most the text's length times the pattern's, and the states seen are kept, so that it is mostly the
length alone. What cannot be searched so is refused when the pattern is made: backreferences, looking ahead or behind,
conditions, atomic groups and possessive repeats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

MAX_PATTERN: Final = 1_000
#: instructions of an automaton; repeats such as {100} take as many copies
MAX_STEPS: Final = 1_000
#: states entered anew in one search, times instructions: about a second
MAX_WORK: Final = 2_000_000
_MAX_STATES: Final = 1_000

Test = Callable[[str], bool]


class TooCostly(Exception):
    """This pattern would take too long on this text."""


class Pattern:
    """``whole``: all of the text has to fit, not a part of it."""

    def __init__(self, text: str, *, ignore_case: bool = False, whole: bool = False) -> None:
        """Raises ``ValueError`` for what is no pattern, is too large, or cannot be searched in bounded time."""
        if len(text) > MAX_PATTERN:
            raise ValueError(f"has {len(text)} characters; {MAX_PATTERN} are the most")
        try:
            tree = parser.parse(text, re.IGNORECASE if ignore_case else 0)
            program = _Program()
            program.build(tree, tree.state.flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"is no regular expression: {error}") from None
        self.text = text
        if whole:
            program.add("at", _at_end_of_string)
        self._steps = program.steps
        self._match = len(self._steps)
        self._whole = whole
        self._known: dict[tuple[frozenset[int], str, str, bool], frozenset[int] | None] = {}

    def found_in(self, text: str) -> bool:
        """Whether the pattern is in the text. Raises ``TooCostly``."""
        state, before, work = frozenset((0,)), "", 0
        # the empty texts around are the edges of the text
        for at in range(len(text) + 1):
            after = text[at] if at < len(text) else ""
            last = at >= len(text) - 1
            key = (state, _kind(before), after, last)
            following = self._known.get(key, state)
            if following is state and key not in self._known:
                work += len(self._steps)
                if work > MAX_WORK:
                    raise TooCostly(
                        f"the pattern {self.text[:60]!r} takes too long on a text of {len(text)} characters"
                    )
                following = self._follow(state, before, after, last)
                if len(self._known) >= _MAX_STATES:
                    self._known.clear()
                self._known[key] = following
            if following is None:
                return True
            state, before = following, after
        return False

    def _follow(self, state: frozenset[int], before: str, after: str, last: bool) -> frozenset[int] | None:
        """The state behind the character ``after``; None where the pattern was found before it."""
        found: set[int] = set() if self._whole else {0}
        seen: set[int] = set()
        waiting = list(state)
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            if at == self._match:
                return None
            kind, detail = self._steps[at]
            if kind == "split":
                waiting.extend(detail)
            elif kind == "at":
                if detail(before, after, last):
                    waiting.append(at + 1)
            elif after and detail(after):
                found.add(at + 1)
        return frozenset(found)


def _kind(before: str) -> str:
    """As much of the character before as an anchor may ask."""
    return before if before in ("", "\n") else ("w" if _is_word(before) else "-") + ("a" if before < "\x80" else "u")


class _Program:
    """Instructions: ("one", test of a character), ("split", where to go on), ("at", test of a place)."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Any]] = []

    def add(self, kind: str, detail: Any) -> int:
        if len(self.steps) >= MAX_STEPS:
            raise ValueError("is too large: its repeats have too many copies")
        self.steps.append((kind, detail))
        return len(self.steps) - 1

    def build(self, items: Iterable[Any], flags: int) -> None:
        for op, detail in items:
            if op is code.SUBPATTERN:
                _, more, less, inner = detail
                self.build(inner, (flags | more) & ~less)
            elif op is code.BRANCH:
                self._branch(list(detail[1]), flags)
            elif op in (code.MAX_REPEAT, code.MIN_REPEAT):
                low, high, inner = detail
                self._repeat(low, high, inner, flags)
            elif op is code.AT:
                self.add("at", _place(detail, flags))
            elif op in (code.LITERAL, code.NOT_LITERAL, code.ANY, code.IN):
                self.add("one", _test(op, detail, flags))
            else:
                raise ValueError(f"uses what cannot be searched in bounded time: {str(op).lower()}")

    def _branch(self, branches: list[Any], flags: int) -> None:
        ends: list[int] = []
        for branch in branches[:-1]:
            split = self.add("split", ())
            self.build(branch, flags)
            ends.append(self.add("split", ()))
            self.steps[split] = ("split", (split + 1, len(self.steps)))
        self.build(branches[-1], flags)
        for end in ends:
            self.steps[end] = ("split", (len(self.steps),))

    def _repeat(self, low: int, high: int, inner: Any, flags: int) -> None:
        for _ in range(low):
            before = len(self.steps)
            self.build(inner, flags)
            if len(self.steps) == before:
                return  # repeats of nothing
        if high is code.MAXREPEAT:
            split = self.add("split", ())
            self.build(inner, flags)
            self.add("split", (split,))
            self.steps[split] = ("split", (split + 1, len(self.steps)))
            return
        splits: list[int] = []
        for _ in range(high - low):
            splits.append(self.add("split", ()))
            self.build(inner, flags)
        for split in splits:
            self.steps[split] = ("split", (split + 1, len(self.steps)))


# --- characters -------------------------------------------------------------------------------------------------------


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


_CATEGORIES: Final[dict[Any, tuple[Test, bool]]] = {
    code.CATEGORY_DIGIT: (str.isdecimal, True),
    code.CATEGORY_NOT_DIGIT: (str.isdecimal, False),
    code.CATEGORY_SPACE: (str.isspace, True),
    code.CATEGORY_NOT_SPACE: (str.isspace, False),
    code.CATEGORY_WORD: (_is_word, True),
    code.CATEGORY_NOT_WORD: (_is_word, False),
}
#: the white space of ASCII as ``re`` has it, without the separators that ``str.isspace`` counts too
_ASCII_SPACE: Final = " \t\n\r\f\v"


def _category(name: Any, flags: int) -> Test:
    test, is_so = _CATEGORIES[name]
    if not flags & re.ASCII:
        return lambda sign: test(sign) is is_so
    if test is str.isspace:
        return lambda sign: (sign in _ASCII_SPACE) is is_so
    return lambda sign: (sign < "\x80" and test(sign)) is is_so


def _test(op: Any, detail: Any, flags: int) -> Test:
    if op is code.ANY:
        return _anything if flags & re.DOTALL else _no_line_end
    if op is code.IN:
        return _any_of(detail, flags)
    return _any_of(([(code.NEGATE, None)] if op is code.NOT_LITERAL else []) + [(code.LITERAL, detail)], flags)


def _anything(sign: str) -> bool:
    return True


def _no_line_end(sign: str) -> bool:
    return sign != "\n"


def _any_of(items: list[Any], flags: int) -> Test:
    """A test for ``[...]``."""
    wanted = not (items and items[0][0] is code.NEGATE)
    literals = frozenset(chr(detail) for op, detail in items if op is code.LITERAL)
    ranges = [detail for op, detail in items if op is code.RANGE]
    categories = [_category(detail, flags) for op, detail in items if op is code.CATEGORY]

    def fits(sign: str) -> bool:
        return (
            sign in literals
            or any(low <= ord(sign) <= high for low, high in ranges)
            or any(category(sign) for category in categories)
        )

    if not flags & re.IGNORECASE:
        return lambda sign: fits(sign) is wanted
    ascii_only = bool(flags & re.ASCII)
    return lambda sign: any(fits(form) for form in _forms(sign, ascii_only)) is wanted


def _forms(sign: str, ascii_only: bool) -> list[str]:
    """The character in every case."""
    if ascii_only and sign >= "\x80":
        return [sign]
    forms = {sign, sign.lower(), sign.upper(), sign.lower().upper()[:1], sign.upper().lower()[:1]}
    return [form for form in forms if len(form) == 1]


# --- places -----------------------------------------------------------------------------------------------------------

Place = Callable[[str, str, bool], bool]


def _at_start(before: str, after: str, last: bool) -> bool:
    return before == ""


def _at_line_start(before: str, after: str, last: bool) -> bool:
    return before in ("", "\n")


def _at_end(before: str, after: str, last: bool) -> bool:
    return after == "" or (last and after == "\n")


def _at_line_end(before: str, after: str, last: bool) -> bool:
    return after in ("", "\n")


def _at_end_of_string(before: str, after: str, last: bool) -> bool:
    return after == ""


def _place(name: Any, flags: int) -> Place:
    lines = bool(flags & re.MULTILINE)
    if name is code.AT_BEGINNING:
        return _at_line_start if lines else _at_start
    if name is code.AT_BEGINNING_STRING:
        return _at_start
    if name is code.AT_END:
        return _at_line_end if lines else _at_end
    if name is code.AT_END_STRING:
        return _at_end_of_string
    ascii_only = bool(flags & re.ASCII)

    def is_word(sign: str) -> bool:
        return sign != "" and _is_word(sign) and not (ascii_only and sign >= "\x80")

    if name is code.AT_BOUNDARY:
        return lambda before, after, last: is_word(before) != is_word(after)
    # as re has it until Python 3.14: an empty text has no place that is none
    return lambda before, after, last: bool(before or after) and is_word(before) == is_word(after)
