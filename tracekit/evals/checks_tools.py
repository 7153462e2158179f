"""Whether the right tools were called with the right arguments. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tracekit.evals.api import NotApplicable, Score, Subject, ToolUse
from tracekit.evals.json_schema import Schema, TooLarge, equal
from tracekit.evals.options import Options, define, listed

_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that is expected. ``arguments`` None: any."""

    name: str
    arguments: Any = None
    schema: Schema | None = None


def tool_calls(options: Options) -> Callable[[Subject], Sequence[Score]]:
    """The tools in ``expected`` (or in the subject's expected output: a list of tools, or an object with a list
    ``tools``) were called, and no others. Each is a name, or ``{"name", "arguments"}`` or ``{"name", "schema"}``.

    ``arguments``: "exact", "subset" (more may be given), "schema" (the subset that ``json_schema`` knows), or "ignore".
    ``ordered``: in this order (the longest common subsequence counts). Three scores from 0 to 1: NAME is F1,
    NAME.precision the share of calls that were expected, NAME.recall the share of those expected that were made. With
    nothing expected, NAME alone: 1 where nothing was called, else 0.
    """
    mode = options.choice("arguments", ("exact", "subset", "schema", "ignore"), "subset")
    ordered = options.flag("ordered", False)
    given = options.any("expected", None)
    fixed = None if given is None else _wanted(given, mode)

    def check(subject: Subject) -> Sequence[Score]:
        expected = fixed if fixed is not None else _of_subject(subject, mode)
        made = list(subject.tools[:_MOST])
        pairs = [[_fits(call, one, mode) for call in made] for one in expected]
        matched = _in_order(pairs) if ordered else _matching(pairs)
        return _scores(options.name, expected, made, matched)

    return check


def _wanted(given: Any, mode: str) -> list[Wanted]:
    """Raises ``ValueError``."""
    if not isinstance(given, (list, tuple)) or len(given) > _MOST:
        raise ValueError(f"expected: must be a list of at most {_MOST} tools")
    return [_one(item, mode) for item in given]


def _one(item: Any, mode: str) -> Wanted:
    if isinstance(item, str):
        return Wanted(item)
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise ValueError("expected: each is a tool's name, or an object with a name")
    if mode == "schema":
        try:
            return Wanted(item["name"], schema=Schema(item.get("schema", item.get("arguments", True))))
        except ValueError as error:
            raise ValueError(f"expected: the schema of {item['name']}: {error}") from None
    return Wanted(item["name"], item.get("arguments"))


def _of_subject(subject: Subject, mode: str) -> list[Wanted]:
    given = subject.expected
    if isinstance(given, Mapping):
        given = given.get("tools", given.get("tool_calls"))
    if given is None:
        raise NotApplicable("no tools are expected: neither by the settings nor by the example")
    try:
        return _wanted(given, mode)
    except ValueError as error:
        raise NotApplicable(f"what is expected names no tools: {error}") from None


def _fits(call: ToolUse, one: Wanted, mode: str) -> bool:
    if call.name != one.name:
        return False
    if mode == "schema":
        try:
            return one.schema is None or not one.schema.faults(call.arguments)
        except TooLarge:
            return False
    if mode == "ignore" or one.arguments is None:
        return True
    return equal(call.arguments, one.arguments) if mode == "exact" else within(one.arguments, call.arguments)


def within(part: Any, whole: Any) -> bool:
    """Whether ``whole`` has every field of ``part``, at every depth; lists and other values have to be equal."""
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    return equal(part, whole)


def _matching(pairs: list[list[bool]]) -> dict[int, int]:
    """The most pairs of an expected call and one that was made, each used once (augmenting paths: a greedy choice might
    give the only call that fits another)."""
    taken: dict[int, int] = {}

    def place(at: int, seen: set[int]) -> bool:
        for call, fits in enumerate(pairs[at]):
            if fits and call not in seen:
                seen.add(call)
                if call not in taken or place(taken[call], seen):
                    taken[call] = at
                    return True
        return False

    for at in range(len(pairs)):
        place(at, set())
    return {at: call for call, at in taken.items()}


def _in_order(pairs: list[list[bool]]) -> dict[int, int]:
    """The same for pairs in the same order on both sides: a longest common subsequence."""
    rows, columns = len(pairs), len(pairs[0]) if pairs else 0
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            here = best[row + 1][column + 1] + 1 if pairs[row][column] else 0
            best[row][column] = max(here, best[row + 1][column], best[row][column + 1])
    found: dict[int, int] = {}
    row = column = 0
    while row < rows and column < columns:
        if pairs[row][column] and best[row][column] == best[row + 1][column + 1] + 1:
            found[row] = column
            row, column = row + 1, column + 1
        elif best[row + 1][column] >= best[row][column + 1]:
            row += 1
        else:
            column += 1
    return found


def _scores(
    name: str, expected: Sequence[Wanted], made: Sequence[ToolUse], matched: Mapping[int, int]
) -> Sequence[Score]:
    missing = [one.name for at, one in enumerate(expected) if at not in matched]
    others = set(range(len(made))) - set(matched.values())
    extra = [made[at].name for at in sorted(others)]
    said = [f"not called so: {listed(missing)}"] if missing else []
    said += [f"not expected: {listed(extra)}"] if extra else []
    why = "; ".join(said) or "as expected"
    if not expected:
        return [Score(name, 0.0 if made else 1.0, explanation=why)]
    recall = len(matched) / len(expected)
    precision = len(matched) / len(made) if made else 0.0
    f1 = 2 * len(matched) / (len(expected) + len(made))
    return [
        Score(name, f1, explanation=why),
        Score(f"{name}.precision", precision),
        Score(f"{name}.recall", recall),
    ]


define("tool_calls", tool_calls)
