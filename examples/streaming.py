"""Writes product descriptions and streams them: the span stays open until the last piece, and knows the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openai import OpenAI

import tracekit
from tracekit import trace

CORPUS = Path(__file__).parent / "corpus"
PRODUCTS = ["kettle-k2-overview", "tent-n2-overview", "bike-e7-overview"]
client = OpenAI(max_retries=0)


@trace.llm
def write(messages: list[dict[str, str]], model: str = "gpt-4o") -> Iterator[Any]:
    """Yields the model's chunks as they come; the last one brings the usage."""
    yield from client.chat.completions.create(
        model=model, messages=messages, stream=True, stream_options={"include_usage": True}
    )


@trace.chain
def describe(product: str) -> Iterator[str]:
    facts = (CORPUS / f"{product}.txt").read_text("utf-8")
    task = (
        f"Describe the product in two sentences for our catalogue. What we know of it:\n{facts.partition('shelf')[2]}"
    )
    title = facts.partition("title: ")[2].partition(":")[0]
    messages = [{"role": "system", "content": task}, {"role": "user", "content": f"The {title}, please."}]
    for chunk in write(messages):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def main() -> None:
    tracekit.init()
    with tracekit.context(project="shop-catalogue", user_id="editor", tags=["streaming"]):
        for product in PRODUCTS:
            for piece in describe(product):
                print(piece, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
