"""What an experiment found: its runs, their scores, and the same as JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from tracekit.evals.gate import FAILED, MEASURES, Decision, Settings, Side, decide

#: of the file; a reader refuses a later one
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class RunScore:
    """What an evaluator said of one run; ``error``: it failed itself; ``not_applicable``: why it had nothing to say."""

    name: str
    score: float | None = None
    label: str | None = None
    explanation: str | None = None
    document_position: int | None = None
    error: str | None = None
    not_applicable: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One call of the task. ``error`` is ``Type: message`` where it failed. Tokens and cost (US dollars) are those of
    the model calls that were traced; None where unknown. ``repetition`` counts from 0."""

    example_id: str
    repetition: int = 0
    output: Any = None
    error: str | None = None
    trace_id: str | None = None
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cost_usd: float | None = None
    scores: Sequence[RunScore] = ()

    def metric(self, name: str) -> float | None:
        """A measure, or the mean of the scores with this name (of documents, say)."""
        if name == FAILED:
            return float(self.error is not None)
        if name in MEASURES:
            measured: float | None = getattr(self, name)
            return measured
        found = [one.score for one in self.scores if one.name == name and one.score is not None]
        return math.fsum(found) / len(found) if found else None


@dataclass(frozen=True, slots=True)
class Experiment:
    """``dataset``: ``name``, ``version``, ``sha256``, ``examples`` (a number). ``examples``: ``input`` and ``expected``
    by id. ``judge``: what it was asked (``ExperimentJudge.totals``), where there was one. Times are RFC 3339 in UTC.
    ``decision`` where there was a baseline or a gate; it is not part of the file."""

    name: str
    task: str = ""
    dataset: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    evaluators: Sequence[Mapping[str, str]] = ()
    repetitions: int = 1
    started_at: str = ""
    ended_at: str = ""
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runs: Sequence[Run] = ()
    judge: Mapping[str, Any] | None = None
    path: str | None = None
    decision: Decision | None = None
    baseline: str | None = None

    @property
    def failed(self) -> int:
        """How many runs failed."""
        return sum(run.error is not None for run in self.runs)

    def metrics(self) -> list[str]:
        """The scores' names, in the order in which they first appear; measures are left out. A score whose name is
        that of a measure is one no more."""
        names = dict.fromkeys(score.name for run in self.runs for score in run.scores if score.score is not None)
        return [name for name in names if name not in MEASURES and name != FAILED]

    def mean(self, metric: str) -> float | None:
        """Over the runs that have it."""
        found = [value for run in self.runs if (value := run.metric(metric)) is not None]
        return math.fsum(found) / len(found) if found else None

    def total(self, measure: str) -> float | None:
        """Of tokens or cost; None where no run knows it. Runs that do not know it are ``unknown``."""
        found = [value for run in self.runs if (value := run.metric(measure)) is not None]
        return math.fsum(found) if found else None

    def _unjudged(self) -> list[str]:
        """The evaluators that never gave anything but errors: they are to be missed."""
        given = {score.name for run in self.runs for score in run.scores if score.error is None}
        failed = dict.fromkeys(score.name for run in self.runs for score in run.scores if score.error is not None)
        return [name for name in failed if name not in given]

    def evaluator_errors(self) -> list[str]:
        """Each different one once, with its number."""
        counts: dict[str, int] = {}
        for run in self.runs:
            for one in run.scores:
                if one.error is not None:
                    said = f"{one.name}: {one.error}"
                    counts[said] = counts.get(said, 0) + 1
        return [f"{said} ({number} times)" if number > 1 else said for said, number in counts.items()]

    def side(self, metrics: Sequence[str], settings: Settings) -> Side:
        """As the gate takes it: failed runs have the score that the metric's rule says."""
        scores: dict[str, dict[str, list[float | None]]] = {}
        for metric in dict.fromkeys((*metrics, FAILED)):
            failed = settings.rule(metric).failed_score
            by_example: dict[str, list[float | None]] = {}
            for run in self.runs:
                broken = run.error is not None and metric != FAILED
                by_example.setdefault(run.example_id, []).append(failed if broken else run.metric(metric))
            scores[metric] = by_example
        return Side(scores)

    def compare(
        self, baseline: Experiment | None, settings: Settings | None = None, metrics: Sequence[str] | None = None
    ) -> Decision:
        """This experiment against ``baseline``. ``metrics``: default all scores of either, those that the settings
        have a rule for, and those of evaluators that failed each time. Raises ``ValueError`` for scores that are no
        numbers."""
        settings = settings or Settings()
        if metrics is None:
            theirs = baseline.metrics() if baseline is not None else []
            metrics = list(dict.fromkeys((*self.metrics(), *theirs, *settings.rules, *self._unjudged())))
        other = baseline.side(metrics, settings) if baseline is not None else None
        return decide(self.side(metrics, settings), other, metrics, settings)


