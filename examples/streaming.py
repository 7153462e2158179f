"""Writes product descriptions and streams them: the span stays open until the last piece, and knows the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openai import OpenAI

import tracekit
from tracekit import trace

CORPUS = Path(__file__).parent / "corpus"
PRODUCTS = {"Kettle K2": "kettle-k2-overview", "Tent N2": "tent-n2-overview", "Electric bike E7": "bike-e7-overview"}
client = OpenAI(max_retries=0)


@trace.llm
def write(messages: list[dict[str, str]], model: str = "gpt-4o") -> Iterator[Any]:
    """Yields the model's chunks as they come; the last one brings the usage."""
    yield from client.chat.completions.create(
        model=model, messages=messages, stream=True, stream_options={"include_usage": True}
    )


@trace.chain
def describe(task: str, facts: str) -> Iterator[str]:
    rules = f"Write two sentences for our catalogue, from these facts only:\n{facts}"
    messages = [{"role": "system", "content": rules}, {"role": "user", "content": task}]
    for chunk in write(messages):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def main() -> None:
    tracekit.init()
    with tracekit.context(project="shop-catalogue", user_id="editor", tags=["streaming"]):
        for product, file in PRODUCTS.items():
            facts = (CORPUS / f"{file}.txt").read_text("utf-8").partition("\n\n")[2]
            for piece in describe(f"Describe the {product}.", facts):
                print(piece, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
