"""Better, worse, no difference or inconclusive: what a comparison of two experiments means. Pure.

Per metric, after Holm's correction over all metrics that could differ at all:

1. *no difference*: the difference is shown to be smaller than the smallest effect of interest, either way (two
   one-sided tests at alpha each)
2. *better*, *worse*: the test rejects "nothing differs" at alpha, and the mean difference has the test's direction and
   an interval without 0
3. *inconclusive*: neither; the comparison says which difference it could have found

Where nothing differs, any metric is called better or worse in at most ``alpha`` of all comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from tracekit.evals.statistics import Comparison, compare, holm

Verdict = Literal["better", "worse", "no difference", "inconclusive", "not compared"]

PASS: Final = 0
WORSE: Final = 1
USAGE: Final = 2
INCONCLUSIVE: Final = 3

#: the metric that every comparison has: the share of runs that failed
FAILED: Final = "failed"
#: what runs are measured by besides their scores; less is better, and what matters is a share of the baseline's
MEASURES: Final = ("latency_ms", "cost_usd", "total_tokens", "input_tokens", "output_tokens")
_EFFECT: Final = 0.05
_RELATIVE_EFFECT: Final = 0.1
#: one repetition of one example: its score, or None where there is none
Repetitions = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one metric is judged.

    smallest_effect: differences below do not matter; in the metric's unit, or as a share of the baseline's mean where
        ``relative``. 0: every difference matters, and "no difference" is never said.
    minimum, maximum: bounds of the candidate's mean, with or without a baseline; beyond is worse.
    most_missing: the share of examples with a score on one side alone above which nothing is concluded.
    failed_score: the score of a run that failed; None leaves it out.
    """

    higher_is_better: bool = True
    smallest_effect: float = _EFFECT
    relative: bool = False
    minimum: float | None = None
    maximum: float | None = None
    most_missing: float = 0.1
    failed_score: float | None = 0.0

    def __post_init__(self) -> None:
        numbers = (self.smallest_effect, self.most_missing, self.minimum, self.maximum, self.failed_score)
        if not all(math.isfinite(number) for number in numbers if number is not None):
            raise ValueError("the numbers of a rule must be finite")
        if self.smallest_effect < 0 or not 0 <= self.most_missing <= 1:
            raise ValueError("smallest_effect must not be negative, most_missing must be between 0 and 1")


def default_rule(metric: str) -> Rule:
    """Scores: larger is better, 0.05 matters, a failed run scores 0. Latency, tokens and cost: less is better, a tenth
    of the baseline's matters, failed runs are left out. Failures: less is better."""
    if metric == FAILED:
        return Rule(higher_is_better=False, failed_score=None)
    if metric in MEASURES:
        return Rule(higher_is_better=False, smallest_effect=_RELATIVE_EFFECT, relative=True, failed_score=None)
    return Rule()


@dataclass(frozen=True, slots=True)
class Settings:
    """alpha: the false-alarm rate of a whole comparison. power: of the detectable difference that is reported."""

    alpha: float = 0.05
    power: float = 0.8
    rules: Mapping[str, Rule] = field(default_factory=dict)
    fail_on_inconclusive: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5 or not 0 < self.power < 1:
            raise ValueError("alpha must be between 0 and 0.5, power between 0 and 1")

    def rule(self, metric: str) -> Rule:
        return self.rules.get(metric) or default_rule(metric)


@dataclass(frozen=True, slots=True)
class Side:
    """One experiment: of each metric, per example the scores of its repetitions (``failed`` among them as 0 and 1)."""

    scores: Mapping[str, Mapping[str, Repetitions]]


