"""Destinations, and the queue's own work, as the Operations page shows them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from collector.destinations import Destination
from collector.queue.api import BuriedItem, QueueStats
from collector.storage.forward_api import Status
from dashboards import format as fmt
from dashboards.rows import Figure

#: Longer behind than this is worth a look.
LATE_NS: Final = 30 * 10**9
#: Kinds whose acknowledgement is no proof: what was sent is looked for there.
VERIFYING: Final = frozenset({"phoenix"})
LABELS: Final = {"phoenix": "Phoenix", "langsmith": "LangSmith", "otlp": "OTLP", "archive": "Archive"}
#: More spans of one buried item than this are counted, not linked.
MAX_LINKS: Final = 12
#: A reason or an error is cut to so many characters.
MAX_REASON: Final = 8_000
_FIRST: Final = 300
_SPAN: Final = re.compile(r"([0-9a-f]{32}):([0-9a-f]{16})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something did not work: its first line, and the ``whole`` where that says more."""

    first: str
    whole: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """``name`` is active, paused or cannot; ``note`` says why it cannot be used."""

    name: str
    words: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """``path`` is below ``/operations/`` and below the API's ``/destinations/``. Counts are empty where there is
    nothing to see. ``fails``: its last error came after what was sent last."""

    name: str
    path: str
    kind: str
    label: str
    endpoint: str
    state: State
    behind: str
    is_behind: bool
    late: bool
    waiting: str
    unverified: str
    sent: str
    skipped: str
    retried: str
    buried: str
    last_sent_ns: int | None
    error: Reason | None
    error_ns: int | None
    fails: bool


@dataclass(frozen=True, slots=True)
class Link:
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Buried:
    """An item that was given up. ``links`` lead to its spans, of which ``more`` are not named."""

    id: int
    what: str
    links: list[Link]
    more: int
    reason: Reason
    attempts: str
    since_ns: int


@dataclass(frozen=True, slots=True)
class Work:
    """One consumer of the queue that every collector has."""

    consumer: str
    label: str
    ready: str
    claimed: str
    buried: str
    behind: str
    late: bool
    items: list[Buried]


def row(status: Status, fault: str | None) -> Row:
    """``fault``: why the destination cannot be used, None where it can."""
    destination, tally = status.destination, status.tally
    error_ns, sent_ns = status.last_error_ns, status.last_sent_ns
    return Row(
        name=destination.name,
        path=quote(destination.name, safe=""),
        kind=destination.kind if destination.kind in LABELS else "otlp",
        label=LABELS.get(destination.kind, destination.kind),
        endpoint=destination.endpoint,
        state=_state(destination, fault),
        behind=behind(status.lag_ns),
        is_behind=status.lag_ns > 0,
        late=status.lag_ns > LATE_NS,
        waiting=fmt.count(status.waiting),
        unverified=fmt.count(status.unverified) if destination.kind in VERIFYING else "",
        sent=fmt.count(tally.sent),
        skipped=fmt.count(tally.skipped),
        retried=fmt.count(tally.retried),
        buried=fmt.count(status.buried) if status.buried else "",
        last_sent_ns=sent_ns,
        error=reason(status.last_error) if status.last_error else None,
        error_ns=error_ns,
        fails=error_ns is not None and error_ns >= (sent_ns or 0),
    )


def _state(destination: Destination, fault: str | None) -> State:
    if destination.state == "paused":
        return State("paused", "paused")
    if fault is not None:
        return State("cannot", "cannot be used", fmt.line(fault, 1_000))
    return State("active", "active")


def behind(lag_ns: int) -> str:
    """In words how long what comes first has waited."""
    return fmt.duration(lag_ns) if lag_ns > 0 else "up to date"


def reason(text: str) -> Reason:
    shown = text.strip()[:MAX_REASON]
    first = fmt.line(shown.split("\n", 1)[0], _FIRST) or "no reason was given"
    return Reason(first, "" if first == shown or not shown else shown)


