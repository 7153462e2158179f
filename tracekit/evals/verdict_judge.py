"""The RAG verdict by a judge: one call that says for each sentence of the answer what the documents make of it.

The judge chooses among named relations and has to quote its evidence; from what it chose the verdict follows by the
same rules as in local mode. What does not fit is asked again with what was wrong, then ``UnfitAnswer`` is raised:
nothing falls back to the local mode.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tracekit.evals.api import Judge, RetrievedDocument
from tracekit.evals.judge_prompt import clipped, prompt
from tracekit.evals.judges import ASKED_AGAIN, UnfitAnswer
from tracekit.evals.lexical import Piece, sentences
from tracekit.evals.rubric import Choice, Rubric, Unfit
from tracekit.evals.verdict_local import explain
from tracekit.evals.verdict_question import asked, idf_of
from tracekit.evals.verdict_support import read_again
from tracekit.evals.verdict_types import (
    MAX_DOCUMENT,
    MAX_SENTENCES,
    Cell,
    DocumentUse,
    Label,
    RagCase,
    RagVerdict,
    Relation,
    Sentence,
    Standing,
)

#: other documents of the knowledge base that the judge is shown: those that fit the question best by their words
MAX_OTHERS: Final = 8
DEFAULT_MAX_CHARS: Final = 24_000
_MAX_ANSWER: Final = 65_536
_STANDING: Final[Mapping[str, Standing]] = {
    "supported": "supported",
    "contradicted": "contradicted",
    "not in the documents": "unsupported",
    "declines": "refusal",
    "no statement": "filler",
}
_TEMPLATE: Final = """\
Task: compare an answer, sentence by sentence, with the documents that were retrieved for a question.

Judge by the documents alone, not by what you know. Numbers, units, dates, names and negations have to agree; another \
wording of the same statement is support. A sentence is contradicted only where a document says something that cannot \
be true together with it.

The question:
{input}

The retrieved documents, numbered from 1:
{documents}

Other documents of the knowledge base, which were not retrieved, numbered from 1:
{others}

