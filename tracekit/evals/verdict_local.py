"""The RAG verdict without a judge: words, numbers, names, negations, and, where a model is there, embeddings.

Pure apart from the model. Cost is bounded: by the limits in ``verdict_types``, and because each sentence is compared
closely with a few windows of a document only.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tracekit.evals.api import RetrievedDocument
from tracekit.evals.lexical import sentences
from tracekit.evals.verdict_facts import Token, tokens, yes_or_no
from tracekit.evals.verdict_question import asked, idf_of
from tracekit.evals.verdict_support import MAX_TOKENS, Finding, Passage, Read, compare, read, read_again
from tracekit.evals.verdict_types import (
    MAX_DOCUMENT,
    MAX_SENTENCES,
    MEANING,
    Cell,
    DocumentUse,
    Label,
    RagCase,
    RagVerdict,
    Relation,
    Sentence,
    document_limit,
)
from tracekit.evals.verdict_words import FILLER, REFUSAL

if TYPE_CHECKING:
    from tracekit.evals.embedding import Embedder

#: windows of a document that a sentence is compared with closely
_CLOSE: Final = 6


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From 0 to 1. ``support``: from which a sentence is supported; ``aligned``: how far a passage must speak of the
    same thing before a conflict counts; ``answered``: the share of the answer that must be supported; ``on_topic``:
    the share of the question that evidence must speak of; ``relevant``: from which a document can answer the question.
    Tuned on the development part of ``benchmarks/rag_verdict`` alone."""

    support: float = 0.6
    aligned: float = 0.55
    answered: float = 0.67
    on_topic: float = 0.3
    relevant: float = 0.5


DEFAULTS: Final[Mapping[bool, Thresholds]] = {False: Thresholds(), True: Thresholds()}


#: a cosine of 0.5 is no likeness, 0.9 full likeness; it weighs 0.4 beside the words
_LIKE: Final = (0.5, 0.4, 0.4)


class Vectors:
    """Cosines of texts, the latest ``size`` texts kept. May be used from threads."""

    def __init__(self, embedder: Embedder, size: int = 4096) -> None:
        self.embedder = embedder
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._size = size
        self._lock = threading.Lock()

    def cosine(self, one: str, other: str) -> float:
        return float(self._of(one) @ self._of(other))

    def _of(self, text: str) -> Any:
        with self._lock:
            if text in self._known:
                self._known.move_to_end(text)
                return self._known[text]
        vector = self.embedder.embed([text])[0]
        with self._lock:
            self._known[text] = vector
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return vector


@dataclass(frozen=True, slots=True)
class Claim:
    index: int
    text: str
    tokens: tuple[Token, ...]
    weight: float
    polar: bool = False


def local_verdict(case: RagCase, vectors: Vectors | None = None, thresholds: Thresholds | None = None) -> RagVerdict:
    return _Local(case, vectors, thresholds or DEFAULTS[vectors is not None]).verdict()


