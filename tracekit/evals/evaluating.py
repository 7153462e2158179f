"""Evaluators as experiments take them (objects, settings, plain functions), and what they say of one run."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tracekit.evals.api import AnnotatorKind, Evaluator, Judge, NotApplicable, Score, Subject, Temporary
from tracekit.evals.results import RunScore

#: how often an evaluator is asked that may succeed later, and the longest wait before it is asked again, in seconds
ATTEMPTS: Final = 4
MAX_WAIT: Final = 30.0
_MAX_TEXT: Final = 10_000
_GIVEN: Final = ("input", "output", "expected", "metadata", "documents", "subject")


class FunctionEvaluator:
    """A plain function: it is given what its parameters name of ``input, output, expected, metadata, documents,
    subject`` (a single parameter of another name: the subject), and returns a number, a boolean, a label (text), a
    ``Score``, a mapping of ``Score``'s fields, None for "not applicable", or a list of scores."""

    annotator_kind: AnnotatorKind = "code"

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self._function = function
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        self.version = "1"
        self._names = _parameters(function, self.name)

    def __call__(self, subject: Subject) -> Sequence[Score]:
        given = {name: subject if name == "subject" else getattr(subject, name) for name in self._names}
        found = self._function(subject) if not given else self._function(**given)
        if found is None:
            raise NotApplicable("the function returned None")
        return [_score(one, self.name) for one in (found if isinstance(found, (list, tuple)) else [found])]


def _parameters(function: Callable[..., Any], name: str) -> list[str]:
    """Empty: it takes the subject alone. Raises ``ValueError`` for a function that asks for what there is not."""
    parameters = inspect.signature(function).parameters.values()
    required = [
        one for one in parameters if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    known = [one.name for one in parameters if one.name in _GIVEN and one.kind is not one.POSITIONAL_ONLY]
    unknown = [one.name for one in required if one.name not in known]
    if len(required) == 1 and unknown:
        return []
    if unknown or not known:
        raise ValueError(
            f"the evaluator {name} must take some of {', '.join(_GIVEN)}; it takes {', '.join(unknown) or 'none'}"
        )
    return known


def _score(found: Any, name: str) -> Score:
    if isinstance(found, Score):
        return found
    if isinstance(found, (bool, int, float)):
        return Score(name, found)
    if isinstance(found, str):
        return Score(name, label=found)
    if isinstance(found, Mapping):
        return Score(**{"name": name, **found})
    raise TypeError(f"{name} returned {type(found).__name__}, which is no score")


def evaluators_of(given: Sequence[Any], judge: Judge | None = None) -> list[Evaluator]:
    """Of evaluators, settings (``{"type": "exact"}`` or ``"exact"``) and functions. Raises ``ValueError`` where two
    have the same name, and for what is none of these."""
    found: list[Evaluator] = []
    for one in given:
        evaluator = _evaluator(one, judge)
        if any(evaluator.name == other.name for other in found):
            raise ValueError(f"two evaluators are named {evaluator.name!r}")
        found.append(evaluator)
    return found


def _evaluator(given: Any, judge: Judge | None) -> Evaluator:
    if isinstance(given, (str, Mapping)):
        from tracekit.evals.registry import make

        return make({"type": given} if isinstance(given, str) else given, judge)
    if isinstance(given, Evaluator):
        return given
    if callable(given):
        return FunctionEvaluator(given)
    raise ValueError(f"{type(given).__name__} is no evaluator")


def judged(
    evaluators: Sequence[Evaluator], subject: Subject, wait: Callable[[float], None] = time.sleep
) -> list[RunScore]:
    """What each says. A fault of an evaluator is its result; nothing is raised."""
    return [score for evaluator in evaluators for score in _scores(evaluator, subject, wait)]


def _scores(evaluator: Evaluator, subject: Subject, wait: Callable[[float], None]) -> list[RunScore]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return [_kept(score) for score in evaluator(subject)]
        except NotApplicable as error:
            return [RunScore(evaluator.name, not_applicable=_said(error))]
        except Temporary as error:
            if attempt == ATTEMPTS:
                return [RunScore(evaluator.name, error=f"after {ATTEMPTS} attempts: {_said(error)}")]
            wait(min(MAX_WAIT, max(error.after_s, 0.5 * 2**attempt)))
        except Exception as error:  # noqa: BLE001 - somebody else's code
            return [RunScore(evaluator.name, error=f"{type(error).__name__}: {_said(error)}")]
    return []


def _kept(score: Score) -> RunScore:
    value = None if score.score is None else float(score.score)
    if value is not None and not math.isfinite(value):
        return RunScore(score.name, error="the score is no finite number")
    explanation = None if score.explanation is None else score.explanation[:_MAX_TEXT]
    return RunScore(score.name, value, score.label, explanation, score.document_position)


def _said(error: BaseException) -> str:
    return str(error)[:_MAX_TEXT]
