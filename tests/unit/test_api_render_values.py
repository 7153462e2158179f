"""Times, money and JSON-safe values: what is written can be read back without loss."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.api.values import MAX_DEPTH, TOO_DEEP, encode, finite, milliseconds, plain, time_of, timestamp, usd

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.integers(-(10**30), 10**30))
def test_money_keeps_every_digit(pico: int) -> None:
    text = usd(pico)
    assert text is not None
    assert Fraction(text) * 10**12 == pico
    assert "e" not in text.lower() and not text.endswith(".") and ("." not in text or text[-1] != "0")


def test_money_as_people_write_it() -> None:
    assert usd(31_500_000) == "0.0000315"
    assert usd(1_240_000_000_000) == "1.24"
    assert usd(5 * 10**12) == "5"
    assert usd(0) == "0"
    assert usd(-1) == "-0.000000000001"
    assert usd(None) is None


@given(INT64)
def test_times_are_read_as_they_are_written(ns: int) -> None:
    assert time_of(timestamp(ns), 0) == ns


@given(st.integers())
def test_any_time_can_be_written(ns: int) -> None:
    assert len(timestamp(ns)) == len("2026-11-22T00:00:00.000000000Z")


def test_times_have_nanoseconds() -> None:
    assert timestamp(1_795_305_600_000_000_001) == "2026-11-22T00:00:00.000000001Z"
    assert milliseconds(1_500_000) == 1.5


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2026-11-22T00:00:00Z", 1_795_305_600),
        ("2026-11-22t00:00:00z", 1_795_305_600),
        ("2026-11-22 00:00:00", 1_795_305_600),
        ("2026-11-22", 1_795_305_600),
        ("2026-11-22T02:00+02:00", 1_795_305_600),
        ("2026-11-22T02:00:00 02:00", 1_795_305_600),
        ("2026-11-21T19:00:00-05:00", 1_795_305_600),
        ("now", 1_800_000_000),
        ("90s", 1_799_999_910),
        ("24h", 1_799_913_600),
        ("1w", 1_799_395_200),
    ],
)
def test_times_as_people_give_them(text: str, second: int) -> None:
    assert time_of(text, 1_800_000_000 * 10**9) == second * 10**9


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-02-30T00:00:00Z", "24", "1.5h", "-3h", "١٢h", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        time_of(text, 0)


def test_times_stay_within_64_bits() -> None:
    assert time_of("9999-12-31T23:59:59Z", 0) == 2**63 - 1
    assert time_of("0001-01-01T00:00:00Z", 0) == -(2**63)
    assert time_of("999999999999w", 0) == -(2**63)


def test_values_that_json_has_not() -> None:
    assert plain(b"\x00\xff") == "AP8="
    assert [plain(number) for number in (math.nan, math.inf, -math.inf)] == ["NaN", "Infinity", "-Infinity"]
    assert plain({1: (2**53 + 1, True, None)}) == {"1": [2**53 + 1, True, None]}
    assert finite(math.nan) is None and finite(0.5) == 0.5


def test_large_integers_keep_their_digits() -> None:
    assert json.loads(encode({"a": 2**53 + 1, "b": 2**64, "c": -(10**40)})) == {
        "a": 2**53 + 1,
        "b": 2**64,
        "c": -(10**40),
    }


def test_deep_values_end_in_a_note() -> None:
    value: object = "bottom"
    for _ in range(100_000):
        value = [value]
    text = encode(plain(value)).decode()
    assert text.count("[") == MAX_DEPTH + TOO_DEEP.count("[") and TOO_DEEP in text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)


@given(VALUES)
def test_every_value_becomes_valid_json(value: object) -> None:
    text = encode(plain(value))
    assert plain(json.loads(text)) == json.loads(text)