The answer's sentences, numbered from 1:
{sentences}"""


class _Form(Rubric):
    """The relations as choices, with a form of answer of their own."""

    def instructions(self) -> str:
        relations = "\n".join(f"- {json.dumps(one.label)}: {one.description}" for one in self.choices)
        return (
            f"For each sentence choose exactly one relation:\n{relations}\n\n"
            "Answer with one JSON object and nothing else:\n"
            '{"sentences": [{"sentence": 1, "relation": "supported", "document": 2, "evidence": "words quoted from it"}'
            ', ...], "addresses_question": true, "relevant_documents": [2], "relevant_others": []}\n'
            "Every sentence stands in it once. document and evidence belong to the relations supported and "
            "contradicted, the evidence word by word from that document; otherwise they are null and empty. "
            "addresses_question: whether the answer as a whole answers what was asked, right or wrong. "
            "relevant_documents and relevant_others: the numbers of those from which the question can be answered."
        )

    def schema(self, title: str) -> dict[str, Any]:
        sentence = {
            "sentence": {"type": "integer"},
            "relation": {"type": "string", "enum": self.labels},
            "document": {"type": ["integer", "null"]},
            "evidence": {"type": "string"},
        }
        numbers = {"type": "array", "items": {"type": "integer"}}
        parts: dict[str, Any] = {
            "sentences": {"type": "array", "items": _object(sentence)},
            "addresses_question": {"type": "boolean"},
            "relevant_documents": numbers,
            "relevant_others": numbers,
        }
        return {"title": title, **_object(parts)}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


FORM: Final = _Form(
    (
        Choice("supported", description="a document states what it states"),
        Choice("contradicted", description="a document states what cannot be true together with it"),
        Choice("not in the documents", description="no retrieved document says this or its opposite"),
        Choice("declines", description="it says that the answer is not known or not found"),
        Choice("no statement", description="a greeting, an offer of help, an introduction"),
    )
)


@dataclass(frozen=True, slots=True)
class _Asked:
    case: RagCase
    pieces: tuple[Piece, ...]
    others: tuple[RetrievedDocument, ...]


def judge_verdict(case: RagCase, judge: Judge, max_chars: int = DEFAULT_MAX_CHARS) -> tuple[RagVerdict, dict[str, Any]]:
    """The verdict, and who was asked how often. Raises ``UnfitAnswer``, and what the judge raises."""
    pieces = sentences(case.answer)
    put = _Asked(case, tuple(pieces[:MAX_SENTENCES]), _others(case))
    messages = messages_for(put.case, put.pieces, put.others, max_chars)
    conversation: list[Mapping[str, str]] = list(messages)
    fault = model = ""
    for attempt in range(1 + ASKED_AGAIN):
        answer = judge.complete(conversation, schema=FORM.schema("rag_verdict"))
        model = answer.model
        try:
            found = _verdict(put, _read(answer.text, put))
        except Unfit as unfit:
            fault = str(unfit)
            objection = f"That answer cannot be used: {fault}.\n\n{FORM.instructions()}"
            echoed = {"role": "assistant", "content": clipped(answer.text, 2_000) if answer.text.strip() else "(empty)"}
            conversation = [*messages, echoed, {"role": "user", "content": objection}]
            continue
        found = replace(found, cut=case.cut or len(pieces) > MAX_SENTENCES)
        return replace(found, explanation=explain(found, case)), {"judge": model, "asked": attempt + 1}
    raise UnfitAnswer(f"the judge {model} gave no answer that fits, asked {1 + ASKED_AGAIN} times: {fault}")


def messages_for(
    case: RagCase, pieces: Sequence[Piece], others: Sequence[RetrievedDocument], max_chars: int = DEFAULT_MAX_CHARS
) -> list[dict[str, str]]:
    texts = {
        "input": [("QUESTION", case.question)],
        "documents": [(f"DOCUMENT {at}", one.text) for at, one in enumerate(case.documents, 1)],
        "others": [(f"OTHER {at}", one.text) for at, one in enumerate(others, 1)],
        "sentences": [(f"SENTENCE {at}", one.text) for at, one in enumerate(pieces, 1)],
    }
    return prompt(_TEMPLATE, texts, FORM, max_chars)


def _others(case: RagCase) -> tuple[RetrievedDocument, ...]:
    known = {one.text for one in case.documents}
    others = [one for one in case.corpus or () if one.text not in known]
    texts = [read_again(one.text[:MAX_DOCUMENT]) for one in others]
    weights, question = idf_of(texts), asked(case.question)
    ranked = sorted(range(len(others)), key=lambda at: (-question.answered_by(texts[at], weights, None), at))
    return tuple(others[at] for at in ranked[:MAX_OTHERS])


# --- reading what the judge said --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Said:
    """``relations``: for each sentence its relation, the document's index or None, and the evidence."""

    relations: tuple[tuple[str, int | None, str], ...]
    addresses: bool
    documents: frozenset[int]
    others: frozenset[int]


def _read(text: str, put: _Asked) -> _Said:
    """Raises ``Unfit``."""
    found = _json(text)
    rows = found.get("sentences")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unfit('"sentences" is no list of objects')
    numbers = [row.get("sentence") for row in rows]
    if sorted(numbers, key=str) != sorted(range(1, len(put.pieces) + 1), key=str) or any(
        isinstance(number, bool) for number in numbers
    ):
        raise Unfit(f"not every sentence from 1 to {len(put.pieces)} stands in it exactly once")
    addresses = found.get("addresses_question")
    if not isinstance(addresses, bool):
        raise Unfit('"addresses_question" is neither true nor false')
    ordered = sorted(rows, key=lambda row: int(row["sentence"]))
    return _Said(
        tuple(_relation(row, put.case.documents) for row in ordered),
        addresses,
        _numbers(found, "relevant_documents", len(put.case.documents)),
        _numbers(found, "relevant_others", len(put.others)),
    )


def _json(text: str) -> dict[str, Any]:
    if len(text) > _MAX_ANSWER:
        raise Unfit(f"it is longer than {_MAX_ANSWER} characters")
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):
        raise Unfit("it holds no JSON object that can be read") from None
    if not isinstance(found, dict):
        raise Unfit("it holds no JSON object")
    return found


