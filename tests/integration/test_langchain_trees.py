"""LangChain's runs as spans: who hangs under whom, however the chain or graph is run."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from collector_process import until
from langchain_core.runnables import RunnableLambda, chain
from langchain_parts import Scripted, Shelf, asked, rag_chain
from langchain_support import AGENT_TREE, RAG_TREE, Spans, agent
from langgraph.graph import END, START, MessagesState, StateGraph
from opentelemetry import trace as trace_api
from opentelemetry.context import attach, detach, get_current, set_value

import tracekit
from tracekit import trace
from tracekit.integrations import langchain, langchain_runs
from tracekit.integrations.langchain import TracekitCallbackHandler

HANDLER = TracekitCallbackHandler()
CONFIG: Any = {"callbacks": [HANDLER]}


@pytest.fixture
def spans(caplog: pytest.LogCaptureFixture) -> Iterator[Spans]:
    """Recorded spans; at the end no run is under way, nothing is left current, and nothing was logged as a fault."""
    found = Spans()
    yield found
    assert len(langchain._runs) == 0
    assert not trace_api.get_current_span().get_span_context().is_valid
    assert not [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    found.close()
    tracekit.shutdown(0)


def _stream(runnable: Any, value: Any) -> None:
    outside = trace_api.get_current_span()
    for _ in runnable.stream(value, CONFIG):
        assert trace_api.get_current_span() is outside


async def _astream(runnable: Any, value: Any) -> None:
    outside = trace_api.get_current_span()
    async for _ in runnable.astream(value, CONFIG):
        assert trace_api.get_current_span() is outside


async def _events(runnable: Any, value: Any) -> None:
    async for _ in runnable.astream_events(value, CONFIG):
        pass


#: How anything that LangChain can run may be run.
WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda runnable, value: runnable.invoke(value, CONFIG),
    "ainvoke": lambda runnable, value: runnable.ainvoke(value, CONFIG),
    "stream": _stream,
    "astream": _astream,
    "astream_events": _events,
    "batch": lambda runnable, value: runnable.batch([value], CONFIG),
    "abatch": lambda runnable, value: runnable.abatch([value], CONFIG),
}


def run(way: str, runnable: Any, value: Any) -> None:
    if way.startswith("a"):
        asyncio.run(WAYS[way](runnable, value))
    else:
        WAYS[way](runnable, value)


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_and_a_chain_are_the_same_trees_however_they_are_run(spans: Spans, way: str) -> None:
    run(way, agent(), asked("Lyon"))
    assert spans.take() == [AGENT_TREE]
    run(way, rag_chain(), "What holds water?")
    assert spans.take() == [RAG_TREE]


@pytest.mark.parametrize("way", WAYS)
def test_spans_of_the_application_hang_under_the_run_that_they_are_made_in(spans: Spans, way: str) -> None:
    def hook() -> None:
        with trace.span("own"):
            assert tracekit.current_span().trace_id

    run(way, rag_chain(Scripted(hook=hook), Shelf(hook=hook)), "What holds water?")
    own = RAG_TREE.replace("Shelf", "Shelf(own)").replace("Scripted", "Scripted(own)")
    assert spans.take() == [own]


@pytest.mark.parametrize("way", WAYS)
def test_runs_hang_under_the_current_span(spans: Spans, way: str) -> None:
    with trace.span("request"):
        run(way, agent(), asked("Lyon"))
    assert spans.take() == [f"request({AGENT_TREE})"]


def test_twenty_graphs_at_once_through_one_handler_are_twenty_trees(spans: Spans) -> None:
    graph = agent()
    config = {**CONFIG, "max_concurrency": 20}
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: graph.invoke(asked(f"town-{number}"), CONFIG), range(20)))
    assert spans.take() == [AGENT_TREE] * 20

    async def together() -> None:
        await asyncio.gather(*(graph.ainvoke(asked(f"town-{number}"), CONFIG) for number in range(20)))

    asyncio.run(together())
    cities = {attributes["gen_ai.tool.call.arguments"] for attributes in spans.named("weather")}
    assert len(cities) == 20
    assert spans.take() == [AGENT_TREE] * 20
    with trace.span("request"):
        graph.batch([asked(f"town-{number}") for number in range(20)], config)
    assert spans.take() == [f"request({' '.join([AGENT_TREE] * 20)})"]


def test_each_trace_of_concurrent_graphs_is_about_its_own_question(spans: Spans) -> None:
    graph = agent()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: graph.invoke(asked(f"town-{number}"), CONFIG), range(8)))
    by_trace: dict[int, set[str]] = {}
    for span in spans.all():
        if span.context and span.name in ("weather", "weather-agent", "Scripted"):
            text = str(dict(span.attributes or {}))
            by_trace.setdefault(span.context.trace_id, set()).update(
                word for number in range(8) if (word := f"town-{number}") in text
            )
    assert sorted(map(sorted, by_trace.values())) == [[f"town-{number}"] for number in range(8)]
    spans.take()


def test_consumers_of_a_stream_are_not_inside_it(spans: Spans) -> None:
    with trace.span("request"):
        for _ in rag_chain().stream("What holds water?", CONFIG):
            with trace.span("consumer"):
                pass
    [tree] = spans.take()
    assert tree.startswith(f"request({RAG_TREE} consumer") and tree.count("consumer") == tree.count(" consumer") > 2


def test_pools_that_a_consumer_hands_chunks_to_are_not_inside_the_stream(spans: Spans) -> None:
    def handle(_: str) -> None:
        with trace.span("handle"):
            pass

    with ThreadPoolExecutor(1) as pool, trace.span("request"):
        list(pool.map(handle, rag_chain().stream("What holds water?", CONFIG)))
        for _ in rag_chain().stream("What holds water?", CONFIG):
            pool.submit(handle, "").result()
            break
    [tree] = spans.take()
    assert tree.count(" handle") == tree.count("handle") and tree.endswith("handle)")


@pytest.mark.parametrize("runnable", [agent(), rag_chain()], ids=["agent", "chain"])
def test_a_stream_that_is_closed_early_ends_its_spans(spans: Spans, runnable: Any) -> None:
    value = asked("Lyon") if hasattr(runnable, "nodes") else "What holds water?"
    stream = runnable.stream(value, CONFIG)
    next(stream)
    stream.close()
    abandoned = runnable.stream(value, CONFIG)
    next(abandoned)
    del abandoned
    gc.collect()
    with trace.span("after"):
        pass
    *streams, after = spans.take()
    assert len(streams) == 2 and after == "after"

    async def closed_early() -> None:
        stream = runnable.astream(value, CONFIG)
        await anext(stream)
        await stream.aclose()
        with trace.span("after"):
            pass

    asyncio.run(closed_early())
    assert spans.take()[-1] == "after"


def test_a_stream_that_is_read_in_another_thread_is_one_tree(spans: Spans) -> None:
    stream = rag_chain().stream("What holds water?", CONFIG)
    next(stream)
    thread = threading.Thread(target=lambda: list(stream))
    thread.start()
    thread.join()
    assert spans.take() == [RAG_TREE]


def test_cancelled_tasks_end_their_spans_as_failed(spans: Spans) -> None:
    started = asyncio.Event()

    async def wait(_: Any) -> None:
        started.set()
        await asyncio.sleep(60)

    async def run() -> None:
        task = asyncio.create_task((RunnableLambda(wait) | RunnableLambda(wait)).ainvoke(1, CONFIG))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with trace.span("after"):
            pass

    asyncio.run(run())
    assert not any(span.status.is_ok for span in spans.all() if span.name in ("wait", "RunnableSequence"))
    assert spans.take() == ["RunnableSequence(wait)", "after"]


def test_errors_are_on_the_runs_that_they_passed(spans: Spans) -> None:
    with pytest.raises(ConnectionError):
        rag_chain(Scripted(fails=(1,))).invoke("What holds water?", CONFIG)
    failed = {span.name for span in spans.all() if span.attributes and "error.type" in span.attributes}
    assert failed == {"Scripted", "RunnableSequence"}
    error = next(span for span in spans.all() if span.name == "Scripted")
    assert error.status.description == "the model is away"
    spans.take()


def test_retries_and_fallbacks_are_spans_of_their_own(spans: Spans) -> None:
    chain = Scripted(fails=(1, 2)).with_retry(wait_exponential_jitter=False, stop_after_attempt=3)
    assert chain.invoke("Hello", CONFIG).text == "It is fine. (Hello)"
    assert spans.take() == ["Scripted(Scripted Scripted Scripted)"]
    Scripted(fails=(1,)).with_fallbacks([Scripted()]).invoke("Hello", CONFIG)
    assert spans.take() == ["RunnableWithFallbacks(Scripted Scripted)"]


def test_a_chain_that_is_called_by_the_applications_code_hangs_under_it(spans: Spans) -> None:
    inner = RunnableLambda(lambda value: value, name="inner")

    @trace
    def work(value: str) -> Any:
        return inner.invoke(value)

    @chain
    def outer(value: str) -> Any:
        return work(inner.invoke(value))

    outer.invoke("x", CONFIG)
    [tree] = spans.take()
    assert tree.startswith("outer(inner ") and tree.endswith("work(inner))")


def test_what_is_attached_within_a_run_is_inherited(spans: Spans) -> None:
    inner = RunnableLambda(lambda value: value, name="inner")

    @chain
    def outer(value: str) -> Any:
        with tracekit.context(user_id="ada"):
            return inner.invoke(value)

    with tracekit.context(session_id="s-1"):
        outer.invoke("x", CONFIG)
    [attributes] = spans.named("inner")
    assert (attributes["user.id"], attributes["session.id"]) == ("ada", "s-1")
    assert "user.id" not in spans.named("outer")[0]
    spans.take()


def test_threads_of_a_run_hang_under_it_until_it_has_ended(spans: Spans) -> None:
    go = threading.Event()

    def work(context: Any) -> None:
        token = attach(context)
        with trace.span("during"):
            pass
        go.wait(10)
        with trace.span("later"):
            pass
        detach(token)

    threads: list[threading.Thread] = []

    @chain
    def starts(value: str) -> str:
        threads.append(threading.Thread(target=work, args=(get_current(),)))
        threads[0].start()
        until(lambda: bool(spans.named("during")))
        return value

    starts.invoke("x", CONFIG)
    go.set()
    threads[0].join()
    assert spans.take() == ["starts(during)", "later"]


def test_interrupts_and_jumps_of_a_graph_are_no_failures(spans: Spans) -> None:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command, interrupt

    def ask(state: MessagesState) -> Any:
        return {"messages": [("ai", f"you said {interrupt('may I?')}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    graph = builder.compile(checkpointer=InMemorySaver())
    config = {**CONFIG, "configurable": {"thread_id": "t-1"}}
    graph.invoke({"messages": [("user", "go")]}, config)
    graph.invoke(Command(resume="yes"), config)
    assert not [span.name for span in spans.all() if not span.status.is_ok and span.status.description]
    events = [event for span in spans.all() for event in span.events]
    assert [event.name for event in events][:1] == ["GraphInterrupt"]
    assert {attributes["session.id"] for attributes in spans.named("ask")} == {"t-1"}
    assert spans.take() == ["LangGraph(ask)", "LangGraph(ask)"]


def test_a_run_that_several_handlers_report_is_one_span(spans: Spans) -> None:
    model = Scripted(callbacks=[TracekitCallbackHandler()])
    rag_chain(model).invoke("What holds water?", {"callbacks": [HANDLER, TracekitCallbackHandler()]})
    assert spans.take() == [RAG_TREE]


def test_runs_that_never_end_are_ended_in_the_order_of_their_age(
    spans: Spans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(langchain_runs, "MAX_RUNS", 3)
    ids = [uuid4() for _ in range(5)]
    for number, run_id in enumerate(ids):
        HANDLER.on_chain_start(None, {"n": number}, run_id=run_id, name=f"run {number}")
    assert len(langchain._runs) == 3
    assert spans.take() == ["run 0", "run 1"]
    assert sum("under way" in record.message for record in caplog.records) == 1
    caplog.clear()
    for run_id in ids:
        HANDLER.on_chain_end({}, run_id=run_id)
    assert sorted(spans.take()) == ["run 2", "run 3", "run 4"]


class Hostile:
    """Raises whatever is done with it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]
    __bool__ = __str__ = __repr__ = __len__ = __iter__ = __eq__  # type: ignore[assignment]


