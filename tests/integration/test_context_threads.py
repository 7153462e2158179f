"""Parents and ``tracekit.context`` in threads, pools, executors and tasks, however work gets there."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import pickle
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import ThreadPool
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from context_support import Spans, leaf, spans
from langchain_core.runnables import RunnableLambda, RunnableParallel
from opentelemetry import trace as otel
from opentelemetry.context import get_current

import tracekit
from tracekit import trace

__all__ = ["spans"]


def in_pool_submit() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(leaf).result()


def in_pool_map() -> None:
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(leaf, ["leaf"]))


def in_subclassed_pool() -> None:
    class Counting(ThreadPoolExecutor):
        def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            assert function is leaf
            return super().submit(function, *args, **kwargs)

    with Counting(1) as pool:
        pool.submit(leaf).result()


def in_thread() -> None:
    thread = threading.Thread(target=leaf)
    thread.start()
    thread.join()


def in_thread_with_a_run_of_its_own() -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            leaf()

    worker = Worker()
    worker.start()
    worker.join()


def in_timer() -> None:
    timer = threading.Timer(0, leaf)
    timer.start()
    timer.join()


def in_run_in_executor() -> None:
    async def run() -> None:
        await asyncio.get_running_loop().run_in_executor(None, leaf)

    asyncio.run(run())


def in_asyncio_to_thread() -> None:
    asyncio.run(asyncio.to_thread(leaf))


async def aleaf() -> None:
    await asyncio.sleep(0)
    leaf()


def in_task() -> None:
    async def run() -> None:
        await asyncio.create_task(aleaf())

    asyncio.run(run())


def in_task_group() -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(aleaf())

    asyncio.run(run())


def in_gather() -> None:
    async def run() -> None:
        await asyncio.gather(aleaf())

    asyncio.run(run())


def in_anyio_task_group() -> None:
    async def run() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(aleaf)

    anyio.run(run)


def in_anyio_to_thread() -> None:
    anyio.run(anyio.to_thread.run_sync, leaf)


def in_anyio_from_thread() -> None:
    async def run() -> None:
        await anyio.to_thread.run_sync(anyio.from_thread.run, aleaf)

    anyio.run(run)


def in_blocking_portal() -> None:
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(aleaf)


def from_another_threads_loop() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(aleaf(), loop).result())

    asyncio.run(run())


def in_langchain_batch() -> None:
    RunnableLambda(leaf).batch(["leaf"])


def in_langchain_parallel() -> None:
    RunnableParallel(one=RunnableLambda(leaf)).invoke("leaf")


WAYS = [found for name, found in list(globals().items()) if name.startswith(("in_", "from_another"))]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_parent_and_context_go_along(spans: Spans, way: Callable[[], None]) -> None:
    with tracekit.context(user_id="u", tags=["t"]), trace.span("outer"):
        way()
    assert spans.parents() == {"outer": None, "leaf": "outer"}
    assert spans.one("leaf").attributes["user.id"] == "u"
    way()
    assert spans.named("leaf")[1].parent is None, "nothing stays behind"


def test_a_worker_keeps_nothing_of_its_first_task(spans: Spans) -> None:
    with ThreadPoolExecutor(1) as pool:
        with trace.span("first"):
            pool.submit(leaf, "one").result()
        assert pool.submit(get_current).result() == {}
        with trace.span("second"):
            pool.submit(leaf, "two").result()
        pool.submit(leaf, "three").result()
    assert spans.parents() == {"first": None, "one": "first", "second": None, "two": "second", "three": None}


def test_pools_that_carry_nothing_are_not_given_their_makers_context(spans: Spans) -> None:
    with trace.span("outer"):
        pool = ThreadPool(1)
    assert pool.apply(get_current) == {}
    pool.terminate()
    pool.join()
    seen: list[Any] = []
    with ProcessPoolExecutor(1) as processes:
        with trace.span("submits"):
            future = processes.submit(int, "1")
            future.add_done_callback(lambda _: seen.append(get_current()))
        processes.submit(int, "2").add_done_callback(lambda _: seen.append(get_current()))
    assert seen[-1] == {}


def test_a_thread_has_the_context_in_which_it_is_started(spans: Spans) -> None:
    with trace.span("makes"):
        thread = threading.Thread(target=leaf)
    with trace.span("starts"):
        thread.start()
    thread.join()
    assert spans.parents()["leaf"] == "starts"


def test_a_thread_is_started_once_as_ever(spans: Spans) -> None:
    with trace.span("outer"):
        thread = threading.Thread(target=leaf)
        thread.start()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    thread.join()
    assert not [name for name in vars(thread) if "tracekit" in name]


def test_other_context_variables_stay_where_they_are(spans: Spans) -> None:
    own: contextvars.ContextVar[str] = contextvars.ContextVar("own", default="unset")
    own.set("set")
    with trace.span("outer"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(own.get).result() == "unset"


def fails() -> None:
    raise KeyError("k")


def frames(error: BaseException | None) -> list[str]:
    assert error is not None
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_functions_and_tracebacks_are_untouched(spans: Spans) -> None:
    caught: list[Any] = []
    before = threading.excepthook
    threading.excepthook = caught.append
    found = {}
    try:
        for active in (False, True):
            with trace.span("outer") if active else tracekit.context(), ThreadPoolExecutor(1) as pool:
                future = pool.submit(fails)
                thread = threading.Thread(target=fails)
                thread.start()
                thread.join()
            found[active] = (frames(future.exception()), frames(caught.pop().exc_value))
    finally:
        threading.excepthook = before
    assert found[True] == found[False]
    assert not any("tracekit" in frame for names in found[True] for frame in names)
    with trace.span("outer"):
        assert pickle.loads(pickle.dumps(partial(leaf, "x"))).func is leaf


def test_a_failed_task_is_freed_without_the_garbage_collector(spans: Spans) -> None:
    class Given:
        pass

    def fail(given: Given) -> None:
        raise ValueError(given)

    gc.disable()
    try:
        with trace.span("outer"), ThreadPoolExecutor(1) as pool:
            given = Given()
            watched = weakref.ref(given)
            assert isinstance(pool.submit(fail, given).exception(), ValueError)
            del given
        assert watched() is None
    finally:
        gc.enable()


@pytest.fixture
def originals() -> Iterator[dict[str, Any]]:
    tracekit.shutdown(0)
    yield {name: getattr(threading.Thread, name) for name in ("start", "_bootstrap", "run", "__init__")}


def test_it_comes_with_init_and_goes_with_shutdown(originals: dict[str, Any]) -> None:
    found = Spans()
    for _ in range(2):
        found.init()
        found.init()
        assert threading.Thread.start is not originals["start"]
        assert threading.Thread.run is originals["run"]
        tracekit.shutdown(0)
        assert {name: getattr(threading.Thread, name) for name in originals} == originals
    found.close()


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_it_can_be_left_out(spans: Spans, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "variable":
        monkeypatch.setenv("TRACEKIT_PROPAGATE_THREADS", "false")
    spans.init(**({"propagate_threads": False} if how == "argument" else {}))
    with trace.span("outer"):
        in_thread()
        in_pool_submit()
    assert [span.parent for span in spans.named("leaf")] == [None, None]


def test_a_method_that_somebody_wrapped_stays_and_does_nothing(
    originals: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Spans()
    found.init()
    ours = threading.Thread.start

    def wrapped(self: threading.Thread) -> None:
        ours(self)

    monkeypatch.setattr(threading.Thread, "start", wrapped)
    tracekit.shutdown(0)
    found.init()
    with trace.span("outer"):
        in_thread()
    assert found.parents() == {"outer": None, "leaf": "outer"}
    tracekit.shutdown(0)
    with otel.use_span(otel.NonRecordingSpan(otel.SpanContext(1, 1, False))):
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(get_current()))
        thread.start()
        thread.join()
    assert seen == [{}]
    monkeypatch.undo()
    found.init()
    tracekit.shutdown(0)
    assert threading.Thread.start is originals["start"]
    found.close()


def test_beside_opentelemetrys_own_instrumentation_of_threads(spans: Spans) -> None:
    module = pytest.importorskip("opentelemetry.instrumentation.threading")
    for first in (True, False):
        spans.clear()
        instrumentor = module.ThreadingInstrumentor()
        if not first:
            spans.init(propagate_threads=False)
        instrumentor.instrument()
        if not first:
            spans.init()
        with trace.span("outer"):
            in_thread()
        with trace.span("other"):
            in_pool_submit()
        instrumentor.uninstrument()
        leaves = spans.named("leaf")
        assert [span.parent.span_id for span in leaves] == [
            spans.one(name).context.span_id for name in ("outer", "other")
        ]
        in_thread()
        assert spans.named("leaf")[2].parent is None
