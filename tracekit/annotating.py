"""What is said of a trace after it, or within it: scores, labels and users' feedback, sent in the background.

    tracekit.annotate("helpful", score=1)                                 # of the trace that runs
    tracekit.annotate("thumbs", score=0, trace_id=trace_id_from_the_page, explanation="Wrong order.")

Nothing in here raises into the application or blocks it. What cannot be delivered in time is lost, and counted.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api

from tracekit.config import TRACES_PATH, Config, resolve
from tracekit.guard import logger, swallow, warn_once
from tracekit.transport import Answer, Outcome, Transport

PATH: Final = "/api/v1/annotations"
KINDS: Final = ("human", "code", "llm")
#: what waits at most, in annotations and in bytes
MOST_WAITING: Final = 2_000
MOST_BYTES: Final = 8 * 1024 * 1024
#: one request's annotations, and how long one of them is tried
_AT_ONCE: Final = 100
_TRIED_SECONDS: Final = 600.0
_BACKOFF: Final = (0.5, 30.0)
_MAX_BYTES: Final = 256 * 1024
_HEX: Final = frozenset("0123456789abcdef")
#: what somebody wrote
_WRITTEN: Final = frozenset(("label", "explanation", "value", "correction", "metadata"))

_Waiting = tuple[dict[str, Any], int, float]


def annotate(
    name: str,
    *,
    score: float | bool | None = None,
    label: str | None = None,
    explanation: str | None = None,
    value: Any = None,
    correction: Any = None,
    trace_id: str | int | None = None,
    span_id: str | int | None = None,
    session_id: str | None = None,
    document_position: int | None = None,
    annotator_kind: str = "human",
    identifier: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """Say something about a trace, a span, one document of a span, or a session.

    trace_id: 32 hexadecimal digits, as ``current_trace_id`` gives them. Default: the trace that runs, as a whole.
    span_id: 16 hexadecimal digits; document_position counts the documents of that span from 0.
    session_id: alone, a whole session.
    annotator_kind: "human" (users, reviewers), "code" or "llm".
    identifier: tells several of one name about one target apart; the same one again replaces what was said.

    Returns whether it will be sent. False, and a line in the log, where there is nothing to be annotated, nothing is
    said, or too much waits.
    """
    try:
        said = {
            "score": score, "label": label, "explanation": explanation, "value": value, "correction": correction
        }  # fmt: skip
        target = _target(trace_id, span_id, session_id, document_position)
        body = _body(name, target, said, annotator_kind, identifier, metadata)
        return _sender().offer(body)
    except _Unfit as unfit:
        logger.warning("annotate: %s", unfit)
    except Exception as error:  # noqa: BLE001
        swallow("annotate", error)
    return False


def current_trace_id() -> str | None:
    """The running trace's id, 32 hexadecimal digits, to be shown to whoever may give feedback; None outside of one."""
    context = trace_api.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def flush(timeout: float) -> int:
    """Wait until what was said is delivered, at most ``timeout`` seconds. Returns how many still wait."""
    return _running.flush(timeout) if _running is not None else 0


def counts() -> tuple[int, int, int]:
    """(delivered, waiting, lost) of this process."""
    return (0, 0, 0) if _running is None else (_running.sent, _running.waiting, _running.lost)


class _Unfit(ValueError):
    """What was said cannot be sent; the message says why."""


def _target(
    trace_id: str | int | None, span_id: str | int | None, session_id: str | None, position: int | None
) -> dict[str, Any]:
    if session_id is not None and trace_id is None and span_id is None:
        return {"session_id": str(session_id)}
    found = current_trace_id() if trace_id is None else _hex(trace_id, 32, "trace_id")
    if found is None:
        raise _Unfit("there is no current trace: name one, by trace_id")
    target: dict[str, Any] = {"trace_id": found}
    if span_id is not None:
        target["span_id"] = _hex(span_id, 16, "span_id")
    if position is not None:
        target["document_position"] = int(position)
    return target


def _hex(given: str | int, digits: int, name: str) -> str:
    text = f"{given:0{digits}x}" if isinstance(given, int) else str(given).strip().lower().replace("-", "")
    if len(text) != digits or not _HEX.issuperset(text):
        raise _Unfit(f"{name} must be {digits} hexadecimal digits")
    return text


