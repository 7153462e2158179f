"""How far one passage supports one sentence, and where they contradict each other: without a model. Pure.

A cell depends on the sentence, the question and this document alone, never on the other documents: so a document
more cannot take away what another supports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from typing import Final

from tracekit.evals.lexical import sentences
from tracekit.evals.verdict_facts import Token, root, tokens
from tracekit.evals.verdict_words import EXCLUSIVE

#: Sentences of a document that are looked at; what lies behind is not seen.
MAX_SENTENCES: Final = 400
#: A sentence longer than this is cut into pieces of this length: text without full stops.
MAX_SENTENCE: Final = 1_000
#: tokens of a question or of one sentence of an answer that are compared
MAX_TOKENS: Final = 120
#: sentences that one window spans at most
SPAN: Final = 3
#: A word of the question repeated in the answer is no evidence, only a sign that the same thing is spoken of.
GIVEN_WEIGHT: Final = 0.35
#: Documents up to so many characters are kept read: one takes some fifty times its size.
_MAX_KEPT: Final = 2_000
_QUANTITIES: Final = frozenset(map(root, ("many", "much", "long", "far", "old", "often", "viel", "viele")))
_EXCLUSIVE: Final = tuple(frozenset(root(word) for word in group) for group in EXCLUSIVE)


@dataclass(frozen=True)
class Passage:
    """Some sentences on end of a document, ``start`` and ``end`` in its characters."""

    start: int
    end: int
    tokens: tuple[Token, ...]
    first: int
    last: int

    @cached_property
    def roots(self) -> frozenset[str]:
        return frozenset(token.root for token in self.tokens)

    @cached_property
    def numbers(self) -> tuple[Token, ...]:
        return tuple(token for token in self.tokens if token.kind == "number")


@dataclass(frozen=True)
class Read:
    """A document, read once: its sentences as passages."""

    text: str
    parts: tuple[Passage, ...]

    @cached_property
    def windows(self) -> tuple[Passage, ...]:
        """Every window of up to ``SPAN`` sentences."""
        count = len(self.parts)
        spans = ((at, at + span) for span in range(1, SPAN + 1) for at in range(count - span + 1))
        return tuple(_joined(self.parts[start:end]) for start, end in spans)

    @cached_property
    def roots(self) -> frozenset[str]:
        return self.whole.roots

    @cached_property
    def whole(self) -> Passage:
        spoken = tuple(token for part in self.parts for token in part.tokens)
        return Passage(0, len(self.text), spoken, 0, max(len(self.parts) - 1, 0))

    def saying(self, token: Token) -> frozenset[str]:
        """The roots in this document that say the token."""
        if token.kind == "number":
            return frozenset(other.root for other in self.whole.numbers if same_number(token, other))
        near = self._by_start.get(token.root[:5], ())
        return frozenset(name for name in near if name == token.root or _close(token.root, name))

    @cached_property
    def _by_start(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.roots:
            found.setdefault(name[:5], []).append(name)
        return found


def read(text: str) -> Read:
    parts: list[Passage] = []
    for piece in sentences(text[: MAX_SENTENCES * MAX_SENTENCE]):
        for start in range(piece.start, piece.end, MAX_SENTENCE):
            end = min(start + MAX_SENTENCE, piece.end)
            parts.append(Passage(start, end, tokens(text[start:end]), len(parts), len(parts)))
        if len(parts) >= MAX_SENTENCES:
            break
    del parts[MAX_SENTENCES:]
    return Read(text, tuple(parts))


def read_again(text: str) -> Read:
    """As ``read``, of a document that belongs to a knowledge base, and is read for every answer."""
    return _kept(text) if len(text) <= _MAX_KEPT else read(text)


_kept: Final = lru_cache(maxsize=512)(read)


def _joined(parts: Sequence[Passage]) -> Passage:
    if len(parts) == 1:
        return parts[0]
    spoken: list[Token] = []
    shift = 0
    for part in parts:
        spoken += [_moved(token, shift) for token in part.tokens] if shift else part.tokens
        shift += 1 + max((token.clause for token in part.tokens), default=0)
    return Passage(parts[0].start, parts[-1].end, tuple(spoken), parts[0].first, parts[-1].last)


def _moved(token: Token, shift: int) -> Token:
    return Token(
        token.root, token.kind, token.negated, token.clause + shift, token.values, token.unit, token.before,
        token.after, token.raw,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """``support`` from 0 to 1; ``aligned``: how far both speak of the same thing, from 0 to 1; ``conflicts`` in
    words."""

    support: float
    aligned: float
    conflicts: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=())


def is_in(token: Token, passage: Passage, roots: Collection[str]) -> bool:
    """Whether the passage says this token too: a number by its value and unit, a word by its root or one close."""
    if token.kind == "number":
        return any(same_number(token, other) for other in passage.numbers)
    return token.root in roots or (len(token.root) >= 5 and any(_close(token.root, other) for other in roots))


def _close(one: str, other: str) -> bool:
    """``command`` and ``commander``: the same beginning, of at least 5 letters and 0.75 of the longer."""
    longest = max(len(one), len(other))
    need = max(5, -(-longest * 3 // 4))
    return len(other) >= need and one[:need] == other[:need]


def same_number(one: Token, other: Token) -> bool:
    if one.unit is not None and other.unit is not None and one.unit != other.unit:
        return False
    return any(abs(a - b) <= 1e-6 * max(1.0, abs(a)) for a in one.values for b in other.values)


def compare(
    claim: Sequence[Token],
    passage: Passage,
    question: frozenset[str],
    context: Collection[str],
    polar: bool = False,
) -> Finding:
    """``question``: the roots of its terms; ``context``: those of the whole document, which say what it is about;
    ``polar``: the sentence began with yes or no, so the sense of the question's own words is what it states."""
    if not claim:
        return Finding(0.0, 0.0)
    matched = [is_in(token, passage, passage.roots) for token in claim]
    total = got = whole = aligned = topic = given_whole = 0.0
    missing: list[str] = []
    for token, there in zip(claim, matched, strict=True):
        given = token.root in question
        weight = token.weight * (GIVEN_WEIGHT if given else 1.0)
        total += weight
        got += weight * (1.0 if there else 0.8 if given and token.root in context else 0.0)
        if token.kind != "number":
            whole += token.weight
            aligned += token.weight if there or (token.root in context and given) else 0.0
            given_whole += token.weight if given else 0.0
            topic += token.weight if given and (there or token.root in context) else 0.0
        if not there and not given and token.kind != "word" and token.root not in context:
            missing.append(token.raw)
    support = got / total if total else 0.0
    conflicts = _conflicts(claim, matched, passage, question, polar)
    # a bare number speaks of what the question speaks of
    subject = question - _QUANTITIES
    shared = len(subject.intersection(context)) / len(subject) if subject else 0.0
    same = min(aligned / whole if whole else shared, topic / given_whole if given_whole else 1.0)
    return Finding(support, same, conflicts, tuple(missing))


