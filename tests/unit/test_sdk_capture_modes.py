"""What is masked in captured values, and what the modes of capture keep."""

from __future__ import annotations

from typing import Any

import pytest
from sdk_support import Recorded, parsed, spans

import tracekit
from tracekit import trace
from tracekit.redaction import MASKED

__all__ = ["spans"]


# --- masking ---------------------------------------------------------------------------------------------------------
def hide(text: str) -> str:
    return text.replace("secret", "***")


def test_the_mask_sees_every_text(spans: Recorded) -> None:
    spans.configure(mask=hide)

    @trace.llm(name="llm")
    def llm(messages: list[Any], model: str, stop: str = "secret stop") -> dict[str, Any]:
        return {
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": "my secret answer",
                        "tool_calls": [
                            {"id": "c", "function": {"name": "f", "arguments": '{"q": "secret \\"quoted\\""}'}}
                        ],
                    },
                    "finish_reason": "stop",
                }
            ],
            "model": "gpt-4o",
            "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        }

    @trace.retriever(name="search")
    def search(query: str) -> list[dict[str, Any]]:
        return [{"id": "d", "text": "secret text", "metadata": {"secret@mail": "secret"}, "score": 0.5}]

    @trace.tool(name="tool")
    def tool(argument: str) -> Any:
        raise ValueError("secret trouble")

    llm([{"role": "user", "content": "a secret", "name": "secret"}, {"role": "tool", "content": "secret"}], "gpt-4o")
    search("secret query")
    with pytest.raises(ValueError, match="secret"):
        tool("secret")
    with trace.span("by hand") as span:
        span.set_prompt("secret {x}", variables={"x": "secret"})
        span.set_attribute("note", "secret")
        span.record_error("secret")
    for span_ in spans.all():
        events = [dict(event.attributes or {}) for event in span_.events]
        said = repr((dict(span_.attributes or {}), events, span_.status.description))
        assert "secret" not in said.replace("test_the_mask", ""), said
    attributes = spans.attributes("llm")
    assert attributes["llm.input_messages.0.message.role"] == "user"
    assert attributes["gen_ai.request.model"] == "gpt-4o"
    assert parsed(attributes["gen_ai.output.messages"])[0]["parts"][0] == {"type": "text", "content": "my *** answer"}
    assert attributes["llm.output_messages.0.message.tool_calls.0.tool_call.function.name"] == "f"


@pytest.mark.parametrize(
    "mask", [lambda text: 1 / 0, lambda text: None, lambda text: text.encode(), lambda: "", "not callable"]
)
def test_a_mask_that_fails_lets_nothing_through(spans: Recorded, mask: Any, caplog: pytest.LogCaptureFixture) -> None:
    spans.configure(mask=mask)

    @trace
    def work(text: str, many: list[str]) -> str:
        return "a secret"

    assert work("secret", ["secret"]) == "a secret"
    attributes = spans.attributes()
    assert parsed(attributes["input.value"]) == {"text": MASKED, "many": [MASKED]}
    assert attributes["output.value"] == MASKED
    assert "secret" not in caplog.text


def test_a_secret_at_the_cut_is_masked_whole(spans: Recorded) -> None:
    spans.configure(mask=hide, max_value_chars=256)

    @trace
    def work() -> str:
        return "x" * 253 + "secret"

    work()
    assert spans.attributes()["output.value"] == "x" * 253 + "***"


# --- modes -----------------------------------------------------------------------------------------------------------
def run_all() -> None:
    @trace.llm(name="llm")
    def llm(messages: list[Any], model: str, temperature: float = 0.5) -> Any:
        usage = {"prompt_tokens": 3, "completion_tokens": 4}
        return {"choices": [{"message": {"role": "assistant", "content": "text"}}], "model": "gpt-4o-x", "usage": usage}

    @trace.retriever(name="search")
    def search(query: str, k: int = 1) -> list[Any]:
        return [{"id": "d-1", "text": "text", "score": 0.5}]

    @trace(name="fails")
    def fails() -> None:
        raise ValueError("text")

    llm([{"role": "user", "content": "text"}], model="gpt-4o")
    search("text")
    with pytest.raises(ValueError, match="text"):
        fails()
    with trace.span("by hand", kind="llm") as span:
        span.set_input("text")
        span.set_output("text")
        span.set_prompt("text", version="2", variables={"a": "text"})
        span.set_usage(input_tokens=1)