def _relation(row: Mapping[str, Any], documents: Sequence[RetrievedDocument]) -> tuple[str, int | None, str]:
    number, relation, document, evidence = (row.get(name) for name in ("sentence", "relation", "document", "evidence"))
    if relation not in _STANDING:
        raise Unfit(f"the relation of sentence {number} is none of {', '.join(map(json.dumps, _STANDING))}")
    if relation not in ("supported", "contradicted"):
        return str(relation), None, ""
    if not isinstance(document, int) or isinstance(document, bool) or not 1 <= document <= len(documents):
        raise Unfit(f"sentence {number} names no document from 1 to {len(documents)}")
    if not isinstance(evidence, str) or not evidence.strip():
        raise Unfit(f"sentence {number} has no evidence")
    if _place(evidence, documents[document - 1].text) is None:
        raise Unfit(f"the evidence for sentence {number} does not stand in document {document}")
    return str(relation), document - 1, evidence


def _numbers(found: Mapping[str, Any], name: str, most: int) -> frozenset[int]:
    value = found.get(name)
    if not isinstance(value, list) or not all(
        isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= most for one in value
    ):
        raise Unfit(f'"{name}" is no list of numbers from 1 to {most}')
    return frozenset(one - 1 for one in value)


def _place(evidence: str, text: str) -> tuple[int, int] | None:
    """Where the evidence stands: word by word whatever case, space and punctuation lie between, of each side of a
    ``...`` the longer. None where it does not."""
    from tracekit.evals.lexical import word_pieces

    part = max(evidence.replace("…", "...").split("..."), key=len)
    wanted = [piece.text.casefold() for piece in word_pieces(part[:4_000])]
    there = word_pieces(text)
    folded = [piece.text.casefold() for piece in there]
    for at in range(len(folded) - len(wanted) + 1):
        if wanted and folded[at] == wanted[0] and folded[at : at + len(wanted)] == wanted:
            return there[at].start, there[at + len(wanted) - 1].end
    return None


# --- from what it said to the verdict ---------------------------------------------------------------------------------


def _verdict(put: _Asked, said: _Said) -> RagVerdict:
    case = put.case
    found = [
        Sentence(at, piece.start, piece.end, piece.text, _STANDING[relation], document)
        for at, (piece, (relation, document, _)) in enumerate(zip(put.pieces, said.relations, strict=True))
    ]
    used = {one.document for one in found if one.standing == "supported"}
    uses = tuple(
        DocumentUse(at, one.position, one.id, _labelled(case, one, at in said.documents), at in used)
        for at, one in enumerate(case.documents)
    )
    missing = tuple(put.others[at].id or f"corpus[{put.others[at].position}]" for at in sorted(said.others))
    if case.expected_ids is not None:
        missing = tuple(sorted(case.expected_ids - {one.id for one in case.documents if one.id is not None}))
    label = _label(found, said.addresses, uses, missing)
    return RagVerdict(
        label, "", tuple(found), uses, _cells(put, said), "judge", missing if label == "not_retrieved" else (),
        case.knows_corpus,
    )  # fmt: skip


def _labelled(case: RagCase, document: RetrievedDocument, judged: bool) -> bool:
    if document.relevant is not None:
        return float(document.relevant) > 0
    return judged if case.expected_ids is None else document.id in case.expected_ids


def _label(found: Sequence[Sentence], addresses: bool, uses: Sequence[DocumentUse], missing: Sequence[str]) -> Label:
    standings = [one.standing for one in found]
    claims = sum(standing in ("supported", "contradicted", "unsupported") for standing in standings)
    if "contradicted" in standings:
        return "contradicted"
    if claims and addresses and standings.count("supported") >= 0.67 * claims:
        return "answered"
    if any(use.relevant for use in uses):
        return "ignored"
    return "not_retrieved" if missing else "not_answerable"


def _cells(put: _Asked, said: _Said) -> tuple[Cell, ...]:
    found = []
    for at, (relation, document, evidence) in enumerate(said.relations):
        if _STANDING[relation] in ("filler", "refusal"):
            continue
        for index, one in enumerate(put.case.documents):
            place = _place(evidence, one.text) if index == document else None
            here: Relation = "none" if place is None else "supports" if relation == "supported" else "contradicts"
            start, end = place or (0, 0)
            found.append(Cell(at, index, here, float(here == "supports"), start, end))
    return tuple(found)
