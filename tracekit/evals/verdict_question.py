"""What a question asks, and whether a document could answer it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tracekit.evals.lexical import idf
from tracekit.evals.verdict_facts import Token, root, tokens
from tracekit.evals.verdict_support import MAX_TOKENS, Passage, Read

if TYPE_CHECKING:
    from tracekit.evals.verdict_local import Vectors

_ASKING_WORDS: Final = """many much long far old heavy high tall often deep large fast big name call kind purpos price
    cost time year day month happen mean reason viel viele lang heiß nom appel give tell explain describ pleas"""
#: words that ask, and need not stand in the answer
_ASKING: Final = frozenset(_ASKING_WORDS.split())
_NUMBER: Final = re.compile(
    r"\b(?:how (?:many|much|long|far|old|heavy|high|tall|often|deep|large|fast|big)|what (?:year|price|temperature)"
    r"|(?:in|at) (?:what|which) (?:year|temperature|price|time)|wie ?viele?|wie (?:lange|hoch|alt|weit)"
    r"|was kostet|combien|quelle (?:altitude|heure)|à quelle altitude)\b",
    re.IGNORECASE,
)
_MONEY: Final = re.compile(r"\b(?:costs?|price|how much money|pay|kostet|preis|coûte|prix)\b", re.IGNORECASE)
_MONEY_WORDS: Final = "euro dollar pound shilling penny pence cent crown franc mark guinea eur usd gbp free charge"
_MONEY_ROOTS: Final = frozenset(map(root, _MONEY_WORDS.split()))
_PERSON: Final = re.compile(r"^\W*(?:who|whom|by whom|wer|wem|wen|qui)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """``roots``: of the question's terms. ``kind``: what an answer must hold."""

    text: str
    tokens: tuple[Token, ...]
    roots: frozenset[str]
    kind: str

    def share(self, document: Read) -> float:
        """The share of the question's terms that the document has, whatever other documents there are."""
        total = sum(token.weight for token in self.tokens)
        return sum(token.weight for token in self.tokens if document.saying(token)) / total if total else 0.0

    def answered_by(self, document: Read, weights: Mapping[str, float], vectors: Vectors | None) -> float:
        """From 0 to 1. Terms near each other count whole, terms elsewhere in the document half."""
        unseen = max(weights.values(), default=1.0)
        worth = [(token, weights.get(token.root, unseen)) for token in self.tokens if token.root not in _ASKING]
        total = sum(weight for _, weight in worth)
        if not total or not document.parts:
            return 0.0
        # which words of the document say each term, looked up once and not in every window
        said = [(document.saying(token), weight) for token, weight in worth]
        everywhere = sum(weight for names, weight in said if names) / total
        best = 0.0
        for passage in document.windows if everywhere else ():
            near = sum(weight for names, weight in said if not names.isdisjoint(passage.roots)) / total
            best = max(best, (0.5 * near + 0.5 * everywhere) * self._fits(passage))
        if vectors is None:
            return best
        near = max(vectors.cosine(self.text, document.text[one.start : one.end]) for one in document.parts[:40])
        return 0.75 * best + 0.25 * min(1.0, max(0.0, (near - 0.15) / 0.5))

    def _fits(self, passage: Passage) -> float:
        """Less where what is asked for, a number or a name, is not there."""
        if self.kind == "money":
            priced = any(token.unit in ("eur", "usd") for token in passage.numbers)
            return 1.0 if priced or not _MONEY_ROOTS.isdisjoint(passage.roots) else 0.4
        if self.kind == "number" and not any(token.root not in self.roots for token in passage.numbers):
            return 0.6
        if self.kind == "person" and not any(t.kind == "name" and t.root not in self.roots for t in passage.tokens):
            return 0.7
        return 1.0


def asked(question: str) -> Asked:
    found = tokens(question)[:MAX_TOKENS]
    kind = (
        "money"
        if _MONEY.search(question)
        else "number"
        if _NUMBER.search(question)
        else "person"
        if _PERSON.search(question)
        else "any"
    )
    return Asked(question, found, frozenset(token.root for token in found), kind)


def idf_of(documents: Iterable[Read]) -> dict[str, float]:
    return idf([document.roots for document in documents])
