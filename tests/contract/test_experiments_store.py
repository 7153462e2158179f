"""Experiments and their runs, on every engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Change, Dataset, Example
from collector.datasets.plan import NotThere
from collector.storage.api import BadCursor
from collector.storage.datasets_api import DatasetNameTaken, ExperimentQuery, ExperimentRunQuery

FULL = ExperimentRun(
    b"",
    2,
    {"answer": "é \0", "n": [1, None]},
    None,
    b"t" * 16,
    12.5,
    10,
    5,
    15,
    31_500_000,
    ({"name": "exact", "score": 1.0, "label": None}, {"name": "tone", "label": "\0 rude"}),
    99,
)


@pytest.fixture
def ids(store: Any) -> tuple[bytes, ...]:
    """The examples of version 1; version 2 has one more, which is the last of these."""
    store.add_dataset(Dataset(b"q" * 16, "qa"), now_ns=1).result(30)
    store.add_dataset(Dataset(b"r" * 16, "other"), now_ns=1).result(30)
    found: tuple[bytes, ...] = ()
    for inputs in (("a", "b", "c"), ("later",)):
        change = Change(add=tuple(map(Example, inputs)))
        found += store.change_examples("qa", change, now_ns=2).result(30).ids
    return found


def add(store: Any, name: str = "first", now_ns: int = 5, **more: Any) -> Experiment:
    experiment = Experiment(name, more.pop("dataset", "qa"), more.pop("version", 1), **more)
    added: Experiment = store.add_experiment(experiment, now_ns=now_ns).result(30)
    return added


def runs(store: Any, experiment: Experiment, **more: Any) -> list[ExperimentRun]:
    found: list[ExperimentRun] = store.list_experiment_runs(ExperimentRunQuery(experiment.id or b"", **more)).items
    return found


def test_an_experiment_is_kept_as_it_was_said(store: Any, ids: tuple[bytes, ...]) -> None:
    added = add(store, metadata={"model": "é"}, baseline="main")
    assert added.id is not None and len(added.id) == 16
    assert (added.created_ns, added.ended_ns, added.run_count) == (5, None, 0)
    assert store.experiment(added.id) == added
    assert store.experiment(b"?" * 16) is None
    with pytest.raises(DatasetNameTaken):
        add(store)
    add(store, dataset="other", version=0)
    for wrong in ({"version": 3}, {"dataset": "nobody"}):
        with pytest.raises(NotThere):
            add(store, "second", **wrong)


def test_leaving_running_notes_when_and_going_back_forgets_it(store: Any, ids: tuple[bytes, ...]) -> None:
    added = add(store)
    done = store.change_experiment(added.id, {"state": "done", "metadata": {"x": 1}}, now_ns=8).result(30)
    assert done == replace(added, state="done", metadata={"x": 1}, ended_ns=8) == store.experiment(added.id)
    assert store.change_experiment(added.id, {"state": "failed"}, now_ns=9).result(30).ended_ns == 8
    assert store.change_experiment(added.id, {"state": "running"}, now_ns=9).result(30).ended_ns is None
    assert store.change_experiment(b"?" * 16, {"state": "done"}, now_ns=9).result(30) is None


def test_one_experiment_of_a_dataset_is_a_baseline_at_a_time(store: Any, ids: tuple[bytes, ...]) -> None:
    other = add(store, dataset="other", version=0, baseline="main")
    one, two = add(store, "one", baseline="main"), add(store, "two", baseline="main")
    assert [one.id for one in store.list_experiments(ExperimentQuery("qa", baseline="main")).items] == [two.id]
    store.change_experiment(one.id, {"baseline": "main"}, now_ns=9).result(30)
    assert (store.experiment(one.id).baseline, store.experiment(two.id).baseline) == ("main", None)
    assert store.experiment(other.id).baseline == "main"


def test_runs_come_back_and_the_same_try_is_replaced(store: Any, ids: tuple[bytes, ...]) -> None:
    added = add(store)
    full = replace(FULL, example_id=ids[0])
    failed = ExperimentRun(ids[1], 0, error="ValueError: \0 no")
    assert store.put_experiment_runs(added.id, [full, failed], now_ns=7).result(30) == 2
    assert runs(store, added) == [
        replace(failed, error="ValueError: \ufffd no", updated_ns=7),
        replace(full, updated_ns=7),
    ]
    assert (store.experiment(added.id).run_count, store.experiment(added.id).error_count) == (2, 1)
    mended = ExperimentRun(ids[1], 0, "fine")
    assert store.put_experiment_runs(added.id, [mended, mended], now_ns=8).result(30) == 1
    assert runs(store, added)[0] == replace(mended, updated_ns=8)
    assert (store.experiment(added.id).run_count, store.experiment(added.id).error_count) == (2, 0)


def test_runs_are_of_examples_that_the_version_has(store: Any, ids: tuple[bytes, ...]) -> None:
    added = add(store)
    with pytest.raises(NotThere):
        store.put_experiment_runs(added.id, [ExperimentRun(ids[0]), ExperimentRun(ids[3])], now_ns=7).result(30)
    assert runs(store, added) == []
    assert store.put_experiment_runs(b"?" * 16, [ExperimentRun(ids[0])], now_ns=7).result(30) is None
    assert store.put_experiment_runs(added.id, [], now_ns=7).result(30) == 0


def test_pages_follow_each_other(store: Any, ids: tuple[bytes, ...]) -> None:
    made = [add(store, f"e{number}", now_ns=5 + number // 2) for number in range(7)]
    tries = [ExperimentRun(one, repetition) for repetition in range(3) for one in ids[:3]]
    store.put_experiment_runs(made[0].id, tries, now_ns=7).result(30)
    seen, cursor = [], None
    while True:
        page = store.list_experiment_runs(ExperimentRunQuery(made[0].id or b"", 2, cursor))
        seen += [(run.repetition, run.example_id) for run in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted((run.repetition, run.example_id) for run in tries)
    listed, cursor = [], None
    while True:
        found = store.list_experiments(ExperimentQuery("qa", limit=3, cursor=cursor))
        listed += [(one.created_ns, one.id) for one in found.items]
        cursor = found.next_cursor
        if cursor is None:
            break
    assert listed == sorted(((one.created_ns, one.id) for one in made), reverse=True)
    assert [one.id for one in store.list_experiments(ExperimentQuery("qa", "e3")).items] == [made[3].id]
    with pytest.raises(BadCursor):
        store.list_experiment_runs(ExperimentRunQuery(made[1].id or b"", 2, "x"))


def test_an_experiment_goes_with_its_runs(store: Any, ids: tuple[bytes, ...]) -> None:
    added = add(store)
    store.put_experiment_runs(added.id, [ExperimentRun(ids[0])], now_ns=7).result(30)
    assert store.remove_experiment(added.id).result(30)
    assert not store.remove_experiment(added.id).result(30)
    assert runs(store, added) == []


def test_experiments_follow_their_datasets_name(store: Any, ids: tuple[bytes, ...]) -> None:
    added = add(store)
    store.change_dataset("qa", {"name": "renamed"}, now_ns=6).result(30)
    assert store.experiment(added.id).dataset == "renamed"
    assert [one.id for one in store.list_experiments(ExperimentQuery("renamed")).items] == [added.id]