def to_json(experiment: Experiment) -> dict[str, Any]:
    found = {name: getattr(experiment, name) for name in _HEAD if name != "runs"}
    found["evaluators"] = list(experiment.evaluators)
    return {"format": FORMAT, **found, "runs": [run_to_json(run) for run in experiment.runs]}


def run_to_json(run: Run) -> dict[str, Any]:
    """Without what is None."""
    found = {name: value for name, value in asdict(run).items() if value is not None}
    found["scores"] = [
        {name: value for name, value in score.items() if value is not None} for score in found.get("scores", ())
    ]
    return found


_HEAD: Final = tuple(one.name for one in fields(Experiment) if one.name not in ("path", "decision", "baseline"))
_RUN: Final = frozenset(one.name for one in fields(Run))
_SCORE: Final = frozenset(one.name for one in fields(RunScore))


def from_json(found: Any, path: str | None = None) -> Experiment:
    """Raises ``ValueError`` for what is no experiment. Fields that it does not know are left out."""
    if not isinstance(found, Mapping) or not isinstance(found.get("name"), str):
        raise ValueError("this is no experiment's file")
    if not isinstance(found.get("format"), int) or found["format"] > FORMAT:
        raise ValueError("the file was written by a later version")
    runs = found.get("runs")
    if not isinstance(runs, list):
        raise ValueError("runs: must be a list")
    head = {name: found[name] for name in _HEAD if name in found and name != "runs"}
    return Experiment(**head, runs=[run_from_json(run) for run in runs], path=path)


def run_from_json(found: Any) -> Run:
    """Raises ``ValueError``."""
    if not isinstance(found, Mapping) or not isinstance(found.get("example_id"), str):
        raise ValueError("a run must be an object with an example_id")
    scores = found.get("scores", [])
    if not isinstance(scores, list):
        raise ValueError("a run's scores must be a list")
    known = {name: value for name, value in found.items() if name in _RUN and name != "scores"}
    for name in MEASURES:
        if not _number_or_none(known.get(name)):
            raise ValueError(f"a run's {name} must be a number")
    return Run(**known, scores=tuple(_score_from_json(score) for score in scores))


def _score_from_json(found: Any) -> RunScore:
    if not isinstance(found, Mapping) or not isinstance(found.get("name"), str):
        raise ValueError("a score must be an object with a name")
    if not _number_or_none(found.get("score")):
        raise ValueError(f"the score {found['name']!r} is no finite number")
    return RunScore(**{name: value for name, value in found.items() if name in _SCORE})


def _number_or_none(value: Any) -> bool:
    return value is None or (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(float(value))
    )


def by_example(experiment: Experiment) -> Iterator[tuple[str, list[Run]]]:
    """Each example's id and runs, in the order of the runs."""
    found: dict[str, list[Run]] = {}
    for run in experiment.runs:
        found.setdefault(run.example_id, []).append(run)
    yield from found.items()
