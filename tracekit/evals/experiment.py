"""``tracekit.evaluate``: a task over a dataset, judged, kept in a file, and compared with a baseline.

Worker threads run examples; each writes its run down before it begins the next.
"""

from __future__ import annotations

import hashlib
import io
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tracekit import runtime
from tracekit.evals import store
from tracekit.evals.api import Evaluator, Judge
from tracekit.evals.evaluating import evaluators_of
from tracekit.evals.examples import Example, ExampleSet, examples_of, is_file, read_file
from tracekit.evals.gate import Settings
from tracekit.evals.judging import ExperimentJudge
from tracekit.evals.progress import Progress
from tracekit.evals.results import Experiment, Run
from tracekit.evals.runner import Loop, Runner, Task, storable
from tracekit.evals.tally import Tally, tally_of, warm
from tracekit.guard import logger

MAX_CONCURRENCY: Final = 256
MAX_REPETITIONS: Final = 1_000
Work = tuple[Example, int]


def evaluate(
    task: Callable[..., Any],
    dataset: Any,
    evaluators: Sequence[Any] = (),
    *,
    repetitions: int = 1,
    concurrency: int = 4,
    name: str | None = None,
    baseline: Experiment | str | os.PathLike[str] | None = None,
    gate: Settings | None = None,
    metrics: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    judge: Judge | None = None,
    directory: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: bool = True,
    push: bool | None = None,
) -> Experiment:
    """Run ``task`` on every example ``repetitions`` times and judge what it returns.

    task: a function or coroutine function of the example's input (of the whole ``Example`` where its first parameter
        is named ``example``). What it raises, and taking longer than ``timeout`` seconds, is a result: the run failed.
    dataset: a list of ``{"input", "expected"?, "id"?, "metadata"?, "documents"?}``, a path to a JSONL, JSON or CSV file
        with these, or the collector's dataset ``NAME``, ``NAME@VERSION`` or ``NAME@TAG``.
    evaluators: evaluators, settings of ``tracekit.evals.registry``, or plain functions.
    name: default: of the task and of what is run. Results are kept as a JSON file in ``directory`` (default
        ``.tracekit/experiments``); one that was interrupted goes on where it stopped, unless ``resume`` is False or
        what would be run has changed since.
    baseline: an experiment to compare with, its file, or its name in the directory; the result's ``decision`` says
        what came out of it. ``gate`` and ``metrics`` say how and by what; without a baseline only bounds count.
    push: whether results go to the collector too, which needs a dataset of the collector's; default: where it is one.
        Where that fails it is logged: the file has them.

    Raises ``ValueError`` for arguments that make no sense, and ``OSError`` where the file cannot be written or the
    dataset cannot be fetched. Every call is traced; ``init`` is called where nobody has.
    """
    if not 1 <= repetitions <= MAX_REPETITIONS or not 1 <= concurrency <= MAX_CONCURRENCY:
        raise ValueError(f"repetitions must be 1 to {MAX_REPETITIONS}, concurrency 1 to {MAX_CONCURRENCY}")
    if timeout is not None and not timeout > 0:
        raise ValueError("timeout must be above 0")
    examples = dataset_of(dataset)
    if push and examples.version is None:
        raise ValueError("only experiments over a dataset of the collector can be put there")
    folder = Path(directory) if directory is not None else store.DIRECTORY
    other = baseline if isinstance(baseline, Experiment) or baseline is None else store.load(baseline, folder)
    loop = Loop()
    try:
        asked = ExperimentJudge(judge) if judge is not None else None
        running = _Running(Task(task, loop, timeout), examples, evaluators_of(evaluators, asked), metadata or {}, asked)
        found = running.run(name or running.name, folder, (repetitions, concurrency), resume, progress)
    finally:
        loop.close()
    if push is not False and examples.version is not None:
        _push(found)
    if other is not None or gate is not None:
        found = replace(found, decision=found.compare(other, gate, metrics), baseline=other.name if other else None)
    return found


def dataset_of(given: Any) -> ExampleSet:
    """Raises ``ValueError``, and ``OSError`` where the collector cannot be reached."""
    if isinstance(given, ExampleSet):
        return given
    if isinstance(given, os.PathLike) or (isinstance(given, str) and is_file(given)):
        return read_file(Path(given))
    if isinstance(given, str):
        from tracekit.evals.remote import Collector

        return Collector().dataset(given)
    from tracekit.evals.datasets import Dataset

    if isinstance(given, Dataset):
        return given.fetched()
    return ExampleSet("examples", examples_of(given))


