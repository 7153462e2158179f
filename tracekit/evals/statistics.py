"""Two experiments compared, example by example. Pure; the standard library alone (NumPy only makes it faster).

The unit is the example: repetitions are averaged first, because they are not independent of each other. Tests say
whether there is a difference, intervals say how large it may be:

- binary scores: McNemar's exact test, and the interval of Agresti and Min
- all other scores: Wilcoxon's signed-rank test, and a BCa bootstrap interval of the mean difference

Both tests are valid where nothing differs (each pair might as well be swapped), whatever the scores' distribution.
A test decides and not the bootstrap interval, which is too narrow where examples are few.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
#: pairs up to which Wilcoxon's distribution is counted out
EXACT_PAIRS: Final = 50
RESAMPLES: Final = 2_000
#: what a bootstrap draws at most; with more examples, fewer resamples
_MOST_DRAWS: Final = 20_000_000
_LEAST_RESAMPLES: Final = 200
#: McNemar by whole numbers up to here, by logarithms beyond
_WHOLE: Final = 1_000
#: differences that are equal but for rounding are ties
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``, in the scores' own unit, at a two-sided ``confidence`` between 0 and 1."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Test:
    """``p_value`` is two-sided. ``direction``: 1 where the candidate's scores are larger, -1 smaller, 0 neither."""

    __test__ = False  # not for pytest

    name: str
    p_value: float
    direction: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate's scores less its baseline's, over ``examples`` pairs. ``higher``, ``lower`` and ``same`` count them.

    ``equivalence`` is the interval at a confidence of 1 - 2 alpha, of two one-sided tests (Schuirmann 1987).
    ``detectable``: the smallest true mean difference that is found with the stated power; None where the pairs do not
    tell (fewer than two, or the same difference in all of them).
    """

    examples: int
    baseline_mean: float
    candidate_mean: float
    difference: float
    interval: Interval
    equivalence: Interval
    test: Test
    detectable: float | None
    binary: bool
    higher: int
    lower: int
    same: int


def compare(
    baseline: Sequence[float], candidate: Sequence[float], *, alpha: float = 0.05, power: float = 0.8, seed: int = 0
) -> Comparison:
    """Of two sequences of the same length, the same example at each place. Raises ``ValueError`` for none, for unequal
    lengths, and for what is no finite number."""
    _checked(baseline, candidate, alpha, power)
    differences = [round(new - old, _DIGITS) for old, new in zip(baseline, candidate, strict=True)]
    count, mean = len(differences), math.fsum(differences) / len(differences)
    binary = all(value in (0.0, 1.0) for value in (*baseline, *candidate))
    higher, lower = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    if binary:
        wide, narrow = (agresti_min(higher, lower, count, 1 - share * alpha) for share in (1, 2))
        test = mcnemar(higher, lower)
    else:
        span = max(*baseline, *candidate) - min(*baseline, *candidate)
        wide, narrow = _mean_intervals(differences, span, (1 - alpha, 1 - 2 * alpha), seed)
        test = wilcoxon(differences)
    return Comparison(
        count,
        math.fsum(baseline) / count,
        math.fsum(candidate) / count,
        mean,
        wide,
        narrow,
        test,
        detectable_difference(_spread(differences, binary, higher, lower), count, alpha, power),
        binary,
        higher,
        lower,
        count - higher - lower,
    )


def _checked(baseline: Sequence[float], candidate: Sequence[float], alpha: float, power: float) -> None:
    if len(baseline) != len(candidate):
        raise ValueError("the two sides have scores of different examples")
    if not baseline:
        raise ValueError("there are no examples with scores on both sides")
    if not all(math.isfinite(value) for value in (*baseline, *candidate)):
        raise ValueError("a score is not a finite number")
    if not 0 < alpha < 0.5 or not 0 < power < 1:
        raise ValueError("alpha must be between 0 and 0.5, power between 0 and 1")


def mcnemar(higher: int, lower: int) -> Test:
    """McNemar's test in its exact form: of the pairs that differ, is either direction more frequent than a coin's?

    Sources: McNemar 1947, Psychometrika 12, 153-157; the binomial form in Fagerland, Lydersen and Laake 2013,
    BMC Medical Research Methodology 13:91 (there "exact conditional"). Raises ``ValueError`` for negative counts.
    """
    if higher < 0 or lower < 0:
        raise ValueError("counts cannot be negative")
    count, least = higher + lower, min(higher, lower)
    if count <= _WHOLE:
        tail = sum(math.comb(count, k) for k in range(least + 1)) / 2**count
    else:
        whole = math.lgamma(count + 1) - count * math.log(2)
        tail = math.fsum(math.exp(whole - math.lgamma(k + 1) - math.lgamma(count - k + 1)) for k in range(least + 1))
    return Test("McNemar, exact", min(1.0, 2 * tail), (higher > lower) - (higher < lower))


def wilcoxon(differences: Sequence[float]) -> Test:
    """Wilcoxon's signed-rank test. Zeros are dropped, ties share the mean of their ranks.

    With up to ``EXACT_PAIRS`` differences that are not zero, the distribution is counted out over all signs with the
    ranks as they are, ties among them; beyond, the normal approximation with corrections for ties and continuity.
    Sources: Wilcoxon 1945, Biometrics Bulletin 1, 80-83; Hollander, Wolfe and Chicken 2014, Nonparametric Statistical
    Methods, section 3.1.
    """
    left = [difference for difference in differences if difference]
    ranks = _doubled_ranks([abs(difference) for difference in left])
    total = sum(ranks)
    above = sum(rank for rank, difference in zip(ranks, left, strict=True) if difference > 0)
    below = total - above
    direction = (above > below) - (above < below)
    if len(left) <= EXACT_PAIRS:
        return Test("Wilcoxon, exact", _exact_p(ranks, min(above, below)), direction)
    # Of doubled ranks: mean total / 2, variance sum of squares / 4, a step of the statistic is 2 (in halves, 1).
    deviation = math.sqrt(sum(rank * rank for rank in ranks) / 4)
    distance = max(0.0, abs(above - total / 2) - 1) / deviation
    return Test("Wilcoxon, normal approximation", min(1.0, 2 * (1 - _NORMAL.cdf(distance))), direction)


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Twice the ranks from 1, so that the mean rank of ties is whole."""
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    ranks = [0] * len(sizes)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and sizes[order[end + 1]] == sizes[order[start]]:
            end += 1
        for at in order[start : end + 1]:
            ranks[at] = start + end + 2
        start = end + 1
    return ranks