def figures(statuses: Sequence[Status]) -> list[Figure]:
    """The head of the list: what is there, and what of it wants to be looked at."""
    lag = max((status.lag_ns for status in statuses), default=0)
    waiting, buried = sum(one.waiting for one in statuses), sum(one.buried for one in statuses)
    found = [
        Figure(fmt.count(len(statuses)), "destination" if len(statuses) == 1 else "destinations"),
        Figure(fmt.count(waiting), "waiting", "Spans and annotations that are to be sent"),
    ]
    if lag > LATE_NS:
        found.append(Figure(fmt.duration(lag), "behind", "What has waited longest, at any destination", "amber"))
    if buried:
        found.append(Figure(fmt.count(buried), "buried", "Refused for good: nothing more is tried", "error"))
    return found


def tallies(status: Status) -> list[Figure]:
    """The numbers of one destination's page."""
    tally, late = status.tally, status.lag_ns > LATE_NS
    found = [Figure(behind(status.lag_ns), "behind" if status.lag_ns else "", "", "amber" if late else "")]
    found.append(Figure(fmt.count(status.waiting), "waiting", "Spans and annotations that are to be sent"))
    if status.destination.kind in VERIFYING:
        found.append(
            Figure(fmt.count(status.unverified), "not yet seen there", "Sent; it is asked whether it has them")
        )
    found.append(Figure(fmt.count(tally.sent), "sent"))
    if tally.annotated:
        found.append(Figure(fmt.count(tally.annotated), "annotations sent"))
    found.append(Figure(fmt.count(tally.skipped), "skipped", "Not of its projects, its filter or its sample"))
    found.append(Figure(fmt.count(tally.retried), "retried", "Times that something was sent again"))
    if tally.rejected:
        found.append(Figure(fmt.count(tally.rejected), "refused", "It did not say which: they are not buried", "error"))
    if status.buried:
        found.append(Figure(fmt.count(status.buried), "buried", "Refused for good: nothing more is tried", "error"))
    return found


def buried(item: BuriedItem) -> Buried:
    payload = item.payload or {}
    links, named = [], _texts(payload.get("spans"))
    for text in named[:MAX_LINKS]:
        if found := _SPAN.match(text):
            links.append(Link(found[1], found[2]))
    return Buried(
        id=item.id,
        what=_what(payload, len(named)),
        links=links,
        more=len(named) - len(links),
        reason=reason(item.reason),
        attempts=fmt.count(item.attempts),
        since_ns=item.created_ns,
    )


def _what(payload: dict[str, Any], spans: int) -> str:
    said = payload.get("n")
    number = said if type(said) is int and said > 0 else None
    if spans:
        return fmt.counted(spans, "span")
    if annotations := len(_texts(payload.get("annotations"))):
        return fmt.counted(annotations, "annotation")
    return "one batch" if number is None else fmt.counted(number, "span")


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def work(consumer: str, label: str, stats: QueueStats, items: Sequence[BuriedItem]) -> Work:
    return Work(
        consumer=consumer,
        label=label,
        ready=fmt.count(stats.ready),
        claimed=fmt.count(stats.claimed),
        buried=fmt.count(stats.buried) if stats.buried else "",
        behind=behind(stats.lag_ns),
        late=stats.lag_ns > LATE_NS,
        items=[buried(item) for item in items],
    )


def remove_question(status: Status) -> str:
    """What is lost when the destination goes."""
    waiting, count = status.waiting + status.unverified, status.buried
    parts = [f"{fmt.counted(waiting, 'span')} {'waits' if waiting == 1 else 'wait'} for it"] if waiting else []
    if count:
        parts.append(f"{fmt.counted(count, 'span')} {'is' if count == 1 else 'are'} buried")
    if not parts:
        return "Nothing waits for it. What is stored here stays, and so does what was sent."
    return f"{' and '.join(parts)}: they will not be sent. What is stored here stays, and so does what was sent."