def _conflicts(
    claim: Sequence[Token], matched: Sequence[bool], passage: Passage, question: frozenset[str], polar: bool
) -> tuple[str, ...]:
    open_tokens = [token for token, there in zip(claim, matched, strict=True) if not there]
    said = {token.root for token in claim}
    rest = [token for token in passage.tokens if token.root not in said and token.root not in question]
    found = [*_numbers(open_tokens, passage, claim, question), *_excluded(open_tokens, rest)]
    found += _turned(claim, matched, passage, question if polar else None)
    if not found:
        found += _names(open_tokens, rest, claim, matched)
    if not found and len(open_tokens) <= 2:
        found += _replaced(claim, passage, question)
    return tuple(dict.fromkeys(found))


def _numbers(
    open_tokens: Iterable[Token], passage: Passage, claim: Sequence[Token], question: frozenset[str]
) -> list[str]:
    """A number that the passage gives otherwise: of the same unit, or beside the same word."""
    found = []
    bare = len(claim) == 1 and len(passage.numbers) == 1  # the whole answer is a number, and there is one to be meant
    for token in open_tokens:
        if token.kind != "number":
            continue
        for other in passage.numbers:
            if any(same_number(other, one) for one in claim if one.kind == "number"):
                continue
            if bare or _same_slot(token, other) or (not token.after and other.after in question):
                found.append(f"{token.raw} against {other.raw}")
                break
    return found


