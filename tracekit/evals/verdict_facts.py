"""What a text states, token by token: its terms, numbers with units, names, and what stands under a negation. Pure.

Linear in the text. Offsets are not kept here: sentences have them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tracekit.evals.lexical import Piece, stem, word_pieces
from tracekit.evals.verdict_words import (
    AUXILIARIES,
    CLAUSE_WORDS,
    NEGATES_CLAUSE,
    NEGATES_REST,
    NEGATORS,
    NO,
    NUMBERS,
    ORDINALS,
    SCALES,
    STOP,
    UNITS,
    YES,
)

_SUFFIXES: Final = ("ing", "edly", "ed", "er", "en", "es", "ly", "e", "s", "n")
_BREAK: Final = re.compile(r"[,;:()—–.!?…]")
_CITATION: Final = re.compile(r"\[[\w ,;.#-]{1,40}\]")
_ELISION: Final = re.compile(r"^(?:[dljsmct]|qu)'(?=\w{3})")
#: between a number and the unit written onto it
_GLUED: Final = re.compile(r"(?<=\d)(?=(?:kg|g|km|cm|mm|m|ml|l|min|h|s)\b)")
_DIGITS: Final = re.compile(r"\d+(?:[.,]\d+)*")
_DIGIT_START: Final = re.compile(r"(\d+(?:[.,]\d+)*)(\D+)$")

Kind = Literal["word", "name", "number"]


@dataclass(frozen=True, slots=True)
class Token:
    """``values``: what a number may mean (``1.200`` is 1200 or 1.2), in the base unit of ``unit``. ``before`` and
    ``after``: the roots of the words beside it. ``clause`` counts from 0."""

    root: str
    kind: Kind
    negated: bool = False
    clause: int = 0
    values: tuple[float, ...] = ()
    unit: str | None = None
    before: str = ""
    after: str = ""
    raw: str = ""

    @property
    def weight(self) -> float:
        """How much it says. Fixed, not taken from the documents at hand: whether one document supports a sentence
        must not depend on which others there are."""
        if self.kind != "word":
            return 1.5
        return 0.5 if len(self.root) <= 3 else 1.0


def root(word: str) -> str:
    """A word without its ending, so that ``baked``, ``bakes`` and ``bake`` meet. Cruder than a stemmer; for English."""
    word = stem(word)
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


def without_citations(text: str) -> str:
    """Markers such as ``[1]`` blanked out, offsets kept: their numbers state nothing."""
    return _CITATION.sub(lambda found: " " * len(found.group()), text)


def yes_or_no(text: str) -> tuple[bool | None, str]:
    """Whether it begins with a yes or a no, and the text behind that."""
    found = re.match(r"\s*([^\W\d_]+)\s*(?:[,.!;:—–-]+|$)", text)
    word = found.group(1).casefold() if found else ""
    if found is None or word not in YES | NO:
        return None, text
    return word in YES, text[found.end() :]


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens that say something: stop words and negators are gone, numbers of several words are one token."""
    text = _GLUED.sub(" ", without_citations(text))
    pieces = word_pieces(text)
    folded = [_folded(piece.text) for piece in pieces]
    clauses = _clauses(text, pieces, folded)
    negated = _negated(folded, clauses)
    names = _names(text, pieces, folded)
    found: list[Token] = []
    at = 0
    while at < len(pieces):
        number = _number(pieces, folded, text, at)
        before = root(folded[at - 1]) if at else ""
        if number is not None:
            values, unit, behind = number
            after = root(folded[behind]) if behind < len(folded) else ""
            raw = text[pieces[at].start : pieces[behind - 1].end]
            found.append(Token(f"#{values[0]:g}", "number", negated[at], clauses[at], values, unit, before, after, raw))
            at = behind
            continue
        word = folded[at]
        if word not in STOP and word not in NEGATORS and not (len(word) == 1 and word.isascii()):
            after = root(folded[at + 1]) if at + 1 < len(folded) else ""
            kind: Kind = "name" if names[at] else "word"
            found.append(Token(root(word), kind, negated[at], clauses[at], (), None, before, after, pieces[at].text))
        at += 1
    return tuple(found)


def _folded(word: str) -> str:
    return _ELISION.sub("", word.casefold().replace("’", "'").removesuffix("'s"))


def _clauses(text: str, pieces: Sequence[Piece], folded: Sequence[str]) -> list[int]:
    clause, found = 0, []
    for at, piece in enumerate(pieces):
        between = text[pieces[at - 1].end : piece.start] if at else ""
        abbreviated = between.startswith(".") and len(pieces[at - 1].text) <= 3 and piece.text[0].isupper()
        if at and ((_BREAK.search(between) and not abbreviated) or folded[at] in CLAUSE_WORDS):
            clause += 1
        found.append(clause)
    return found


def _negated(folded: Sequence[str], clauses: Sequence[int]) -> list[bool]:
    """Whether each word stands in the reach of an odd number of negators."""
    whole = {clauses[at] for at, word in enumerate(folded) if _turns_clause(folded, at)}
    found, open_in = [], -1
    for at, word in enumerate(folded):
        rather = word == "than" and at > 0 and folded[at - 1] == "rather"
        if (word in NEGATES_REST or rather) and not _turns_clause(folded, at):
            open_in = clauses[at]
        found.append((clauses[at] in whole) != (open_in == clauses[at]))
    return found


def _turns_clause(folded: Sequence[str], at: int) -> bool:
    word = folded[at]
    if word in NEGATES_CLAUSE:
        return True
    return word == "not" and at > 0 and folded[at - 1] in AUXILIARIES


