"""Judges over HTTP in both protocols, against a server that is strict, slow, broken or away when a test says so."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import trustme
from judge_server import KEY, Answer, JudgeServer, judge_server, says

from tracekit.evals.api import Judge, Temporary
from tracekit.evals.judge_calls import JudgeCall
from tracekit.evals.judge_http import HttpJudge, judge_of
from tracekit.evals.rubric import Choice, Rubric

RUBRIC = Rubric((Choice("good", 1.0), Choice("bad", 0.0)))
SCHEMA = RUBRIC.schema("my evaluator")
MESSAGES = [{"role": "system", "content": "You judge."}, {"role": "user", "content": f"Is it? {RUBRIC.instructions()}"}]
PROVIDERS = ["openai", "anthropic"]


@pytest.fixture(scope="module")
def running() -> Iterator[JudgeServer]:
    with judge_server() as server:
        yield server


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "*")
    running.again()
    return running


def judge(server: JudgeServer, provider: str = "openai", **settings: Any) -> Judge:
    given = {"provider": provider, "base_url": f"{server.base}/v1", "model": "m-1", "api_key": "env:JUDGE_KEY"}
    return judge_of(given | settings)


def test_openai_forces_the_schema_at_temperature_0_with_a_seed(server: JudgeServer) -> None:
    answer = judge(server).complete(MESSAGES, schema=SCHEMA)
    assert RUBRIC.read(answer.text).choice.label == "good"
    assert (answer.model, answer.input_tokens, answer.output_tokens) == ("m-1-2024-07-18", 100, 20)
    [sent] = server.requests
    assert (sent["temperature"], sent["seed"], sent["max_tokens"]) == (0, 7, 1024)
    wanted = {"name": "my_evaluator", "strict": True, "schema": SCHEMA}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": wanted}


def test_anthropic_forces_a_tool_and_sends_the_system_message_apart(server: JudgeServer) -> None:
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7}
    server.script = [Answer(says("bad").text, usage=usage)]
    answer = judge(server, "anthropic").complete(MESSAGES, schema=SCHEMA)
    assert RUBRIC.read(answer.text).choice.label == "bad"
    assert (answer.model, answer.input_tokens, answer.output_tokens) == ("m-1-20250929", 115, 7)
    [sent] = server.requests
    assert (sent["system"], sent["temperature"], sent["max_tokens"]) == ("You judge.", 0, 1024)
    assert sent["messages"] == MESSAGES[1:]
    assert sent["tools"][0]["input_schema"] == SCHEMA
    assert sent["tool_choice"]["name"] == sent["tools"][0]["name"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_schema_it_is_plain_text(server: JudgeServer, provider: str) -> None:
    server.script = [Answer("It is.")]
    assert judge(server, provider).complete(MESSAGES).text == "It is."
    assert not {"response_format", "tools", "tool_choice"} & set(server.requests[0])


def test_what_a_server_does_not_take_is_left_out_and_remembered(server: JudgeServer) -> None:
    server.refuses = {"json_schema", "temperature", "seed", "max_tokens"}
    asked = judge(server)
    for _ in range(2):
        assert RUBRIC.read(asked.complete(MESSAGES, schema=SCHEMA).text).choice.label == "good"
    first, second = server.requests  # those that were refused are not among them
    assert first == second
    assert first["response_format"] == {"type": "json_object"} and first["max_completion_tokens"] == 1024
    assert not {"temperature", "seed", "max_tokens"} & set(first)

    server.again()
    server.refuses = {"json_schema", "json_object"}
    answer = judge(server).complete(MESSAGES, schema=SCHEMA)
    assert RUBRIC.read(answer.text).choice.label == "good"
    assert "response_format" not in server.requests[0]


def test_anthropic_models_that_cannot_be_forced_are_asked_plainly(server: JudgeServer) -> None:
    server.refuses = {"tool_choice", "temperature"}
    answer = judge(server, "anthropic").complete(MESSAGES, schema=SCHEMA)
    assert RUBRIC.read(answer.text).choice.label == "good"
    assert not {"tools", "tool_choice", "temperature"} & set(server.requests[0])

    server.again()
    server.refuses = {"2023-06-01"}
    assert judge(server, "anthropic").complete(MESSAGES, schema=SCHEMA).text
    assert "temperature" not in server.requests[0] and server.headers_seen[0]["anthropic-version"] == "2026-10-21"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "headers", "after_s"),
    [
        (429, {"retry-after": "7"}, 7.0),
        (429, {}, 0.0),
        (408, {}, 0.0),
        (500, {}, 0.0),
        (503, {"retry-after": "2"}, 2.0),
        (529, {}, 0.0),
    ],
)
def test_what_may_pass_is_temporary(
    server: JudgeServer, provider: str, status: int, headers: dict[str, str], after_s: float
) -> None:
    server.script = [Answer("Too many of you", status, headers)]
    with pytest.raises(Temporary, match=f"judge m-1: status {status}: Too many of you") as caught:
        judge(server, provider).complete(MESSAGES, schema=SCHEMA)
    assert caught.value.after_s == after_s


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_refused_for_good_says_why_and_is_cut_short(server: JudgeServer, provider: str) -> None:
    for status in (400, 401, 403, 404, 413, 302):
        server.script = [Answer("No such thing: " + "x" * 10_000, status, {"location": "http://127.0.0.1:9/"})]
        with pytest.raises(ValueError, match=f"status {status}: No such thing: x+…$") as caught:
            judge(server, provider).complete(MESSAGES, schema=SCHEMA)
        assert len(str(caught.value)) < 350


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "it is no JSON"),
        (b"<html>bad gateway</html>", "it is no JSON"),
        (b'{"choices": [', "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"{}", "there is no"),
        (b"null", "there is no"),
        (b'{"choices": [], "content": {}}', "there is no"),
        (b'{"choices": [{"message": null}], "content": [1]}', "there is no"),
        (b"\xff\xfe", "it is no JSON"),
    ],
)
def test_answers_that_are_none_may_pass(server: JudgeServer, provider: str, raw: bytes, why: str) -> None:
    server.script = [Answer(raw=raw)]
    with pytest.raises(Temporary, match=f"cannot be read: {why}"):
        judge(server, provider).complete(MESSAGES, schema=SCHEMA)


@pytest.mark.parametrize(
    "usage", [None, {}, [], "many", {"prompt_tokens": -1, "completion_tokens": "20"}, {"prompt_tokens": True}]
)
def test_tokens_that_are_no_counts_are_unknown(server: JudgeServer, usage: Any) -> None:
    body = {"choices": [{"message": {"content": "hi"}}], "usage": usage, "model": 5}
    server.script = [Answer(raw=json.dumps(body).encode())]
    answer = judge(server).complete(MESSAGES)
    assert (answer.text, answer.model, answer.input_tokens, answer.output_tokens) == ("hi", "m-1", None, None)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None, "refusal": "I cannot judge that."}, "I cannot judge that."),
        ({"content": None}, ""),
    ],
)
def test_other_shapes_of_messages(server: JudgeServer, message: dict[str, Any], text: str) -> None:
    server.script = [Answer(raw=json.dumps({"choices": [{"message": message}]}).encode())]
    assert judge(server).complete(MESSAGES).text == text


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("openai", {"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}),
        ("openai", {"choices": [{"message": {"content": '{"explanation": "It'}, "finish_reason": "length"}]}),
        ("anthropic", {"content": [{"type": "tool_use", "input": {"explanation": "I"}}], "stop_reason": "max_tokens"}),
        ("anthropic", {"content": [], "stop_reason": "max_tokens"}),
    ],
)
def test_an_answer_that_was_cut_off_says_what_to_do(server: JudgeServer, provider: str, body: dict[str, Any]) -> None:
    server.script = [Answer(raw=json.dumps(body).encode())]
    with pytest.raises(
        ValueError, match="judge m-1: its answer was cut off before it was one: raise max_output_tokens"
    ):
        judge(server, provider).complete(MESSAGES, schema=SCHEMA)


def test_proxies_of_the_environment_are_asked(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), _Hello) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_address[1]}")
            assert judge(server, base_url="http://judge.invalid/v1").complete(MESSAGES).text == "hello"
        finally:
            proxy.shutdown()
            thread.join()


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(says("good").text, drip_s=0.05)])
def test_slow_servers_are_left_on_time_however_they_are_slow(server: JudgeServer, answer: Answer) -> None:
    server.script = [answer]
    with pytest.raises(Temporary, match=r"no whole answer within 0\.2 s"):
        judge(server, timeout_s=0.2).complete(MESSAGES, schema=SCHEMA)


def test_servers_that_break_off_are_away_or_send_too_much(server: JudgeServer) -> None:
    server.script = [Answer(says("good").text, cut=True)]
    with pytest.raises(Temporary, match="broke off"):
        judge(server).complete(MESSAGES)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(Temporary, match="no connection"):
            judge(server, base_url=f"http://127.0.0.1:{port}").complete(MESSAGES)
    server.script = [Answer(raw=b" " * (5 * 2**20))]
    with pytest.raises(ValueError, match="larger than 4 MiB"):
        judge(server).complete(MESSAGES)


def test_no_more_calls_at_once_than_allowed(server: JudgeServer) -> None:
    asked = judge(server, max_concurrency=3)
    server.hold.clear()
    with ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(asked.complete, MESSAGES, schema=SCHEMA) for _ in range(12)]
        while server.running < 3:
            assert not any(call.done() for call in calls)
        server.hold.set()
        assert all(call.result().text for call in calls)
    assert server.most_running == 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_is_sent_and_shown_nowhere(
    server: JudgeServer, provider: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    calls: list[JudgeCall] = []
    given = {"provider": provider, "base_url": server.base + "/v1", "model": "m-1", "api_key": "env:JUDGE_KEY"}
    asked = judge_of(given, on_call=calls.append)
    asked.complete(MESSAGES, schema=SCHEMA)
    assert KEY in json.dumps(server.headers_seen)
    wrong = "sk-wrong-but-secret"
    monkeypatch.setenv("JUDGE_KEY", wrong)  # keys that change are followed
    with pytest.raises(ValueError, match=r"status 401: Incorrect API key provided: \[key\]") as caught:
        asked.complete(MESSAGES, schema=SCHEMA)
    shown = f"{caught.value!r} {asked!r} {vars(asked)} {HttpJudge.__repr__(asked._judge)} {calls} {caplog.text}"  # type: ignore[attr-defined]
    assert KEY not in shown and wrong not in shown
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(ValueError, match="JUDGE_KEY is not set"):
        asked.complete(MESSAGES)
    monkeypatch.setenv("JUDGE_KEY", "a\r\nX-Evil: 1")
    with pytest.raises(ValueError, match="JUDGE_KEY holds no key"):
        asked.complete(MESSAGES)


def test_every_call_is_told_with_tokens_times_cost_and_errors(server: JudgeServer) -> None:
    calls: list[JudgeCall] = []
    given = {"base_url": server.base + "/v1", "model": "gpt-4o-mini", "api_key": "env:JUDGE_KEY"}
    asked = judge_of(given, on_call=calls.append)
    server.script = [says("good"), Answer("Busy", 500)]
    asked.complete(MESSAGES, schema=SCHEMA)
    with pytest.raises(Temporary):
        asked.complete(MESSAGES, schema=SCHEMA)
    first, second = calls
    assert first.answer is not None and first.answer.input_tokens == 100 and first.messages == MESSAGES
    assert first.cost_usd == pytest.approx(100 * 0.15e-6 + 20 * 0.6e-6)  # gpt-4o-mini: $0.15 and $0.60 a million
    assert first.start_ns <= first.end_ns <= second.start_ns <= second.end_ns
    assert (second.answer, second.cost_usd) == (None, None)
    assert second.error == "Temporary: judge gpt-4o-mini: status 500: Busy"


def test_tls_is_checked(server: JudgeServer, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with HTTPServer(("127.0.0.1", 0), _Hello) as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        thread = threading.Thread(target=secure.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            given = {"base_url": f"https://127.0.0.1:{secure.server_address[1]}", "model": "m"}
            with pytest.raises(ValueError, match="certificate is not trusted"):
                judge_of(given).complete(MESSAGES)
            trusting = ssl.create_default_context()
            authority.configure_trust(trusting)
            assert judge_of(given, tls=trusting).complete(MESSAGES).text == "hello"
        finally:
            secure.shutdown()
            thread.join()


class _Hello(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"choices": [{"message": {"content": "hello"}}]}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_the_server_is_faithful_to_openai_by_its_own_client(server: JudgeServer) -> None:
    with openai.OpenAI(base_url=f"{server.base}/v1", api_key=KEY, max_retries=0) as client:
        wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}
        messages: Any = MESSAGES
        done = client.chat.completions.create(model="m", messages=messages, response_format=wanted)
        assert RUBRIC.read(done.choices[0].message.content or "").choice.label == "good"
        assert done.usage is not None and done.usage.total_tokens == 120
        loose: Any = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}
        bare: Any = [{"role": "user", "content": "hi"}]
        no_json: Any = {"messages": bare, "response_format": {"type": "json_object"}}
        for wrong in ({"response_format": loose}, {"messages": []}, no_json):
            with pytest.raises(openai.BadRequestError):
                client.chat.completions.create(**({"model": "m", "messages": messages} | wrong))  # type: ignore[call-overload]
        server.script = [Answer("slow down", 429)]
        with pytest.raises(openai.RateLimitError, match="slow down"):
            client.chat.completions.create(model="m", messages=messages)
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="x").chat.completions.create(model="m", messages=messages)


def test_the_server_is_faithful_to_anthropic_by_its_own_client(server: JudgeServer) -> None:
    with anthropic.Anthropic(base_url=server.base, api_key=KEY, max_retries=0) as client:
        user: Any = MESSAGES[1:]
        tools: Any = [{"name": "judge", "input_schema": SCHEMA}]
        plain: Any = {"model": "m", "max_tokens": 10, "messages": user}
        forced: Any = plain | {"tools": tools, "tool_choice": {"type": "tool", "name": "judge"}}
        done = client.messages.create(**forced)
        [block] = done.content
        assert block.type == "tool_use" and block.input == {"explanation": "Because.", "label": "good"}
        assert (done.stop_reason, done.usage.output_tokens) == ("tool_use", 20)
        system: Any = MESSAGES
        other: Any = {"tool_choice": {"type": "tool", "name": "x"}}
        empty: Any = {"messages": [{"role": "user", "content": ""}]}
        for wrong in ({"messages": system}, {"extra_body": {"temperature": 0}}, other, empty):
            with pytest.raises(anthropic.BadRequestError):
                client.messages.create(**(forced | wrong))
        server.script = [Answer("slow down", 529)]
        with pytest.raises(anthropic.APIStatusError, match="slow down"):
            client.messages.create(**plain)
