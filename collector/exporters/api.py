"""What an exporter is given, what it promises, and how it says what went wrong.

An exporter sends; whoever calls it (``collector.forwarding``) decides what is sent when, tries again, narrows down
what is refused, and keeps count. Sending the same again must do no harm at the destination: ids are stable, and
``Parcel.key`` is the same for the same spans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from collector.annotations import Annotation
from collector.codec.otlp import Original
from collector.codec.runs import Attachment
from collector.model import Content, Span
from collector.processors.normalize import content

SpanKey = tuple[bytes, bytes]


class Away(Exception):
    """The destination cannot take anything now: away, overloaded, refusing the key. No span's fault: all of it comes
    again, after ``after_s`` seconds at the earliest where the destination said so."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Failed(Exception):
    """The destination failed over this (a 500): the next time may be better, or these spans are what it fails over."""


class Rejected(Exception):
    """The destination will never take this as it is (400, 413, 422). The message is its own, shortened."""


@dataclass
class Record:
    """One span to be sent. ``facts`` is as the columns have it, nothing in its attributes, events, links, resource.

    ``ancestry``: facts of the spans above it, the root first, for exporters that ask for it (``Needs.ancestry``); where
    a span in between is not stored, what is above the gap is missing and ``is_rooted`` is false. It is false as well
    for, and below, every parentless span of a trace but its earliest. ``run_ids``: of spans in it, and of the span
    itself, that came as LangSmith's runs: span id -> the run's UUID.
    """

    facts: Span
    original: Original
    ancestry: tuple[Span, ...] = ()
    is_rooted: bool = True
    run_ids: Mapping[bytes, bytes] = field(default_factory=dict)
    attachments_of: Callable[[], Sequence[Attachment]] = tuple
    #: the collectors that it has been through, this one the last
    via: tuple[str, ...] = ()

    @property
    def key(self) -> SpanKey:
        return self.facts.trace_id, self.facts.span_id

    @cached_property
    def span(self) -> Span:
        """Facts, and resource, attributes, events, links and status message as they were sent. Decoded once."""
        sent, facts = self.original.span(self.facts.position), self.facts
        facts.resource, facts.attributes, facts.events, facts.links = (
            sent.resource,
            sent.attributes,
            sent.events,
            sent.links,
        )
        facts.status_message = sent.status_message
        return facts

    @cached_property
    def content(self) -> Content:
        """Messages, documents, tool, input and output. Derived once."""
        try:
            return content(self.span)
        except Exception:  # noqa: BLE001 - one hostile span is sent without, rather than not at all
            return Content()


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent in one go: some records of one batch, ``key`` naming them. ``via`` (see ``collector.via``): the ids
    of the collectors that they have been through, this one the last; sent along where the protocol allows."""

    records: Sequence[Record]
    key: str
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """``rejected`` of the spans were refused for good, for ``reason``; it is not known which. ``peer``: the id of the
    collector that answered, where it was one (its COLLECTOR_HEADER)."""

    rejected: int = 0
    reason: str = ""
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """An annotation to be sent, with the stored span that it is about (None where it is about a whole trace or a whole
    session) and the project of that trace or session."""

    annotation: Annotation
    project: str
    span: Span | None = None
    run_id: bytes | None = None
    #: as of the span's ``Record``
    ancestry: tuple[Span, ...] = ()
    is_rooted: bool = True


@dataclass(frozen=True, slots=True)
class Needs:
    """What the exporter wants. ``spans`` and ``bytes`` (decompressed originals) bound one parcel. ``ancestry``: see
    ``Record``. ``verifies``: a 200 is no acknowledgement there, ask ``missing``. ``complete``: only spans that have
    ended. ``bundles``: batches are collected into larger parcels (files). ``annotations``: it takes them.
    ``introduces``: an empty parcel is sent before any other, whose receipt says which collector answers there.
    ``counted``: spans are sent once their traces have a root (or do not get one) and have been summarised, for only
    then ``Span.counted`` is known."""

    spans: int = 2_048
    bytes: int = 8 * 1024 * 1024
    ancestry: bool = False
    verifies: bool = False
    complete: bool = True
    bundles: bool = False
    annotations: bool = False
    introduces: bool = False
    counted: bool = False


class Exporter(Protocol):
    """One destination's. Every method runs on the event loop of ``collector.forwarding`` and raises ``Away``,
    ``Failed`` or ``Rejected``, whose messages hold no secret."""

    needs: Needs

    async def send(self, parcel: Parcel) -> Receipt:
        """Returns once the destination has answered that it has all of it. Raises ``Rejected`` where it has refused
        the parcel: the caller then sends parts of it."""
        ...

    async def missing(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those of the records that cannot be seen at the destination (only with ``Needs.verifies``)."""
        ...

    async def annotate(self, said: Sequence[Said]) -> Sequence[Said]:
        """Send annotations of spans and traces that were sent before. Returns those that the destination does not have
        afterwards, for they are about something that it does not know yet (only with ``Needs.annotations``)."""
        ...

    async def check(self) -> str:
        """Whether the destination answers and takes the key: one line for the operator saying what answered."""
        ...

    async def close(self) -> None: ...
