"""An application that has a secret in every place where one can get to: ``canary_app.py FILE SECONDS`` reads
them from there, and waits so long for what it traced to be sent.

Every call below is an honest mistake that somebody makes: keys in arguments, mails in messages, tokens in errors.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
from opentelemetry import trace as trace_api

import tracekit
from tracekit import trace

C: dict[str, str] = json.loads(Path(sys.argv[1]).read_text())


@dataclasses.dataclass
class Login:
    user: str
    password: str


class Settings(pydantic.BaseModel):
    api_key: str
    name: str = "settings"


class Client:
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"Client(client_secret={self.secret!r})"


@trace
def sign_in(user: str, password: str, **more: Any) -> dict[str, Any]:
    return {
        "user": user,
        "access_token": C["returned token"],
        "nested": [{"deep": {"Api-Key": C["returned deep key"]}}],
    }


@trace
def configured(login: Login, settings: Settings, client: Client, headers: list[tuple[str, str]]) -> str:
    return f"postgres://app:{C['url password']}@db.example/x and https://api.example/v1?api_key={C['query key']}"


@trace.llm(model="gpt-4o")
def chat(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    call = {
        "id": "c1",
        "function": {"name": "pay", "arguments": json.dumps({"card": C["tool card"], "pin_token": "x"})},
    }
    message = {"role": "assistant", "content": f"Call {C['answer phone']}.", "tool_calls": [call]}
    return {"model": "gpt-4o", "choices": [{"message": message}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


@trace.llm
def streamed(prompt: str) -> Iterator[str]:
    text = f"The key is {C['streamed key']}, the mail {C['streamed mail']}."
    yield from (text[at : at + 5] for at in range(0, len(text), 5))


@trace
def lines(n: int) -> Iterator[dict[str, str]]:
    yield {"authorization": f"Bearer {C['yielded bearer']}"}


@trace.retriever
def search(query: str) -> list[dict[str, Any]]:
    return [
        {"id": "d", "text": f"write to {C['document mail']}", "score": 1.0, "metadata": {"token": C["document token"]}}
    ]


@trace.tool
def pay(arguments: str) -> str:
    return json.dumps({"receipt": C["tool iban key"]})


@trace.embedding(model="e")
def embed(texts: list[str]) -> list[list[float]]:
    return [[0.5] * 4 for _ in texts]


@trace
def fails() -> None:
    held_only_in_a_local = C["local"]
    try:
        raise KeyError(f"no user for {C['cause mail']}")
    except KeyError as error:
        again = RuntimeError(f"login with password={C['error password']} failed, token {C['error github']}")
        again.add_note(f"Authorization: Bearer {C['note bearer']}")
        raise again from error
    finally:
        len(held_only_in_a_local)


@trace
async def fails_later(cookie: str) -> None:
    await asyncio.sleep(0)
    raise ValueError({"aws": C["aws id"], "aws_secret_access_key": C["aws secret"]})


def by_hand() -> None:
    with trace.span("by hand", attributes={"db.password": C["attribute password"]}) as span:
        span.set_attribute("note", f"call {C['attribute phone']}")
        span.set_attributes({"slack": C["attribute slack"], "list": [C["attribute google"], "x"]})
        span.add_event("sent", {"to": C["event mail"], "auth_token": C["event token"]})
        span.set_prompt("Hello {name}", variables={"name": C["prompt mail"], "session_cookie": C["prompt cookie"]})
        span.set_input({"env": f"OPENAI_API_KEY={C['env key']}\nDEBUG=1", "huge": "x" * 300_000 + C["cut key"]})
        span.set_output(f"-----BEGIN PRIVATE KEY-----\n{C['pem']}\n-----END PRIVATE KEY-----")
        span.record_error(f"refused: {C['status stripe']}")
    with trace.span(f"mail to {C['name mail']}", kind="reranker") as span:
        span.add_documents([(f"card {C['reranked card']}", 0.5)])


def of_another_library(provider: Any) -> None:
    tracer = provider.get_tracer("another.instrumentation")
    with tracer.start_as_current_span(f"GET /users/{C['foreign name mail']}") as span:
        span.set_attribute("http.request.header.authorization", C["foreign header"])
        span.set_attribute("http.url", f"https://u:{C['foreign url password']}@api.example/?q=1")
        span.set_attribute("gen_ai.input.messages", json.dumps([{"content": C["foreign message jwt"]}]))
        span.add_event("request", {"body": json.dumps({"password": C["foreign event password"]})})
        span.record_exception(ValueError(f"bad key {C['foreign exception key']}"))
        span.set_status(trace_api.Status(trace_api.StatusCode.ERROR, f"for {C['foreign status mail']}"))


def of_langchain() -> None:
    from langchain_core.runnables import RunnableLambda

    from tracekit.integrations.langchain import TracekitCallbackHandler

    chain = RunnableLambda(lambda given: {"answer": C["chain answer key"]})
    metadata = {"customer_api_key": C["chain metadata key"], "contact": C["chain metadata mail"]}
    chain.invoke({"q": C["chain input mail"]}, {"callbacks": [TracekitCallbackHandler()], "metadata": metadata})


def main() -> None:
    provider = tracekit.init(project="canaries")
    user = {"user_id": C["user mail"], "tags": ["beta", C["tag key"]]}
    with tracekit.context(**user, metadata={"password": C["metadata password"], "note": C["metadata mail"]}):
        sign_in("ada", C["argument password"], api_key=C["keyword key"], note={"credentials": {"a": [C["nested"]]}})
        headers = [("X-Api-Key", C["header key"]), ("Cookie", C["header cookie"])]
        configured(
            Login("ada", C["dataclass password"]), Settings(api_key=C["pydantic key"]), Client(C["repr"]), headers
        )
        chat([{"role": "user", "content": f"I am {C['message mail']}, card {C['message card']}"}], [])
        list(streamed(f"use {C['prompt anthropic']}"))
        list(lines(1))
        search(f"who is {C['query mail']}")
        pay(json.dumps({"inner": json.dumps({"client_secret": C["escaped"]})}))
        embed([f"text of {C['embedded mail']}"])
        by_hand()
    for failing in (fails, lambda: asyncio.run(fails_later(C["cookie"]))):
        try:
            failing()
        except Exception:  # noqa: BLE001, S110 - what they are for
            pass
    of_another_library(provider)
    of_langchain()
    print(len(C), tracekit.flush(float(sys.argv[2])), flush=True)


main()
