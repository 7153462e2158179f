"""What storage promises about rules, about what was decided by them, and about the queue's items that are for them.

Every transaction that stores spans leaves one item for the consumer ``DECIDE`` where any rule is active, whatever the
number of rules and spans. Deciding leaves one item of ``SCORE`` (``JUDGE``) for each rule and target to be scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from collector.annotations import Annotation
from collector.evaluation.rules import Counts, Decision, DecisionState, Rule, Subject
from collector.queue.api import Item
from collector.storage.forward_api import Follow, NameTaken

DECIDE: Final = "evaluate"
SCORE: Final = "evaluate/score"
#: As ``SCORE``, of rules that ask a judge: slow ones, which the others do not wait for.
JUDGE: Final = "evaluate/judge"
BACKFILL: Final = "evaluate/backfill"


def scorer_of(rule: Rule) -> str:
    """The consumer of the rule's targets."""
    return SCORE if rule.judge is None else JUDGE


#: (rule id, version, ``Subject.key``)
Place = tuple[int, int, str]
BackfillState = Literal["active", "paused", "done"]


@dataclass(frozen=True, slots=True)
class Concluded:
    """What became of an item: it goes, and with it, in one transaction, come the decisions, the scores, what follows.

    ``scores`` are None where the stored ones stay; else they replace every score of ``identifier`` about ``subject``
    (of a trace: about anything of it).
    """

    item: Item
    decisions: tuple[Decision, ...] = ()
    follows: tuple[Follow, ...] = ()
    subject: Subject | None = None
    identifier: str = ""
    scores: tuple[Annotation, ...] | None = None


@dataclass(frozen=True, slots=True)
class Backfill:
    """A window of stored traces that a rule goes over. ``cursor``: how far it has come; ``expected`` traces were
    counted before it began, ``seen`` of them are behind it. ``id`` and the times are the store's."""

    rule_id: int
    from_ns: int
    to_ns: int
    expected: int = 0
    state: BackfillState = "active"
    seen: int = 0
    cursor: str | None = None
    id: int = 0
    created_ns: int = 0


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an annotation said before it was replaced, changed or deleted then."""

    annotation: Annotation
    replaced_ns: int


#: Of a rule's scores over time, so many cells are told, those with the most scores.
MAX_CELLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """The scores of one name, with one label (None: without), of traces that began within one step from ``start_ns``
    on: how many, how many of them with a number, and those numbers' sum."""

    name: str
    start_ns: int
    label: str | None
    count: int
    scored: int
    total: float

    def place(self) -> tuple[str, int, bool, str]:
        return self.name, self.start_ns, self.label is not None, self.label or ""


class RuleStore(Protocol):
    """Rules, for whoever administers them."""

    def rules(self) -> list[Rule]:
        """By name, each at its current version."""
        ...

    def rule_versions(self, name: str) -> list[Rule]:
        """Every version there was, the latest first."""
        ...

    def add_rule(self, rule: Rule, *, now_ns: int) -> Future[Rule]:
        """The future raises ``NameTaken``."""
        ...

    def change_rule(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Rule | None]:
        """Replace fields; a new version where ``collector.evaluation.rules.changed`` says so. None where there is no
        rule of that name."""
        ...

    def remove_rule(self, name: str) -> Future[bool]:
        """With its decisions and what waits for it; its scores stay. False where there is none."""
        ...

    def rule_counts(self) -> dict[tuple[int, int], Counts]:
        """By (rule id, version)."""
        ...

    def decisions_about(self, trace_id: bytes, session_id: str | None = None) -> list[Decision]:
        """Everything that was decided about the trace, its spans, and the session."""
        ...

    def decisions_of(
        self, rule_id: int, *, state: DecisionState | None = None, version: int | None = None, limit: int = 100
    ) -> list[Decision]:
        """The latest first."""
        ...

    def retry_decisions(
        self, rule: Rule, states: Sequence[DecisionState], *, now_ns: int, limit: int = 10_000
    ) -> Future[int]:
        """Queue targets in these states of the rule's current version again. Returns how many."""
        ...

    def add_backfill(self, backfill: Backfill, *, now_ns: int) -> Future[Backfill]:
        """With the item that starts it."""
        ...

    def backfills(self, rule_id: int | None = None) -> list[Backfill]:
        """The latest first."""
        ...

    def set_backfill(self, backfill_id: int, state: BackfillState, *, now_ns: int) -> Future[Backfill | None]:
        """Pause or resume; what is done stays done."""
        ...

    def score_cells(self, identifier: str, *, from_ns: int, to_ns: int, step_ns: int) -> list[ScoreCell]:
        """The scores of a rule's version (``Rule.identifier``) by name, step (of the time since 1970) and label, of
        traces that began in ``from_ns <= start < to_ns``; a session's count by when they were made."""
        ...

    def annotation_history(self, annotation_id: bytes) -> list[Replaced]:
        """The latest first."""
        ...

    def spent(self, rule_id: int, day: int) -> tuple[int, int]:
        """(pico-USD, calls) of the rule's judge on that day, counted from the epoch (UTC)."""
        ...


class EvaluationStore(RuleStore, Protocol):
    """What the workers need beside the queue."""

    def decision(self, rule_id: int, version: int, subject: Subject) -> Decision | None: ...

    def decisions_at(self, places: Sequence[Place]) -> dict[Place, Decision]:
        """Those that there are, for many at once."""
        ...

    def conclude(self, concluded: Sequence[Concluded], *, now_ns: int) -> int:
        """In one transaction, those of the items that are still ours go with everything that comes of them; of the
        others nothing is stored. Returns how many were ours. A decision with a smaller ``mark`` than the stored one
        of its target is left out."""
        ...

    def advance_backfill(self, concluded: Concluded, backfill: Backfill, *, now_ns: int) -> bool:
        """As ``conclude``, with the backfill's new position. False where the item was not ours."""
        ...

    def reserve_call(self, rule_id: int, day: int, *, calls: int | None, usd: int | None) -> bool:
        """Count one call of the rule's judge, unless so many calls have been made that day, or so many pico-USD
        spent. Whoever dies afterwards has used it up."""
        ...

    def add_spending(self, rule_id: int, day: int, cost: int) -> None: ...


__all__ = [
    "BACKFILL",
    "DECIDE",
    "JUDGE",
    "MAX_CELLS",
    "SCORE",
    "Backfill",
    "BackfillState",
    "Concluded",
    "EvaluationStore",
    "NameTaken",
    "Place",
    "Replaced",
    "RuleStore",
    "ScoreCell",
    "scorer_of",
]