def _body(
    name: str,
    target: dict[str, Any],
    said: dict[str, Any],
    kind: str,
    identifier: str,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    if not isinstance(name, str) or not name.strip():
        raise _Unfit("name must be a text")
    given = {key: value for key, value in said.items() if value is not None}
    if not given:
        raise _Unfit(f"nothing is said of {name!r}: give a score, a label, a value, a correction or an explanation")
    score = given.get("score")
    if score is not None and not isinstance(score, bool):
        given["score"] = float(score)
        if not math.isfinite(given["score"]):
            raise _Unfit(f"the score of {name!r} is no number")
    if kind not in KINDS:
        raise _Unfit(f"annotator_kind must be one of {', '.join(KINDS)}")
    body = {"name": name, "target": target, "annotator_kind": kind, **given}
    if identifier:
        body["identifier"] = str(identifier)
    if metadata:
        body["metadata"] = dict(metadata)
    return body


class Sender:
    """A thread that posts what was offered. ``post`` stands for the network in tests."""

    def __init__(self, config: Config, post: Any = None) -> None:
        self._config = config
        self._redactor = config.redactor
        self._post = post
        self._transport: Transport | None = None
        self._lock = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._in_hand = 0
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.sent = self.lost = 0

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._in_hand

    def offer(self, body: dict[str, Any]) -> bool:
        if not (self._config.enabled and self._config.export):
            return False
        try:
            size = len(json.dumps(body))
        except (TypeError, ValueError, RecursionError):
            raise _Unfit("value, correction and metadata must be JSON") from None
        if size > _MAX_BYTES:
            raise _Unfit(f"{size} bytes are too many")
        with self._lock:
            if self._stopped or len(self._queue) >= MOST_WAITING or self._bytes + size > MOST_BYTES:
                self.lost += 1
                warn_once("annotations-full", "more annotations wait than can be kept; some are lost")
                return False
            self._queue.append((body, size, time.monotonic() + _TRIED_SECONDS))
            self._bytes += size
            self._start()
            self._lock.notify_all()
        return True

    def flush(self, timeout: float) -> int:
        until = time.monotonic() + timeout
        with self._lock:
            self._lock.notify_all()
            self._lock.wait_for(lambda: not self.waiting, max(0.0, until - time.monotonic()))
            return self.waiting

    def close(self, timeout: float) -> None:
        """What is not delivered by then is lost."""
        left = self.flush(timeout)
        with self._lock:
            self._stopped = True
            self.lost += left
            self._lock.notify_all()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tracekit-annotate", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        # What posts is not traced: else each annotation would make a span.
        context_api.attach(context_api.set_value(context_api._SUPPRESS_INSTRUMENTATION_KEY, True))
        attempt = 0
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._stopped)
                if self._stopped:
                    return
                part = [self._queue.popleft() for _ in range(min(_AT_ONCE, len(self._queue)))]
                self._bytes -= sum(size for _, size, _ in part)
                self._in_hand = len(part)
            attempt, wait = self._deliver(part, attempt)
            with self._lock:
                self._in_hand = 0
                self._lock.notify_all()
                if wait:
                    self._lock.wait_for(lambda: self._stopped, wait)

    def _deliver(self, part: list[_Waiting], attempt: int) -> tuple[int, float]:
        """Returns the attempts so far that did not get through, and how many seconds to wait."""
        answer = self._posted([body for body, _, _ in part])
        if answer.outcome is Outcome.ACCEPTED:
            self._count(len(part), 0)
            return 0, 0.0
        if answer.outcome in (Outcome.RETRY, Outcome.FORBIDDEN):
            self._back(part)
            first, most = _BACKOFF
            return attempt + 1, answer.retry_after or min(most, first * 2 ** min(attempt, 10))
        if len(part) == 1:
            logger.warning("the collector refused an annotation: %s %s", answer.reason, _detail(answer))
            self._count(0, 1)
            return 0, 0.0
        middle = len(part) // 2  # one of them is at fault: the others go
        _, wait = self._deliver(part[:middle], attempt)
        attempt, later = self._deliver(part[middle:], attempt)
        return attempt, max(wait, later)

    def _back(self, part: list[_Waiting]) -> None:
        """To be tried again, but for what was tried long enough."""
        now = time.monotonic()
        kept = [one for one in part if one[2] > now]
        with self._lock:
            self._queue.extendleft(reversed(kept))
            self._bytes += sum(size for _, size, _ in kept)
            self.lost += len(part) - len(kept)

    def _count(self, sent: int, lost: int) -> None:
        with self._lock:
            self.sent += sent
            self.lost += lost

    def _posted(self, bodies: list[dict[str, Any]]) -> Answer:
        data = json.dumps([self._masked(body) for body in bodies]).encode()
        if self._post is not None:
            answer: Answer = self._post(data)
            return answer
        try:
            if self._transport is None:
                self._transport = Transport(_addressed(self._config))
            return self._transport.post(data)
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever goes wrong
            swallow("annotate", error)
            return Answer(Outcome.RETRY, reason=type(error).__name__)

    def _masked(self, body: dict[str, Any]) -> dict[str, Any]:
        """As what is captured would be."""
        return {key: self._redactor.value(value) if key in _WRITTEN else value for key, value in body.items()}


def _addressed(config: Config) -> Config:
    url = config.traces_url
    base = url[: -len(TRACES_PATH)] if url.endswith(TRACES_PATH) else url.rstrip("/")
    headers = {**config.headers, "content-type": "application/json"}
    return replace(config, traces_url=base + PATH, headers=headers, compression="none")


def _detail(answer: Answer) -> str:
    try:
        found = json.loads(answer.body)
        errors = [f"{one['pointer']}: {one['detail']}" for one in found.get("errors", ())]
        return "; ".join(errors) or str(found.get("detail", ""))
    except (ValueError, AttributeError, KeyError, TypeError):
        return ""


_running: Sender | None = None
_lock = threading.Lock()


def _sender() -> Sender:
    """Of this process, sending to where the last ``init`` says, else the environment."""
    global _running
    from tracekit import provider

    config = provider.config_in_use()
    with _lock:
        known = _running
        if known is not None and (config is None or known._config is config):
            return known
        _running = Sender(config if config is not None else resolve())
        if known is None:
            atexit.register(_at_exit)
        else:  # what it has goes where it was meant to go
            threading.Thread(target=known.close, args=(10.0,), daemon=True).start()
            _running.sent, _running.lost = known.sent, known.lost
        return _running


def _at_exit() -> None:
    if _running is not None:
        _running.close(_running._config.exit_timeout)


def _after_fork() -> None:
    """The thread stayed with the parent, which sends what it has."""
    global _running, _lock
    _running, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