@dataclass(frozen=True, slots=True)
class MetricDecision:
    """``p_value`` is corrected. ``reason`` says in words why. ``missing``: examples with a score on one side alone,
    or without a baseline those without a score."""

    metric: str
    verdict: Verdict
    reason: str
    comparison: Comparison | None
    p_value: float | None
    candidate_mean: float | None
    missing: int
    margin: float | None
    higher_is_better: bool
    within_bounds: bool = True
    #: False where there is nothing to judge by: every score is missing on a side
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """``verdict``: worse where any metric is, else inconclusive where any is, else better where any is."""

    verdict: Verdict
    metrics: Sequence[MetricDecision]
    alpha: float
    exit_code: int
    warnings: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return self.exit_code == PASS


def decide(candidate: Side, baseline: Side | None, metrics: Sequence[str], settings: Settings) -> Decision:
    """Judge ``metrics`` (and failures) of a candidate, against a baseline where there is one. Raises ``ValueError`` for
    a metric that the candidate has not."""
    names = list(dict.fromkeys((*metrics, FAILED)))
    unknown = [name for name in names if name not in candidate.scores]
    if unknown:
        raise ValueError(f"the experiment has no metric {unknown[0]!r}; it has {', '.join(sorted(candidate.scores))}")
    means = {name: _means(candidate.scores[name]) for name in names}
    others = {name: _means(baseline.scores.get(name, {})) for name in names} if baseline is not None else {}
    compared = {name: _compared(others[name], means[name], settings) for name in others}
    # A metric without a single pair that differs cannot be rejected: it costs the others nothing (Tarone 1990).
    tested = {name: one.test.p_value for name, one in compared.items() if one is not None and one.higher + one.lower}
    corrected = holm(tested)
    decisions = [
        _decided(name, settings, means[name], others.get(name), compared.get(name), corrected.get(name, 1.0))
        for name in names
        if name != FAILED or _matters(means[name], others.get(name), settings)
    ]
    verdict = _overall([one.verdict for one in decisions], [one.within_bounds for one in decisions])
    code = _exit_code(verdict, all(one.judged for one in decisions), settings)
    return Decision(verdict, decisions, settings.alpha, code, _warnings(candidate, baseline))


def _matters(failed: Mapping[str, float | None], others: Mapping[str, float | None] | None, settings: Settings) -> bool:
    """Failures are only spoken of where there are any, or a rule asks."""
    return FAILED in settings.rules or any((*failed.values(), *(others or {}).values()))