def _push(found: Experiment) -> None:
    from tracekit.evals.remote import Collector

    try:
        Collector().put(found)
    except (ValueError, OSError) as error:
        logger.warning("the experiment %s is not in the collector: %s", found.name, error)


class _Running:
    """One experiment on its way."""

    def __init__(
        self,
        task: Task,
        examples: ExampleSet,
        evaluators: Sequence[Evaluator],
        metadata: Mapping[str, Any],
        judge: ExperimentJudge | None,
    ) -> None:
        self._judge = judge
        self._task, self._examples, self._evaluators = task, examples, evaluators
        self._metadata = {str(key): storable(value) for key, value in metadata.items()}
        self._judges = [{"name": one.name, "version": one.version} for one in evaluators]
        self._fingerprint = {
            "task": task.name,
            "source": task.source_sha256,
            "dataset": examples.sha256,
            "evaluators": self._judges,
            "metadata": self._metadata,
        }

    @property
    def name(self) -> str:
        """The same for the same task, code, dataset, evaluators and metadata."""
        digest = hashlib.sha256(repr(self._fingerprint).encode()).hexdigest()
        return f"{self._task.name.rpartition('.')[2].strip('<>')}-{digest[:8]}"

    def run(self, name: str, folder: Path, how: tuple[int, int], resume: bool, progress: bool) -> Experiment:
        repetitions, concurrency = how
        path = store.file_of(name, folder)
        started, tally = datetime.now(UTC), _traced()
        journal = store.Journal(path.with_suffix(".partial.jsonl"), self._fingerprint)
        if not resume:
            journal.remove()
        work = [(example, number) for number in range(repetitions) for example in self._examples.examples]
        runner = Runner(self._task, self._evaluators, tally, {"experiment": name, "dataset": self._examples.name})
        with journal:
            left = [one for one in work if (one[0].id, one[1]) not in journal.runs]
            shown = sys.stderr if progress else io.StringIO()
            bar = Progress(len(work), len(work) - len(left), name=name, stream=shown)
            try:
                for run in _all(runner, left, concurrency, journal.add):
                    bar.step(run.error is not None)
            finally:
                bar.end()
            runs = [journal.runs[example.id, number] for example, number in work]
        found = self._experiment(name, repetitions, started, runs, str(path))
        store.save(found, path)
        journal.remove()
        return found

    def _experiment(self, name: str, repetitions: int, started: datetime, runs: list[Run], path: str) -> Experiment:
        dataset = self._examples
        return Experiment(
            name=name,
            task=self._task.name,
            dataset={
                "name": dataset.name,
                "version": dataset.version,
                "sha256": dataset.sha256,
                "examples": len(dataset.examples),
            },
            metadata=self._metadata,
            evaluators=self._judges,
            repetitions=repetitions,
            started_at=started.isoformat(),
            ended_at=datetime.now(UTC).isoformat(),
            examples={one.id: {"input": one.input, "expected": one.expected} for one in dataset.examples},
            runs=runs,
            judge=self._judge.totals() if self._judge is not None else None,
            path=path,
        )


def _traced() -> Tally | None:
    """Have something that traces, and count by it."""
    from opentelemetry import trace as trace_api

    import tracekit
    from tracekit.provider import in_use
    from tracekit.settings import env

    if runtime.active() is None:
        # With nowhere to send spans to they still have ids, tokens and cost.
        sends = env("TRACEKIT_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        tracekit.init(export=sends is not None, set_global=False)
    warm()
    held = runtime.held()
    return tally_of(held[1] if held is not None else in_use() or trace_api.get_tracer_provider())


def _all(runner: Runner, work: Sequence[Work], concurrency: int, keep: Callable[[Run], None]) -> Iterator[Run]:
    """The runs as they are done and kept. Where the caller stops (Ctrl-C), no new ones start."""
    waiting: queue.SimpleQueue[Work] = queue.SimpleQueue()
    done: queue.SimpleQueue[Run | BaseException] = queue.SimpleQueue()
    for one in work:
        waiting.put(one)
    stopped, lock = threading.Event(), threading.Lock()

    def worker() -> None:
        while not stopped.is_set():
            try:
                run = runner.run(*waiting.get_nowait())
                with lock:
                    keep(run)
                done.put(run)
            except queue.Empty:
                return
            except BaseException as error:  # noqa: BLE001 - told to the one who waits
                done.put(error)
                return

    for number in range(min(concurrency, len(work))):
        threading.Thread(target=worker, name=f"tracekit-evaluate-{number}", daemon=True).start()
    try:
        for _ in work:
            found = done.get()
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        stopped.set()
