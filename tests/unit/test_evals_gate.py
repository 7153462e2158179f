"""What the gate says, and why."""

from __future__ import annotations

import pytest

from tracekit.evals.gate import INCONCLUSIVE, PASS, WORSE, Rule, Settings, Side, decide


def side(failed: list[float] | None = None, **metrics: list[float | None]) -> Side:
    count = len(next(iter(metrics.values())))
    all_metrics = {**metrics, "failed": failed or [0.0] * count}
    return Side({name: {f"e{at:03}": [value] for at, value in enumerate(of)} for name, of in all_metrics.items()})


HALF = side(right=[0.0, 1.0] * 50)
GOOD = side(right=[1.0] * 80 + [0.0, 1.0] * 10)


def test_better_and_worse_and_their_exit_codes() -> None:
    better, worse = decide(GOOD, HALF, ["right"], Settings()), decide(HALF, GOOD, ["right"], Settings())
    assert (better.verdict, better.exit_code, better.passed) == ("better", PASS, True)
    assert (worse.verdict, worse.exit_code, worse.passed) == ("worse", WORSE, False)
    assert [one.metric for one in worse.metrics] == ["right"]


def test_lower_is_better() -> None:
    slow, fast = side(latency_ms=[100.0 + at for at in range(30)]), side(latency_ms=[60.0 + at for at in range(30)])
    assert decide(fast, slow, ["latency_ms"], Settings()).verdict == "better"
    assert decide(slow, fast, ["latency_ms"], Settings()).verdict == "worse"


def test_few_examples_are_inconclusive_and_not_no_difference() -> None:
    few = side(right=[1.0, 0.0, 1.0])
    found = decide(few, few, ["right"], Settings())
    assert (found.verdict, found.exit_code) == ("inconclusive", PASS)
    assert decide(few, few, ["right"], Settings(fail_on_inconclusive=True)).exit_code == INCONCLUSIVE
    assert "3 examples find a difference of" in found.metrics[0].reason


def test_no_difference_has_to_be_shown() -> None:
    same = side(right=[1.0, 0.0] * 100)
    assert decide(same, same, ["right"], Settings()).verdict == "no difference"
    every = Settings(rules={"right": Rule(smallest_effect=0.0)})
    assert decide(same, same, ["right"], every).verdict == "inconclusive"


def test_what_is_significant_and_too_small_to_matter_is_no_difference() -> None:
    old = side(grade=[0.5 + at / 1000 for at in range(100)])
    new = side(grade=[0.503 + at / 1000 + at % 2 / 1000 for at in range(100)])
    assert decide(new, old, ["grade"], Settings()).verdict == "no difference"
    tiny = Settings(rules={"grade": Rule(smallest_effect=0.001)})
    assert decide(new, old, ["grade"], tiny).verdict == "better"


def test_bounds_hold_with_and_without_a_baseline() -> None:
    low = Settings(rules={"right": Rule(minimum=0.9)})
    alone = decide(HALF, None, ["right"], low)
    assert (alone.verdict, alone.exit_code) == ("worse", WORSE)
    assert "below the minimum 0.9" in alone.metrics[0].reason
    high = Settings(rules={"right": Rule(minimum=0.95)})
    assert decide(GOOD, None, ["right"], Settings()).verdict == "not compared"
    assert decide(GOOD, HALF, ["right"], high).verdict == "worse"  # better, and not good enough
    dear = Settings(rules={"cost_usd": Rule(higher_is_better=False, maximum=0.5)})
    assert decide(side(cost_usd=[1.0, 2.0]), None, ["cost_usd"], dear).verdict == "worse"
    assert decide(side(cost_usd=[None, None]), None, ["cost_usd"], dear).verdict == "worse"


def test_failures_are_a_metric_of_their_own() -> None:
    calm, broken = side(right=[1.0] * 40), side(failed=[1.0] * 12 + [0.0] * 28, right=[None] * 12 + [1.0] * 28)
    found = decide(broken, calm, ["right"], Settings())
    assert {one.metric: one.verdict for one in found.metrics} == {"right": "inconclusive", "failed": "worse"}
    assert "12 of 40 examples have a score on one side alone" in found.metrics[0].reason
    assert found.exit_code == WORSE


def test_a_broken_evaluator_lets_nothing_pass() -> None:
    nothing, scored = side(right=[None] * 40), side(right=[1.0] * 40)
    for found in (decide(nothing, scored, ["right"], Settings()), decide(nothing, None, ["right"], Settings())):
        assert (found.exit_code, found.metrics[0].judged) == (INCONCLUSIVE, False)
        assert "no " in found.metrics[0].reason


def test_examples_of_one_side_are_said() -> None:
    more = side(right=[1.0] * 100 + [0.0] * 5)
    found = decide(more, HALF, ["right"], Settings())
    assert found.warnings == ["5 examples are in the candidate alone"]
    assert found.metrics[0].missing == 5


def test_many_metrics_cost_evidence() -> None:
    """p = 0.031 of McNemar's test is enough alone, and not among three that differ."""
    old, new = [0.0] * 6 + [1.0] * 30, [1.0] * 36
    turns, back = [0.0, 1.0] * 18, [1.0, 0.0] * 18
    alone = decide(side(a=new), side(a=old), ["a"], Settings())
    assert alone.verdict == "better"
    three = decide(side(a=new, b=turns, c=turns), side(a=old, b=back, c=back), ["a", "b", "c"], Settings())
    assert [one.verdict for one in three.metrics] == ["inconclusive"] * 3
    unchanged = decide(side(a=new, b=turns), side(a=old, b=turns), ["a", "b"], Settings())
    assert unchanged.metrics[0].verdict == "better"


def test_most_examples_one_way_and_the_mean_the_other() -> None:
    old = side(grade=[0.5] * 40)
    new = side(grade=[0.6] * 33 + [-50.0] * 7)
    found = decide(new, old, ["grade"], Settings())
    assert (found.verdict, found.metrics[0].reason) == (
        "inconclusive",
        "most examples moved one way and the mean another",
    )


def test_repetitions_count_as_one_example() -> None:
    ten = Side({"right": {"a": [1.0] * 10, "b": [1.0] * 10}, "failed": {"a": [0.0] * 10, "b": [0.0] * 10}})
    none = Side({"right": {"a": [0.0] * 10, "b": [0.0] * 10}, "failed": {"a": [0.0] * 10, "b": [0.0] * 10}})
    found = decide(ten, none, ["right"], Settings())
    assert found.metrics[0].comparison is not None
    assert (found.verdict, found.metrics[0].comparison.examples) == ("inconclusive", 2)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="alpha"):
        Settings(alpha=0.7)
    with pytest.raises(ValueError, match="negative"):
        Rule(smallest_effect=-1)
    with pytest.raises(ValueError, match="finite"):
        Rule(minimum=float("nan"))
    with pytest.raises(ValueError, match="no metric 'left'"):
        decide(GOOD, HALF, ["left"], Settings())
