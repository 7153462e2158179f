"""What the judge stand-in answers to the RAG verdict's question: words compared, nothing understood. Pure."""

from __future__ import annotations

import re
from typing import Any

if __package__:
    from . import model_answers as says
else:  # run as a script
    import model_answers as says

_DECLINES = re.compile(
    r"\b(do(es)? not|don't|doesn't|cannot|can't|could not) (\w+ ){0,3}?(know|say|tell|find|mention|answer)\b"
    r"|\bno information\b|\bnicht hervor\b|\bweiß ich\b.*\bnicht\b|\bne sais pas\b|\bne le disent pas\b",
    re.I,
)


def compared(blocks: dict[str, list[str]]) -> dict[str, Any]:
    """The answer in the form that ``tracekit.evals.verdict_judge`` asks for."""
    documents, asked = blocks.get("DOCUMENT", []), set(says.words(" ".join(blocks.get("QUESTION", []))))
    rows = [row(number, text, documents) for number, text in enumerate(blocks.get("SENTENCE", []), 1)]
    spoken = " ".join(
        [*blocks.get("SENTENCE", []), *(documents[row["document"] - 1] for row in rows if row["document"])]
    )
    return {
        "sentences": rows,
        "addresses_question": share(asked, spoken) >= 0.34,
        "relevant_documents": relevant(asked, documents),
        "relevant_others": relevant(asked, blocks.get("OTHER", [])),
    }


def row(number: int, sentence: str, documents: list[str]) -> dict[str, Any]:
    told = set(says.words(re.sub(r"\[[\d, ]+\]", "", sentence)))
    nothing = {"sentence": number, "relation": "no statement", "document": None, "evidence": ""}
    if _DECLINES.search(sentence):
        return {**nothing, "relation": "declines"}
    if not told:
        return nothing
    ranked = sorted(range(len(documents)), key=lambda at: (-share(told, documents[at]), at))
    for at in ranked[:1]:
        part = share(told, documents[at])
        wrong = {word for word in told if word[0].isdigit()} - set(says.words(documents[at]))
        if part >= 0.5 and (wrong or part >= 0.66):
            evidence = max(says.sentences(documents[at]), key=lambda text: share(told, text))
            relation = "contradicted" if wrong else "supported"
            return {"sentence": number, "relation": relation, "document": at + 1, "evidence": evidence}
    return {**nothing, "relation": "not in the documents"}


def share(words: set[str], text: str) -> float:
    return len(words & set(says.words(text))) / len(words) if words else 0.0


def relevant(asked: set[str], documents: list[str]) -> list[int]:
    return [at for at, text in enumerate(documents, 1) if share(asked, text) >= 0.5]