class _Local:
    def __init__(self, case: RagCase, vectors: Vectors | None, thresholds: Thresholds) -> None:
        self.case, self.vectors, self.limits = case, vectors, thresholds
        limit = document_limit(case.documents)
        self.read = [read(one.text[:limit]) for one in case.documents]
        self.asked = asked(case.question)
        pieces = sentences(case.answer)
        self.cut = case.cut or len(pieces) > MAX_SENTENCES
        self.sentences = [
            Sentence(at, piece.start, piece.end, piece.text, "unsupported")
            for at, piece in enumerate(pieces[:MAX_SENTENCES])
        ]
        self.claims = self._claims()

    def _claims(self) -> list[Claim]:
        found = []
        for at, one in enumerate(self.sentences):
            if REFUSAL.search(one.text[:600]):
                self.sentences[at] = replace(one, standing="refusal")
                continue
            said, rest = yes_or_no(one.text)
            spoken = tokens(rest)[:MAX_TOKENS]
            if not spoken and said is not None:
                spoken = tuple(replace(token, negated=token.negated == said) for token in self.asked.tokens)
            if not spoken or (FILLER.search(one.text.strip()) and not any(token.kind == "number" for token in spoken)):
                self.sentences[at] = replace(one, standing="filler")
                continue
            found.append(
                Claim(at, rest.strip() or one.text, spoken, sum(token.weight for token in spoken), said is not None)
            )
        return found

    def verdict(self) -> RagVerdict:
        cells = [self._cell(claim, at) for claim in self.claims for at in range(len(self.read))]
        by_claim = {claim.index: [cell for cell in cells if cell.sentence == claim.index] for claim in self.claims}
        for claim in self.claims:
            self._stand(claim, by_claim[claim.index])
        label, uses, missing = self._label(cells)
        told = self.case.knows_corpus
        found = RagVerdict(label, "", tuple(self.sentences), uses, tuple(cells), "local", missing, told, self.cut)
        return replace(found, explanation=explain(found, self.case))

    # --- one sentence and one document ---

    def _cell(self, claim: Claim, at: int) -> Cell:
        document = self.read[at]
        tried = [self._try(claim, passage, document) for passage in self._candidates(claim, document)]
        if not tried:
            return Cell(claim.index, at, "none", 0.0, 0, 0)
        support, passage, _ = max(tried, key=lambda one: (one[0], one[1].first - one[1].last))
        against = max((one for one in tried if one[2].conflicts), key=lambda one: one[2].aligned, default=None)
        held = support >= self.limits.support
        if held and passage.first != passage.last:
            # words gathered from several sentences do not outweigh one sentence that says otherwise
            single = max((one for one in tried if _says_otherwise(one)), key=lambda one: one[2].aligned, default=None)
            held, against = single is None, single or against
        if not held and against is not None and against[2].aligned >= self.limits.aligned:
            reason = "; ".join(against[2].conflicts[:3])[:300]
            return Cell(claim.index, at, "contradicts", 0.0, against[1].start, against[1].end, reason)
        relation: Relation = "supports" if held else "none"
        return Cell(claim.index, at, relation, min(support, 1.0), passage.start, passage.end)

    def _try(self, claim: Claim, passage: Passage, document: Read) -> tuple[float, Passage, Finding]:
        finding = compare(claim.tokens, passage, self.asked.roots, document.roots, claim.polar)
        return self._support(claim, passage, finding, document), passage, finding

    def _candidates(self, claim: Claim, document: Read) -> list[Passage]:
        weights = {token.root: token.weight for token in claim.tokens}
        numbers = [token for token in claim.tokens if token.kind == "number"]

        def rank(passage: Passage) -> tuple[float, int, int]:
            shared = sum(weights[name] for name in sorted(weights.keys() & passage.roots))
            shared += 0.5 * sum(1 for _ in numbers if passage.numbers)
            return (-shared + 0.2 * (passage.last - passage.first), passage.last - passage.first, passage.start)

        best = sorted(document.windows, key=rank)[:_CLOSE]
        return best + [one for one in sorted(document.parts, key=rank)[:2] if one not in best]

    def _support(self, claim: Claim, passage: Passage, finding: Finding, document: Read) -> float:
        if finding.conflicts:
            return min(finding.support, 0.3)
        if finding.missing:
            return min(finding.support, 0.4)
        if self.vectors is None:
            return finding.support
        cosine = self.vectors.cosine(claim.text, document.text[passage.start : passage.end])
        likeness = min(1.0, max(0.0, (cosine - _LIKE[0]) / _LIKE[1]))
        return max(finding.support, (1 - _LIKE[2]) * finding.support + _LIKE[2] * likeness)

    def _stand(self, claim: Claim, cells: Sequence[Cell]) -> None:
        """What a document supports is supported, whatever another says: a document more takes nothing away."""
        for relation, standing in (("supports", "supported"), ("contradicts", "contradicted")):
            those = [cell for cell in cells if cell.relation == relation]
            if those:
                chosen = max(those, key=lambda cell: (cell.support, -self.case.documents[cell.document].position))
                self.sentences[claim.index] = replace(
                    self.sentences[claim.index],
                    standing="supported" if standing == "supported" else "contradicted",
                    document=chosen.document,
                )
                return

    # --- the whole ---

    def _label(self, cells: Sequence[Cell]) -> tuple[Label, tuple[DocumentUse, ...], tuple[str, ...]]:
        used = {cell.document for cell in cells if cell.relation == "supports"}
        total = sum(claim.weight for claim in self.claims)
        supported = sum(claim.weight for claim in self.claims if self.sentences[claim.index].standing == "supported")
        answers = self._answers()
        uses = tuple(
            DocumentUse(at, one.position, one.id, self._relevant(at, one, answers), at in used, answers.get(at))
            for at, one in enumerate(self.case.documents)
        )
        if any(one.standing == "contradicted" for one in self.sentences):
            return "contradicted", uses, ()
        if total and supported >= self.limits.answered * total and self._on_topic(cells):
            return "answered", uses, ()
        if any(use.relevant for use in uses):
            return "ignored", uses, ()
        missing = self._missing(answers)
        return ("not_retrieved" if missing else "not_answerable"), uses, missing

    def _on_topic(self, cells: Sequence[Cell]) -> bool:
        """Whether evidence and answer together speak of what was asked."""
        for cell in cells:
            if cell.relation == "supports":
                said = self.sentences[cell.sentence].text
                if self.asked.share(self.read[cell.document]) >= self.limits.on_topic:
                    return True
                evidence = self.case.documents[cell.document].text[cell.start : cell.end]
                if self.vectors and self.vectors.cosine(self.case.question, f"{said} {evidence}") >= 0.35:
                    return True
        return not self.asked.tokens

    def _answers(self) -> dict[int, float]:
        """Of the retrieved documents by index, and of the corpus by ``-1 - index``: how well each could answer."""
        others = self.case.corpus or ()
        known = {one.text for one in self.case.documents}
        texts = dict(enumerate(self.read))
        new = [(at, one.text[:MAX_DOCUMENT]) for at, one in enumerate(others) if one.text not in known]
        texts |= {-1 - at: read_again(text) for at, text in new}
        weights = idf_of(texts.values())
        expected = tokens(self.case.expected)
        found = {}
        for at, document in texts.items():
            score = self.asked.answered_by(document, weights, self.vectors)
            if expected:
                score = max(score, self._expected(expected, document)) if score > 0.2 else score
            found[at] = score
        return found

    def _expected(self, expected: tuple[Token, ...], document: Read) -> float:
        claim = Claim(0, self.case.expected, expected, 1.0)
        findings = [
            compare(expected, one, self.asked.roots, document.roots) for one in self._candidates(claim, document)
        ]
        return max((one.support for one in findings if not one.missing and not one.conflicts), default=0.0)

    def _relevant(self, at: int, document: RetrievedDocument, answers: Mapping[int, float]) -> bool:
        if document.relevant is not None:
            return float(document.relevant) > 0
        if self.case.expected_ids is not None:
            return document.id in self.case.expected_ids
        return answers[at] >= self.limits.relevant

    def _missing(self, answers: Mapping[int, float]) -> tuple[str, ...]:
        """The relevant documents that were not retrieved: those labelled, else those of the corpus, the best first."""
        here = {one.id for one in self.case.documents}
        if self.case.expected_ids is not None:
            return tuple(sorted(self.case.expected_ids - here))
        corpus = self.case.corpus or ()
        those = sorted((-score, -1 - at) for at, score in answers.items() if at < 0 and score >= self.limits.relevant)
        return tuple(corpus[at].id or f"corpus[{at}]" for _, at in those)[:20]


