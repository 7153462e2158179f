"""Experiments: a task tried on every example of a dataset's version, and what each try gave. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

State = Literal["running", "done", "failed", "cancelled"]
STATES: Final[tuple[State, ...]] = get_args(State)
#: The times that one example may be tried.
MAX_REPETITIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Experiment:
    """``baseline``: a tag that one experiment of a dataset has at a time (``main``), by which later ones find what to
    compare with. ``id``: 16 bytes; None until it is stored. ``run_count`` and ``error_count`` are the store's."""

    name: str
    dataset: str
    version: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    state: State = "running"
    baseline: str | None = None
    id: bytes | None = None
    created_ns: int = 0
    ended_ns: int | None = None
    run_count: int = 0
    error_count: int = 0


@dataclass(frozen=True, slots=True)
class ExperimentRun:
    """One try. ``repetition`` counts from 0. ``cost``: pico-USD. Unknown is None. ``scores``: JSON objects with at
    least ``name``. What was tried before under the same example and repetition is replaced."""

    example_id: bytes
    repetition: int = 0
    output: Any = None
    error: str | None = None
    trace_id: bytes | None = None
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cost: int | None = None
    scores: tuple[Mapping[str, Any], ...] = ()
    started_ns: int | None = None
    updated_ns: int = 0
