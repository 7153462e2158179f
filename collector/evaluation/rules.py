"""What is evaluated, by what, and how much of it: what an operator says of one rule. Pure.

The secrets of a judge are never part of it: its settings say where its key is found (``env:NAME``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args

from collector.destinations import is_sampled

Target = Literal["span", "trace", "session"]
RuleState = Literal["active", "paused"]
#: ``config``: from the configuration file, and only to be changed there.
Source = Literal["operator", "config"]
DecisionState = Literal["queued", "filtered", "sampled_out", "over_budget", "not_applicable", "failed", "done"]

TARGETS: Final[tuple[Target, ...]] = get_args(Target)
DECISION_STATES: Final[tuple[DecisionState, ...]] = get_args(DecisionState)
#: Where judges' own calls are recorded. No rule matches what is in it.
JUDGES_PROJECT: Final = "tracekit-judges"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a rule's judge may do in one day (UTC). None: as much as comes."""

    usd: float | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """``filter`` is over spans where these are the target, else over traces (``collector.filters``); a session
    matches where one of its traces does. ``projects``: these alone, all where empty. ``sample_rate``: this part of the
    traces (sessions), 0 to 1: those of a smaller part are among those of a larger one. ``evaluator``: what
    ``tracekit.evals.registry.make`` takes; ``judge``: the settings of the judge that it asks. ``version`` counts from
    1: see ``SCORING``. ``id`` and ``created_ns`` (of the rule), ``changed_ns`` (of the version) are the store's.
    """

    name: str
    evaluator: Mapping[str, Any]
    target: Target = "trace"
    filter: str | None = None
    sample_rate: float = 1.0
    judge: Mapping[str, Any] | None = None
    budget: Budget = Budget()
    projects: tuple[str, ...] = ()
    state: RuleState = "active"
    source: Source = "operator"
    version: int = 1
    id: int = 0
    created_ns: int = 0
    changed_ns: int = 0

    @property
    def identifier(self) -> str:
        """Of its scores, so that each target has one for each of its versions."""
        return f"rule:{self.name}@{self.version}"

    def covers(self, project: str) -> bool:
        return project != JUDGES_PROJECT and (not self.projects or project in self.projects)

    def samples(self, subject: bytes) -> bool:
        """Whether the trace of this id (session: its name) is in the rule's part."""
        return is_sampled(subject, self.sample_rate)


#: A change of one of these may change a score, or what gets one: it makes a new version.
SCORING: Final = ("name", "evaluator", "target", "filter", "judge", "projects")


def changed(rule: Rule, changes: Mapping[str, Any], now_ns: int) -> Rule:
    """The rule with these fields replaced; a new version where it may score otherwise."""
    values = {one.name: getattr(rule, one.name) for one in fields(Rule)} | dict(changes)
    if any(values[name] != getattr(rule, name) for name in SCORING):
        values |= {"version": rule.version + 1, "changed_ns": now_ns}
    return Rule(**values)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a decision is about: a span, a whole trace or a session."""

    trace_id: bytes | None = None
    span_id: bytes | None = None
    session_id: str | None = None

    @property
    def key(self) -> str:
        if self.session_id is not None:
            return f"session:{self.session_id}"
        assert self.trace_id is not None
        return (
            f"trace:{self.trace_id.hex()}"
            if self.span_id is None
            else f"span:{self.trace_id.hex()}:{self.span_id.hex()}"
        )

    @property
    def sampled_by(self) -> bytes:
        return self.trace_id if self.trace_id is not None else (self.session_id or "").encode()


def subject_of(key: str) -> Subject:
    """Of ``Subject.key``. Raises ``ValueError``."""
    kind, _, rest = key.partition(":")
    if kind == "session" and rest:
        return Subject(session_id=rest)
    trace, _, span = rest.partition(":")
    if len(trace) != 32 or len(span) != (16 if kind == "span" else 0) or kind not in ("trace", "span"):
        raise ValueError("names no span, trace or session")
    return Subject(bytes.fromhex(trace), bytes.fromhex(span) if span else None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one target under one version of a rule. ``mark`` grows with what is stored of the target: what
    was decided knowing less never replaces what was decided knowing more. ``content``: digest of what the evaluator
    saw, None where it has not seen it. ``cost`` in pico-USD and ``calls`` are the judge's, over all attempts."""

    rule_id: int
    version: int
    subject: Subject
    state: DecisionState
    mark: int = 0
    attempts: int = 0
    reason: str | None = None
    content: bytes | None = None
    cost: int = 0
    calls: int = 0
    created_ns: int = 0
    updated_ns: int = 0


@dataclass(slots=True)
class Counts:
    """Decisions of one version of a rule by state; what its judge did."""

    by_state: dict[str, int] = field(default_factory=dict)
    cost: int = 0
    calls: int = 0
