"""Checks of outputs that are JSON: that they are, that they fit a schema, that single fields are right. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from tracekit.evals.api import NotApplicable, Score, Subject
from tracekit.evals.json_schema import Schema, TooLarge, equal
from tracekit.evals.options import MAX_CHARACTERS, Options, define, from_0_to_1, is_number, listed, verdict, wanted

Function = Callable[[Subject], Score]

_FENCE: Final = re.compile(r"\s*```(?:json|JSON)?\s*\n(.*?)\n?\s*```\s*\Z", re.S)
_PART: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,9})\]")
_NOTHING: Final = object()


def parsed(value: Any, fenced: bool) -> Any:
    """The JSON value of an output: text is read, anything else is one already. ``fenced``: a Markdown code block around
    it is taken off. Raises ``ValueError`` for what is no JSON (RFC 8259: no NaN, no infinity)."""
    if not isinstance(value, str):
        return value
    if len(value) > MAX_CHARACTERS * 10:
        raise ValueError(f"is longer than {MAX_CHARACTERS * 10} characters")
    found = _FENCE.match(value) if fenced else None
    try:
        return json.loads(found.group(1) if found else value, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _output(subject: Subject, fenced: bool) -> Any:
    if subject.output is None:
        raise NotApplicable("there is no output")
    return parsed(subject.output, fenced)


def valid_json(options: Options) -> Function:
    """The output is JSON. ``allow_fence``: also in a Markdown code block. ``kind``: and an object, or an array."""
    fenced = options.flag("allow_fence", False)
    kind = options.choice("kind", ("any", "object", "array"), "any")
    kinds: dict[str, type | tuple[type, ...]] = {"any": object, "object": dict, "array": (list, tuple)}

    def check(subject: Subject) -> Score:
        try:
            value = _output(subject, fenced)
        except ValueError as error:
            return verdict(options.name, False, f"no JSON: {str(error)[:200]}")
        return verdict(options.name, isinstance(value, kinds[kind]), f"JSON, but no {kind}")

    return check


def json_schema(options: Options) -> Function:
    """The output is JSON that fits ``schema`` (see ``tracekit.evals.json_schema`` for the keywords)."""
    fenced = options.flag("allow_fence", False)
    given = options.any("schema")
    try:
        schema = Schema(parsed(given, False))
    except ValueError as error:
        raise ValueError(f"schema: {error}") from None

    def check(subject: Subject) -> Score:
        try:
            faults = schema.faults(_output(subject, fenced))
        except ValueError as error:
            return verdict(options.name, False, f"no JSON: {str(error)[:200]}")
        except TooLarge as error:
            raise NotApplicable(str(error)) from None
        return verdict(options.name, not faults, "; ".join(faults)[:1000])

    return check


def path_of(text: str) -> list[str | int]:
    """``items[0].price`` (also with ``$.`` before it) as its steps. Raises ``ValueError``."""
    rest = text.removeprefix("$")
    steps: list[str | int] = []
    at = 0
    while at < len(rest):
        found = _PART.match(rest, at)
        if found is None or (found.group(1) and at and rest[at] != "."):
            raise ValueError(f"{text!r} is no path; paths are like items[0].price")
        steps.append(found.group(1) if found.group(1) is not None else int(found.group(2)))
        at = found.end()
    return steps


def at_path(value: Any, path: list[str | int]) -> Any:
    """What is there; ``LookupError`` where nothing is."""
    for step in path:
        fits = isinstance(value, dict) if isinstance(step, str) else isinstance(value, (list, tuple))
        if not fits:
            raise LookupError(step)
        value = value[step]
    return value


def json_fields(options: Options) -> Function:
    """The share of fields that are equal, from 0 to 1. ``fields``: path -> value, or paths whose values are those of
    the expected output; without it every field of the expected object. ``tolerance`` for numbers."""
    fenced = options.flag("allow_fence", True)
    tolerance = options.number("tolerance", 0.0, low=0.0)
    given = options.any("fields", None)
    if given is not None and (not isinstance(given, (dict, list, tuple)) or not given or len(given) > 1000):
        raise ValueError("fields: must be an object of paths and values, or a list of paths")
    paths = {str(path): path_of(str(path)) for path in given or ()}
    values = given if isinstance(given, dict) else None

    def check(subject: Subject) -> Score:
        right = _expected(subject, paths, values)
        try:
            said = _output(subject, fenced)
        except ValueError as error:
            return Score(options.name, 0.0, explanation=f"no JSON: {str(error)[:200]}")
        wrong = [
            path for path, value in right.items() if not _close(_look(said, paths.get(path, [path])), value, tolerance)
        ]
        return Score(
            options.name,
            from_0_to_1(1 - len(wrong) / len(right)),
            explanation=f"wrong or missing: {listed(wrong)}" if wrong else f"{len(right)} fields are equal",
        )

    return check


def _expected(subject: Subject, paths: dict[str, list[str | int]], values: dict[str, Any] | None) -> dict[str, Any]:
    """The fields and what each should be."""
    if values is not None:
        return {str(path): value for path, value in values.items()}
    try:
        whole = parsed(wanted(subject), True)
        found = {path: at_path(whole, steps) for path, steps in paths.items()} if paths else whole
    except (ValueError, LookupError):
        raise NotApplicable("what is expected is no JSON with these fields") from None
    if not isinstance(found, dict) or not found:
        raise NotApplicable("what is expected is no JSON object with fields")
    return found


def _look(value: Any, path: list[str | int]) -> Any:
    try:
        return at_path(value, path)
    except LookupError:
        return _NOTHING


def _close(one: Any, other: Any, tolerance: float) -> bool:
    if one is _NOTHING:
        return False
    if is_number(one) and is_number(other):
        return bool(one == other or abs(one - other) <= tolerance)
    return equal(one, other)


define("valid_json", valid_json)
define("json_schema", json_schema)
define("json_fields", json_fields)
