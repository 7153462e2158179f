"""``@trace`` on every sort of callable: what it leaves as it was, and what the span holds."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import SpanKind, StatusCode
from sdk_support import Recorded, parsed, spans

import tracekit
from tracekit import trace

__all__ = ["spans"]


def test_bare_decorator_records_arguments_and_result(spans: Recorded) -> None:
    @trace
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert add(1) == 3
    attributes = spans.attributes("add")
    assert attributes["openinference.span.kind"] == "CHAIN"
    assert parsed(attributes["input.value"]) == {"a": 1, "b": 2}
    assert (attributes["output.value"], attributes["output.mime_type"]) == ("3", "application/json")
    assert spans.one().instrumentation_scope.name == "tracekit"


def test_a_single_text_argument_stands_for_itself(spans: Recorded) -> None:
    @trace
    def echo(question: str) -> str:
        return question.upper()

    echo("why?")
    attributes = spans.attributes()
    assert (attributes["input.value"], attributes["input.mime_type"]) == ("why?", "text/plain")
    assert (attributes["output.value"], attributes["output.mime_type"]) == ("WHY?", "text/plain")


def test_arguments_are_recorded_as_they_were_before_the_call(spans: Recorded) -> None:
    @trace
    def drain(items: list[int]) -> None:
        items.clear()

    drain([1, 2])
    assert parsed(spans.attributes()["input.value"]) == {"items": [1, 2]}


def test_all_sorts_of_parameters(spans: Recorded) -> None:
    @trace
    def many(a: int, /, b: int, *rest: int, c: int = 3, d: None = None, **more: int) -> None: ...

    many(1, 2, 7, 8, x=9)
    assert parsed(spans.attributes()["input.value"]) == {"a": 1, "b": 2, "rest": [7, 8], "x": 9, "c": 3}


def test_secrets_are_masked_by_name(spans: Recorded) -> None:
    @trace
    def call(api_key: str, max_tokens: int, **more: str) -> None: ...

    call("sk-123", 5, password="p", db_auth_token="t", tokens="kept")
    assert parsed(spans.attributes()["input.value"]) == {
        "api_key": "[masked]",
        "max_tokens": 5,
        "password": "[masked]",
        "db_auth_token": "[masked]",
        "tokens": "kept",
    }


def test_methods_leave_out_self(spans: Recorded) -> None:
    class Bot:
        @trace
        def ask(self, q: str) -> str:
            return q

        @classmethod
        @trace
        def make(cls, n: int) -> int:
            return n

        @trace
        @staticmethod
        def plain(n: int) -> int:
            return n

        @trace
        @classmethod
        def made(cls, n: int) -> int:
            return n

    Bot().ask("q")
    assert (Bot.make(1), Bot.plain(2), Bot.made(3), Bot().plain(4)) == (1, 2, 3, 4)
    assert spans.names() == ["Bot.ask", "Bot.make", "Bot.plain", "Bot.made", "Bot.plain"]
    assert spans.attributes("Bot.ask")["input.value"] == "q"
    assert parsed(spans.attributes("Bot.made")["input.value"]) == {"n": 3}


@pytest.mark.parametrize("kind", ["llm", "retriever", "embedding", "reranker", "tool", "agent", "chain", "guardrail"])
def test_kinds(spans: Recorded, kind: str) -> None:
    bare = getattr(trace, kind)(lambda x: x)
    named = getattr(trace, kind)(name="named")(lambda x: x)
    with_kind = trace(kind=kind, name="with_kind")(lambda x: x)
    bare(1), named(1), with_kind(1)
    assert [span.attributes["openinference.span.kind"] for span in spans.all()] == [kind.upper()] * 3
    assert spans.names()[1:] == ["named", "with_kind"]
    client = kind in ("llm", "embedding", "reranker")
    assert spans.all()[0].kind is (SpanKind.CLIENT if client else SpanKind.INTERNAL)


def test_operations_of_genai(spans: Recorded) -> None:
    for kind in ("llm", "embedding", "retriever", "tool", "agent"):
        trace(kind=kind, name=kind)(lambda: None)()
    assert [span.attributes["gen_ai.operation.name"] for span in spans.all()] == [
        "chat",
        "embeddings",
        "retrieval",
        "execute_tool",
        "invoke_agent",
    ]


def test_tool_says_its_name_description_arguments_and_result(spans: Recorded) -> None:
    @trace.tool
    def get_weather(city: str, unit: str = "C") -> dict[str, int]:
        """Look up the weather.

        More that is of no use to a model.
        """
        return {"degrees": 21}

    get_weather("Oslo")
    attributes = spans.attributes()
    assert attributes["tool.name"] == attributes["gen_ai.tool.name"] == "get_weather"
    assert attributes["tool.description"] == attributes["gen_ai.tool.description"] == "Look up the weather."
    assert parsed(attributes["gen_ai.tool.call.arguments"]) == {"city": "Oslo", "unit": "C"}
    assert attributes["tool.parameters"] == attributes["gen_ai.tool.call.arguments"]
    assert parsed(attributes["gen_ai.tool.call.result"]) == {"degrees": 21}


def test_attributes_and_capture_switches(spans: Recorded) -> None:
    @trace(name="named", attributes={"team": "search", "n": 3}, capture_input=False)
    def one(secret: str) -> str:
        return "out"

    @trace("positional", capture_output=False)
    def two(text: str) -> str:
        return "out"

    @trace(capture="none")
    def three(text: str) -> str:
        return "out"

    one("in"), two("in"), three("in")
    assert (spans.attributes("named")["team"], spans.attributes("named")["n"]) == ("search", 3)
    assert "input.value" not in spans.attributes("named") and spans.attributes("named")["output.value"] == "out"
    assert spans.attributes("positional")["input.value"] == "in"
    assert "output.value" not in spans.attributes("positional")
    [name] = [name for name in spans.names() if name.endswith("three")]
    assert spans.attributes(name).keys() == {"openinference.span.kind"}


def test_nesting_and_exceptions(spans: Recorded) -> None:
    @trace.tool
    def fails(x: int) -> None:
        raise ValueError(f"bad {x}")

    @trace
    def outer() -> None:
        fails(7)

    with pytest.raises(ValueError, match="bad 7") as caught:
        outer()
    assert spans.names() == ["fails", "outer"]
    assert spans.parent("fails") == "outer"
    span = spans.one("fails")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "bad 7")
    assert spans.attributes("fails")["error.type"] == "ValueError"
    [event] = span.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "bad 7"
    assert "raise ValueError" in event.attributes["exception.stacktrace"]
    assert caught.traceback[-1].name == "fails"
    assert not otel.get_current_span().get_span_context().is_valid


def test_exits_that_are_no_failures(spans: Recorded) -> None:
    @trace
    def leave(code: Any) -> None:
        raise SystemExit(code)

    for code in (0, None, 3):
        with pytest.raises(SystemExit):
            leave(code)
    assert [span.status.status_code for span in spans.all()] == [StatusCode.UNSET, StatusCode.UNSET, StatusCode.ERROR]


def test_a_wrong_call_is_the_callers_error(spans: Recorded) -> None:
    @trace
    def one(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        one()  # type: ignore[call-arg]
    assert spans.one().status.status_code is StatusCode.ERROR


async def _coroutines(spans: Recorded) -> None:
    @trace.retriever
    async def inner(q: str) -> list[str]:
        await asyncio.sleep(0)
        assert tracekit.current_span().is_recording()
        return [q]

    @trace
    async def outer(q: str) -> list[list[str]]:
        return list(await asyncio.gather(inner(q + "1"), inner(q + "2")))

    assert inspect.iscoroutinefunction(outer)
    assert await outer("q") == [["q1"], ["q2"]]


def test_coroutines_keep_their_parents_across_tasks(spans: Recorded) -> None:
    asyncio.run(_coroutines(spans))
    inner, outer = spans.all()[:2], spans.all()[2]
    assert [span.parent.span_id for span in inner] == [outer.context.span_id] * 2
    assert {span.attributes["input.value"] for span in inner} == {"q1", "q2"}


def test_cancellation_is_recorded_and_passed_on(spans: Recorded) -> None:
    @trace
    async def forever() -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert spans.one().status.status_code is StatusCode.ERROR
    assert spans.attributes()["error.type"] == "asyncio.exceptions.CancelledError"


def test_a_plain_function_that_returns_a_coroutine(spans: Recorded) -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        tracekit.current_span().set_attribute("inside", True)
        return "done"

    @trace
    def start() -> Any:
        return work()

    assert asyncio.run(start()) == "done"
    assert spans.attributes()["output.value"] == "done"
    assert spans.attributes()["inside"] is True


def test_the_wrapper_looks_like_the_function() -> None:
    @trace
    def documented(a: int, *, b: str = "x") -> str:
        """Says what it does."""
        return b

    assert documented.__name__ == "documented"
    assert documented.__doc__ == "Says what it does."
    assert str(inspect.signature(documented)) == "(a: 'int', *, b: 'str' = 'x') -> 'str'"
    assert not inspect.iscoroutinefunction(documented)


def test_other_callables(spans: Recorded) -> None:
    class Adder:
        def __call__(self, a: int) -> int:
            return a + 1

    class AsyncAdder:
        async def __call__(self, a: int) -> int:
            return a + 1

    assert trace(Adder())(1) == 2
    assert trace(functools.partial(lambda a, b: a + b, 1))(b=4) == 5
    assert asyncio.run(trace(AsyncAdder())(1)) == 2
    assert trace(len)([1]) == 1
    assert len(spans.all()) == 4


def test_what_cannot_be_traced_is_left_as_it_is(spans: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    class Plain: ...

    assert trace(Plain) is Plain
    assert trace(3) == 3  # type: ignore[call-overload]
    assert "left as it is" in caplog.text


def test_a_bad_kind_or_capture_is_logged_and_never_raises(spans: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    assert trace(kind="nonsense", capture="nonsense")(lambda: 1)() == 1
    assert spans.attributes().keys() == {"openinference.span.kind"}
    assert "kind must be one of" in caplog.text and "capture must be one of" in caplog.text


def test_recursion_and_deep_stacks(spans: Recorded) -> None:
    @trace
    def down(n: int) -> int:
        return 0 if n == 0 else 1 + down(n - 1)

    assert down(50) == 50
    assert len(spans.all()) == 51
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        with pytest.raises(RecursionError):
            down(1_000)
    finally:
        sys.setrecursionlimit(before)


def test_without_a_provider_nothing_is_traced() -> None:
    tracekit.shutdown(0)

    @trace
    def plain(a: int) -> Any:
        return tracekit.current_span().is_recording()

    assert plain(1) is False


def test_spans_do_not_wait_for_the_garbage_collector(spans: Recorded) -> None:
    @trace.llm
    def call(messages: list[Any]) -> str:
        return "hi"

    @trace
    def outer() -> str:
        with trace.span("block", kind="retriever") as span:
            span.add_documents(["one"])
        return call([{"role": "user", "content": "hi"}])

    spans.close()
    for _ in range(3):
        outer()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            outer()
        # Other threads of the test run leave garbage of their own.
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [one for one in gc.garbage if type(one).__module__.startswith("tracekit")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
