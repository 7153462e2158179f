"""Texts as words and sentences, and how much of one is in another: without a model, for any script. Pure.

All of it takes time linear in the text; of a text longer than ``MAX_CHARACTERS`` the beginning is looked at.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 1_000_000

#: Signs that belong to a word, though ``\w`` leaves them out: marks of Latin, Cyrillic, Hebrew, Arabic, and the vowels
#: of Indic and South-East Asian scripts (without their full stops).
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u0df3\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1"
    "\u0eb4-\u0ebc\u0ec8-\u0ece\u0f71-\u0f84\u102b-\u103e\u1056-\u1059\u17b4-\u17d3"
)
#: Scripts written without spaces between words: each letter, with its marks, is a word of its own.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_LETTERS: Final = rf"[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_MARKS}])*"
_WORD: Final = re.compile(
    rf"\d+(?:[.,]\d+)+(?![^\W_])|[{_UNSPACED}](?<=[^\W_])[{_MARKS}]*|{_LETTERS}(?:['’]{_LETTERS})*"
)


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: English words that say nothing alone. "not", "no" and "never" are no such words: they turn a sentence round.
STOP_WORDS: Final = _listed(
    """a about above after again all also am an and any are as at be because been before being below between both but
    by can could did do does doing down during each few for from further had has have having he her here hers herself
    him himself his how i if in into is it its itself just me more most my myself of off on once only or other our ours
    out over own same she should so some such than that the their theirs them then there these they this those through
    to too under until up very was we were what when where which while who whom why will with would you your yours
    may might must shall i'm i've it's you're we're they're that's there's"""
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: ``text == whole[start:end]``, in characters."""

    text: str
    start: int
    end: int


def word_pieces(text: str) -> list[Piece]:
    """The words as they are written, in order. A number with its separators (``1,234.5``) is one word; so is
    ``don't``; Chinese, Japanese kana, Thai, Lao, Khmer and Burmese give one for each letter."""
    found = _WORD.finditer(text[:MAX_CHARACTERS])
    return [Piece(match.group(), match.start(), match.end()) for match in found]


def words(text: str) -> list[str]:
    """The words in order, made comparable: Unicode NFKC, case folded, ``’`` as ``'``, without a possessive ``'s``."""
    text = text[:MAX_CHARACTERS]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
    return [word.removesuffix("'s") for word in _WORD.findall(text.casefold())]


def stem(word: str) -> str:
    """An English plural as its singular: Harman's S stemmer (D. Harman, "How effective is suffixing?", JASIS 42(1),
    1991). Words of other languages change little or not."""
    if word.endswith("ies") and len(word) > 4 and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith("es") and len(word) > 3 and word[-3] not in "aeo":
        return word[:-1]
    if word.endswith("s") and len(word) > 3 and word[-2] not in "us":
        return word[:-1]
    return word


def terms(text: str, stop: Collection[str] = STOP_WORDS) -> list[str]:
    """What a text is about: its words without those in ``stop``, each as its ``stem``, in order, repeated ones too."""
    return [stem(word) for word in words(text) if word not in stop]


# --- sentences --------------------------------------------------------------------------------------------------------

_END: Final = re.compile(
    r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？｡।॥؟۔]+[\"'”’»)\]」』）]*|\n[^\S\n]*(?=\n|[-*•#>|]\s|\d{1,3}[.)]\s)|\n{2,}"
)
_CITATIONS: Final = re.compile(r"[^\S\n]*(?:\[[\w ,;.-]{1,40}\][^\S\n]?)+")
_LAST_WORD: Final = re.compile(r"([^\W\d_][\w.]*)\.$")
_ABBREVIATIONS: Final = _listed(
    """mr mrs ms dr prof sr jr st vs etc e.g i.e eg ie cf al fig figs no nos vol pp approx dept est inc ltd co corp gen
    col sgt capt rev hon gov sen rep jan feb mar apr jun jul aug sep sept oct nov dec z.b d.h bzw usw ca vgl nr abb bd
    u.s u.k a.m p.m ph.d"""
)
#: those with which a sentence may well end
_MAY_END: Final = frozenset(("etc", "al", "inc", "ltd", "co", "corp", "u.s", "u.k", "a.m", "p.m", "ph.d", "usw", "no"))