def _same_slot(one: Token, other: Token) -> bool:
    if one.unit is not None or other.unit is not None:
        return one.unit == other.unit
    years = [1000 <= token.values[0] <= 2100 and float(token.values[0]).is_integer() for token in (one, other)]
    if all(years):
        return True
    return not any(years) and bool(
        (one.after and one.after == other.after) or (one.before and one.before == other.before)
    )


def _excluded(open_tokens: Iterable[Token], rest: Sequence[Token]) -> list[str]:
    """Words of which only one can be true: left and right, July and October."""
    found = []
    for token in open_tokens:
        for group in _EXCLUSIVE:
            if token.root in group:
                found += [f"{token.raw} against {other.raw}" for other in rest if other.root in group][:1]
    return found


def _turned(
    claim: Sequence[Token], matched: Sequence[bool], passage: Passage, only: Collection[str] | None
) -> list[str]:
    """A clause whose words the passage has under a negation, and the claim has not, or the other way round."""
    signs: dict[str, set[bool]] = {}
    for token in passage.tokens:
        signs.setdefault(token.root, set()).add(token.negated)
    found = []
    for clause in sorted({token.clause for token in claim}):
        inside = [(token, there) for token, there in zip(claim, matched, strict=True) if token.clause == clause]
        known = [token for token, there in inside if there and token.root in signs]
        turned = [token for token in known if token.negated not in signs[token.root]]
        weight = sum(token.weight for token, _ in inside)
        if only and any(token.root in only for token in known):
            known = [token for token in known if token.root in only]
            turned = [token for token in turned if token.root in only]
            weight = sum(token.weight for token in known)
        if turned and sum(token.weight for token in turned) >= 0.5 * weight:
            found.append(f"negation of {' '.join(token.raw for token in turned[:6])}")
    return found


def _names(
    open_tokens: Sequence[Token], rest: Sequence[Token], claim: Sequence[Token], matched: Sequence[bool]
) -> list[str]:
    """Another name where the rest agrees. Beside the same title or word it is the same place in the sentence."""
    kept = sum(token.weight for token, there in zip(claim, matched, strict=True) if there)
    lost = sum(token.weight for token in open_tokens)
    found = []
    for token in open_tokens:
        others = [other for other in rest if other.kind == "name"]
        beside = [o for o in others if (o.before and o.before == token.before) or (o.after and o.after == token.after)]
        if token.kind == "name" and (beside or (others and kept >= lost)):
            found.append(f"{token.raw} against {(beside or others)[0].raw}")
    return found[:2]


def _replaced(claim: Sequence[Token], passage: Passage, question: Collection[str]) -> list[str]:
    """One or two words in the place of others, the words on both sides the same."""
    ours, theirs = [token.root for token in claim], [token.root for token in passage.tokens]
    blocks = SequenceMatcher(None, ours[:80], theirs[:240], autojunk=False).get_opcodes()
    found = []
    for at, (verb, a, b, c, d) in enumerate(blocks):
        if verb != "replace" or not 0 < at < len(blocks) - 1 or b - a > 2:
            continue
        if b - a == 2 and all(token.kind == "word" for token in claim[a:b]):
            continue
        if (
            b - a != d - c
            or any(name in question for name in ours[a:b])
            or not (blocks[at - 1][0] == "equal" == blocks[at + 1][0])
        ):
            continue
        mine, other = " ".join(t.raw for t in claim[a:b]), " ".join(t.raw for t in passage.tokens[c:d])
        if not any(_close(one, two) for one in ours[a:b] for two in theirs[c:d]):
            found.append(f"{mine} against {other}")
    return found
