"""Checks of an output's text: equal, containing, matching, as long as it should be. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from tracekit.evals.api import NotApplicable, Score, Subject, text_of
from tracekit.evals.lexical import sentences, words
from tracekit.evals.options import Options, answer, define, is_number, listed, shown, verdict, wanted
from tracekit.evals.patterns import Pattern, TooCostly

Function = Callable[[Subject], Score]


def _forms(options: Options, case: bool = True, space: bool = False) -> Callable[[str], str]:
    """How texts are made comparable: ``case_sensitive``, ``ignore_whitespace`` (any run of white space is one space,
    none at the ends). Always Unicode NFC, so that one letter written in two ways is one."""
    case, space = options.flag("case_sensitive", case), options.flag("ignore_whitespace", space)

    def form(text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        text = text if case else text.casefold()
        return " ".join(text.split()) if space else text

    return form


def exact_match(options: Options) -> Function:
    """The output is ``value``, or what was expected. Numbers, also those in JSON or written as text, may differ by
    ``tolerance``; other JSON values have to be equal, whatever the order of their keys."""
    form = _forms(options, space=True)
    tolerance = options.number("tolerance", 0.0, low=0.0)
    value = options.any("value", None)

    def check(subject: Subject) -> Score:
        said, right = subject.output, wanted(subject) if value is None else value
        if said is None:
            raise NotApplicable("there is no output")
        same = _same(said, right, form, tolerance) or form(text_of(said)) == form(text_of(right))
        return verdict(options.name, same, f"{shown(text_of(said))} is not {shown(text_of(right))}")

    return check


def _same(said: Any, right: Any, form: Callable[[str], str], tolerance: float, depth: int = 50) -> bool:
    if depth == 0:
        return False
    if isinstance(said, bool) or isinstance(right, bool):
        return said is right
    one, other = _number(said), _number(right)
    if one is not None and other is not None:
        return one == other or abs(one - other) <= tolerance
    if isinstance(said, str) and isinstance(right, str):
        return form(said) == form(right)
    if isinstance(said, dict) and isinstance(right, dict):
        return said.keys() == right.keys() and all(
            _same(said[key], right[key], form, tolerance, depth - 1) for key in right
        )
    if isinstance(said, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(said) == len(right) and all(
            _same(a, b, form, tolerance, depth - 1) for a, b in zip(said, right, strict=True)
        )
    return bool(said is None and right is None)


def _number(value: Any) -> float | None:
    if is_number(value):
        return value  # type: ignore[no-any-return]  # a whole number stays exact
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = float(value.strip().replace(",", ""))
    except ValueError:
        return None
    return found if is_number(found) else None


def _containing(one: bool, every: bool, negated: bool = False) -> Callable[[Options], Function]:
    """``value`` (one text) or ``values``; without either what was expected."""

    def maker(options: Options) -> Function:
        form = _forms(options, case=False)
        texts = options.one_or_more("value", "values", optional=True) if one else options.texts("values")
        if not all(texts):
            raise ValueError("values: an empty text is in every text")

        def check(subject: Subject) -> Score:
            said = form(answer(subject))
            sought = texts or [text_of(wanted(subject))]
            there = [text for text in sought if form(text) in said]
            missing = [text for text in sought if text not in there]
            if negated:
                return verdict(options.name, not there, f"contains {listed(there)}")
            passed = not missing if every else bool(there)
            return verdict(options.name, passed, f"does not contain {listed(missing)}")

        return check

    return maker


def _at(starts: bool) -> Callable[[Options], Function]:
    def maker(options: Options) -> Function:
        form = _forms(options, case=False)
        texts = options.one_or_more("value", "values")
        strip = options.flag("strip", True)

        def check(subject: Subject) -> Score:
            # not cut: the end counts here
            if subject.output is None:
                raise NotApplicable("there is no output")
            said = subject.output_text.strip() if strip else subject.output_text
            longest = max(map(len, texts)) * 4 + 1000
            said = form(said[:longest] if starts else said[-longest:])
            passed = any(said.startswith(form(text)) if starts else said.endswith(form(text)) for text in texts)
            return verdict(options.name, passed, f"{'starts' if starts else 'ends'} with none of {listed(texts)}")

        return check

    return maker


def regex(options: Options) -> Function:
    """``pattern`` is found in the output (``whole``: is all of it; ``negate``: is not found). Of an output the first
    ``max_characters`` are searched. See ``patterns`` for what a pattern may use, and why it cannot take for ever."""
    limit = options.count("max_characters", 50_000, high=100_000)
    negate, whole = options.flag("negate", False), options.flag("whole", False)
    try:
        text, ignore = options.text("pattern"), not options.flag("case_sensitive", True)
        pattern = Pattern(text, ignore_case=ignore, whole=whole)
    except ValueError as error:
        raise ValueError(f"pattern: {str(error).removeprefix('pattern: ')}") from None

    def check(subject: Subject) -> Score:
        try:
            found = pattern.found_in(answer(subject)[:limit])
        except TooCostly as error:
            raise NotApplicable(str(error)) from None
        why = f"{shown(pattern.text)} is {'' if found else 'not '}found"
        return verdict(options.name, found is not negate, why)

    return check


def output_length(options: Options) -> Function:
    """The output has ``min`` to ``max`` of ``unit``: characters, words, sentences or lines."""
    unit = options.choice("unit", ("characters", "words", "sentences", "lines"), "characters")
    low, high = options.maybe_number("min"), options.maybe_number("max")
    if low is None and high is None:
        raise ValueError("max: give min, max or both")
    measures: dict[str, Callable[[str], Sequence[Any]]] = {
        "characters": lambda text: text,
        "words": words,
        "sentences": sentences,
        "lines": str.splitlines,
    }

    def check(subject: Subject) -> Score:
        if subject.output is None:
            raise NotApplicable("there is no output")
        there = len(measures[unit](subject.output_text))
        passed = (low is None or there >= low) and (high is None or there <= high)
        told = verdict(options.name, passed, f"{there} {unit}, {_range(low, high)} are allowed", f"{there} {unit}")
        return Score(told.name, told.score, explanation=told.explanation, metadata={unit: there})

    return check


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


define("exact_match", exact_match)
define("contains", _containing(one=True, every=True))
define("contains_any", _containing(one=False, every=False))
define("contains_all", _containing(one=False, every=True))
define("not_contains", _containing(one=True, every=False, negated=True))
define("starts_with", _at(starts=True))
define("ends_with", _at(starts=False))
define("regex", regex)
define("output_length", output_length)
