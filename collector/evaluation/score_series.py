"""A rule's scores over time, put together from what a store counts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from collector.storage.evaluation_api import ScoreCell


@dataclass(slots=True)
class ScoreStep:
    """The scores of one name within one step: ``mean`` of those with a number, None where none has one; ``labels``
    with how often each was given."""

    name: str
    start_ns: int
    count: int = 0
    scored: int = 0
    total: float = 0.0
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def mean(self) -> float | None:
        return self.total / self.scored if self.scored else None

    def add(self, cell: ScoreCell) -> None:
        self.count += cell.count
        self.scored += cell.scored
        self.total += cell.total
        if cell.label is not None:
            self.labels[cell.label] = self.labels.get(cell.label, 0) + cell.count


def steps_of(cells: Iterable[ScoreCell]) -> list[ScoreStep]:
    """By name, then time."""
    steps: dict[tuple[str, int], ScoreStep] = {}
    for cell in cells:
        steps.setdefault((cell.name, cell.start_ns), ScoreStep(cell.name, cell.start_ns)).add(cell)
    return [steps[key] for key in sorted(steps)]


def whole_of(steps: Iterable[ScoreStep]) -> list[ScoreStep]:
    """Of each name, all steps as one."""
    found: dict[str, ScoreStep] = {}
    for step in steps:
        whole = found.setdefault(step.name, ScoreStep(step.name, step.start_ns))
        whole.count, whole.scored, whole.total = (
            whole.count + step.count, whole.scored + step.scored, whole.total + step.total
        )  # fmt: skip
        for label, count in step.labels.items():
            whole.labels[label] = whole.labels.get(label, 0) + count
    return list(found.values())
