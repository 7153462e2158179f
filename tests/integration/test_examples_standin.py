"""The model stand-in as OpenAI's own client sees it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import model_answers
from examples.model_standin import StandIn

LAMP, KETTLE = "The lamp has three levels.", "The kettle holds 1.7 litres."
PASSAGES = f"Passages:\n[1] {LAMP}\n[2] {KETTLE}\n\nQuestion: What does the kettle hold?"
TOOL = {
    "type": "function",
    "function": {
        "name": "track_parcel",
        "description": "Where a parcel is.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "string", "pattern": "^TR-\\d+$"}},
            "required": ["number"],
        },
    },
}


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def client(standin: StandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=standin.base_url, api_key="none", max_retries=0) as client:
        yield client


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def test_an_answer_is_picked_from_the_passages_and_is_the_same_twice(client: openai.OpenAI) -> None:
    first, second = (client.chat.completions.create(model="gpt-4o", messages=user(PASSAGES)) for _ in range(2))
    assert first.choices[0].message.content == "The kettle holds 1.7 litres. [2]"
    assert (first.choices, first.usage) == (second.choices, second.usage)
    assert first.id != second.id
    assert first.model == "gpt-4o-2024-08-06"
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens > 0


def test_a_stream_says_the_same_as_the_whole_answer_and_brings_usage_when_asked(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=user(PASSAGES))
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=user(PASSAGES), stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage and not chunks[-1].choices
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert all(c.usage is None for c in client.chat.completions.create(model="o3", messages=user("hi"), stream=True))


def test_tools_are_called_until_they_have_answered(client: openai.OpenAI) -> None:
    messages = user("Where is TR-77?")
    message = (
        client.chat.completions.create(model="claude-sonnet-4-5", messages=messages, tools=[TOOL]).choices[0].message
    )
    [call] = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("track_parcel", {"number": "TR-77"})

    messages += [
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": '{"parcel": "TR-77", "place": "Lyon"}'},
    ]
    reply = client.chat.completions.create(model="claude-sonnet-4-5", messages=messages, tools=[TOOL])
    assert reply.choices[0].message.content == "Parcel TR-77: place Lyon."
    assert reply.choices[0].finish_reason == "stop"


def test_a_tool_that_timed_out_is_tried_once_more_and_then_given_up(client: openai.OpenAI) -> None:
    messages = user("Where is TR-77?")
    asked = 0
    while calls := (
        message := client.chat.completions.create(model="gpt-4o", messages=messages, tools=[TOOL]).choices[0].message
    ).tool_calls:
        asked += 1
        messages.append(message.model_dump(exclude_none=True))
        messages += [{"role": "tool", "tool_call_id": c.id, "content": '{"error": "timed out"}'} for c in calls]
    assert asked == 2
    assert message.content == "I could not track parcel: timed out."


def test_streamed_tool_calls_are_put_together_by_the_client(client: openai.OpenAI) -> None:
    chunks = client.chat.completions.create(model="gpt-4o", messages=user("Where is TR-77?"), tools=[TOOL], stream=True)
    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert [(c.index, c.function.name, c.function.arguments) for c in calls] == [
        (0, "track_parcel", '{"number":"TR-77"}')
    ]


def test_embeddings_of_like_texts_lie_near_each_other(client: openai.OpenAI) -> None:
    texts = ["descaling the kettle", "how to descale a kettle", "warranty on bikes"]
    data = client.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=128).data
    kettle, question, bikes = (item.embedding for item in data)

    def near(left: list[float], right: list[float]) -> float:
        return sum(a * b for a, b in zip(left, right, strict=True))

    assert len(kettle) == 128
    assert near(kettle, kettle) == pytest.approx(1, abs=1e-5)
    assert near(kettle, question) > near(kettle, bikes) + 0.3


def test_a_long_answer_is_cut_at_max_tokens(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="gpt-4o", messages=user(PASSAGES), max_tokens=4)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens <= 4


@pytest.mark.parametrize(
    ("error", "code", "request_"),
    [
        (openai.RateLimitError, "rate_limit_exceeded", {"model": "gpt-4o", "messages": user("please rate-limit-me")}),
        (openai.NotFoundError, "model_not_found", {"model": "llama", "messages": user("hi")}),
        (openai.BadRequestError, "context_length_exceeded", {"model": "gpt-4o", "messages": user("a, " * 128_000)}),
        (openai.BadRequestError, None, {"model": "gpt-4o", "messages": []}),
    ],
)
def test_errors_have_the_shape_that_the_client_knows(
    client: openai.OpenAI, error: type[openai.APIStatusError], code: str | None, request_: dict[str, Any]
) -> None:
    with pytest.raises(error) as caught:
        client.chat.completions.create(**request_)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no json", {}, 400),
        (b"[]", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"", {"content-length": "99999999999"}, 413),
        (b"", {"content-length": "-1"}, 411),
    ],
)
def test_bad_bodies_are_refused(standin: StandIn, body: bytes, headers: dict[str, str], status: int) -> None:
    connection = HTTPConnection(*standin.server_address)
    connection.request("POST", "/v1/chat/completions", body, headers)
    response = connection.getresponse()
    assert response.status == status
    assert json.load(response)["error"]["type"] == "invalid_request_error"
    connection.close()


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "examples.model_standin", "--port", str(port)],
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert f"port {port}" in done.stderr and "--port" in done.stderr and "Traceback" not in done.stderr


@given(st.lists(st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "tool"]), "content": st.text()})))
def test_any_conversation_has_an_answer(messages: list[dict[str, Any]]) -> None:
    assert isinstance(model_answers.answer(messages), str)


@given(st.text(), st.integers(1, 64))
def test_embeddings_are_unit_vectors_or_nothing(text: str, dimensions: int) -> None:
    length = sum(value * value for value in model_answers.embed(text, dimensions))
    assert length == pytest.approx(1) or length == 0
