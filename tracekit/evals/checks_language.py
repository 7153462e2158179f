"""Checks of how an answer is written: its language, refusals, repetition, readability, personal data. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from tracekit.evals.api import NotApplicable, Score, Subject
from tracekit.evals.languages import LANGUAGES, detect
from tracekit.evals.lexical import Piece, sentences, words
from tracekit.evals.options import Options, answer, define, from_0_to_1, listed, shown, verdict
from tracekit.evals.refusals import refusal_in
from tracekit.redaction import PATTERNS, Redactor

Function = Callable[[Subject], Score]


def language(options: Options) -> Function:
    """The output is in ``language`` (ISO 639-1), in one of ``languages``, or, without either, in the input's. Where the
    language of either cannot be told, it is not judged."""
    allowed = options.one_or_more("language", "languages", optional=True)
    unknown = [code for code in allowed if code not in LANGUAGES]
    if unknown:
        raise ValueError(f"language: {unknown[0]!r} cannot be told; there are {', '.join(LANGUAGES)}")

    def check(subject: Subject) -> Score:
        said = detect(answer(subject)).language
        if said is None:
            raise NotApplicable("the language of the output cannot be told")
        right = allowed
        if not right:
            asked = detect(subject.input_text).language
            if asked is None:
                raise NotApplicable("the language of the input cannot be told")
            right = [asked]
        why = f"is {said}, not {' or '.join(right)}"
        return Score(options.name, said in right, label=said, explanation=None if said in right else why)

    return check


# --- refusal ----------------------------------------------------------------------------------------------------------


def refusal(options: Options) -> Function:
    """True where the answer refuses: ``expected`` (false) says what is right, so that by default true is good: it does
    not refuse. The label is "refusal" or "answer". Phrases of several languages are sought in its first sentences
    (600 characters): a heuristic that finds the customary refusals, not every one."""
    should = options.flag("expect_refusal", False)

    def check(subject: Subject) -> Score:
        # a refusal stands at the beginning; elsewhere the phrases may be quoted
        found = refusal_in(answer(subject)[:600])
        why = f"refuses: {shown(found)}" if found else "does not refuse"
        label = "refusal" if found else "answer"
        return Score(options.name, (found is not None) is should, label=label, explanation=why)

    return check


# --- repetition -------------------------------------------------------------------------------------------------------


def repetition(options: Options) -> Function:
    """1 minus the share of words that repeat, from 0 to 1: those in a sentence that stood there before, and those of a
    loop, where ``ngram`` (4) words come at least ``min_repeats`` (3) times. Answers below ``min_words`` (20) words, and
    those in which nothing of it is found, get 1. With ``threshold`` it is passed or not: at most this share repeats."""
    size, least = options.count("ngram", 4, high=50), options.count("min_repeats", 3, low=2)
    few = options.count("min_words", 20)
    threshold = options.maybe_number("threshold")

    def check(subject: Subject) -> Score:
        text = answer(subject)
        said = words(text)
        share, what = 0.0, ""
        if len(said) >= few:
            share, what = max(_sentences_again(sentences(text), len(said)), _loops(said, size, least))
        why = f"{share:.0%} repeats: {shown(what)}" if what else "nothing repeats"
        score: float | bool = 1 - share if threshold is None else share <= threshold
        return Score(options.name, score, explanation=why, metadata={"repeated": round(share, 4)})

    return check


def _sentences_again(found: Sequence[Piece], total: int) -> tuple[float, str]:
    """The share of words in sentences that are there a second time or more, and the first of these."""
    seen: set[str] = set()
    again, what = 0, ""
    for piece in found:
        said = words(piece.text)
        key = " ".join(said)
        if len(said) >= 4 and key in seen:
            again, what = again + len(said), what or piece.text
        seen.add(key)
    return from_0_to_1(again / total), what


def _loops(said: Sequence[str], size: int, least: int) -> tuple[float, str]:
    """The share of words in n-grams that come often, each but for its first time, and the commonest."""
    grams = [" ".join(said[at : at + size]) for at in range(len(said) - size + 1)]
    counts = Counter(grams)
    often = {gram for gram, count in counts.items() if count >= least}
    seen: set[str] = set()
    marked: set[int] = set()
    for at, gram in enumerate(grams):
        if gram in often and gram in seen:
            marked.update(range(at, at + size))
        seen.add(gram)
    what = max(sorted(often), key=lambda gram: counts[gram], default="")
    return len(marked) / len(said), what


# --- readability ------------------------------------------------------------------------------------------------------

_VOWELS: Final = re.compile(r"[aeiouyáéíóúäöüàèìòùâêîôû]+")


def syllables(word: str) -> int:
    """How many an English word has, by its groups of vowels; a heuristic, right for about nine words of ten."""
    word = word.casefold()
    count = len(_VOWELS.findall(word))
    if word.endswith("e") and not word.endswith(("le", "ee", "ye", "oe")) and count > 1:
        count -= 1
    silent = word.endswith("ed") and not word.endswith(("ted", "ded", "eed")) and count > 1
    return max(1, count - silent)


def readability(options: Options) -> Function:
    """``measure`` "flesch": Flesch Reading Ease, 206.835 - 1.015 words/sentences - 84.6 syllables/words (R. Flesch, "A
    New Readability Yardstick", Journal of Applied Psychology 32(3), 1948): 60 to 70 is plain English, more is easier;
    "grade": the Flesch-Kincaid grade, 0.39 words/sentences + 11.8 syllables/words - 15.59 (J. P. Kincaid et al.,
    Research Branch Report 8-75, 1975): years of American school, less is easier. For English; neither has bounds. With
    ``min`` or ``max`` it is passed or not. Not judged below ``min_words`` (10) words."""
    measure = options.choice("measure", ("flesch", "grade"), "flesch")
    low, high = options.maybe_number("min"), options.maybe_number("max")
    few = options.count("min_words", 10)

    def check(subject: Subject) -> Score:
        text = answer(subject)
        said = [word for word in words(text) if any(sign.isalpha() for sign in word)]
        if len(said) < few:
            raise NotApplicable(f"has fewer than {few} words")
        value = reading_ease(said, len(sentences(text))) if measure == "flesch" else grade(said, len(sentences(text)))
        score: float | bool = value
        if low is not None or high is not None:
            score = (low is None or value >= low) and (high is None or value <= high)
        return Score(options.name, score, explanation=f"{measure} {value:.1f}", metadata={measure: round(value, 2)})

    return check


def reading_ease(said: Sequence[str], sentence_count: int) -> float:
    return 206.835 - 1.015 * len(said) / max(1, sentence_count) - 84.6 * sum(map(syllables, said)) / len(said)


def grade(said: Sequence[str], sentence_count: int) -> float:
    return 0.39 * len(said) / max(1, sentence_count) + 11.8 * sum(map(syllables, said)) / len(said) - 15.59


# --- personal data ----------------------------------------------------------------------------------------------------

_MASK: Final = re.compile(r"\[masked(?: ([a-z]+))?\]")


def pii(options: Options) -> Function:
    """True where the output holds no personal data: none that the ``patterns`` of tracekit's redaction find (email,
    phone, card, secret). What was found is named by kind, never quoted."""
    patterns = options.texts("patterns", PATTERNS)
    try:
        redactor = Redactor(keys=(), patterns=patterns)
    except ValueError as error:
        raise ValueError(f"patterns: {error}") from None

    def check(subject: Subject) -> Score:
        text = answer(subject)
        before = Counter(_MASK.findall(text))
        found = Counter(_MASK.findall(redactor.text(text))) - before
        kinds = sorted(kind or "secret" for kind in found)
        return verdict(options.name, not kinds, f"holds {listed(kinds)}")

    return check


define("language", language)
define("refusal", refusal)
define("repetition", repetition)
define("readability", readability)
define("pii", pii)
