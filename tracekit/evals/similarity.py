"""How like the expected text an output is: by characters (Levenshtein), by words in order (ROUGE-L). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tracekit.evals.api import Score, Subject, text_of
from tracekit.evals.lexical import words
from tracekit.evals.options import Options, answer, define, from_0_to_1, wanted

#: characters or words of a text that are compared: the time grows with the product
MAX_CHARACTERS: Final = 10_000
MAX_WORDS: Final = 5_000


def levenshtein(options: Options) -> Callable[[Subject], Score]:
    """1 - distance / the longer text's length, from 0 to 1; the distance counts characters put in, taken out or
    exchanged (V. Levenshtein, 1966). Of either text the first 10,000 characters are compared."""
    case = options.flag("case_sensitive", True)
    threshold = options.maybe_number("threshold")

    def check(subject: Subject) -> Score:
        said, right = answer(subject)[:MAX_CHARACTERS], text_of(wanted(subject))[:MAX_CHARACTERS]
        if not case:
            said, right = said.casefold(), right.casefold()
        longer = max(len(said), len(right))
        like = from_0_to_1(1 - distance(said, right) / longer) if longer else 1.0
        return _graded(options.name, like, threshold)

    return check


def rouge_l(options: Options) -> Callable[[Subject], Score]:
    """ROUGE-L, from 0 to 1: with L the length of the longest common subsequence of words, recall L / expected words,
    precision L / words said, and by ``measure`` their F1, or one of both (C.-Y. Lin, "ROUGE: A Package for Automatic
    Evaluation of Summaries", 2004, over the whole texts). Of either text the first 5,000 words are compared."""
    measure = options.choice("measure", ("f1", "precision", "recall"), "f1")
    threshold = options.maybe_number("threshold")

    def check(subject: Subject) -> Score:
        said, right = words(answer(subject))[:MAX_WORDS], words(text_of(wanted(subject)))[:MAX_WORDS]
        if not said or not right:
            return _graded(options.name, float(said == right), threshold)
        common = subsequence(said, right)
        like = {
            "f1": 2 * common / (len(said) + len(right)),
            "precision": common / len(said),
            "recall": common / len(right),
        }[measure]
        return _graded(options.name, like, threshold)

    return check


def _graded(name: str, like: float, threshold: float | None) -> Score:
    if threshold is None:
        return Score(name, like)
    return Score(name, like >= threshold, explanation=f"{like:.3f}", metadata={"similarity": round(like, 4)})


def distance(one: Sequence[object], other: Sequence[object]) -> int:
    """Levenshtein's, by the bits of whole numbers (G. Myers, "A fast bit-vector algorithm for approximate string
    matching based on dynamic programming", JACM 46(3), 1999; the form for whole distances of H. Hyyrö, 2003): one
    column at a time, so that ten thousand characters take part of a second and not a minute."""
    if not one or not other:
        return len(one) + len(other)
    size = len(one)
    places = _places(one)
    mask, last = (1 << size) - 1, 1 << (size - 1)
    up, down, count = mask, 0, size
    for item in other:
        match = places.get(item, 0)
        zero = (((match & up) + up) ^ up) | match | down
        plus, minus = down | (mask & ~(zero | up)), up & zero
        count += 1 if plus & last else -1 if minus & last else 0
        plus = (plus << 1 | 1) & mask
        minus = minus << 1 & mask
        up, down = minus | (mask & ~(zero | plus)), plus & zero
    return count


def subsequence(one: Sequence[object], other: Sequence[object]) -> int:
    """The length of the longest common subsequence, by the bits of whole numbers (H. Hyyrö, "Bit-parallel LCS-length
    computation revisited", 2004)."""
    places = _places(one)
    mask = (1 << len(one)) - 1
    row = mask
    for item in other:
        match = row & places.get(item, 0)
        row = ((row + match) | (row - match)) & mask
    return len(one) - row.bit_count()


def _places(items: Sequence[object]) -> dict[object, int]:
    found: dict[object, int] = {}
    for at, item in enumerate(items):
        found[item] = found.get(item, 0) | 1 << at
    return found


define("levenshtein", levenshtein)
define("rouge_l", rouge_l)