def _exact_p(ranks: Sequence[int], statistic: int) -> float:
    """Twice the share of all signs whose sum of positive ranks is at most ``statistic``."""
    ways = [1]
    for rank in ranks:
        padding = [0] * rank
        ways = [keep + add for keep, add in zip(ways + padding, padding + ways, strict=True)]
    return float(min(1.0, 2 * sum(ways[: statistic + 1]) / 2 ** len(ranks)))


def agresti_min(higher: int, lower: int, count: int, confidence: float) -> Interval:
    """Of a difference of paired proportions: Wald's interval with half a pair added to each of the four cells.

    Its coverage holds for few examples, and it has a width where no pair differs. Source: Agresti and Min 2005,
    Statistics in Medicine 24, 729-740.
    """
    total, more, fewer = count + 2, higher + 0.5, lower + 0.5
    middle = (more - fewer) / total
    deviation = math.sqrt(max(0.0, more + fewer - (more - fewer) ** 2 / total)) / total
    reach = _NORMAL.inv_cdf((1 + confidence) / 2) * deviation
    return Interval(max(-1.0, middle - reach), min(1.0, middle + reach), confidence)


def bootstrap_interval(
    differences: Sequence[float], confidence: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The BCa interval of the mean: corrected for bias and skew. The same every time, with and without NumPy.

    Source: Efron 1987, Journal of the American Statistical Association 82, 171-185. Raises ``ValueError`` for none.
    """
    if not differences:
        raise ValueError("there are no differences")
    means = _resampled_means(differences, resamples, seed)
    return _bca(differences, means, confidence)


def _mean_intervals(
    differences: Sequence[float], span: float, confidences: Sequence[float], seed: int
) -> tuple[Interval, Interval]:
    """Where all pairs differ by the same, no bootstrap knows of others: at most ``1 - (1 - confidence) ** (1 / n)`` of
    all examples are otherwise (Clopper and Pearson 1934), each by no more than the scores' span."""
    count = len(differences)
    if min(differences) == max(differences):
        reaches = [(1 - (1 - confidence) ** (1 / count)) * span for confidence in confidences]
        first, second = (
            Interval(differences[0] - reach, differences[0] + reach, confidence)
            for reach, confidence in zip(reaches, confidences, strict=True)
        )
        return first, second
    means = _resampled_means(differences, RESAMPLES, seed)
    first, second = (_bca(differences, means, confidence) for confidence in confidences)
    return first, second


def _resampled_means(differences: Sequence[float], resamples: int, seed: int) -> list[float]:
    count = len(differences)
    resamples = max(_LEAST_RESAMPLES, min(resamples, _MOST_DRAWS // count))
    generator = random.Random(seed)
    try:
        import numpy
    except ImportError:
        draws = (generator.choices(differences, k=count) for _ in range(resamples))
        return sorted(math.fsum(draw) / count for draw in draws)
    # NumPy's older generator goes on from the same state with the same numbers as the standard library's.
    state = generator.getstate()[1]
    twin = numpy.random.RandomState()
    twin.set_state(("MT19937", numpy.array(state[:-1], dtype=numpy.uint32), state[-1], 0, 0.0))
    values = numpy.asarray(differences, dtype=float)
    rows = max(1, 1_000_000 // count)
    means: list[float] = []
    while len(means) < resamples:
        drawn = (twin.random_sample((min(rows, resamples - len(means)), count)) * count).astype(numpy.intp)
        means.extend(values[drawn].mean(axis=1).tolist())
    return sorted(means)


def _bca(differences: Sequence[float], means: Sequence[float], confidence: float) -> Interval:
    count, mean = len(differences), math.fsum(differences) / len(differences)
    squares = math.fsum((value - mean) ** 2 for value in differences)
    if squares == 0:
        return Interval(mean, mean, confidence)
    # Of the mean the jackknife's acceleration is a closed formula.
    acceleration = math.fsum((value - mean) ** 3 for value in differences) / (6 * squares**1.5)
    close = 1e-9 * math.sqrt(squares / count)
    below = sum(1.0 if one < mean - close else 0.5 if one <= mean + close else 0.0 for one in means) / len(means)
    bias = _NORMAL.inv_cdf(min(max(below, 1 / (2 * len(means))), 1 - 1 / (2 * len(means))))
    ends = []
    for z in (_NORMAL.inv_cdf((1 - confidence) / 2), _NORMAL.inv_cdf((1 + confidence) / 2)):
        shifted = bias + (bias + z) / (1 - acceleration * (bias + z))
        ends.append(_quantile(means, _NORMAL.cdf(shifted)))
    return Interval(ends[0], ends[1], confidence)


def _quantile(ordered: Sequence[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def _spread(differences: Sequence[float], binary: bool, higher: int, lower: int) -> float | None:
    """Standard deviation of one difference; of binary ones with the half pairs of ``agresti_min``."""
    count = len(differences)
    if binary:
        total, more, fewer = count + 2, higher + 0.5, lower + 0.5
        return math.sqrt((more + fewer) / total - ((more - fewer) / total) ** 2)
    if count < 2:
        return None
    mean = math.fsum(differences) / count
    return math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (count - 1)) or None


def detectable_difference(spread: float | None, examples: int, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true mean difference that a two-sided test finds with this power.

    ``spread`` is the standard deviation of the pairs' differences. By the normal approximation
    ``(z(1 - alpha / 2) + z(power)) * spread / sqrt(examples)``: Cohen 1988, Statistical Power Analysis, chapter 2.
    """
    if spread is None or examples < 1:
        return None
    return (_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)) * spread / math.sqrt(examples)


def examples_needed(spread: float, effect: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """How many examples find a mean difference of ``effect``; the inverse of ``detectable_difference``. Raises
    ``ValueError`` where the effect is not above 0."""
    if not effect > 0:
        raise ValueError("the effect must be above 0")
    return max(1, math.ceil(((_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)) * spread / effect) ** 2))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values corrected for their number: rejecting those at most alpha rejects any true hypothesis with a
    probability of at most alpha. Source: Holm 1979, Scandinavian Journal of Statistics 6, 65-70."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for at, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - at) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
