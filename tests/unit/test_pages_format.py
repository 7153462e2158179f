"""How numbers, money and times read on the pages."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.model import PICO_USD, Cost
from dashboards import format as fmt

MS, SECOND = 10**6, 10**9


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, "–"),
        (0, "0 ns"),
        (999, "999 ns"),
        (12_345, "12 µs"),
        (1_240_000, "1.2 ms"),
        (9_960_000, "10 ms"),
        (812 * MS, "812 ms"),
        (999_600_000, "1.00 s"),
        (1_240 * MS, "1.24 s"),
        (12_440 * MS, "12.4 s"),
        (59_960 * MS, "1 m 00 s"),
        (123 * SECOND, "2 m 03 s"),
        (3_723 * SECOND, "1 h 02 m"),
        (100_000 * SECOND, "1 d 03 h"),
        (-5 * MS, "-5.0 ms"),
    ],
)
def test_duration(ns: int | None, text: str) -> None:
    assert fmt.duration(ns) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0"),
        (500 * MS, "500 ms"),
        (SECOND, "1 s"),
        (1_500 * MS, "1.5 s"),
        (120 * SECOND, "2 m"),
        (5_400 * SECOND, "1 h 30 m"),
    ],
)
def test_tick(ns: int, text: str) -> None:
    assert fmt.tick(ns) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0"),
        (130, "130"),
        (1_900, "1.9k"),
        (12_400, "12.4k"),
        (99_960, "100k"),
        (512_000, "512k"),
        (1_200_000, "1.2M"),
    ],
)
def test_compact(number: int | None, text: str) -> None:
    assert fmt.compact(number) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        ("0", "$0"),
        ("0.00031", "$0.00031"),
        ("0.0003149", "$0.00031"),
        ("0.0030", "$0.0030"),
        ("0.031", "$0.031"),
        ("0.0996", "$0.10"),
        ("0.00996", "$0.010"),
        ("0.996", "$1.00"),
        ("1.24", "$1.24"),
        ("1204.5", "$1,204.50"),
        ("-0.05", "-$0.050"),
    ],
)
def test_money(dollars: str, text: str) -> None:
    assert fmt.money(int(Decimal(dollars) * PICO_USD)) == text


@given(st.integers(1, 10**18))
def test_money_keeps_two_significant_digits(pico: int) -> None:
    text = fmt.money(pico)
    assert re.fullmatch(r"\$[0-9,]+\.[0-9]{2,13}", text)
    shown, true = float(text[1:].replace(",", "")), pico / PICO_USD
    assert abs(shown - true) <= (0.0051 if true >= 0.1 else 0.051 * true)


def test_unknown_money_is_not_zero() -> None:
    assert fmt.money(None) == "–"
    assert fmt.cost(None) == "–"
    assert fmt.cost(None, 1, 1) == "unpriced"
    assert fmt.cost(Cost("unpriced")) == "unpriced"
    assert fmt.cost(Cost("unpriced"), 0) == "–"
    assert fmt.cost(Cost("computed", 31 * 10**7), 2, 0) == "$0.00031"
    assert fmt.cost(Cost("computed", 31 * 10**7), 2, 1) == "≥ $0.00031"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (4, "now"),
        (5, "5 s"),
        (59, "59 s"),
        (60, "1 m"),
        (3_599, "59 m"),
        (3_600, "1 h"),
        (90_000, "1 d"),
        (31 * 86_400, "1 Dec 2025"),
    ],
)
def test_age(seconds: int, text: str) -> None:
    now = 1_767_225_600 * SECOND + 500 * MS  # 1 January 2026
    assert fmt.age(now - seconds * SECOND, now) == text


def test_times() -> None:
    ns = 1_773_324_333 * SECOND + 123_456_789
    assert fmt.exact(ns) == "2026-03-12 14:05:33.123 UTC"
    assert fmt.rfc3339(ns) == "2026-03-12T14:05:33.123456789Z"
    assert fmt.rfc3339(1_773_324_333 * SECOND) == "2026-03-12T14:05:33Z"
    assert fmt.minute(ns) == "12 Mar 14:05"
    assert fmt.day_of("2026-03-12T00:00:00Z") == "12 Mar 2026"
    assert fmt.day_of("soon") == "soon"


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_stored_time_can_be_shown(ns: int) -> None:
    for show in (fmt.exact, fmt.rfc3339, fmt.minute, fmt.day):
        assert show(ns)


def test_size_percent_score_and_counts() -> None:
    assert [fmt.size(n) for n in (0, 812, 1_240, 3_400_000, 2 * 10**9)] == [
        "0 B",
        "812 B",
        "1.2 kB",
        "3.4 MB",
        "2.0 GB",
    ]
    assert [fmt.percent(p) for p in (None, 0, 0.004, 0.12, 1)] == ["–", "0 %", "0.4 %", "12 %", "100 %"]
    assert [fmt.score(s) for s in (None, 0.91, 12.3456, float("inf"))] == ["–", "0.91", "12.3", "inf"]
    assert [fmt.counted(n, "trace") for n in (0, 1, 1_204)] == ["0 traces", "1 trace", "1,204 traces"]


def test_line_is_one_line_and_bounded() -> None:
    assert fmt.line(None) == ""
    assert fmt.line("  two\n lines\t") == "two lines"
    assert fmt.line({"a": [1, "ü"]}) == '{"a": [1, "ü"]}'
    assert fmt.line("word " * 1_000, 20) == "word word word word…"


def test_pretty_never_fails() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    circle: list[object] = []
    circle.append(circle)
    assert fmt.pretty("as it is") == "as it is"
    assert fmt.pretty({"a": b"\x00\xff"}) == '{\n  "a": "00ff"\n}'
    assert fmt.pretty(2**70) == str(2**70)
    assert "too deeply" in fmt.pretty(deep)
    assert "too deeply" in fmt.pretty(circle)
    assert fmt.line(deep) == "…"