def said(spans: Recorded) -> str:
    return repr(
        [(dict(span.attributes or {}), [dict(event.attributes or {}) for event in span.events]) for span in spans.all()]
    )


def test_metadata_keeps_counts_and_no_texts(spans: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEKIT_CAPTURE", "metadata")
    spans.configure()
    run_all()
    assert "text'" not in said(spans) and '"text"' not in said(spans)
    llm, search = spans.attributes("llm"), spans.attributes("search")
    assert (llm["gen_ai.usage.input_tokens"], llm["gen_ai.response.model"]) == (3, "gpt-4o-x")
    assert llm["gen_ai.request.temperature"] == 0.5
    assert search["retrieval.documents.0.document.id"] == "d-1"
    assert search["retrieval.documents.0.document.score"] == 0.5
    assert spans.attributes("fails")["error.type"] == "ValueError"
    assert spans.attributes("by hand")["llm.prompt_template.version"] == "2"


def test_none_keeps_nothing_of_arguments_and_results(spans: Recorded) -> None:
    spans.configure(capture="none")
    run_all()
    assert spans.attributes("llm").keys() == {"openinference.span.kind", "gen_ai.operation.name"}
    assert spans.attributes("search").keys() == {"openinference.span.kind", "gen_ai.operation.name"}
    assert "text'" not in said(spans)


def test_a_decorator_can_only_be_stricter(spans: Recorded) -> None:
    spans.configure(capture="metadata")

    @trace(capture="full", name="asks for more")
    def work(text: str) -> str:
        return text

    work("text")
    assert "text'" not in said(spans)


def test_an_unknown_mode_captures_nothing(spans: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    spans.configure(capture="evrything")
    run_all()
    assert "text'" not in said(spans)
    assert "capturing nothing" in caplog.text


# --- what others change later ----------------------------------------------------------------------------------------
def test_values_are_recorded_as_they_were_when_they_passed(spans: Recorded) -> None:
    messages = [
        {"role": "user", "content": "before"},
        {"role": "tool", "tool_call_id": "c", "content": {"t": "before"}},
    ]
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"q": "before"}}
    answer = {"type": "message", "role": "assistant", "content": [block], "usage": {"input_tokens": 1}}
    document = {"id": "d", "text": "before", "metadata": {"m": "before"}}

    trace.llm(name="call")(lambda messages: answer)(messages)
    trace.retriever(name="search")(lambda query: [document])("q")
    with trace.span("by hand", kind="llm") as span:
        span.set_input(messages)
        span.set_output(answer)
    messages[0]["content"] = "after"
    messages[1]["content"]["t"] = "after"  # type: ignore[index]
    messages.append({"role": "user", "content": "after"})
    block["input"]["q"] = "after"  # type: ignore[index]
    document["text"] = "after"
    document["metadata"]["m"] = "after"  # type: ignore[index]
    assert "after" not in said(spans) and said(spans).count("before") > 10


def test_what_is_set_by_hand_wins_over_what_is_worked_out(spans: Recorded) -> None:
    @trace.llm(name="call")
    def call(messages: list[Any]) -> str:
        tracekit.current_span().set_attribute("input.value", "by hand")
        return "answer"

    call([{"role": "user", "content": "hi"}])
    attributes = spans.attributes("call")
    assert attributes["input.value"] == "by hand"
    assert attributes["llm.input_messages.0.message.content"] == "hi"
    assert spans.one("call").attributes == attributes
    assert '"by hand"' in spans.one("call").to_json()
