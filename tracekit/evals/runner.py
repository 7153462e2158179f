"""One call of a task: traced, timed, bounded in time, and a result whatever happens."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import hashlib
import inspect
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanContext

from tracekit.context import context
from tracekit.evals.api import Evaluator, RetrievedDocument, Subject
from tracekit.evals.evaluating import judged
from tracekit.evals.examples import Example
from tracekit.evals.judging import judging
from tracekit.evals.results import Run
from tracekit.evals.tally import Tally, Totals
from tracekit.span import Span, SpanScope

#: characters of an output that are kept, and of an error
MAX_OUTPUT: Final = 1_000_000
_MAX_ERROR: Final = 2_000
#: seconds that cancelled tasks may take to end
_END_S: Final = 5.0


class TaskTimeout(Exception):
    """The task took longer than it may."""


class Loop:
    """An event loop in a thread of its own, for tasks that are coroutine functions. It starts when it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Any, timeout: float | None) -> Any:
        """The coroutine's result; it is cancelled at the timeout. Called from any other thread."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_forever, args=(self._loop,), name="tracekit-loop", daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise  # the task's own
            future.cancel()
            raise TaskTimeout(f"took longer than {timeout:g} s") from None

    def close(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)


def _forever(loop: asyncio.AbstractEventLoop) -> None:
    """Until it is stopped; what tasks left behind ends with it."""
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_END_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


class Task:
    """A function of an example: it is given the input, or the whole ``Example`` where its first parameter is named
    ``example``. Coroutine functions are awaited."""

    def __init__(self, function: Callable[..., Any], loop: Loop, timeout: float | None) -> None:
        self._function, self._loop, self._timeout = function, loop, timeout
        self.name = str(getattr(function, "__qualname__", type(function).__name__))
        try:
            first = next(iter(inspect.signature(function).parameters.values()), None)
        except (TypeError, ValueError):
            first = None
        self._whole = first is not None and first.name == "example"
        self.source_sha256 = source_sha256(function)

    def __call__(self, example: Example) -> Any:
        given = example if self._whole else example.input
        if inspect.iscoroutinefunction(self._function):
            return self._loop.run(self._function(given), self._timeout)
        if self._timeout is None:
            found = self._function(given)
        else:
            found = _within(self._timeout, self._function, given)
        return self._loop.run(found, self._timeout) if inspect.isawaitable(found) else found


def _within(timeout: float, function: Callable[..., Any], given: Any) -> Any:
    """In a thread that is left behind where it takes longer: no thread can be stopped from outside."""
    done: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def call() -> None:
        try:
            done.set_result(function(given))
        except BaseException as error:  # noqa: BLE001 - told to the one who waits
            done.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(call,), name="tracekit-task", daemon=True).start()
    finished, _ = concurrent.futures.wait((done,), timeout)
    if not finished:
        raise TaskTimeout(f"took longer than {timeout:g} s")
    return done.result()


class Runner:
    """Runs and judges examples. ``attributes`` are those of every span of a run."""

    def __init__(
        self, task: Task, evaluators: Sequence[Evaluator], tally: Tally | None, attributes: Mapping[str, Any]
    ) -> None:
        self._task, self._evaluators, self._tally, self._attributes = task, evaluators, tally, attributes

    def run(self, example: Example, repetition: int) -> Run:
        """One run with its scores. Raises nothing."""
        token = attach(Context())  # a trace of its own, wherever the experiment was started
        try:
            run, totals, output, span = self._called(example, repetition)
            if run.error is not None:  # there is nothing to judge; the gate counts it as what it is
                return run
            with judging(span):
                return replace(run, scores=tuple(judged(self._evaluators, _subject(example, run, totals, output))))
        finally:
            detach(token)

    def _called(self, example: Example, repetition: int) -> tuple[Run, Totals, Any, SpanContext | None]:
        attributes = {**self._attributes, "example": example.id, "repetition": repetition}
        output: Any = None
        failure: BaseException | None = None
        watched, seen = "", None
        scope = SpanScope(self._task.name, "chain", None, None)
        started = time.perf_counter()
        try:
            with context(metadata=attributes), scope as span:
                watched = self._watch(span)
                seen = span.otel.get_span_context() if watched else None
                span.set_input(example.input)
                started = time.perf_counter()
                output = self._task(example)
                span.set_output(output)
        except BaseException as error:  # noqa: BLE001 - a failure is a result, and so is a task that calls sys.exit
            failure = error
        took = (time.perf_counter() - started) * 1000
        totals = self._tally.take(watched) if self._tally is not None and watched else Totals()
        run = Run(
            example.id,
            repetition,
            storable(output),
            None if failure is None else f"{type(failure).__name__}: {failure}"[:_MAX_ERROR],
            watched or None,
            took,
            totals.input_tokens,
            totals.output_tokens,
            totals.total_tokens,
            totals.cost_usd,
        )
        return run, totals, output, seen

    def _watch(self, span: Span) -> str:
        if not span.is_recording():
            return ""
        if self._tally is not None:
            self._tally.watch(span.trace_id)
        return span.trace_id


def storable(value: Any) -> Any:
    """The value as JSON can hold it: as it is, or as text; cut where it is too long."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)[:MAX_OUTPUT]
    return value if len(text) <= MAX_OUTPUT else text[:MAX_OUTPUT]


def _subject(example: Example, run: Run, totals: Totals, output: Any) -> Subject:
    """Documents are those that the task returned with its output (``{"output", "documents"}``), else those that its
    retrievers found, else the example's."""
    given = output.get("documents") if isinstance(output, Mapping) else None
    answer = output["output"] if isinstance(output, Mapping) and given is not None and "output" in output else output
    return Subject(
        input=example.input,
        output=answer,
        expected=example.expected,
        documents=_documents(given or totals.documents or example.documents),
        metadata=example.metadata,
        status="ok",
        latency_ms=run.latency_ms,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        total_tokens=run.total_tokens,
        cost_usd=run.cost_usd,
    )


def _documents(given: Any) -> list[RetrievedDocument]:
    found = []
    for position, one in enumerate(given if isinstance(given, Sequence) and not isinstance(given, str) else ()):
        if isinstance(one, RetrievedDocument):
            found.append(one)
        elif isinstance(one, Mapping):
            relevant, name = one.get("relevant"), one.get("id")
            text = str(one.get("text") or one.get("content") or "")
            found.append(
                RetrievedDocument(
                    text, position, None if name is None else str(name), one.get("score"), relevant=relevant
                )
            )
        else:
            found.append(RetrievedDocument(str(one), position))
    return found


def source_sha256(function: Any) -> str:
    """Of the file that a function is in; empty where there is none. Runs of other code are not gone on with."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    except (TypeError, OSError, ValueError):
        return ""
