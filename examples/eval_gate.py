"""Two versions of a prompt, compared on a small dataset: the toy task of ``examples/eval.toml``.

    tracekit eval run examples/eval.toml                  # the good prompt, as a baseline
    tracekit eval run examples/eval_bad.toml              # the bad prompt against it: worse, exit code 1

The "model" is a few lines that follow a prompt, so that everything here runs without a key; its calls are traced as a
model's would be.
"""

from __future__ import annotations

import re
from typing import Any

from tracekit import trace

GOOD = "Answer with the number and its unit, from the document alone. Say 'unknown' if it is not there."
BAD = "Answer in one friendly sentence."

DOCUMENTS = {
    "kettle": "The Kettle K2 holds 1.7 litres, draws 2200 watts and weighs 1.1 kilograms.",
    "toaster": "The Toaster T4 has 4 slots, draws 1500 watts and weighs 2.3 kilograms.",
    "fan": "The Fan F1 draws 45 watts, moves 30 cfm of air and weighs 3.2 kilograms.",
}
_UNITS = {"hold": "litres", "power": "watts", "draw": "watts", "weigh": "kilograms", "slots": "slots", "air": "cfm"}


@trace.retriever(name="search")
def search(question: str) -> list[dict[str, Any]]:
    """The document about the thing that is asked for."""
    return [{"id": name, "text": text} for name, text in DOCUMENTS.items() if name in question.lower()]


@trace.llm(name="chat", model="toy-1")
def chat(messages: list[dict[str, str]]) -> dict[str, Any]:
    """A stand-in for a model: it finds the number, and keeps to its instructions where they are clear."""
    prompt, question, document = messages[0]["content"], messages[1]["content"].lower(), messages[2]["content"]
    unit = next((unit for word, unit in _UNITS.items() if word in question), "")
    found = re.search(rf"([\d.]+) {unit}", document) if unit else None
    answer = f"{found[1]} {unit}" if found else "unknown"
    if prompt == BAD:
        # Without clear instructions it rounds now and then, and guesses what it does not know.
        answer = f"{round(float(found[1]))} {unit}" if found else "about 2 kilograms"
    usage = {"prompt_tokens": len(prompt + question + document) // 4, "completion_tokens": len(answer) // 4 + 1}
    return {"choices": [{"message": {"role": "assistant", "content": answer}}], "usage": usage}


def _answer(prompt: str, question: str) -> str:
    documents = search(question)
    texts = " ".join(document["text"] for document in documents)
    reply = chat(
        [
            {"role": "system", "content": prompt},
            {"role": "user", "content": question},
            {"role": "user", "content": texts},
        ]
    )
    return str(reply["choices"][0]["message"]["content"])


def good(question: str) -> str:
    """The task with the good prompt."""
    return _answer(GOOD, question)


def bad(question: str) -> str:
    """The task with the bad prompt."""
    return _answer(BAD, question)


def grounded(output: str, documents: list[Any]) -> float:
    """The share of an answer's numbers that are in the documents; 1 where it has none."""
    numbers = re.findall(r"\d+(?:\.\d+)?", output)
    if not numbers:
        return 1.0
    texts = " ".join(document.text for document in documents)
    return sum(bool(re.search(rf"(?<![\d.]){re.escape(one)}(?![\d.])", texts)) for one in numbers) / len(numbers)
