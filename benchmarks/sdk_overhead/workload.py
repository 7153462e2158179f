"""The traced application: a small RAG call of three functions. Deterministic, no I/O.

root(question) -> retriever(question, k) -> 5 documents of 400 characters
               -> llm(messages, model, temperature) -> 1 kB answer and token usage
``wrap(kind, function)`` is the peer's decorator; kind is root, retriever or llm.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

Wrap = Callable[[str, Any], Any]

SPANS_PER_CALL = 3

_random = random.Random(7)
_SYLLABLES = (
    "ba",
    "re",
    "ti",
    "con",
    "for",
    "in",
    "ment",
    "pro",
    "sta",
    "ly",
    "ing",
    "er",
    "de",
    "mo",
    "ra",
    "ve",
    "sol",
    "qua",
)
_VOCABULARY = ["".join(_random.choice(_SYLLABLES) for _ in range(_random.randint(1, 4))) for _ in range(3000)]
_WEIGHTS = [1.0 / (rank + 3) for rank in range(len(_VOCABULARY))]


def _text(seed: int, length: int) -> str:
    """Words by Zipf's law: they compress about as English does."""
    words = random.Random(seed).choices(_VOCABULARY, weights=_WEIGHTS, k=length // 3)
    return " ".join(words)[:length]


_POOL = [{"id": f"doc-{n}", "text": _text(n, 400), "score": round(0.99 - n / 1000, 4)} for n in range(200)]
_ANSWERS = [_text(1000 + n, 1000) for n in range(50)]
_SYSTEM = "You answer from the given context only. If it is not there, say so."


def _documents(number: int, k: int) -> list[dict[str, Any]]:
    return [_POOL[(number * 5 + offset) % len(_POOL)] for offset in range(k)]


def _messages(question: str, documents: list[dict[str, Any]]) -> list[dict[str, str]]:
    context = "\n\n".join(document["text"] for document in documents)
    return [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": f"{context}\n\nQuestion: {question}"},
    ]


def _answer(number: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 512, "completion_tokens": 231, "total_tokens": 743}
    return {
        "role": "assistant",
        "content": _ANSWERS[number % len(_ANSWERS)],
        "model": "gpt-4o-mini",
        "usage": usage,
    }


def question(number: int) -> str:
    return f"What about order {number:06d}?"


_LARGE = [{"role": "user" if n % 2 == 0 else "assistant", "content": _text(2000 + n, 1000)} for n in range(10)]


def build_large(wrap: Wrap) -> Any:
    """One traced function (kind root) that is given 10 kB: ten messages of 1 kB."""

    def answer(messages: list[Any], options: dict[str, Any]) -> str:
        return "yes"

    traced = wrap("root", answer)
    return lambda text: traced(_LARGE, {"question": text, "k": 5})


_RECORDS = [{"id": n, "title": _text(3000 + n, 20), "text": _text(4000 + n, 170), "score": n / 7} for n in range(45)]


def build_records(wrap: Wrap) -> Any:
    """As ``build_large``: 10 kB in 45 small dicts."""

    def answer(records: list[Any], k: int) -> str:
        return "yes"

    traced = wrap("root", answer)
    return lambda text: traced(_RECORDS, 5)


_LONG = _text(5000, 10_000)


def build_text(wrap: Wrap) -> Any:
    """As ``build_large``: 10 kB in one text."""

    def answer(text: str, k: int) -> str:
        return "yes"

    traced = wrap("root", answer)
    return lambda text: traced(_LONG, 5)


def build(wrap: Wrap) -> Any:
    def retriever(question: str, k: int = 5) -> list[dict[str, Any]]:
        return _documents(len(question) + hash(question) % 1000, k)

    def llm(messages: list[Any], model: str = "gpt-4o-mini", temperature: float = 0.2) -> dict[str, Any]:
        return _answer(len(messages[1]["content"]))

    retrieve, complete = wrap("retriever", retriever), wrap("llm", llm)

    def rag(question: str, user_id: str = "u-17") -> Any:
        documents = retrieve(question, k=5)
        return complete(_messages(question, documents), model="gpt-4o-mini", temperature=0.2)["content"]

    return wrap("root", rag)


def build_async(wrap: Wrap) -> Any:
    async def retriever(question: str, k: int = 5) -> list[dict[str, Any]]:
        await asyncio.sleep(0)
        return _documents(len(question) + hash(question) % 1000, k)

    async def llm(messages: list[Any], model: str = "gpt-4o-mini", temperature: float = 0.2) -> dict[str, Any]:
        await asyncio.sleep(0)
        return _answer(len(messages[1]["content"]))

    retrieve, complete = wrap("retriever", retriever), wrap("llm", llm)

    async def rag(question: str, user_id: str = "u-17") -> Any:
        documents = await retrieve(question, k=5)
        return (await complete(_messages(question, documents), model="gpt-4o-mini", temperature=0.2))["content"]

    return wrap("root", rag)
