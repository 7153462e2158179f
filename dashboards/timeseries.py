"""Numbers over time as something to draw. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from collector.model import PICO_USD
from collector.storage.api import StatsBucket, UsageRow
from dashboards import format as fmt

#: Height of a histogram in its own units.
HEIGHT: Final = 32
#: More series than this are added up as "other".
MAX_SERIES: Final = 6
#: A longer range is plotted from its end.
MAX_STEPS: Final = 750
_HOUR, _DAY = 3_600 * 10**9, 86_400 * 10**9


@dataclass(slots=True, frozen=True)
class Bar:
    """``x`` counts bars; ``height`` and ``error_height`` of ``HEIGHT``. Whatever is there can be seen: at least 1."""

    x: int
    height: float
    error_height: float
    label: str


def histogram(buckets: Sequence[StatsBucket]) -> list[Bar]:
    top = max((bucket.traces for bucket in buckets), default=0)
    return [
        Bar(x, _height(b.traces, top), _height(b.errors, top), _bar_label(b)) for x, b in enumerate(buckets) if b.traces
    ]


def _height(value: int, top: int) -> float:
    return round(max(value / top * HEIGHT, 1.0), 2) if value else 0.0


def _bar_label(bucket: StatsBucket) -> str:
    errors = f" · {fmt.counted(bucket.errors, 'error')}" if bucket.errors else ""
    return f"{fmt.counted(bucket.traces, 'trace')}{errors}"


def step_of(from_ns: int, to_ns: int) -> str:
    """``hour`` or ``day``: what a plot of this range counts in."""
    return "hour" if to_ns - from_ns <= 3 * _DAY else "day"


def costs_over_time(rows: Iterable[UsageRow], step: str, from_ns: int, to_ns: int) -> dict[str, Any]:
    """Cost by model and ``step``, for a stacked plot: ``x`` in seconds, one ``series`` each with ``label`` and
    ``values`` in dollars (the largest models first, the rest as "other"), and the sums as ``totals`` to be read.
    Every step of the range is there, at most the last ``MAX_STEPS``, those without cost as 0."""
    width = _HOUR if step == "hour" else _DAY
    moments = range(from_ns // width * width, max(to_ns, from_ns + 1), width)[-MAX_STEPS:]
    cells: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        moment = _start_of(row.group.get(step))
        if moment is not None and row.cost.total:
            cells[row.group.get("model") or fmt.UNKNOWN][moment] += row.cost.total
    largest = sorted(cells, key=lambda model: -sum(cells[model].values()))
    shown = largest if len(largest) <= MAX_SERIES else largest[: MAX_SERIES - 1]
    series = [{"label": model, "values": [cells[model][m] / PICO_USD for m in moments]} for model in shown]
    rest = largest[len(shown) :]
    if rest:
        values = [sum(cells[model][m] for model in rest) / PICO_USD for m in moments]
        series.append({"label": f"{len(rest)} others", "values": values})
    totals = [sum(by_moment[m] for by_moment in cells.values()) for m in moments]
    return {
        "step": step,
        "x": [moment // 10**9 for moment in moments],
        "series": series,
        "totals": [fmt.money(total) for total in totals],
    }


def _start_of(text: str | None) -> int | None:
    try:
        return int(datetime.fromisoformat(text or "").timestamp()) * 10**9
    except ValueError:
        return None


@dataclass(slots=True, frozen=True)
class Sparkline:
    """A vector as the path of an SVG of ``width`` x ``height`` around the zero line ``zero``."""

    path: str
    width: int
    height: int
    zero: float
    low: str
    high: str


def sparkline(vector: Sequence[float], bins: int = 192, height: int = 40) -> Sparkline | None:
    """At most ``bins`` upright strokes, each from the least to the greatest value of its bin, 0 always in sight."""
    values = [v for v in vector if isinstance(v, (int, float)) and v == v and abs(v) != float("inf")]
    if not values:
        return None
    low, high = min(0.0, *values), max(0.0, *values)
    reach = (high - low) or 1.0
    if reach == float("inf"):
        return None

    def down(value: float) -> float:
        return (high - value) / reach * height

    bins = min(bins, len(values))
    strokes = []
    for number in range(bins):
        part = values[number * len(values) // bins : (number + 1) * len(values) // bins]
        strokes.append(f"M{number}.5 {down(min(0.0, *part)):.1f}V{down(max(0.0, *part)):.1f}")
    return Sparkline("".join(strokes), bins, height, round(down(0.0), 1), fmt.score(low), fmt.score(high))
