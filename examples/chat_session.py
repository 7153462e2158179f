"""Conversations of several turns: one trace for each turn, one session for each customer, one version of the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openai import OpenAI

import tracekit
from tracekit import trace

CORPUS = Path(__file__).parent / "corpus"
RULES = ["policy-delivery", "policy-returns", "policy-refunds", "policy-warranty", "policy-payment"]
TEMPLATE = "You serve the customers of {shop}. Be brief and answer from these rules only:\n{rules}"
VERSION = "3"
#: user -> (session, tier, model, questions)
CONVERSATIONS = {
    "ada": (
        "chat-201",
        "plus",
        "gpt-4o",
        ["Hello!", "How long does standard delivery take?", "And express delivery?", "Thanks!"],
    ),
    "ben": (
        "chat-202",
        "free",
        "gpt-4o-mini",
        ["When do I get the refund of my return?", "To which means of payment does the refund go?"],
    ),
    "chen": (
        "chat-203",
        "plus",
        "claude-sonnet-4-5",
        ["What does the warranty cover?", "How do I claim the warranty?", "Who won the match last night?"],
    ),
}
client = OpenAI(max_retries=0)


@trace.llm
def chat(messages: list[dict[str, str]], model: str, max_tokens: int = 200) -> Any:
    return client.chat.completions.create(model=model, messages=messages, max_tokens=max_tokens)


def instructions() -> str:
    """The prompt, with its template and version recorded in a span of its own."""
    rules = "\n".join((CORPUS / f"{name}.txt").read_text("utf-8").partition("\n\n")[2] for name in RULES)
    variables = {"shop": "Fernhill", "rules": rules}
    with trace.span("customer-service", kind="prompt") as span:
        span.set_prompt(TEMPLATE, version=VERSION, variables=variables)
        return TEMPLATE.format(**variables)


@trace.chain
def turn(question: str, history: list[dict[str, str]], model: str) -> str:
    history.append({"role": "user", "content": question})
    reply = chat([{"role": "system", "content": instructions()}, *history], model=model)
    history.append({"role": "assistant", "content": reply.choices[0].message.content})
    return history[-1]["content"]


def main() -> None:
    tracekit.init()
    for user, (session, tier, model, questions) in CONVERSATIONS.items():
        history: list[dict[str, str]] = []
        with tracekit.context(
            project="shop-chat", user_id=user, session_id=session, tags=[f"tier:{tier}"], metadata={"prompt": VERSION}
        ):
            for question in questions:
                print(f"{user}: {question}\n    {turn(question, history, model)}")


if __name__ == "__main__":
    main()
