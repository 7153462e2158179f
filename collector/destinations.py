"""Where stored spans are sent on to: what an operator says of one destination. Pure.

Secrets are never part of it: ``api_key`` and values of ``headers`` may say where one is found, ``env:NAME`` (a variable
of the collector's) or ``file:/path``, and are read when they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal, get_args

Kind = Literal["phoenix", "langsmith", "otlp", "archive"]
State = Literal["active", "paused"]
#: ``config``: from the configuration file, and only to be changed there.
Source = Literal["operator", "config"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
REFERENCES: Final = ("env:", "file:")


@dataclass(frozen=True, slots=True)
class Masking:
    """What is masked in what is sent there: patterns of ``tracekit.redaction.PATTERNS``, and values of keys besides
    its usual names of secrets."""

    patterns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """``projects``: these alone, all where empty. ``filter`` is over spans (``collector.filters``). ``sample_rate``:
    this part of the traces, 0 to 1, each whole and the same ones every time. ``options`` are the kind's own.
    ``id`` and ``created_ns`` are the store's. ``peer``: the collector that answers there, where it is one."""

    name: str
    kind: Kind
    endpoint: str
    api_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    projects: tuple[str, ...] = ()
    filter: str | None = None
    sample_rate: float = 1.0
    masking: Masking | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    state: State = "active"
    source: Source = "operator"
    id: int = 0
    created_ns: int = 0
    peer: str | None = None

    @property
    def consumer(self) -> str:
        """The queue's consumer that its items are for."""
        return consumer_of(self.id)

    @property
    def verifier(self) -> str:
        """The consumer of what was sent and is still to be seen there."""
        return f"{PREFIX}{self.id}/verify"


PREFIX: Final = "forward/"


def consumer_of(destination_id: int) -> str:
    return f"{PREFIX}{destination_id}"


def is_sampled(trace_id: bytes, rate: float) -> bool:
    """Whether a trace is among the part of all traces that ``rate`` is. A larger part has all of a smaller one."""
    if rate >= 1.0:
        return True
    digest = blake2b(trace_id, digest_size=8, person=b"tracekit-forward").digest()
    return int.from_bytes(digest) < rate * 2**64
