"""Evaluators that are functions of yours: ``@tracekit.evaluator``, also from a file that an operator allows.

    @tracekit.evaluator
    def polite(output: str) -> bool:
        return "please" in output.lower()

A function asks for what it needs by the names of its parameters: those of ``Subject``'s fields, ``subject`` itself,
or ``inputs``, ``outputs``, ``reference``, ``reference_outputs`` and ``contexts`` (the documents' texts).
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, cast, get_args, overload

from tracekit.evals.api import AnnotatorKind, Evaluator, Judge, NotApplicable, Score, Subject, text_of
from tracekit.evals.options import Options, is_number, version_of
from tracekit.evals.registry import register

#: names the folder from which the collector's rules may load functions; without it they may load none
VARIABLE: Final = "TRACEKIT_EVALUATORS_FOLDER"
#: files that many functions are said to be from
_ANYBODYS: Final = frozenset(("<string>", "<stdin>"))
_MOST_BYTES: Final = 1_000_000
_MOST_SCORES: Final = 1_000
_KINDS: Final = get_args(AnnotatorKind)
_ALIASES: Final[Mapping[str, Callable[[Subject], Any]]] = {
    "subject": lambda subject: subject,
    "inputs": lambda subject: subject.input,
    "outputs": lambda subject: subject.output,
    "reference": lambda subject: subject.expected,
    "reference_outputs": lambda subject: subject.expected,
    "contexts": lambda subject: [document.text for document in subject.documents],
    "input_text": lambda subject: subject.input_text,
    "output_text": lambda subject: subject.output_text,
    "expected_text": lambda subject: subject.expected_text,
}
_FIELDS: Final = frozenset(field.name for field in fields(Subject))
#: what is missing makes a function inapplicable, unless its parameter has a default
_EXPECTED: Final = ("expected", "reference", "reference_outputs", "expected_text")


class FunctionEvaluator:
    """An evaluator, and still the function: called with one ``Subject`` it judges, called otherwise it is the function
    as it was written."""

    def __init__(self, function: Callable[..., Any], name: str, version: str, kind: AnnotatorKind) -> None:
        """Raises ``TypeError`` for parameters that nothing can be given for."""
        self.function = function
        self._name, self._version, self._kind = name, version, kind
        self._parameters = _parameters(function)
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)
        self.__wrapped__ = function

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> str:
        return self._version

    @property
    def annotator_kind(self) -> AnnotatorKind:
        return self._kind

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if len(args) == 1 and not keywords and isinstance(args[0], Subject):
            return self.judge(args[0])
        return self.function(*args, **keywords)

    def judge(self, subject: Subject) -> Sequence[Score]:
        """Raises ``NotApplicable`` where the function returns None, ``TypeError`` and ``ValueError`` for what is no
        score, and whatever the function raises."""
        given: dict[str, Any] = {}
        for parameter, has_default in self._parameters.items():
            value = value_of(subject, parameter)
            if value is None and has_default:
                continue
            if value is None and parameter in _EXPECTED:
                raise NotApplicable("there is no expected output")
            given[parameter] = value
        positional = [given.pop("", None)] if "" in given else []
        found = self.function(*positional, **given)
        return scores_of(_awaited(found) if inspect.isawaitable(found) else found, self._name)


def value_of(subject: Subject, parameter: str) -> Any:
    """What a parameter of this name is given; for "", the only one of another name, the subject."""
    if parameter in _ALIASES:
        return _ALIASES[parameter](subject)
    return getattr(subject, parameter) if parameter else subject


def _parameters(function: Callable[..., Any]) -> dict[str, bool]:
    """The parameters that are given, and whether each has a default. "" stands for a single one of any other name,
    which is given the subject."""
    found: dict[str, bool] = {}
    others: list[inspect.Parameter] = []
    for one in inspect.signature(function).parameters.values():
        has_default = one.default is not one.empty
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        if one.name in _FIELDS or one.name in _ALIASES:
            if one.kind is one.POSITIONAL_ONLY:
                others.append(one)
            else:
                found[one.name] = has_default
        elif not has_default:
            others.append(one)
    if len(others) == 1 and not found and others[0].kind is not others[0].KEYWORD_ONLY:
        return {"": False}
    if others or not found:
        what = others[0].name if others else "nothing"
        raise TypeError(f"an evaluator is given subject, {', '.join(sorted(_FIELDS))}; not {what}")
    return found


def _awaited(found: Awaitable[Any]) -> Any:
    """The result of a coroutine, also where the thread has a loop that is running."""

    async def wait() -> Any:
        return await found

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    results: list[Any] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(wait()))
        except BaseException as error:  # noqa: BLE001 - is raised again by the caller's thread
            faults.append(error)

    thread = threading.Thread(target=run, name="tracekit-evaluator")
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
    return results[0]


# --- results ----------------------------------------------------------------------------------------------------------

_SAID: Final = frozenset(("name", "key", "score", "value", "label", "explanation", "comment", "reason", "metadata"))


def scores_of(found: Any, name: str) -> Sequence[Score]:
    """What a function returned, as scores: a bool or a number is a score, a text a label, a mapping one score
    (``score``, ``label``, ``explanation`` ..., also LangSmith's ``key``, ``value`` and ``comment``) or several (name ->
    any of these), a list several. Raises ``NotApplicable`` for None, ``TypeError`` and ``ValueError`` for anything
    else."""
    if found is None:
        raise NotApplicable("the evaluator said nothing")
    if isinstance(found, (list, tuple)):
        if len(found) > _MOST_SCORES:
            raise ValueError(f"{len(found)} scores; {_MOST_SCORES} are the most")
        return [score for one in found for score in scores_of(one, name)]
    if isinstance(found, Mapping) and found and not _SAID.issuperset(found):
        return [replace(_score(value, str(key)), name=str(key)) for key, value in found.items()]
    return [_score(found, name)]


def _score(found: Any, name: str) -> Score:
    if isinstance(found, Score):
        return found if found.name else replace(found, name=name)
    if isinstance(found, Mapping):
        return _of_mapping(found, name)
    if isinstance(found, str):
        return Score(name, label=found)
    return Score(name, _number(found))


def _number(found: Any) -> float | bool:
    if isinstance(found, bool):
        return found
    if hasattr(found, "item") and callable(found.item):
        return _number(found.item())  # numpy's
    if is_number(found):
        return cast(float, found)
    if isinstance(found, float):
        raise ValueError("a score must be a finite number")
    raise TypeError(f"{type(found).__name__} is no score: return a bool, a number, a text, a Score, a dict or a list")


def _of_mapping(found: Mapping[Any, Any], name: str) -> Score:
    def first(*keys: str) -> Any:
        return next((found[key] for key in keys if found.get(key) is not None), None)

    score, label = first("score"), first("label", "value")
    if score is None and label is not None and not isinstance(label, str):
        score, label = label, None
    if score is None and label is None and first("explanation", "comment", "reason") is None:
        raise NotApplicable("the evaluator said nothing")
    said, details = first("explanation", "comment", "reason"), first("metadata")
    return Score(
        str(first("name", "key") or name),
        None if score is None else _number(score),
        label=None if label is None else text_of(label),
        explanation=None if said is None else text_of(said),
        metadata=details if isinstance(details, Mapping) else {},
    )


# --- the decorator ----------------------------------------------------------------------------------------------------


@overload
def evaluator(function: Callable[..., Any], /) -> FunctionEvaluator: ...
@overload
def evaluator(
    *, name: str | None = None, version: str | None = None, kind: AnnotatorKind = "code"
) -> Callable[[Callable[..., Any]], FunctionEvaluator]: ...
def evaluator(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    kind: AnnotatorKind = "code",
) -> FunctionEvaluator | Callable[[Callable[..., Any]], FunctionEvaluator]:
    """Make an evaluator of a function, also of a coroutine function. ``name``: of its scores (the function's name).
    ``version``: to be changed whenever it may judge otherwise; without it the function's source is it, but not that
    of what it calls. ``kind``: "llm" where it asks a model. Raises ``TypeError`` for parameters that it cannot be
    given."""
    if kind not in _KINDS:
        raise ValueError(f"kind: must be one of {', '.join(_KINDS)}")

    def made(function: Callable[..., Any]) -> FunctionEvaluator:
        called = name or str(getattr(function, "__name__", type(function).__name__))
        return FunctionEvaluator(function, called, version or f"function-{_source(function)}", kind)

    return made if function is None else made(function)


def _source(function: Callable[..., Any]) -> str:
    """A hash that changes with the function's source, or with its code where the source is not to be had."""
    code = getattr(function, "__code__", None)
    told = _written(function) if code is None or code.co_filename not in _ANYBODYS else None
    if told is None:
        told = type(function).__qualname__ if code is None else repr(_compiled(code))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:12]