def sentences(text: str) -> list[Piece]:
    """The sentences in order, without the space around them. They end at ``. ! ? … 。 ！ ？ ।`` and the like, at an
    empty line, and before an item of a list; not after an abbreviation, an initial, the number of a list's item, or
    inside a number. A marker of a source behind the stop (``[1]``) belongs to the sentence before it."""
    text = text[:MAX_CHARACTERS]
    found: list[Piece] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        if end <= start or (match.group()[0] == "." and _goes_on(text, start, match)):
            continue
        behind = _CITATIONS.match(text, end)
        end = behind.end() if behind and not match.group().startswith("\n") else end
        _add(found, text, start, end)
        start = end
    _add(found, text, start, len(text))
    return found


def _goes_on(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether the sentence goes on behind this full stop."""
    if match.group().strip("\"'”’»)]") != ".":
        return False
    line = text[max(start, match.start() - 40) : match.start() + 1]
    if line.strip()[:-1].isdigit() and len(line.strip()) <= 4:
        return True  # the number of an item
    last = _LAST_WORD.search(line)
    if last is None:
        return False
    word = last.group(1).lower()
    following = text[match.end() : match.end() + 3].lstrip()[:1]
    if word in _MAY_END:
        return following.islower() or (word == "no" and following.isdigit())
    return word in _ABBREVIATIONS or (len(word) == 1 and last.group(1).isupper() and word != "i" and bool(following))


def _add(found: list[Piece], text: str, start: int, end: int) -> None:
    part = text[start:end]
    inner = part.strip()
    if any(sign.isalnum() for sign in inner):
        start += len(part) - len(part.lstrip())
        found.append(Piece(inner, start, start + len(inner)))


# --- weights and likeness ---------------------------------------------------------------------------------------------


def idf(documents: Iterable[Collection[str]]) -> dict[str, float]:
    """How telling each term is among these documents (given as their terms): ``ln(1 + (N - n + 0.5) / (n + 0.5))`` for
    a term in ``n`` of ``N``; always above 0. That of Robertson and Zaragoza, "The Probabilistic Relevance Framework:
    BM25 and Beyond" (2009), with the 1 that Lucene adds to keep it positive."""
    counts: Counter[str] = Counter()
    total = 0
    for document in documents:
        counts.update(set(document))
        total += 1
    return {term: math.log(1 + (total - n + 0.5) / (n + 0.5)) for term, n in counts.items()}


def overlap(
    query: Collection[str], document: Collection[str], weights: Mapping[str, float] | None = None, unseen: float = 1.0
) -> float:
    """The share of ``query``'s terms that are in ``document``, from 0 to 1, each counted once and weighing as
    ``weights`` says (``unseen`` where it does not). 0 for a query without terms."""
    asked = set(query)
    if not asked:
        return 0.0
    there = asked.intersection(document)
    if weights is None:
        return len(there) / len(asked)
    # sorted: sums of floats in the order of a set would not be the same in every process
    whole = math.fsum(weights.get(term, unseen) for term in sorted(asked))
    return math.fsum(weights.get(term, unseen) for term in sorted(there)) / whole if whole > 0 else 0.0


class Bm25:
    """BM25 over a few documents, given as their terms (see ``idf`` for the source; ``k1`` and ``b`` as usual)."""

    def __init__(self, documents: Sequence[Sequence[str]], k1: float = 1.2, b: float = 0.75) -> None:
        self.idf = idf(documents)
        self._counts = [Counter(document) for document in documents]
        mean = sum(map(len, documents)) / len(documents) if documents else 0.0
        self._k1 = k1
        self._norms = [k1 * (1 - b + b * (len(one) / mean if mean else 0.0)) for one in documents]

    def scores(self, query: Iterable[str]) -> list[float]:
        """One for each document, at least 0, without an upper bound of its own."""
        asked = sorted(set(query))
        return [self._score(asked, at) for at in range(len(self._counts))]

    def best(self, query: Iterable[str]) -> float:
        """What a document would get that repeats every term of ``query`` without end: no score is above it."""
        return math.fsum(self.idf.get(term, 0.0) * (self._k1 + 1) for term in sorted(set(query)))

    def _score(self, query: Sequence[str], at: int) -> float:
        counts, norm = self._counts[at], self._norms[at]
        return math.fsum(
            self.idf[term] * counts[term] * (self._k1 + 1) / (counts[term] + norm) for term in query if counts[term]
        )
