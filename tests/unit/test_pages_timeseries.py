"""Numbers over time as something to draw."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from collector.model import PICO_USD, Cost, Usage
from collector.storage.api import StatsBucket, UsageRow
from dashboards import timeseries
from dashboards.timeseries import HEIGHT, MAX_SERIES

HOUR = 3_600 * 10**9


def test_histogram_shows_whatever_is_there() -> None:
    buckets = [StatsBucket(0, 10, 1_000, 0), StatsBucket(10, 20, 0, 0), StatsBucket(20, 30, 500, 1)]
    first, last = timeseries.histogram(buckets)
    assert (first.x, first.height, first.error_height) == (0, HEIGHT, 0)
    assert (last.x, last.height, last.error_height) == (2, HEIGHT / 2, 1.0)
    assert last.label == "500 traces · 1 error"
    assert timeseries.histogram([]) == []


def row(model: str | None, hour: str, dollars: float | None) -> UsageRow:
    cost = Cost() if dollars is None else Cost("computed", int(dollars * PICO_USD))
    return UsageRow({"hour": hour, "model": model}, 1, 1, 0, Usage(), cost, 0, {}, {})


def test_costs_by_model_over_every_hour() -> None:
    rows = [
        row("a", "1970-01-01T00:00:00Z", 0.5),
        row("b", "1970-01-01T02:00:00Z", 2.0),
        row("a", "1970-01-01T02:00:00Z", 1.0),
        row("a", "1969-12-31T00:00:00Z", 9.0),  # out of the range
        row(None, "1970-01-01T02:00:00Z", None),
        row("a", "nonsense", 1.0),
    ]
    plot = timeseries.costs_over_time(rows, "hour", 10, 3 * HOUR - 1)
    assert plot["x"] == [0, 3_600, 7_200]
    assert plot["series"] == [
        {"label": "a", "values": [0.5, 0.0, 1.0]},
        {"label": "b", "values": [0.0, 0.0, 2.0]},
    ]
    assert plot["totals"] == ["$0.50", "$0", "$3.00"]


def test_small_models_are_added_up() -> None:
    rows = [row(f"m{n}", "1970-01-01T00:00:00Z", 10 - n) for n in range(9)]
    series = timeseries.costs_over_time(rows, "hour", 0, 1)["series"]
    assert [one["label"] for one in series] == ["m0", "m1", "m2", "m3", "m4", "4 others"]
    assert len(series) == MAX_SERIES
    assert series[-1]["values"] == [5 + 4 + 3 + 2]


def test_a_long_range_is_bounded() -> None:
    plot = timeseries.costs_over_time([], "day", 0, 1_773_324_333 * 10**9)
    assert len(plot["x"]) == timeseries.MAX_STEPS


def test_steps() -> None:
    assert timeseries.step_of(0, 24 * HOUR) == "hour"
    assert timeseries.step_of(0, 7 * 24 * HOUR) == "day"


def test_sparkline_spans_its_height_around_zero() -> None:
    line = timeseries.sparkline([1.0, -1.0, 0.5], height=40)
    assert line is not None
    assert (line.width, line.height, line.zero, line.low, line.high) == (3, 40, 20.0, "-1", "1")
    assert line.path == "M0.5 20.0V0.0M1.5 40.0V20.0M2.5 20.0V10.0"
    assert timeseries.sparkline([]) is None


@given(st.lists(st.floats(), max_size=400))
def test_sparkline_takes_any_vector(vector: list[float]) -> None:
    line = timeseries.sparkline(vector)
    if line is not None:
        assert line.path.count("M") <= 192
        assert re.fullmatch(r"(M\d+\.5 -?\d+\.\dV-?\d+\.\d)+", line.path)
