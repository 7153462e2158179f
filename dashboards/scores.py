"""A rule's scores over time, as its page draws them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from collector.evaluation.score_series import ScoreStep, whole_of
from dashboards import format as fmt
from dashboards.timeseries import HEIGHT

_MINUTE: Final = 60 * 10**9
#: Name -> (label, how long in nanoseconds, a bar's step).
RANGES: Final = {
    "24h": ("24 h", 1_440 * _MINUTE, 60 * _MINUTE),
    "7d": ("7 days", 7 * 1_440 * _MINUTE, 360 * _MINUTE),
    "30d": ("30 days", 30 * 1_440 * _MINUTE, 1_440 * _MINUTE),
}
DEFAULT_RANGE: Final = "7d"
#: Labels that are shown of a score, those given most often.
_MAX_LABELS: Final = 8
#: The smallest mean is still to be seen.
_LEAST: Final = 1.0


@dataclass(frozen=True, slots=True)
class ScoreBar:
    """``x`` counts steps; ``height`` of ``HEIGHT``."""

    x: int
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class LabelShare:
    label: str
    count: str
    percent: str
    share: float


@dataclass(frozen=True, slots=True)
class ScoreFigure:
    """One name's. ``mean`` is empty where no score has a number; ``low`` and ``high`` are what the bars' ends mean."""

    name: str
    mean: str
    count: str
    low: str
    high: str
    bars: list[ScoreBar]
    labels: list[LabelShare]


def window(name: str, now_ns: int) -> tuple[int, int, int]:
    """(from, to, step) of a range, in whole steps: the last one is the one that goes on."""
    _, length, step = RANGES[name]
    end = now_ns // step * step + step
    return end - length, end, step


def figures(steps: Sequence[ScoreStep], from_ns: int, to_ns: int, step_ns: int) -> list[ScoreFigure]:
    return [
        _figure(whole, [step for step in steps if step.name == whole.name], from_ns, step_ns)
        for whole in whole_of(steps)
    ]


def _figure(whole: ScoreStep, steps: list[ScoreStep], from_ns: int, step_ns: int) -> ScoreFigure:
    means = [step.mean for step in steps if step.mean is not None]
    low, high = min([0.0, *means]), max([1.0, *means])
    bars = [
        ScoreBar((step.start_ns - from_ns) // step_ns, _height(step.mean, low, high), _told(step))
        for step in steps
        if step.mean is not None
    ]
    given = sorted(whole.labels.items(), key=lambda pair: (-pair[1], pair[0]))
    labels = [
        LabelShare(fmt.line(label, 100), fmt.count(count), fmt.percent(count / whole.count), count / whole.count * 100)
        for label, count in given[:_MAX_LABELS]
    ]
    if len(given) > _MAX_LABELS:
        rest = sum(count for _, count in given[_MAX_LABELS:])
        others = f"{len(given) - _MAX_LABELS} others"
        labels.append(LabelShare(others, fmt.count(rest), fmt.percent(rest / whole.count), rest / whole.count * 100))
    return ScoreFigure(
        fmt.line(whole.name, 200),
        fmt.score(whole.mean) if means else "",
        fmt.counted(whole.count, "score"),
        fmt.score(low),
        fmt.score(high),
        bars,
        labels,
    )


def _height(mean: float, low: float, high: float) -> float:
    return round(max((mean - low) / (high - low) * HEIGHT, _LEAST), 2)


def _told(step: ScoreStep) -> str:
    return f"{fmt.minute(step.start_ns)} UTC: {fmt.score(step.mean)}, {fmt.counted(step.count, 'score')}"