def test_events_of_unknown_runs_and_broken_values_do_no_harm(spans: Spans) -> None:
    HANDLER.on_llm_end(object(), run_id=uuid4())
    HANDLER.on_llm_new_token("x", run_id=uuid4())
    chain_id, run_id = uuid4(), uuid4()
    metadata = {"user_id": Hostile(), "session_id": Hostile(), "more": Hostile()}
    HANDLER.on_chain_start(None, {"x": Hostile()}, run_id=chain_id, name="chain", metadata=metadata, tags=["x"])
    given: dict[str, Any] = {"run_id": run_id, "parent_run_id": chain_id, "metadata": {**metadata, "more": Hostile()}}
    HANDLER.on_chat_model_start({"id": 5}, [[object()]], **given)
    HANDLER.on_llm_end(object(), run_id=run_id)
    HANDLER.on_tool_start(None, "x", run_id=run_id, inputs=[1])
    HANDLER.on_tool_error("a text", run_id=run_id)  # type: ignore[arg-type]
    HANDLER.on_chain_end([Hostile()], run_id=chain_id, inputs={"x": Hostile()})
    assert spans.take() == ["chain(model)", "tool"]


def test_the_context_that_is_attached_reads_like_any_other(spans: Spans) -> None:
    seen: dict[str, Any] = {}

    @chain
    def look(value: str) -> str:
        current = get_current()
        seen.update(current)
        assert dict(current) == {key: current[key] for key in current} and len(current) == len(seen)
        assert all(key in current for key in seen) and current == set_value("own", 1, current).__class__(seen)
        assert set_value("own", 1, current)["own"] == 1 and "own" not in current
        return value

    look.invoke("x", CONFIG)
    assert seen and not dict(get_current())
    spans.take()
