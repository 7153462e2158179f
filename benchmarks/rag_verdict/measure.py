"""Verdicts over the labelled cases, counted: pure apart from the evaluator that is asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.rag_verdict.cases import Case, Knowledge
from tracekit.evals.api import Subject
from tracekit.evals.verdict import LABELS, RagVerdict

Judging = Callable[[Subject], RagVerdict]


@dataclass
class Result:
    """``confusion``: how often (made, said). ``named``: of the answered and the contradicted, how often the document
    that the verdict names is the one that holds the answer; ``nameable``: how many those are."""

    mode: str
    part: str
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_made: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    by_language: Counter[tuple[str, bool]] = field(default_factory=Counter)
    named: int = 0
    nameable: int = 0
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        return self.confusion.total()

    def accuracy(self, label: str | None = None) -> float:
        """Of all cases, or of those that were made to be this."""
        made = {key: count for key, count in self.confusion.items() if label is None or key[0] == label}
        right = sum(count for (one, said), count in made.items() if one == said)
        return right / sum(made.values()) if made else 0.0

    def balanced(self) -> float:
        """The mean of the five verdicts' accuracies: no verdict counts more because more cases were made of it."""
        return sum(map(self.accuracy, LABELS)) / len(LABELS)


def measure(mode: str, part: str, cases: Sequence[Case], judging: Judging, knowledge: Knowledge = "corpus") -> Result:
    result = Result(mode, part)
    began = time.process_time()
    for case in cases:
        found = judging(case.subject(knowledge))
        right = found.label == case.verdict
        result.confusion[case.verdict, found.label] += 1
        result.by_made[case.verdict, case.made, right] += 1
        result.by_language["de, fr" if case.domain == "german_french" else "en", right] += 1
        if case.verdict in ("answered", "contradicted") and right:
            result.nameable += 1
            result.named += case.holding in _named(found)
    result.seconds = time.process_time() - began
    return result


def _named(found: RagVerdict) -> set[str | None]:
    standing = "supported" if found.label == "answered" else "contradicted"
    named = [one.document for one in found.sentences if one.standing == standing and one.document is not None]
    return {found.documents[at].id for at in named}
