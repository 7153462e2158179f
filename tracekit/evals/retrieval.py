"""How good a search was, against labels: precision, recall, hit rate, MRR, MAP, NDCG. Pure.

Which documents are relevant is said by the setting ``expected_ids``, else by the subject (``expected`` as a list of
ids, or an object with ``document_ids``; ``metadata`` with ``expected_document_ids`` or ``relevant_document_ids``; each
a list, or an object id -> grade), else by ``RetrievedDocument.relevant`` of the documents: true, false, or a grade from
0. By ids, also a relevant document that was not found is known; by labels only those that were, so that recall and the
ideal order are those of what was retrieved. A document without a label counts as not relevant, one that comes twice
counts once. Documents are in the order of their ``position``.

The formulas are those of C. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval" (2008),
chapter 8, and, for NDCG, of K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS
20(4), 2002.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tracekit.evals.api import NotApplicable, Score, Subject
from tracekit.evals.options import Options, define, from_0_to_1, is_number

_KEYS: Final = ("expected_document_ids", "relevant_document_ids")
#: 2 to this power is still exact
_MOST_GRADE: Final = 50.0

#: the grades in order of retrieval, all grades there are, k or None -> value; None where it is not defined
Measure = Callable[[Sequence[float], Sequence[float], int | None], float | None]


def precision(grades: Sequence[float], known: Sequence[float], k: int | None) -> float | None:
    """The share of relevant ones among the first k; where fewer were retrieved, still of k."""
    total = k or len(grades)
    return _relevant(grades[:total]) / total if total else 0.0


def recall(grades: Sequence[float], known: Sequence[float], k: int | None) -> float | None:
    """How many of the relevant ones are among the first k. Not defined where none is relevant."""
    return _relevant(grades[:k]) / _relevant(known) if _relevant(known) else None


def hit(grades: Sequence[float], known: Sequence[float], k: int | None) -> float | None:
    """1 where any of the first k is relevant, else 0; its mean is the hit rate."""
    return float(_relevant(grades[:k]) > 0)


def reciprocal_rank(grades: Sequence[float], known: Sequence[float], k: int | None) -> float | None:
    """1 / the rank of the first relevant one, 0 where none is; its mean is MRR."""
    return next((1 / rank for rank, grade in enumerate(grades[:k], 1) if grade > 0), 0.0)


def average_precision(grades: Sequence[float], known: Sequence[float], k: int | None) -> float | None:
    """The precision at each relevant one, added up, over the number of relevant ones (or k, where that is less); its
    mean is MAP. Not defined where none is relevant."""
    found, total = 0, 0.0
    for rank, grade in enumerate(grades[:k], 1):
        if grade > 0:
            found += 1
            total += found / rank
    most = min(_relevant(known), k or _relevant(known))
    return total / most if most else None


def ndcg(grades: Sequence[float], known: Sequence[float], k: int | None) -> float | None:
    """DCG / the DCG of the best order, with DCG the sum of grade / log2(rank + 1) over the first k. Not defined where
    none is relevant."""
    best = dcg(sorted(known, reverse=True)[:k])
    return dcg(grades[:k]) / best if best > 0 else None


def dcg(grades: Sequence[float]) -> float:
    return math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def _relevant(grades: Sequence[float]) -> int:
    return sum(grade > 0 for grade in grades)


# --- evaluators -------------------------------------------------------------------------------------------------------


def _measured(measure: Measure, graded: bool = False) -> Callable[[Options], Callable[[Subject], Score]]:
    """``k``: of the first so many (all). ``min_grade``: what is relevant at least (any above 0). NDCG also takes
    ``gain``: "linear" (the grade) or "exponential" (2 to the grade, less 1: C. Burges et al., 2005)."""

    def maker(options: Options) -> Callable[[Subject], Score]:
        k = options.count("k", high=10_000) if options.has("k") else options.any("k", None)
        least = options.number("min_grade", 0.0, low=0.0)
        gain = options.choice("gain", ("linear", "exponential"), "linear") if graded else "binary"
        given = _grades_of(options.any("expected_ids", None), "expected_ids")

        def check(subject: Subject) -> Score:
            grades, known = graded_documents(subject, given)
            found = [_gained(grade, least, gain) for grade in grades]
            value = measure(found, [_gained(grade, least, gain) for grade in known], k)
            if value is None:
                raise NotApplicable("none of the documents is relevant")
            why = f"{_relevant(found[:k])} relevant of {len(found[:k])} retrieved"
            return Score(options.name, from_0_to_1(value), explanation=why)

        return check

    return maker


def _gained(grade: float, least: float, gain: str) -> float:
    if grade <= 0 or grade < least:
        return 0.0
    if gain == "binary":
        return 1.0
    return grade if gain == "linear" else 2.0**grade - 1


def graded_documents(
    subject: Subject, given: Mapping[str, float] | None = None
) -> tuple[Sequence[float], Sequence[float]]:
    """The grades in order of retrieval, and all grades that are known. Raises ``NotApplicable`` without labels."""
    documents = sorted(subject.documents, key=lambda document: document.position)
    expected = given if given is not None else _expected(subject)
    if expected is None:
        if all(document.relevant is None for document in documents):
            raise NotApplicable("no document has a label, and no documents are expected")
        grades = _once([(document.id, _grade(document.relevant)) for document in documents])
        return grades, grades
    grades = _once([(document.id, expected.get(document.id or "", 0.0)) for document in documents])
    return grades, list(expected.values())


def _once(graded: Sequence[tuple[str | None, float]]) -> list[float]:
    """A document that came before is worth nothing again."""
    seen: set[str] = set()
    found: list[float] = []
    for name, grade in graded:
        found.append(0.0 if name is not None and name in seen else grade)
        if name is not None:
            seen.add(name)
    return found


def _expected(subject: Subject) -> Mapping[str, float] | None:
    """The ids that are expected, with their grades; None where nothing says so."""
    expected = subject.expected
    found = [expected.get("document_ids")] if isinstance(expected, Mapping) else []
    found += [expected] if isinstance(expected, (list, tuple)) else []
    found += [subject.metadata.get(key) for key in _KEYS]
    for given in found:
        try:
            grades = _grades_of(given, "the expected documents")
        except ValueError:
            continue
        if grades is not None:
            return grades
    return None


def _grades_of(given: Any, what: str) -> Mapping[str, float] | None:
    """Raises ``ValueError`` for what is neither a list of ids nor an object id -> grade."""
    if given is None:
        return None
    if isinstance(given, Mapping) and all(is_number(grade) or isinstance(grade, bool) for grade in given.values()):
        return {str(name): _grade(grade) for name, grade in given.items()}
    if isinstance(given, (list, tuple)) and all(isinstance(name, (str, int)) for name in given):
        return {str(name): 1.0 for name in given}
    raise ValueError(f"{what}: must be a list of ids, or an object of ids and grades")


def _grade(value: Any) -> float:
    """No label, a negative grade and what is no number count as 0."""
    if isinstance(value, bool):
        return float(value)
    return min(max(float(value), 0.0), _MOST_GRADE) if is_number(value) else 0.0


define("precision_at_k", _measured(precision))
define("recall_at_k", _measured(recall))
define("hit_rate", _measured(hit))
define("mrr", _measured(reciprocal_rank))
define("map", _measured(average_precision))
define("ndcg", _measured(ndcg, graded=True))