def _means(examples: Mapping[str, Repetitions]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for example, repetitions in examples.items():
        known = [float(value) for value in repetitions if value is not None and math.isfinite(value)]
        found[example] = math.fsum(known) / len(known) if known else None
    return found


def _pairs(baseline: Mapping[str, float | None], candidate: Mapping[str, float | None]) -> list[tuple[float, float]]:
    """In the order of the examples' ids: the same whatever order they ran in."""
    found = []
    for example in sorted(baseline.keys() & candidate.keys()):
        old, new = baseline[example], candidate[example]
        if old is not None and new is not None:
            found.append((old, new))
    return found


def _compared(
    baseline: Mapping[str, float | None], candidate: Mapping[str, float | None], settings: Settings
) -> Comparison | None:
    pairs = _pairs(baseline, candidate)
    if not pairs:
        return None
    old, new = zip(*pairs, strict=True)
    return compare(old, new, alpha=settings.alpha, power=settings.power, seed=settings.seed)


def _decided(
    metric: str,
    settings: Settings,
    candidate: Mapping[str, float | None],
    baseline: Mapping[str, float | None] | None,
    compared: Comparison | None,
    p_value: float,
) -> MetricDecision:
    rule = settings.rule(metric)
    known = [value for value in candidate.values() if value is not None]
    mean = math.fsum(known) / len(known) if known else None
    missing, examples = _missing(candidate, baseline)
    margin = _margin(rule, compared)
    verdict, reason = _against(rule, compared, p_value, missing, examples, margin, settings.alpha)
    if baseline is None:
        verdict, reason = "not compared", "there is no baseline" if known else "no run has this score"
    outside = _outside(rule, mean)
    if outside:
        verdict, reason = "worse", f"{outside}; {reason}"
    return MetricDecision(
        metric,
        verdict,
        reason,
        compared,
        p_value if compared else None,
        mean,
        missing,
        margin,
        rule.higher_is_better,
        not outside,
        mean is not None if baseline is None else compared is not None,
    )


def _missing(candidate: Mapping[str, float | None], baseline: Mapping[str, float | None] | None) -> tuple[int, int]:
    """How many examples lack a score, of how many. Compared, those count that have one on a side: where an evaluator
    has nothing to say of an example on either, nothing is missing."""
    ours = {example for example, value in candidate.items() if value is not None}
    if baseline is None:
        return len(candidate) - len(ours), len(candidate)
    theirs = {example for example, value in baseline.items() if value is not None}
    return len(ours ^ theirs), len(ours | theirs)


def _margin(rule: Rule, compared: Comparison | None) -> float | None:
    if not rule.relative:
        return rule.smallest_effect
    return None if compared is None else rule.smallest_effect * abs(compared.baseline_mean)


def _outside(rule: Rule, mean: float | None) -> str:
    if rule.minimum is None and rule.maximum is None:
        return ""
    if mean is None:
        return "no run has this score, and a bound is set"
    if rule.minimum is not None and mean < rule.minimum:
        return f"the mean {mean:.4g} is below the minimum {rule.minimum:g}"
    if rule.maximum is not None and mean > rule.maximum:
        return f"the mean {mean:.4g} is above the maximum {rule.maximum:g}"
    return ""


def _against(
    rule: Rule,
    compared: Comparison | None,
    p_value: float,
    missing: int,
    examples: int,
    margin: float | None,
    alpha: float,
) -> tuple[Verdict, str]:
    if compared is None:
        return "inconclusive", "no example has a score on both sides"
    if missing > rule.most_missing * examples:
        return "inconclusive", f"{missing} of {examples} examples have a score on one side alone"
    if margin and -margin < compared.equivalence.low and compared.equivalence.high < margin:
        return "no difference", f"the difference is shown to be smaller than {margin:.3g}"
    sign = (compared.difference > 0) - (compared.difference < 0)
    if p_value > alpha:
        return "inconclusive", _not_found(compared, margin)
    if not sign or sign != compared.test.direction:
        return "inconclusive", "most examples moved one way and the mean another"
    if compared.interval.low <= 0 <= compared.interval.high:
        return "inconclusive", "the test finds a difference, and the mean's interval still has 0 in it"
    return ("better" if (sign > 0) is rule.higher_is_better else "worse"), f"p = {p_value:.3g}, at most {alpha:g}"


def _not_found(compared: Comparison, margin: float | None) -> str:
    if compared.detectable is None:
        return f"{compared.examples} examples are too few to tell"
    words = f"{compared.examples} examples find a difference of {compared.detectable:.3g} or more"
    return words + (f"; {margin:.3g} is asked for" if margin else "")


def _overall(verdicts: Sequence[Verdict], within: Sequence[bool]) -> Verdict:
    if not all(within):
        return "worse"
    for verdict in ("worse", "inconclusive", "better", "no difference"):
        if verdict in verdicts:
            return verdict
    return "not compared"


def _exit_code(verdict: Verdict, judged: bool, settings: Settings) -> int:
    """An evaluator that is broken may not let everything pass."""
    if verdict == "worse":
        return WORSE
    fails = not judged or (verdict == "inconclusive" and settings.fail_on_inconclusive)
    return INCONCLUSIVE if fails else PASS


def _warnings(candidate: Side, baseline: Side | None) -> list[str]:
    if baseline is None:
        return []
    ours, theirs = candidate.scores[FAILED].keys(), baseline.scores.get(FAILED, {}).keys()
    found = []
    if ours - theirs:
        found.append(f"{len(ours - theirs)} examples are in the candidate alone")
    if theirs - ours:
        found.append(f"{len(theirs - ours)} examples are in the baseline alone")
    return found
