"""``DatasetStore`` over dicts: the contract at its plainest."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import (
    Change,
    Changed,
    Dataset,
    Example,
    Known,
    Version,
    canonical,
    said_json,
    version_hash,
)
from collector.datasets.plan import NotThere, plan
from collector.datasets.versions import DatasetDiff, difference, found_version, no_dataset
from collector.storage import cursor, keyset
from collector.storage.datasets_api import (
    DatasetNameTaken,
    ExamplePage,
    ExampleQuery,
    ExperimentPage,
    ExperimentQuery,
    ExperimentRunPage,
    ExperimentRunQuery,
    InUse,
    VersionConflict,
    within_page,
)


@dataclass(slots=True)
class _Kept:
    dataset: Dataset
    versions: list[Version]
    examples: list[dict[bytes, tuple[Example, Known]]]
    tags: dict[str, int] = field(default_factory=dict)

    def tagged(self) -> list[Version]:
        return [
            replace(one, tags=tuple(sorted(tag for tag, version in self.tags.items() if version == one.version)))
            for one in reversed(self.versions)
        ]

    def of(self, version: int | None) -> tuple[int, dict[bytes, tuple[Example, Known]]]:
        found = self.dataset.version if version is None else version
        if not 0 <= found <= self.dataset.version:
            raise NotThere(f"there is no version {found}")
        return found, self.examples[found]

    def index(self, version: int) -> dict[bytes, Known]:
        return {one: known for one, (_, known) in self.of(version)[1].items()}


class MemoryDatasets:
    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._experiments: dict[bytes, Experiment] = {}
        self._experiment_runs: dict[bytes, dict[tuple[int, bytes], ExperimentRun]] = {}
        self._datasets_lock = threading.RLock()

    def list_datasets(self) -> list[Dataset]:
        with self._datasets_lock:
            return [self._kept[name].dataset for name in sorted(self._kept)]

    def dataset(self, name: str) -> Dataset | None:
        with self._datasets_lock:
            return self._kept[name].dataset if name in self._kept else None

    def add_dataset(self, dataset: Dataset, *, now_ns: int) -> Future[Dataset]:
        def add() -> Dataset:
            if dataset.name in self._kept:
                raise DatasetNameTaken(f"there is a dataset named {dataset.name} already")
            new = replace(dataset, version=0, example_count=0, created_ns=now_ns, updated_ns=now_ns)
            first = Version(0, version_hash(()), 0, 0, 0, 0, None, now_ns)
            self._kept[new.name] = _Kept(new, [first], [{}])
            return new

        return self._written(add)

    def change_dataset(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Dataset | None]:
        def change() -> Dataset | None:
            if name not in self._kept:
                return None
            kept = self._kept[name]
            changed = replace(kept.dataset, **changes, updated_ns=now_ns)
            if changed.name != name and changed.name in self._kept:
                raise DatasetNameTaken(f"there is a dataset named {changed.name} already")
            del self._kept[name]
            kept.dataset = changed
            self._kept[changed.name] = kept
            for one in self._made_with(name):
                self._experiments[one.id or b""] = replace(one, dataset=changed.name)
            return changed

        return self._written(change)

    def remove_dataset(self, name: str, *, experiments: bool = False) -> Future[bool]:
        def remove() -> bool:
            if name not in self._kept:
                return False
            made = self._made_with(name)
            if made and not experiments:
                raise InUse(f"{len(made)} experiments were made with {name}")
            for one in made:
                self.remove_experiment(one.id or b"")
            del self._kept[name]
            return True

        return self._written(remove)

    def change_examples(self, name: str, change: Change, *, now_ns: int) -> Future[Changed]:
        return self._written(lambda: self._change_examples(self._there(name), change, now_ns))

    def list_versions(self, name: str) -> list[Version]:
        with self._datasets_lock:
            return self._there(name).tagged()

    def version_of(self, name: str, reference: str | None) -> Version:
        return found_version(self.list_versions(name), reference)

    def tag_version(self, name: str, tag: str, version: int, *, now_ns: int) -> Future[bool]:
        def put() -> bool:
            kept = self._there(name)
            found = found_version(kept.tagged(), str(version))
            kept.tags[tag] = version
            return tag not in found.tags

        return self._written(put)

    def untag(self, name: str, tag: str) -> Future[bool]:
        def take() -> bool:
            return name in self._kept and self._kept[name].tags.pop(tag, None) is not None

        return self._written(take)

    def list_examples(self, query: ExampleQuery) -> ExamplePage:
        mark = cursor.example_mark(query)
        after = keyset.decode(mark, query.cursor)
        with self._datasets_lock:
            version, examples = self._there(query.dataset).of(query.version)
            found = sorted(
                (
                    (known.position, one, example)
                    for one, (example, known) in examples.items()
                    if (after is None or known.position > after[0]) and query.split in (None, example.split)
                ),
                key=lambda item: item[0],
            )
        sizes = [len(said_json(example)) for _, _, example in found[: query.limit]]
        page = found[: within_page(sizes)]
        more = len(found) > len(page)
        last = keyset.encode(mark, page[-1][0], page[-1][1]) if more else None
        return ExamplePage(version, [example for _, _, example in page], last)

    def examples_of(self, name: str, version: int, ids: Sequence[bytes]) -> list[Example]:
        with self._datasets_lock:
            _, examples = self._there(name).of(version)
            return [examples[one][0] for one in ids if one in examples]

    def diff_versions(self, name: str, before: int, after: int) -> DatasetDiff:
        with self._datasets_lock:
            kept = self._there(name)
            return difference(before, after, kept.index(before), kept.index(after))

    # ExperimentStore

    def add_experiment(self, experiment: Experiment, *, now_ns: int) -> Future[Experiment]:
        def add() -> Experiment:
            kept = self._kept.get(experiment.dataset)
            if kept is None or not 0 <= experiment.version <= kept.dataset.version:
                raise NotThere(f"there is no version {experiment.version} of a dataset {experiment.dataset}")
            if any(one.name == experiment.name for one in self._made_with(experiment.dataset)):
                raise DatasetNameTaken(
                    f"there is an experiment named {experiment.name} with {experiment.dataset} already"
                )
            new = replace(
                experiment,
                id=experiment.id or secrets.token_bytes(16),
                created_ns=now_ns,
                ended_ns=None if experiment.state == "running" else now_ns,
            )
            self._put_experiment(new)
            return new

        return self._written(add)

    def change_experiment(
        self, experiment_id: bytes, changes: Mapping[str, Any], *, now_ns: int
    ) -> Future[Experiment | None]:
        def change() -> Experiment | None:
            known = self._experiments.get(experiment_id)
            if known is None:
                return None
            changed = replace(known, **changes)
            if changed.state != known.state:
                still = known.ended_ns if known.state != "running" else now_ns
                changed = replace(changed, ended_ns=None if changed.state == "running" else still)
            self._put_experiment(changed)
            return self._counted(changed)

        return self._written(change)

    def experiment(self, experiment_id: bytes) -> Experiment | None:
        with self._datasets_lock:
            found = self._experiments.get(experiment_id)
            return None if found is None else self._counted(found)

    def list_experiments(self, query: ExperimentQuery) -> ExperimentPage:
        mark = cursor.experiment_mark(query)
        after = keyset.decode(mark, query.cursor)
        with self._datasets_lock:
            found = {
                (one.created_ns, one.id or b""): self._counted(one)
                for one in self._experiments.values()
                if query.dataset in (None, one.dataset)
                and query.name in (None, one.name)
                and query.baseline in (None, one.baseline)
            }
        places = [place for place in sorted(found, reverse=True) if after is None or place < after]
        page = places[: query.limit]
        more = len(places) > len(page)
        return ExperimentPage([found[place] for place in page], keyset.encode(mark, *page[-1]) if more else None)

    def remove_experiment(self, experiment_id: bytes) -> Future[bool]:
        def remove() -> bool:
            self._experiment_runs.pop(experiment_id, None)
            return self._experiments.pop(experiment_id, None) is not None

        return self._written(remove)

    def put_experiment_runs(
        self, experiment_id: bytes, runs: Sequence[ExperimentRun], *, now_ns: int
    ) -> Future[int | None]:
        def put() -> int | None:
            known = self._experiments.get(experiment_id)
            if known is None:
                return None
            _, examples = self._there(known.dataset).of(known.version)
            for run in runs:
                if run.example_id not in examples:
                    raise NotThere(f"the experiment's version of the dataset has no example {run.example_id.hex()}")
            new = {(run.repetition, run.example_id): _stored(replace(run, updated_ns=now_ns)) for run in runs}
            self._experiment_runs[experiment_id] |= new
            return len(new)

        return self._written(put)

    def list_experiment_runs(self, query: ExperimentRunQuery) -> ExperimentRunPage:
        mark = cursor.experiment_run_mark(query)
        after = keyset.decode(mark, query.cursor)
        with self._datasets_lock:
            found = dict(self._experiment_runs.get(query.experiment_id, {}))
        places = [place for place in sorted(found) if after is None or place > after]
        page = places[: query.limit]
        more = len(places) > len(page)
        return ExperimentRunPage([found[place] for place in page], keyset.encode(mark, *page[-1]) if more else None)

    # what the above are made of

    def _change_examples(self, kept: _Kept, change: Change, now_ns: int) -> Changed:
        newest = kept.dataset.version
        if change.base_version not in (None, newest):
            raise VersionConflict(f"the newest version of {kept.dataset.name} is {newest}, not {change.base_version}")
        before = kept.examples[newest]
        found = plan(kept.index(newest), change, lambda ids: [before[one][0] for one in ids])
        if found.nothing:
            return found.outcome(newest)
        outcome = found.outcome(newest + 1)
        written = {one: (_copy(example), known) for one, (example, known) in found.written.items()}
        kept.examples.append({one: written.get(one) or before[one] for one in found.after})
        count = len(found.after)
        counts = (outcome.added, outcome.updated, outcome.removed)
        kept.versions.append(Version(outcome.version, outcome.hash, count, *counts, change.note, now_ns))
        kept.dataset = replace(kept.dataset, version=outcome.version, example_count=count, updated_ns=now_ns)
        return outcome

    def _there(self, name: str) -> _Kept:
        if name not in self._kept:
            raise no_dataset(name)
        return self._kept[name]

    def _made_with(self, name: str) -> list[Experiment]:
        return [one for one in self._experiments.values() if one.dataset == name]

    def _put_experiment(self, experiment: Experiment) -> None:
        assert experiment.id is not None
        for one in self._made_with(experiment.dataset) if experiment.baseline is not None else ():
            if one.baseline == experiment.baseline:
                self._experiments[one.id or b""] = replace(one, baseline=None)
        self._experiments[experiment.id] = experiment
        self._experiment_runs.setdefault(experiment.id, {})

    def _counted(self, experiment: Experiment) -> Experiment:
        runs = self._experiment_runs[experiment.id or b""].values()
        return replace(experiment, run_count=len(runs), error_count=sum(run.error is not None for run in runs))

    def _written(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            with self._datasets_lock:
                future.set_result(work())
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            future.set_exception(error)
        return future


def _copy(example: Example) -> Example:
    """What a file would give back: nobody's own objects."""
    said = orjson.loads(canonical([example.input, example.expected, dict(example.metadata)]))
    return replace(example, input=said[0], expected=said[1], metadata=said[2])


def _stored(run: ExperimentRun) -> ExperimentRun:
    output, scores = orjson.loads(canonical([run.output, list(run.scores)]))
    error = None if run.error is None else run.error.replace("\0", "\ufffd")
    return replace(run, output=output, scores=tuple(scores), error=error)
