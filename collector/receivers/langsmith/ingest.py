"""From what a LangSmith client sent to what is committed.

LangSmith's client waits 10 s for an answer, tries four times and then drops the batch. So whoever comes while there
is no room is kept waiting for a while, and is told to come again late: that bridges half a minute and more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final, Protocol

from collector.codec.runs import RunChange
from collector.metrics import Metrics
from collector.pipeline import Pipeline
from collector.processors.redact import Redaction
from collector.receivers.langsmith.messages import Received
from collector.storage.api import Overloaded, Refused, Unavailable
from collector.storage.runs_api import RunStore
from tracekit.redaction import MASKED

#: How long a request waits for room, and for its commit, all told: less than the client's 10 s.
HOLD_S: Final = 5.0
ANSWER_S: Final = 8.0
_TURN_S: Final = 0.1
RETRY_AFTER_S: Final = 10.0
#: what places a run, and holds nothing that somebody said
_IDENTITY: Final = frozenset(
    {"id", "trace_id", "parent_run_id", "dotted_order", "session_id", "session_name", "reference_example_id"}
    | {"run_type", "start_time", "end_time"}
)


class Feedback(Protocol):
    """Where feedback goes: ``put_feedback`` of LangSmith's FeedbackCreate objects resolves when they are durable."""

    def put_feedback(self, feedback: Sequence[Mapping[str, Any]]) -> Future[Any]:
        """Raises ``StorageError``, at once or by the future. What cannot be understood is left out."""
        ...


class Ingest:
    """``project_of`` names the project of a session id, or None."""

    def __init__(
        self,
        runs: RunStore,
        feedback: Feedback,
        pipeline: Pipeline,
        metrics: Metrics,
        project_of: Callable[[str], str | None],
    ) -> None:
        self._runs = runs
        self._feedback = feedback
        self._pipeline = pipeline
        self._metrics = metrics
        self._project_of = project_of

    async def store(self, size: int, decode: Callable[[], Received], way: str | None = None) -> Received:
        """Returns after the commit. ``way``: the ``collector.via`` header that it came with. Raises what ``decode``
        raises, ``Overloaded``, ``Unavailable``, ``Refused``."""
        with self._pipeline.in_hand(size):
            received = await self._pipeline.compute(size, decode)
            if self._pipeline.closes_circle(way):
                return Received(rejected=received.rejected, reasons=received.reasons)
            if way:
                received.changes = [replace(change, via=way) for change in received.changes]
            self._metrics.received(len(received.changes) + received.rejected)
            self._metrics.rejected("traces", received.rejected)
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._stored(received)
            except TimeoutError:
                raise Unavailable(f"no commit within {ANSWER_S:g} s") from None
            return received

    async def _stored(self, received: Received) -> None:
        if received.changes:
            await self._store_runs(received, self._redacted(await self._placed(received.changes)))
        if received.feedback:
            await _settled(lambda: self._feedback.put_feedback(received.feedback))

    async def _store_runs(self, received: Received, changes: Sequence[RunChange]) -> None:
        """What the database takes for no reason of its own is stored without those that it does not take."""
        submitted = time.perf_counter()
        try:
            result = await _settled(lambda: self._runs.submit_runs(changes, self._pipeline.spans_of_runs))
        except Refused as error:
            if len(changes) == 1:
                received.reject(str(error))
                self._metrics.rejected("traces", 1)
                return
            middle = len(changes) // 2
            await self._store_runs(received, changes[:middle])
            await self._store_runs(received, changes[middle:])
        else:
            self._metrics.committed(result.created, result.updated, time.perf_counter() - submitted)

    def _redacted(self, changes: Sequence[RunChange]) -> Sequence[RunChange]:
        """Changes as the rules of their projects leave them, before anything of them is kept."""
        redaction = self._pipeline.redaction
        return changes if redaction is None else [_redact(change, redaction) for change in changes]

    async def _placed(self, changes: Sequence[RunChange]) -> list[RunChange]:
        """Changes that say their project by its id alone get its name."""
        asked = {found for change in changes if (found := _session_alone(change)) is not None}
        if not asked:
            return list(changes)
        names = await asyncio.to_thread(lambda: {found: self._project_of(found) for found in asked})
        return [
            replace(change, fields=change.fields | {"session_name": name})
            if (name := names.get(_session_alone(change) or ""))
            else change
            for change in changes
        ]


def _redact(change: RunChange, redaction: Redaction) -> RunChange:
    project = change.fields.get("session_name")
    named = project if isinstance(project, str) else None
    content = {name: value for name, value in change.fields.items() if name not in _IDENTITY}
    redacted = redaction.redact_value(named, content)
    kept = redacted if isinstance(redacted, dict) else {}
    attachments = tuple(
        replace(
            one, data=data if isinstance(data := redaction.redact_value(named, one.data), bytes) else MASKED.encode()
        )
        for one in change.attachments
    )
    identity = {name: value for name, value in change.fields.items() if name in _IDENTITY}
    return replace(change, fields=identity | kept, attachments=attachments)


def _session_alone(change: RunChange) -> str | None:
    session = change.fields.get("session_id")
    return session if isinstance(session, str) and not change.fields.get("session_name") else None


async def _settled(submit: Callable[[], Future[Any]]) -> Any:
    """What the future comes to; while there is no room, tried again for a while."""
    loop = asyncio.get_running_loop()
    until = loop.time() + HOLD_S
    while True:
        try:
            future = submit()
        except Overloaded as error:
            if loop.time() > until:
                raise Overloaded(str(error), RETRY_AFTER_S) from None
            await asyncio.sleep(_TURN_S)
        else:
            committed = asyncio.wrap_future(future)
            committed.add_done_callback(_heard)
            return await asyncio.shield(committed)


def _heard(committed: asyncio.Future[Any]) -> None:
    """Whoever gave up waiting does not ask how it ended, and asyncio would complain."""
    if not committed.cancelled():
        committed.exception()