def _written(function: Callable[..., Any]) -> str | None:
    try:
        return inspect.getsource(function)
    except Exception:  # noqa: BLE001 - there is no file, or it says something else by now, which need not be Python
        return None


def _compiled(code: CodeType) -> tuple[Any, ...]:
    """What a function does, the same in every process of this version of Python."""
    return code.co_code, code.co_names, [_constant(value) for value in code.co_consts]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _compiled(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


# --- from files -------------------------------------------------------------------------------------------------------


def load_file(file: str | Path, folder: str | Path) -> dict[str, FunctionEvaluator]:
    """The evaluators in a Python file, by the names under which the file has them. Runs the file: ``folder`` is what
    an operator allows, and a file outside of it, by ``..``, by an absolute path or by a link, is refused. Their version
    is the file's content. Raises ``ValueError``."""
    root = Path(folder).resolve()
    try:
        path = (root / file).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise ValueError(f"file: there is no {str(file)[:200]!r} in the evaluators' folder") from None
    if not path.is_relative_to(root) or path.suffix != ".py" or not path.is_file():
        raise ValueError(f"file: {str(file)[:200]!r} is no Python file in the evaluators' folder")
    content = path.read_bytes()
    if len(content) > _MOST_BYTES:
        raise ValueError(f"file: has more than {_MOST_BYTES} bytes")
    digest = hashlib.sha256(content).hexdigest()[:12]
    found = vars(_run(path, content, digest))
    return {
        name: FunctionEvaluator(value.function, value.name, f"file-{digest}-{value.version}", value.annotator_kind)
        for name, value in found.items()
        if isinstance(value, FunctionEvaluator)
    }


def _run(path: Path, content: bytes, digest: str) -> ModuleType:
    """A module for each file and content, run once, under a name that no other module has."""
    name = f"_tracekit_evaluators_{hashlib.sha256(bytes(path)).hexdigest()[:12]}_{digest}"
    with _RUNNING:
        if name in sys.modules:
            return sys.modules[name]
        module = ModuleType(name)
        module.__file__ = str(path)
        # there while it runs: dataclasses and pickle look for their module
        sys.modules[name] = module
        try:
            exec(compile(content, str(path), "exec"), vars(module))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what a user's file does is its own fault
            del sys.modules[name]
            told = f"{type(error).__name__}: {str(error)[:200]}"
            raise ValueError(f"file: {path.name} cannot be loaded: {told}") from None
        return module


_RUNNING: Final = threading.RLock()


def _from_file(settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
    """``file`` in the folder that ``TRACEKIT_EVALUATORS_FOLDER`` names, and ``function`` in it."""
    options = Options(settings, "function")
    file, function = options.text("file"), options.text("function")
    options.done()
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise ValueError(f"file: no folder of evaluators is allowed; {VARIABLE} names it")
    found = load_file(file, folder).get(function)
    if found is None:
        raise ValueError(f"function: {file} has no evaluator {function!r}")
    name = options.name if "name" in settings else found.name
    return FunctionEvaluator(
        found.function, name, version_of("function", found.version, settings), found.annotator_kind
    )


register("function", _from_file)
