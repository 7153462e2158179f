"""Answers questions about a shop's products: embed, retrieve, rerank, answer. Each step is one decorated function."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from openai import OpenAI, RateLimitError

import tracekit
from tracekit import trace

CORPUS = Path(__file__).parent / "corpus"
client = OpenAI(max_retries=0)

#: (user, question, shelf to look on). The fifth looks on the wrong shelf: its trace shows lamps where returns should
#: be, so it is retrieval and not the model that is to blame. The last one runs into a rate limit.
QUESTIONS = [
    ("ada", "How often should I descale the kettle where the water is hard?", None),
    ("ada", "What does express delivery cost?", "policies"),
    ("ben", "What does error E03 on the electric bike mean?", "cycling"),
    ("ben", "How many kilometres does the battery of the bike carry a rider?", "cycling"),
    ("chen", "Can I return a tent within 30 days?", "lighting"),
    ("chen", "May I light the camping stove inside a tent?", None),
    ("ada", "How long is the warranty on the frame of a bike?", None),
    ("dora", "Which hub does the smart bulb work with?", "lighting"),
    ("dora", "please rate-limit-me: does the desk lamp flicker on a dimmer?", "lighting"),
]


@cache
def corpus() -> list[dict[str, Any]]:
    """Every text of the corpus with its vector."""
    texts = []
    for path in sorted(CORPUS.glob("*.txt")):
        head, _, body = path.read_text("utf-8").partition("\n\n")
        meta = dict(line.split(": ", 1) for line in head.splitlines())
        texts.append({"id": path.stem, "text": f"{meta['title']}. {' '.join(body.split())}", "metadata": meta})
    vectors = embed([text["text"] for text in texts])
    return [text | {"vector": item.embedding} for text, item in zip(texts, vectors.data, strict=True)]


@trace.embedding
def embed(texts: list[str], model: str = "text-embedding-3-small", dimensions: int = 256) -> Any:
    return client.embeddings.create(model=model, input=texts, dimensions=dimensions)


@trace.llm
def chat(messages: list[dict[str, str]], model: str, temperature: float = 0) -> Any:
    return client.chat.completions.create(model=model, messages=messages, temperature=temperature)


@trace.retriever
def retrieve(question: str, shelf: str | None = None, k: int = 6) -> list[dict[str, Any]]:
    """The ``k`` nearest texts by cosine, of one shelf or of all."""
    vector = embed([question]).data[0].embedding
    near = [
        {"id": text["id"], "text": text["text"], "score": dot(vector, text["vector"]), "metadata": text["metadata"]}
        for text in corpus()
        if shelf in (None, text["metadata"]["shelf"])
    ]
    return sorted(near, key=lambda document: -document["score"])[:k]


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


@trace.reranker
def rerank(question: str, documents: list[dict[str, Any]], keep: int = 3) -> list[dict[str, Any]]:
    """Lets a small model put the documents in order and keeps the best."""
    task = "Order the passages by how well they answer the question. Reply with their numbers only, best first."
    messages = [{"role": "system", "content": task}, {"role": "user", "content": prompt(question, documents)}]
    order = re.findall(r"\d+", chat(messages, model="gpt-4o-mini").choices[0].message.content)
    return [documents[int(number) - 1] | {"score": 1 / (rank + 1)} for rank, number in enumerate(order[:keep])]


def prompt(question: str, documents: list[dict[str, Any]]) -> str:
    passages = "\n".join(f"[{number}] {document['text']}" for number, document in enumerate(documents, 1))
    return f"Passages:\n{passages}\n\nQuestion: {question}"


@trace.chain
def answer(question: str, shelf: str | None = None) -> str:
    documents = rerank(question, retrieve(question, shelf))
    task = "Answer from the passages, name the passage in brackets, and say so where they do not tell."
    messages = [{"role": "system", "content": task}, {"role": "user", "content": prompt(question, documents)}]
    return chat(messages, model="gpt-4o").choices[0].message.content


def main() -> None:
    tracekit.init()
    with tracekit.context(project="shop-search", metadata={"corpus": "manuals"}):
        corpus()
        for user, question, shelf in QUESTIONS:
            with tracekit.context(user_id=user, tags=["rag"]):
                try:
                    print(f"{user}: {question}\n    {answer(question, shelf)}")
                except RateLimitError as error:
                    print(f"{user}: {question}\n    failed: {error.body['message']}")


if __name__ == "__main__":
    main()
