"""What a RAG verdict is made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tracekit.evals.api import NotApplicable, RetrievedDocument, Subject, text_of

Label = Literal["answered", "not_retrieved", "ignored", "contradicted", "not_answerable"]
LABELS: Final[tuple[Label, ...]] = ("answered", "not_retrieved", "ignored", "contradicted", "not_answerable")
MEANING: Final[Mapping[Label, str]] = {
    "answered": "answered from the documents",
    "not_retrieved": "relevant document not retrieved",
    "ignored": "retrieved but ignored",
    "contradicted": "contradicted by the documents",
    "not_answerable": "not answerable from the documents",
}
Relation = Literal["supports", "contradicts", "none"]
Standing = Literal["supported", "contradicted", "unsupported", "refusal", "filler"]

#: What is looked at, at most. What lies behind is not, and ``RagVerdict.cut`` says so.
#: the evaluator's type, and the corpus that a rule of the collector gives it
NAME: Final = "rag_verdict"
PROJECT: Final = "project"

MAX_SENTENCES: Final = 40
MAX_DOCUMENTS: Final = 50
MAX_DOCUMENT: Final = 40_000
#: characters of the documents together: each may have its share of it
MAX_TEXT: Final = 400_000
MAX_CORPUS: Final = 500
#: characters of the corpus together
MAX_CORPUS_TEXT: Final = 300_000
MAX_QUESTION: Final = 2_000
MAX_ANSWER: Final = 20_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One sentence beside one document. ``document`` is the index into the documents as given, ``start`` and ``end``
    the evidence in the document's characters, ``support`` from 0 to 1, ``reason`` the conflict in words."""

    sentence: int
    document: int
    relation: Relation
    support: float
    start: int
    end: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer: ``text == answer[start:end]``. ``document``: what supports or contradicts it."""

    index: int
    start: int
    end: int
    text: str
    standing: Standing
    document: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentUse:
    """``index`` into the documents as given. ``relevant``: it can answer the question. ``used``: it supports a
    sentence of the answer. ``answers`` from 0 to 1, None where a label said it."""

    index: int
    position: int
    id: str | None
    relevant: bool
    used: bool
    answers: float | None = None


@dataclass(frozen=True, slots=True)
class RagVerdict:
    """``cells``: the support matrix, every sentence that states something by every document. ``missing``: the
    relevant documents that were not retrieved, by their ids or numbers in the corpus. ``knows_corpus``: whether
    anything told which documents there are besides the retrieved ones; without it, ``not_answerable`` may be
    ``not_retrieved``. ``cut``: something was too long and only its beginning looked at."""

    label: Label
    explanation: str
    sentences: tuple[Sentence, ...]
    documents: tuple[DocumentUse, ...]
    cells: tuple[Cell, ...]
    mode: Literal["local", "judge"] = "local"
    missing: tuple[str, ...] = ()
    knows_corpus: bool = False
    cut: bool = False

    @property
    def score(self) -> float:
        return 1.0 if self.label == "answered" else 0.0

    def as_metadata(self) -> dict[str, Any]:
        """A JSON value: the matrix compactly, a row for each sentence, a column for each document, each entry
        ``[relation, support, start, end]`` with the relation as ``+``, ``-`` or ``0``."""
        signs = {"supports": "+", "contradicts": "-", "none": "0"}
        rows: dict[int, list[Any]] = {}
        for cell in self.cells:
            row = rows.setdefault(cell.sentence, [None] * len(self.documents))
            row[cell.document] = [signs[cell.relation], round(cell.support, 3), cell.start, cell.end]
        reasons = [[cell.sentence, cell.document, cell.reason] for cell in self.cells if cell.reason]
        return {
            "mode": self.mode,
            "sentences": [[one.start, one.end, one.standing, one.document] for one in self.sentences],
            "documents": [[one.position, one.id, one.relevant, one.used] for one in self.documents],
            "matrix": [rows.get(one.index) for one in self.sentences],
            "conflicts": reasons[:20],
            "missing": list(self.missing)[:20],
            "knows_corpus": self.knows_corpus,
            "cut": self.cut,
        }


@dataclass(frozen=True, slots=True)
class RagCase:
    """A question, the documents that were retrieved, and the answer. ``expected``: what would be right, if known.
    ``expected_ids``: the documents that hold the answer, by label, none of them where nothing
    holds it; None where nobody said. ``corpus``: other documents
    of the knowledge base, as far as known; None where none are; ``partial`` where there may be more."""

    question: str
    documents: Sequence[RetrievedDocument]
    answer: str
    expected: str = ""
    expected_ids: frozenset[str] | None = None
    corpus: Sequence[RetrievedDocument] | None = None
    cut: bool = field(default=False)
    partial: bool = False

    @property
    def knows_corpus(self) -> bool:
        """Whether it would be seen if another document held the answer."""
        return self.expected_ids is not None or (self.corpus is not None and not self.partial)


def document_limit(documents: Sequence[RetrievedDocument]) -> int:
    """The characters of each that are looked at."""
    return min(MAX_DOCUMENT, MAX_TEXT // max(1, len(documents)))


_QUESTION_KEYS: Final = ("question", "query", "input", "prompt", "text")
_ANSWER_KEYS: Final = ("answer", "output", "result", "response", "text", "content")


def case_of(subject: Subject) -> RagCase:
    """Raises ``NotApplicable`` without a question, documents or an answer.

    ``metadata["expected_documents"]``: ids of the documents that hold the answer; an empty list: none
    does. ``metadata["corpus"]``: other documents, each a text or ``{"id", "text"}``; with
    ``metadata["corpus_partial"]`` there may be more. A document's own ``relevant`` is a label too.
    """
    documents = [one for one in subject.documents if isinstance(one.text, str) and one.text.strip()][:MAX_DOCUMENTS]
    question, answer = (
        _inside(subject.input, _QUESTION_KEYS) or _last_user(subject),
        _inside(subject.output, _ANSWER_KEYS),
    )
    for what, found in (("documents", documents), ("question", question.strip()), ("answer", answer.strip())):
        if not found:
            raise NotApplicable(f"there is no {what}" if what != "documents" else "there are no documents with a text")
    ids = subject.metadata.get("expected_documents")
    corpus = subject.metadata.get("corpus")
    cut = len(answer) > MAX_ANSWER or len(question) > MAX_QUESTION or len(subject.documents) > MAX_DOCUMENTS
    return RagCase(
        question[:MAX_QUESTION],
        documents,
        answer[:MAX_ANSWER],
        subject.expected_text[:MAX_ANSWER],
        _ids(ids),
        None if not isinstance(corpus, Sequence) or isinstance(corpus, str) else _corpus(corpus),
        cut or any(len(one.text) > document_limit(documents) for one in documents),
        subject.metadata.get("corpus_partial") is True,
    )


def _inside(value: Any, keys: Sequence[str]) -> str:
    if isinstance(value, Mapping):
        for key in keys:
            if isinstance(value.get(key), str):
                return str(value[key])
    return text_of(value)


def _last_user(subject: Subject) -> str:
    said = [text_of(one.get("content")) for one in subject.messages if one.get("role") == "user"]
    return said[-1] if said else ""


def _ids(value: Any) -> frozenset[str] | None:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return frozenset(str(one) for one in value[:MAX_CORPUS] if isinstance(one, (str, int)))
    return None


def _corpus(corpus: Sequence[Any]) -> tuple[RetrievedDocument, ...]:
    found: list[RetrievedDocument] = []
    left = MAX_CORPUS_TEXT
    for at, one in enumerate(corpus[:MAX_CORPUS]):
        text = one.get("text") if isinstance(one, Mapping) else one
        if isinstance(text, str) and text.strip() and left > 0:
            text = text[: min(left, MAX_DOCUMENT)]
            left -= len(text)
            key = one.get("id") if isinstance(one, Mapping) else None
            found.append(RetrievedDocument(text, at, str(key) if key is not None else None))
    return tuple(found)
