"""What holds of every comparison, whatever the scores."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from tracekit.evals.gate import Rule, Settings, Side, decide
from tracekit.evals.statistics import Comparison, compare, holm, mcnemar, wilcoxon

BINARY = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=40)
GRADED = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=40).map(
    lambda pairs: [(old / 4, new / 4) for old, new in pairs]
)
PAIRS = BINARY | GRADED


def compared(pairs: list[tuple[float, float]]) -> Comparison:
    old, new = zip(*pairs, strict=True)
    return compare(old, new)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_swapped_sides_turn_the_signs_round(pairs: list[tuple[float, float]]) -> None:
    found, swapped = compared(pairs), compared([(new, old) for old, new in pairs])
    assert found.test.p_value == swapped.test.p_value
    assert found.test.direction == -swapped.test.direction
    assert found.difference == -swapped.difference
    assert (found.higher, found.lower, found.detectable) == (swapped.lower, swapped.higher, swapped.detectable)
    if found.binary:
        assert math.isclose(found.interval.low, -swapped.interval.high, abs_tol=1e-12)


@settings(max_examples=60, deadline=None)
@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_the_examples_changes_no_test(pairs: list[tuple[float, float]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert compared(shuffled).test == compared(pairs).test


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_bounds(pairs: list[tuple[float, float]]) -> None:
    found = compared(pairs)
    assert 0 < found.test.p_value <= 1
    assert found.interval.low <= found.equivalence.low <= found.equivalence.high <= found.interval.high
    assert found.higher + found.lower + found.same == found.examples == len(pairs)
    if not found.binary and found.higher + found.lower:
        assert found.interval.low - 1e-9 <= found.difference <= found.interval.high + 1e-9


@given(st.lists(st.integers(-50, 50), max_size=30), st.sampled_from([0.5, 3, 1000]))
def test_the_unit_does_not_matter(differences: list[int], factor: float) -> None:
    assert wilcoxon([difference * factor for difference in differences]) == wilcoxon(differences)


@given(st.integers(0, 60), st.integers(0, 60))
def test_one_more_in_the_larger_direction_is_more_evidence(higher: int, lower: int) -> None:
    higher, lower = max(higher, lower), min(higher, lower)
    assert mcnemar(higher + 1, lower).p_value <= mcnemar(higher, lower).p_value


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_corrected_values_are_no_smaller_and_keep_their_order(values: dict[str, float]) -> None:
    corrected = holm(values)
    assert corrected.keys() == values.keys()
    assert all(values[name] <= corrected[name] <= 1 for name in values)
    assert all(corrected[a] <= corrected[b] for a in values for b in values if values[a] <= values[b])
    assert all(corrected[name] >= min(1.0, len(values) * min(values.values())) for name in values)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_the_gate_is_symmetric_in_direction_and_sides(pairs: list[tuple[float, float]]) -> None:
    old = side([pair[0] for pair in pairs])
    new = side([pair[1] for pair in pairs])
    opposite = {"better": "worse", "worse": "better"}
    up = Settings(rules={"m": Rule(smallest_effect=0)})
    down = Settings(rules={"m": Rule(smallest_effect=0, higher_is_better=False)})
    verdict = decide(new, old, ["m"], up).verdict
    assert decide(new, old, ["m"], down).verdict == opposite.get(verdict, verdict)
    assert decide(old, new, ["m"], up).verdict == opposite.get(verdict, verdict)


def side(values: list[float]) -> Side:
    return Side(
        {
            "m": {str(at): [value] for at, value in enumerate(values)},
            "failed": {str(at): [0.0] for at in range(len(values))},
        }
    )
