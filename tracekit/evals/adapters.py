"""Evaluators of other libraries: ``autoevals``, ``openevals``, ``phoenix-evals``, each behind an extra of its name.

    from autoevals import Factuality
    from tracekit.evals.adapters import from_autoevals

    tracekit.evaluate(task, dataset, [from_autoevals(Factuality())])

By name (``registry.make``) there are those that ask no model; one that does is made in Python, with the client and the
keys that its library wants.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tracekit.evals.api import AnnotatorKind, Evaluator, Judge, NotApplicable, Score, Subject
from tracekit.evals.functions import scores_of
from tracekit.evals.options import Check, Options, version_of
from tracekit.evals.registry import register

_CODE: Final[Mapping[str, Sequence[str]]] = {
    "autoevals": ("ExactMatch", "JSONDiff", "Levenshtein", "NumericDiff", "ValidJSON"),
    "openevals": ("exact_match", "levenshtein_distance"),
    # not MatchesRegex: a pattern of a rule could keep Python's re busy for ever
    "phoenix-evals": ("exact_match",),
}
_ASKING: Final = ("autoevals.llm", "autoevals.ragas", "autoevals.moderation", "autoevals.string.EmbeddingSimilarity")


def from_autoevals(scorer: Any, name: str | None = None, version: str | None = None) -> Evaluator:
    """A scorer of Braintrust's autoevals (an instance, as ``Levenshtein()``; a class is made one). It is given
    ``output``, ``expected``, ``input`` and, as ``context``, the documents' texts. Its error is raised as
    ``RuntimeError``, its score of None is ``NotApplicable``."""
    scorer = scorer() if inspect.isclass(scorer) else scorer
    called = name or (str(scorer._name()) if callable(getattr(scorer, "_name", None)) else type(scorer).__name__)
    kinds = {f"{base.__module__}.{base.__name__}" for base in type(scorer).__mro__}
    asks = any(kind.startswith(_ASKING) for kind in kinds)

    def check(subject: Subject) -> Sequence[Score]:
        given: dict[str, Any] = {"input": subject.input}
        if subject.documents:
            given["context"] = [document.text for document in subject.documents]
        found = scorer(output=subject.output, expected=subject.expected, **given)
        if getattr(found, "error", None) is not None:
            raise RuntimeError(f"{called} failed: {str(found.error)[:500]}")
        if found.score is None:
            raise NotApplicable(f"{called} gave no score")
        details = dict(found.metadata or {})
        why = details.pop("rationale", None)
        choice = details.pop("choice", None)
        return scores_of(
            {
                "name": name or found.name,
                "score": found.score,
                "label": choice,
                "explanation": why,
                "metadata": details,
            },
            called,
        )

    return Check(called, version or _version("autoevals", called), check, "llm" if asks else "code")


def from_openevals(
    function: Callable[..., Any], name: str | None = None, version: str | None = None, kind: AnnotatorKind | None = None
) -> Evaluator:
    """An evaluator of LangChain's openevals, as ``exact_match`` or what ``create_llm_as_judge`` returns: it is given
    ``inputs``, ``outputs``, ``reference_outputs`` and ``context``, as far as it takes them. ``kind``: "llm" unless it
    is one of those known to be code."""
    called = name or str(getattr(function, "__name__", "openevals"))
    code = getattr(function, "__module__", "").startswith(("openevals.exact", "openevals.string.levenshtein"))
    taken = _taken(function)

    def check(subject: Subject) -> Sequence[Score]:
        given = {
            "inputs": subject.input,
            "outputs": subject.output,
            "reference_outputs": subject.expected,
            "context": [document.text for document in subject.documents] or None,
        }
        if given["reference_outputs"] is None and "reference_outputs" in _needed(function):
            raise NotApplicable("there is no expected output")
        passed = {key: value for key, value in given.items() if key in taken or (None in taken and value is not None)}
        found = function(**passed)
        return _renamed(scores_of(found, called), name)

    return Check(called, version or _version("openevals", called), check, kind or ("code" if code else "llm"))


def from_phoenix_evals(
    evaluator: Any,
    mapping: Mapping[str, Any] | None = None,
    name: str | None = None,
    version: str | None = None,
) -> Evaluator:
    """An evaluator of arize-phoenix-evals 2 or later: it is given ``input``, ``output``, ``expected``, ``reference``
    and ``context`` (the documents' texts, as one text), mapped by its own ``input_mapping``. Where less is better
    (``direction`` "minimize") the score's metadata says so."""
    called = name or str(evaluator.name)

    def check(subject: Subject) -> Sequence[Score]:
        context = "\n\n".join(document.text for document in subject.documents)
        given = {
            "input": subject.input_text,
            "output": subject.output_text,
            "expected": subject.expected_text,
            "reference": subject.expected_text,
            "context": context,
            "documents": context,
        }
        found = evaluator.evaluate(given, dict(mapping) if mapping else None)
        return _renamed([score for one in found for score in scores_of(_phoenix(one), called)], name)

    kind: AnnotatorKind = "llm" if getattr(evaluator, "kind", "llm") == "llm" else "code"
    return Check(called, version or _version("phoenix-evals", called), check, kind)


def _phoenix(found: Any) -> dict[str, Any]:
    details = dict(found.metadata or {})
    if found.direction != "maximize":
        details["direction"] = found.direction
    return {
        "name": found.name,
        "score": found.score,
        "label": found.label,
        "explanation": found.explanation,
        "metadata": details,
    }


def _renamed(scores: Sequence[Score], name: str | None) -> Sequence[Score]:
    from dataclasses import replace

    return [replace(score, name=name) for score in scores] if name else scores


def _taken(function: Callable[..., Any]) -> set[str | None]:
    """The names of its parameters; None where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    return {None if one.kind is one.VAR_KEYWORD else one.name for one in parameters}


def _needed(function: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.default is one.empty}


def _version(library: str, called: str) -> str:
    """That of the library: its prompts and code change with it."""
    distribution = "arize-phoenix-evals" if library == "phoenix-evals" else library
    try:
        return f"{library}-{importlib.metadata.version(distribution)}-{called}"
    except importlib.metadata.PackageNotFoundError:
        return f"{library}-{called}"


# --- by name ----------------------------------------------------------------------------------------------------------


def _module(library: str, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(f"{library} is not installed: it is behind the extra {library}") from None


def _maker(library: str, made: Callable[[str, Options, str | None], Evaluator]) -> None:
    def maker(settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
        options = Options(settings, library)
        which = options.choice("evaluator", _CODE[library])
        found = made(which, options, options.name if "name" in settings else None)
        options.done()
        return Check(found.name, version_of(library, found.version, settings), found, found.annotator_kind)

    register(library, maker)


def _autoevals(which: str, options: Options, name: str | None) -> Evaluator:
    return from_autoevals(getattr(_module("autoevals", "autoevals"), which)(), name)


def _openevals(which: str, options: Options, name: str | None) -> Evaluator:
    module = "openevals.exact" if which == "exact_match" else "openevals.string.levenshtein"
    return from_openevals(getattr(_module("openevals", module), which), name, kind="code")


def _phoenix_evals(which: str, options: Options, name: str | None) -> Evaluator:
    return from_phoenix_evals(getattr(_module("phoenix-evals", "phoenix.evals.metrics"), which), name=name)


_maker("autoevals", _autoevals)
_maker("openevals", _openevals)
_maker("phoenix-evals", _phoenix_evals)
