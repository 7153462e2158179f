"""Whether what an answer cites is among the documents that were retrieved. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from tracekit.evals.api import NotApplicable, Score, Subject
from tracekit.evals.lexical import words
from tracekit.evals.options import MAX_CHARACTERS, Options, answer, define, listed

#: ``[1]``, ``[1, 3]``, ``[1-3]``, ``[doc-2]``, ``【2†source】``; not ``[text](address)``
_MARKER: Final = re.compile(r"\[([^\[\]\n]{1,80})\](?!\()|【([^【】\n]{1,80})】")
#: code has brackets and quotes that cite nothing
_CODE: Final = re.compile(r"```.{0,20000}?```|`[^`\n]{1,200}`", re.S)
_RANGE: Final = re.compile(r"(\d{1,4})\s*[-–]\s*(\d{1,4})")
_NUMBERED: Final = re.compile(r"(?:doc(?:ument)?|source|ref(?:erence)?|passage|chunk)?[\s_#-]*(\d{1,4})", re.I)
_NAMED: Final = re.compile(r"(?:doc|document|source|ref|reference|passage|chunk)[\s_:#-]+\S.*", re.I)
_QUOTE: Final = re.compile(r'"([^"\n]{1,2000})"|“([^”\n]{1,2000})”|«([^»\n]{1,2000})»|„([^“”\n]{1,2000})[“”]')
_MOST: Final = 500


def citations(options: Options) -> Callable[[Subject], Sequence[Score]]:
    """NAME: the share of citations, markers and quotes together, that are right, from 0 to 1.

    A marker is right where it names a retrieved document: its ``id``, or its number counted from ``first_number`` (1).
    A quote of at least ``min_quote_words`` (4) words is right where its words stand one after the other in one of the
    documents (case, punctuation and white space do not count, ``...`` leaves out). Where an answer cites nothing, it is
    not judged, unless ``required``: then it gets 0. Markers that name no document by their form (``[sic]``) are
    none, nor is anything in code.
    """
    first = options.count("first_number", 1, low=0, high=1)
    least = options.count("min_quote_words", 4, high=100)
    required = options.flag("required", False)
    quotes = options.flag("quotes", True)

    def check(subject: Subject) -> Sequence[Score]:
        if not subject.documents:
            raise NotApplicable("there are no documents")
        text = _CODE.sub(" ", answer(subject))
        ids = {(document.id or "").strip().casefold() for document in subject.documents} - {""}
        markers = _markers(text, ids)
        wrong = [marker for marker in markers if not _named(marker, ids, len(subject.documents), first)]
        quoted = _quotes(text, least) if quotes else []
        whole = [_joined(document.text[:MAX_CHARACTERS]) for document in subject.documents] if quoted else []
        untrue = [quote for quote in quoted if not _said(quote, whole)]
        total = len(markers) + len(quoted)
        if not total and not required:
            raise NotApplicable("the answer cites nothing")
        said = [f"no such document: {listed(wrong)}"] if wrong else []
        said += [f"in no document: {listed(untrue)}"] if untrue else []
        why = "; ".join(said) or (f"{len(markers)} markers, {len(quoted)} quotes" if total else "nothing is cited")
        share = (total - len(wrong) - len(untrue)) / total if total else 0.0
        return [Score(options.name, share, explanation=why, metadata={"markers": len(markers), "quotes": len(quoted)})]

    return check


def _markers(text: str, ids: set[str]) -> list[str]:
    """Every single citation in the markers, ``[1, 3-4]`` as four, in order."""
    found: list[str] = []
    for match in _MARKER.finditer(text):
        inner = (match.group(1) or match.group(2)).split("†")[0].strip().removeprefix("^")
        # an id may hold a comma: the whole first
        parts = [inner] if inner.casefold() in ids else re.split(r"[,;]", inner)
        for part in parts:
            found.extend(_single(part.strip(), ids))
        if len(found) > _MOST:
            break
    return found[:_MOST]


def _single(part: str, ids: set[str]) -> list[str]:
    spread = _RANGE.fullmatch(part)
    if spread and part.casefold() not in ids:
        low, high = int(spread.group(1)), int(spread.group(2))
        return [str(number) for number in range(low, high + 1)] if low <= high <= low + 50 else []
    is_one = part.casefold() in ids or _NUMBERED.fullmatch(part) or _NAMED.fullmatch(part)
    return [part] if is_one else []


def _named(marker: str, ids: set[str], count: int, first: int) -> bool:
    if marker.casefold() in ids:
        return True
    bare = re.sub(r"^(?:doc|document|source|ref|reference|passage|chunk)[\s_:#-]+", "", marker, flags=re.I)
    if bare.casefold() in ids:
        return True
    number = _NUMBERED.fullmatch(marker)
    return number is not None and first <= int(number.group(1)) < first + count


def _quotes(text: str, least: int) -> list[str]:
    found = ("".join(groups) for groups in _QUOTE.findall(text))
    return [quote for quote in found if len(words(quote)) >= least][:_MOST]


def _joined(text: str) -> str:
    return " " + " ".join(words(text)) + " "


def _said(quote: str, documents: Sequence[str]) -> bool:
    """Whether one document has all parts of the quote, in their order."""
    parts = [_joined(part) for part in re.split(r"\.{3}|…|\[[^\]]*\]", quote) if words(part)]
    return any(_has(document, parts) for document in documents)


def _has(document: str, parts: Sequence[str]) -> bool:
    at = 0
    for part in parts:
        at = document.find(part, at)
        if at < 0:
            return False
        at += len(part) - 1
    return True


define("citations", citations)