def _says_otherwise(tried: tuple[float, Passage, Finding]) -> bool:
    _, passage, finding = tried
    firm = [one for one in finding.conflicts if not one.startswith("negation")]
    return passage.first == passage.last and bool(firm) and finding.aligned >= 0.6


def explain(found: RagVerdict, case: RagCase) -> str:
    """The verdict in a few sentences, which name the answer's sentences and the documents (both counted from 1)."""
    said = [f"{MEANING[found.label].capitalize()}."]
    for one in found.sentences[:8]:
        if one.standing in ("supported", "contradicted") and one.document is not None:
            cell = next(c for c in found.cells if (c.sentence, c.document) == (one.index, one.document))
            evidence = " ".join(case.documents[one.document].text[cell.start : cell.end].split())[:160]
            reason = f" ({cell.reason})" if cell.reason else ""
            said.append(
                f"Sentence {one.index + 1} is {one.standing} by {_named(found, one.document)}{reason}: “{evidence}”."
            )
        elif one.standing == "unsupported":
            said.append(f"Sentence {one.index + 1} has no support: “{one.text[:160]}”.")
        elif one.standing == "refusal":
            said.append(f"Sentence {one.index + 1} declines to answer.")
    relevant = [_named(found, one.index) for one in found.documents if one.relevant]
    if found.label == "ignored" and relevant:
        said.append(f"The answer is in {', '.join(relevant[:5])}.")
    if found.label == "not_retrieved":
        said.append(f"Relevant, and not among the retrieved: {', '.join(found.missing[:5])}.")
    if found.label == "not_answerable" and not found.knows_corpus:
        said.append("Whether another document of the knowledge base would have answered is not known.")
    return " ".join(said)


def _named(found: RagVerdict, at: int) -> str:
    use = found.documents[at]
    return f"document {use.index + 1}" + (f" ({use.id})" if use.id else "")
