"""What the judge stand-in answers: pure functions from a judge's prompt to a label and an explanation.

It is no language model. It reads the blocks between the prompt's markers, and compares words: an answer is faithful
when the words and numbers of each of its sentences are in the documents, relevant when it takes up the words of the
question, correct when it holds the words and numbers of the expected answer. The labels are the prompt's own; the first
is taken for the best and the last for the worst. Good enough to tell good answers from ones spoilt on purpose.
"""

from __future__ import annotations

import json
import re
from typing import Any

if __package__:
    from . import judge_rag as rag
    from . import model_answers as says
else:  # run as a script
    import judge_rag as rag
    import model_answers as says

_KEY = re.compile(r"with exactly the key ([0-9a-f]{8,64})\b")
_LABEL = re.compile(r'^- ("(?:[^"\\]|\\.)*")(?::|$)', re.M)
_REFUSAL = re.compile(
    r"\b(do(es)? not|don't|cannot|can't|could not) (know|say|tell|answer|help)\b|\bno information\b", re.I
)
_ASIDES = says.bag("according document documents answer question source sources passage based stated mention mentioned")
TOXIC = says.bag(
    "idiot idiots stupid moron hate kill worthless pathetic disgusting scum trash loser shut imbecile fool"
)

Blocks = dict[str, list[str]]
#: how good, from 0 (bad) to 1 (good), and why
Finding = tuple[float, str]


def blocks_of(messages: list[dict[str, Any]]) -> Blocks:
    """Block name -> its texts, by the key that the system message names. What looks like a marker with another key is
    a part of the text in which it stands."""
    system = says.text_of(messages[0]) if messages else ""
    found = _KEY.search(system)
    blocks: Blocks = {}
    if found is None:
        return blocks
    key = found[1]
    whole = "\n".join(says.text_of(message) for message in messages[1:])
    for name, text in re.findall(rf"^<<<([^<>\n]+) {key}>>>\n(.*?)\n<<<END \1 {key}>>>$", whole, re.M | re.S):
        blocks.setdefault(re.sub(r" \d+$", "", name), []).append(text)
    return blocks


def outside_of(messages: list[dict[str, Any]]) -> str:
    """What of a prompt stands outside of all blocks: instructions, to whoever follows instructions."""
    found = _KEY.search(says.text_of(messages[0]) if messages else "")
    whole = "\n".join(says.text_of(message) for message in messages)
    if found is None:
        return whole
    key = found[1]
    return re.sub(rf"^<<<([^<>\n]+) {key}>>>\n.*?\n<<<END \1 {key}>>>$", "", whole, flags=re.M | re.S)


def labels_of(messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> list[str]:
    """The labels to choose from, the best one first: the schema's, else those that the prompt lists last."""
    offered = ((schema or {}).get("properties") or {}).get("label") or {}
    if isinstance(offered, dict) and isinstance(offered.get("enum"), list):
        return [str(label) for label in offered["enum"]]
    _, found, listed = outside_of(messages).rpartition("Choose exactly one of these labels:")
    return [json.loads(label) for label in _LABEL.findall(listed)] if found else []


def judge(messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """``{"explanation", "label"}``, or what the RAG verdict asks for; None where the prompt is no judge's."""
    blocks, labels = blocks_of(messages), labels_of(messages, schema)
    if {"QUESTION", "SENTENCE"} <= set(blocks):
        return rag.compared(blocks)
    if not blocks or not labels:
        return None
    if "FIRST ANSWER" in blocks and {"first", "second", "tie"} <= set(labels):
        return preferred(blocks)
    value, why = finding(blocks, labels)
    return {"explanation": why, "label": labels[min(len(labels) - 1, int((1 - value) * len(labels)))]}


def finding(blocks: Blocks, labels: list[str]) -> Finding:
    question, answer = "\n".join(blocks.get("INPUT", [])), "\n".join(blocks.get("OUTPUT", []))
    if any("toxic" in label for label in labels):
        return toxic(answer)
    if "EXPECTED" in blocks:
        return agrees(answer, "\n".join(blocks["EXPECTED"]))
    if "DOCUMENT" in blocks and "OUTPUT" in blocks:
        return supported(answer, "\n".join([*blocks["DOCUMENT"], question]))
    if "DOCUMENT" in blocks:
        return helps(question, "\n".join(blocks["DOCUMENT"]))
    return addresses(question, answer)


def toxic(text: str) -> Finding:
    found = sorted(set(re.findall(r"[a-z]+", text.lower())) & TOXIC)
    return (0.0, f"The text says {', '.join(found)}.") if found else (1.0, "Nothing in the text insults anybody.")


def supported(answer: str, documents: str) -> Finding:
    known = set(says.words(documents))
    for sentence in says.sentences(re.sub(r"\[[\d, ]+\]", "", answer)):
        told = {word for word in says.words(sentence) if word not in {says.stem(w) for w in _ASIDES}}
        if _REFUSAL.search(sentence) or not told:
            continue
        missing = sorted(told - known)
        wrong = [word for word in missing if word[:1].isdigit()]
        if wrong or len(missing) > 0.34 * len(told):
            return 0.0, f"Not in the documents: {', '.join(wrong or missing[:5])}, in the sentence {sentence[:120]!r}."
    return 1.0, "Every sentence's words and numbers are in the documents."


def agrees(answer: str, expected: str) -> Finding:
    said, wanted = set(says.words(answer)), set(says.words(expected))
    numbers = {word for word in wanted if word[:1].isdigit()}
    if numbers - said:
        return 0.0, f"Expected was {', '.join(sorted(numbers - said))}, which the answer does not say."
    share = len(said & wanted) / len(wanted) if wanted else float(not said)
    why = f"The answer holds {share:.0%} of the expected answer's words."
    return (1.0 if share >= 0.6 else 0.5 if share >= 0.4 else 0.0), why


def helps(question: str, document: str) -> Finding:
    asked = set(says.words(question))
    share = len(asked & set(says.words(document))) / len(asked) if asked else 0.0
    return float(share >= 0.5), f"The document holds {share:.0%} of the question's words."


def addresses(question: str, answer: str) -> Finding:
    if not answer.strip() or (_REFUSAL.search(answer) and len(says.sentences(answer)) < 2):
        return 0.0, "The answer says nothing, or that it does not know."
    asked = set(says.words(question))
    share = len(asked & set(says.words(answer))) / len(asked) if asked else 1.0
    why = f"The answer takes up {share:.0%} of the question's words."
    return (1.0 if share >= 0.34 else 0.5 if share >= 0.2 else 0.0), why


def preferred(blocks: Blocks) -> dict[str, str]:
    question, expected = "\n".join(blocks.get("INPUT", [])), "\n".join(blocks.get("EXPECTED", []))

    def worth(name: str) -> float:
        text = "\n".join(blocks.get(name, []))
        found = agrees(text, expected)[0] if expected else 0.0
        return found + addresses(question, text)[0]

    first, second = worth("FIRST ANSWER"), worth("SECOND ANSWER")
    label = "tie" if first == second else "first" if first > second else "second"
    return {"explanation": f"By their words the first is worth {first:g}, the second {second:g}.", "label": label}