def _names(text: str, pieces: Sequence[Piece], folded: Sequence[str]) -> list[bool]:
    """Capitals inside a sentence, and words with digits in them."""
    found = []
    for at, piece in enumerate(pieces):
        word = piece.text
        between = text[pieces[at - 1].end : piece.start] if at else "."
        starts = at == 0 or (bool(re.search(r"[.!?:\n]", between)) and len(pieces[at - 1].text) > 3)
        capital = word[0].isupper() and folded[at] not in STOP and len(word) > 1
        found.append(capital and (not starts or (at + 1 < len(pieces) and _joined(text, pieces, at))))
    return found


def _joined(text: str, pieces: Sequence[Piece], at: int) -> bool:
    """At the start of a sentence a capital says nothing, unless another follows at once: ``Lars Dahl was``."""
    following = pieces[at + 1]
    return following.text[0].isupper() and text[pieces[at].end : following.start] == " " and len(following.text) > 1


def _number(
    pieces: Sequence[Piece], folded: Sequence[str], text: str, at: int
) -> tuple[tuple[float, ...], str | None, int] | None:
    """The number that begins at this word: its values, unit, and the index behind it. None where there is none."""
    read = _digits(pieces, text, at) or _spelt(folded, at)
    if read is None:
        return None
    values, behind, unit_name = read
    if behind < len(folded) and folded[behind] in SCALES:
        values = tuple(value * SCALES[folded[behind]] for value in values)
        behind += 1
    if unit_name is None and behind < len(folded) and folded[behind] in UNITS:
        unit_name, behind = folded[behind], behind + 1
    if unit_name is None:
        return (values, None, behind) if values != (1.0,) or folded[at][0].isdigit() else None
    unit, factor = UNITS[unit_name]
    half = 0.5 if folded[behind : behind + 3] == ["and", "a", "half"] else 0.0
    return tuple(round((value + half) * factor, 9) for value in values), unit, behind + (3 if half else 0)


def _digits(pieces: Sequence[Piece], text: str, at: int) -> tuple[tuple[float, ...], int, str | None] | None:
    word, unit = pieces[at].text, None
    glued = _DIGIT_START.match(word)
    if glued:
        tail = glued.group(2).casefold()
        if tail not in UNITS and tail not in ("st", "nd", "rd", "th", "er", "e", "ème"):
            return None
        word, unit = glued.group(1), tail if tail in UNITS else None
    if not word.isascii() or not _DIGITS.fullmatch(word) or len(word) > 30:
        return None
    behind = at + 1
    while _is_group(pieces, text, behind, word):
        word, behind = word + pieces[behind].text, behind + 1
    sign = -1.0 if _minus(pieces, text, at) else 1.0
    symbol = text[pieces[behind - 1].end : pieces[behind - 1].end + 2].strip()
    if unit is None and symbol[:1] in ("€", "$", "%", "°"):
        unit = {"€": "euro", "$": "dollar", "%": "percent", "°": "degree"}[symbol[0]]
        if symbol == "°C" or (symbol == "°" and behind < len(pieces) and pieces[behind].text in ("C", "F")):
            behind += 1
    return tuple(sign * value for value in _values(word)), behind, unit


def _is_group(pieces: Sequence[Piece], text: str, at: int, word: str) -> bool:
    """``2 340``: three digits behind a single space, after at most three."""
    if at >= len(pieces) or not (len(word) <= 3 or len(word) % 3 == 0) or len(word) > 12 or not word.isdigit():
        return False
    following = pieces[at].text
    between = text[pieces[at - 1].end : pieces[at].start]
    return len(following) == 3 and following.isdigit() and between in (" ", "\u00a0", "\u202f", "\u2009")


def _minus(pieces: Sequence[Piece], text: str, at: int) -> bool:
    start = pieces[at].start
    sign = start > 0 and text[start - 1] in "-−" and (start == 1 or text[start - 2].isspace())
    return sign or (at > 0 and pieces[at - 1].text.casefold() == "minus")


def _values(word: str) -> tuple[float, ...]:
    """``1.200`` may be 1200 or 1.2; ``1,234.5`` is clear."""
    separators = [sign for sign in word if sign in ".,"]
    if not separators:
        return (float(word),)
    if len(set(separators)) == 2:
        decimal = separators[-1]
        thousands = "," if decimal == "." else "."
        clean = word.replace(thousands, "").replace(decimal, ".")
        return (float(clean),) if clean.count(".") <= 1 else (float(clean.replace(".", "")),)
    whole = float(re.sub(r"[.,]", "", word))
    if len(separators) > 1:
        return (whole,)
    fraction = float(word.replace(",", "."))
    return (whole, fraction) if len(word) - max(word.rfind("."), word.rfind(",")) == 4 else (fraction,)


def _spelt(folded: Sequence[str], at: int) -> tuple[tuple[float, ...], int, str | None] | None:
    word = folded[at]
    behind = at + 1
    if word in ("a", "an") and behind < len(folded):
        if folded[behind] in UNITS and folded[behind + 1 : behind + 4] == ["and", "a", "half"]:
            return (1.0,), behind, None
        if folded[behind] in SCALES and folded[behind] != "score":
            return (1.0,), behind, None
        return None
    if word in ORDINALS and not (word == "second" and at and folded[at - 1] in NUMBERS):
        return (ORDINALS[word],), behind, None
    if word not in NUMBERS:
        return None
    total = NUMBERS[word]
    if total >= 20 and behind < len(folded) and 0 < NUMBERS.get(folded[behind], 0) < 10:
        total, behind = total + NUMBERS[folded[behind]], behind + 1
    elif total >= 20 and behind < len(folded) and ORDINALS.get(folded[behind], 10) < 10:
        total, behind = total + ORDINALS[folded[behind]], behind + 1
    return (total,), behind, None
