"""Paired statistics against published and independently computed values."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

import pytest

from tracekit.evals import statistics
from tracekit.evals.statistics import (
    agresti_min,
    bootstrap_interval,
    compare,
    detectable_difference,
    examples_needed,
    holm,
    mcnemar,
    wilcoxon,
)

#: Darwin's 15 pairs of maize, and Hollander and Wolfe's nine patients
DARWIN = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
BEFORE = [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def drawn(seed: int, count: int, mean: float = 0.0, digits: int = 6) -> list[float]:
    generator = random.Random(seed)
    return [round(generator.gauss(mean, 1), digits) for _ in range(count)]


@pytest.mark.parametrize(
    ("higher", "lower", "p"),
    # scipy 1.17: binomtest(min, n, 0.5).pvalue
    [(0, 0, 1.0), (1, 0, 1.0), (5, 1, 0.21875), (10, 3, 0.092285), (30, 15, 0.035698), (5200, 5000, 0.048788)],
)
def test_mcnemar(higher: int, lower: int, p: float) -> None:
    assert mcnemar(higher, lower).p_value == pytest.approx(p, abs=1e-5)
    assert mcnemar(lower, higher).p_value == mcnemar(higher, lower).p_value


def test_mcnemar_by_logarithms_goes_on_where_whole_numbers_end() -> None:
    assert mcnemar(530, 470).p_value == pytest.approx(mcnemar(531, 470).p_value, rel=0.1)
    assert mcnemar(530, 470).p_value > mcnemar(531, 470).p_value
    assert mcnemar(200_000, 0).p_value == 0
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 2)


def test_wilcoxon_counted_out() -> None:
    assert wilcoxon(DARWIN).p_value == pytest.approx(0.041259765625, abs=1e-12)
    found = wilcoxon([new - old for new, old in zip(AFTER, BEFORE, strict=True)])
    assert (found.p_value, found.direction) == (pytest.approx(0.0390625, abs=1e-12), -1)
    assert wilcoxon([1, 1, 1, 1, 1, -1]).p_value == 14 / 64  # ties: six equal ranks
    assert wilcoxon([0, 0, 0]).p_value == wilcoxon([]).p_value == 1.0


def test_zeros_are_dropped() -> None:
    assert wilcoxon([*DARWIN, 0, 0, 0]) == wilcoxon(DARWIN)


def test_wilcoxon_by_approximation_meets_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(5):
        differences = drawn(seed, 50, 0.25, digits=1)
        exact = wilcoxon(differences)
        with monkeypatch.context() as patch:
            patch.setattr(statistics, "EXACT_PAIRS", 0)
            approximate = wilcoxon(differences)
        assert exact.name != approximate.name
        assert approximate.p_value == pytest.approx(exact.p_value, abs=0.004)


def test_the_interval_of_paired_proportions() -> None:
    # Agresti and Min 2005, from their formula by hand: (8.5 - 2.5) / 52 +- 1.96 * sqrt(11 - 36 / 52) / 52
    found = agresti_min(8, 2, 50, 0.95)
    assert (found.low, found.high) == (pytest.approx(-0.0057, abs=2e-4), pytest.approx(0.2365, abs=2e-4))
    nothing = agresti_min(0, 0, 5, 0.95)
    assert -0.4 < nothing.low < -0.2 and 0.2 < nothing.high < 0.4


def test_the_bootstrap_interval_is_that_of_others() -> None:
    differences = [0.1, 0.4, -0.2, 0.9, 0.3, 0.0, 0.5, 1.2, -0.1, 0.2, 0.7, 0.05, 2.5, 0.15, -0.3, 0.6, 0.25, 0.35]
    differences += [0.8, -0.05]
    found = bootstrap_interval(differences, resamples=20_000)
    # scipy 1.17: bootstrap(method="BCa", n_resamples=200000)
    assert (found.low, found.high) == (pytest.approx(0.2175, abs=0.015), pytest.approx(0.7925, abs=0.02))
    assert bootstrap_interval(differences, seed=1) == bootstrap_interval(differences, seed=1)
    assert bootstrap_interval(differences, seed=1) != bootstrap_interval(differences, seed=2)
    with pytest.raises(ValueError, match="no differences"):
        bootstrap_interval([])


def test_it_is_the_same_with_and_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    differences = drawn(3, 31)
    with_it = bootstrap_interval(differences, resamples=500)
    monkeypatch.setitem(sys.modules, "numpy", None)
    without = bootstrap_interval(differences, resamples=500)
    assert (without.low, without.high) == (pytest.approx(with_it.low), pytest.approx(with_it.high))


def test_coverage_of_the_bootstrap_interval() -> None:
    """Of 400 intervals at 95 % over 40 differences each, between 91.5 and 97.5 % hold the true mean."""
    intervals = [bootstrap_interval(drawn(seed, 40, 0.3), resamples=400, seed=seed) for seed in range(400)]
    assert 366 <= sum(one.low <= 0.3 <= one.high for one in intervals) <= 390


def test_the_detectable_difference_is_detected_as_often_as_it_says() -> None:
    spread, count = 1.0, 64
    effect = detectable_difference(spread, count)
    assert effect == pytest.approx(2.8016 / 8, abs=1e-4)
    assert examples_needed(spread, effect) == count
    found = sum(wilcoxon(drawn(seed, count, effect)).p_value <= 0.05 for seed in range(400))
    assert 0.72 <= found / 400 <= 0.86  # Wilcoxon's test has 95 % of the t test's efficiency


def test_holm() -> None:
    # Holm 1979 by hand: 4 * .01, 3 * .015 = .045, 2 * .03 = .06, max(.06, .04)
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.015}) == pytest.approx(
        {"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.045}
    )
    assert holm({}) == {}
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_a_comparison() -> None:
    binary = compare([0, 0, 0, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0, 1])
    assert (binary.binary, binary.test.name, binary.test.p_value) == (True, "McNemar, exact", 0.0625)
    assert (binary.higher, binary.lower, binary.same, binary.difference) == (5, 0, 3, 0.625)
    graded = compare([0.5, 0.25, 0.75], [0.5, 0.5, 0.5])
    assert (graded.binary, graded.difference, graded.higher, graded.lower) == (False, 0.0, 1, 1)


def test_a_difference_that_is_the_same_everywhere_is_no_certainty() -> None:
    few, many = (compare([0.2, 0.8] * half, [0.2, 0.8] * half) for half in (3, 300))
    assert few.detectable is None
    assert few.interval.low < -0.2 and few.interval.high > 0.2
    assert -0.01 < many.interval.low < 0 < many.interval.high < 0.01


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [([], [], "no examples"), ([1.0], [1.0, 2.0], "different examples"), ([1.0], [float("nan")], "finite")],
)
def test_what_cannot_be_compared(old: Sequence[float], new: Sequence[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(old, new)
