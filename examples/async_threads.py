"""A nightly job over reviews: a guardrail in a pool of threads, then many model calls at once. One trace for all.

Tasks of asyncio take the current span along by themselves, and so do threads of a pool once tracekit is started.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from openai import AsyncOpenAI

import tracekit
from tracekit import trace

REVIEWS = [
    "The kettle boils fast and the handle stays cool. I love it.",
    "My coffee machine started to leak after a week. Write to me at joe@example.com.",
    "Great tent, but drying it is slow.",
    "The lamp is bright and easy to set.",
    "Delivery was late and the parcel was broken.",
    "The bike is quiet, and I recommend it to every commuter.",
    "The blender is loud.",
    "Perfect backpack for a weekend.",
]
client: AsyncOpenAI


@trace.guardrail
def without_addresses(review: str) -> str:
    """Nothing that names a person leaves the house."""
    return re.sub(r"\S+@\S+", "<address>", review)


@trace.llm
async def chat(messages: list[dict[str, str]], model: str = "gpt-4o-mini") -> Any:
    return await client.chat.completions.create(model=model, messages=messages)


@trace
async def judge(review: str) -> str:
    task = "Is the review positive, negative or mixed? Answer with this one word."
    messages = [{"role": "system", "content": task}, {"role": "user", "content": review}]
    return (await chat(messages)).choices[0].message.content


@trace.chain
async def digest(reviews: list[str]) -> dict[str, int]:
    with ThreadPoolExecutor(4) as pool:
        clean = list(pool.map(without_addresses, reviews))
    return dict(Counter(await asyncio.gather(*map(judge, clean))))


async def run() -> dict[str, int]:
    global client
    async with AsyncOpenAI(max_retries=0) as client:
        return await digest(REVIEWS)


def main() -> None:
    tracekit.init()
    with tracekit.context(
        project="shop-reviews", user_id="nightly", tags=["batch"], metadata={"reviews": len(REVIEWS)}
    ):
        print(asyncio.run(run()))


if __name__ == "__main__":
    main()
