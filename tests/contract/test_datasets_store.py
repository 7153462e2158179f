"""Datasets and their versions, on every engine."""

from __future__ import annotations

from typing import Any

import pytest
from backends import Backend

from collector.datasets.model import Change, Changed, Dataset, Example, Invalid, version_hash
from collector.datasets.plan import NotThere
from collector.storage.api import BadCursor
from collector.storage.datasets_api import DatasetNameTaken, ExampleQuery, InUse, VersionConflict

ODD = "é \0 \u2028 🎉 ' \" \\ <b>"
ONE = Example("What is 2+2?", "4", {"lang": "en"}, "test", f"{'a' * 32}:{'b' * 16}")
TWO = Example({"question": ODD, "k": [1, 2.5, None, {"deep": [True]}]}, [ODD, None], {ODD: {"n": None}})
THREE = Example("a long one " * 30_000, None, {})
#: Of ONE and TWO, with ids made of their content: the same wherever and whenever they are stored.
HASH = "3d2970fdcf2c890c6132df51dce46e2699810cdc2302c37730eb9ebb84c7c36a"


def add(store: Any, name: str = "qa", **more: Any) -> Dataset:
    added: Dataset = store.add_dataset(Dataset(name.encode().ljust(16), name, **more), now_ns=5).result(30)
    return added


def change(store: Any, *examples: Example, name: str = "qa", now_ns: int = 7, **more: Any) -> Changed:
    changed: Changed = store.change_examples(name, Change(add=examples, **more), now_ns=now_ns).result(30)
    return changed


def examples(store: Any, version: int | None = None, **more: Any) -> list[Example]:
    found: list[Example] = store.list_examples(ExampleQuery("qa", version, limit=1000, **more)).items
    return found


def said(found: list[Example]) -> list[Any]:
    return [(one.input, one.expected, dict(one.metadata), one.split, one.source) for one in found]


def test_a_dataset_is_kept_as_it_was_said(store: Any) -> None:
    added = add(store, description=ODD.replace("\0", ""), metadata={"team": ODD})
    assert (added.version, added.example_count, added.created_ns) == (0, 0, 5)
    add(store, "another")
    assert [one.name for one in store.list_datasets()] == ["another", "qa"]
    assert store.dataset("qa") == added
    assert store.dataset("nobody") is None


def test_a_name_is_taken_once(store: Any) -> None:
    add(store)
    with pytest.raises(DatasetNameTaken):
        add(store)
    add(store, "another")
    with pytest.raises(DatasetNameTaken):
        store.change_dataset("another", {"name": "qa"}, now_ns=6).result(30)
    assert store.change_dataset("another", {"name": "b", "metadata": {"x": 1}}, now_ns=6).result(30).updated_ns == 6
    assert (store.dataset("b").metadata, store.dataset("another")) == ({"x": 1}, None)
    assert store.change_dataset("nobody", {"name": "c"}, now_ns=6).result(30) is None


def test_examples_come_back_as_they_were_said_and_in_order(store: Any) -> None:
    add(store)
    changed = change(store, ONE, TWO, THREE, note="first")
    assert (changed.version, changed.added, changed.updated, changed.removed, changed.duplicates) == (1, 3, 0, 0, 0)
    found = examples(store)
    assert said(found) == said([ONE, TWO, THREE])
    assert [one.id for one in found] == list(changed.ids)
    dataset = store.dataset("qa")
    assert (dataset.version, dataset.example_count, dataset.updated_ns) == (1, 3, 7)
    newest, first = store.list_versions("qa")
    assert (newest.version, newest.hash, newest.note, newest.added) == (1, changed.hash, "first", 3)
    assert (first.version, first.hash, first.example_count) == (0, version_hash(()), 0)


def test_versions_never_change(store: Any) -> None:
    add(store)
    one, two = change(store, ONE, TWO).ids
    edited = change(store, update={one: {"expected": "four", "metadata": {"lang": "de"}}})
    assert (edited.version, edited.added, edited.updated) == (2, 0, 1)
    removed = change(store, remove=(two,))
    assert (removed.version, removed.removed) == (3, 1)
    change(store, THREE)
    assert said(examples(store, 0)) == []
    assert said(examples(store, 1)) == said([ONE, TWO])
    assert [one.expected for one in examples(store, 2)] == ["four", TWO.expected]
    assert [one.expected for one in examples(store, 3)] == ["four"]
    assert [one.input for one in examples(store)] == [ONE.input, THREE.input]
    assert [one.version for one in store.list_versions("qa")] == [4, 3, 2, 1, 0]
    assert store.examples_of("qa", 1, [two, one, b"x" * 16]) != []
    assert {one.expected for one in store.examples_of("qa", 2, [one])} == {"four"}


def test_the_same_content_has_the_same_hash_in_any_order_and_after_detours(store: Any) -> None:
    add(store)
    add(store, "other")
    there = change(store, ONE, TWO)
    back = change(store, TWO, ONE, name="other")
    assert back.hash == there.hash and set(back.ids) == set(there.ids)
    change(store, update={there.ids[0]: {"split": None}})
    assert change(store, update={there.ids[0]: {"split": "test"}}).hash == there.hash


def test_what_is_there_already_is_not_added_again(store: Any) -> None:
    add(store)
    first = change(store, ONE, ONE)
    assert (first.added, first.duplicates, first.ids[0]) == (1, 1, first.ids[1])
    again = change(store, Example(ONE.input, ONE.expected, {"other": 1}), TWO)
    assert (again.version, again.added, again.duplicates, again.ids[0]) == (2, 1, 1, first.ids[0])
    assert change(store, ONE) == Changed(2, again.hash, 0, 0, 0, 1, (first.ids[0],))
    forced = change(store, ONE, deduplicate=False)
    assert (forced.version, forced.added) == (3, 1) and forced.ids[0] != first.ids[0]


def test_an_example_with_an_id_replaces_the_one_that_has_it(store: Any) -> None:
    add(store)
    mine = Example("q", "a", id=b"0123456789abcdef")
    assert change(store, mine).ids == (mine.id,)
    assert change(store, Example("q", "b", id=mine.id)).updated == 1
    assert change(store, Example("q", "b", id=mine.id)).version == 2
    assert said(examples(store)) == [("q", "b", {}, None, None)]


def test_a_version_by_content_holds_just_that(store: Any) -> None:
    add(store)
    first = change(store, ONE, TWO)
    new = change(store, Example(ONE.input, ONE.expected, {"new": 1}), THREE, replace=True)
    assert (new.added, new.updated, new.removed, new.ids[0]) == (1, 1, 1, first.ids[0])
    assert [one.input for one in examples(store)] == [ONE.input, THREE.input]
    assert change(store, replace=True).removed == 2
    assert examples(store) == []


def test_a_faulty_change_changes_nothing(store: Any) -> None:
    add(store)
    (one,) = change(store, ONE).ids
    for fault, expected in (
        ({"remove": (b"?" * 16,)}, NotThere),
        ({"update": {b"?" * 16: {"split": "x"}}}, NotThere),
        ({"update": {one: {"colour": "x"}}}, Invalid),
        ({"update": {one: {"split": "no spaces"}}}, Invalid),
        ({"base_version": 0}, VersionConflict),
    ):
        with pytest.raises(expected):
            change(store, TWO, **fault)
    with pytest.raises(Invalid):
        change(store, Example({1, 2}))
    with pytest.raises(NotThere):
        change(store, ONE, name="nobody")
    assert store.dataset("qa").version == 1
    assert change(store, TWO, base_version=1).version == 2


def test_pages_follow_each_other(store: Any) -> None:
    add(store)
    change(store, *(Example(f"q{number}", split="even" if number % 2 == 0 else "odd") for number in range(25)))
    for split in (None, "even"):
        expected = examples(store, split=split)
        seen: list[Example] = []
        cursor, version = None, None
        while True:
            page = store.list_examples(ExampleQuery("qa", version, split, limit=4, cursor=cursor))
            change(store, Example(f"more of {split} {len(seen)}", split="even"))
            seen += page.items
            cursor, version = page.next_cursor, page.version
            if cursor is None:
                break
        assert seen == expected and len(seen) > 12
    with pytest.raises(BadCursor):
        store.list_examples(ExampleQuery("qa", cursor="x"))
    with pytest.raises(NotThere):
        store.list_examples(ExampleQuery("qa", 999))
    with pytest.raises(NotThere):
        store.list_examples(ExampleQuery("nobody"))


def test_a_page_of_large_examples_is_shorter(store: Any) -> None:
    add(store)
    change(store, *(Example(f"{number} " + "x" * 3_800_000 * (number != 3)) for number in range(6)))
    seen, cursor = [], None
    while True:
        page = store.list_examples(ExampleQuery("qa", cursor=cursor))
        seen.append([one.input[0] for one in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [["0", "1", "2", "3", "4"], ["5"]]


def test_tags_name_versions_and_move(store: Any) -> None:
    add(store)
    change(store, ONE)
    change(store, TWO)
    assert store.tag_version("qa", "prod", 1, now_ns=9).result(30)
    assert not store.tag_version("qa", "prod", 1, now_ns=9).result(30)
    assert store.tag_version("qa", "v1", 1, now_ns=9).result(30)
    assert store.version_of("qa", "prod").version == 1
    assert store.version_of("qa", "prod").tags == ("prod", "v1")
    assert store.tag_version("qa", "prod", 2, now_ns=9).result(30)
    assert [store.version_of("qa", one).version for one in ("prod", "v1", "latest", None, "0")] == [2, 1, 2, 2, 0]
    assert store.untag("qa", "prod").result(30)
    assert not store.untag("qa", "prod").result(30)
    for missing in ("prod", "7", "-1"):
        with pytest.raises(NotThere):
            store.version_of("qa", missing)
    with pytest.raises(NotThere):
        store.tag_version("qa", "x", 9, now_ns=9).result(30)


def test_two_versions_are_told_apart(store: Any) -> None:
    add(store)
    one, two = change(store, ONE, TWO).ids
    three = change(store, THREE, update={two: {"split": "x"}}, remove=(one,)).ids[0]
    found = store.diff_versions("qa", 1, 2)
    assert (found.added, found.removed, found.changed) == ((three,), (one,), (two,))
    back = store.diff_versions("qa", 2, 1)
    assert (back.added, back.removed, back.changed) == ((one,), (three,), (two,))
    assert store.diff_versions("qa", 0, 2).added == (two, three)
    with pytest.raises(NotThere):
        store.diff_versions("qa", 1, 3)


def test_a_dataset_goes_with_everything(store: Any) -> None:
    add(store)
    change(store, ONE)
    store.tag_version("qa", "prod", 1, now_ns=9).result(30)
    assert store.remove_dataset("qa").result(30)
    assert not store.remove_dataset("qa").result(30)
    add(store)
    assert examples(store) == []
    assert [one.tags for one in store.list_versions("qa")] == [()]


def test_it_is_all_there_after_a_restart(backend: Backend) -> None:
    backend.needs("durability")
    store = backend.open()
    add(store)
    changed = change(store, ONE, TWO)
    store.close()
    again = backend.open()
    assert again.version_of("qa", None).hash == changed.hash
    assert said(examples(again)) == said([ONE, TWO])
    assert change(again, ONE).duplicates == 1


def test_the_hash_is_the_same_on_every_engine(store: Any) -> None:
    add(store)
    assert change(store, ONE, TWO).hash == HASH


def test_in_use_is_not_removed_unasked(store: Any) -> None:
    from collector.datasets.experiments import Experiment

    add(store)
    change(store, ONE)
    experiment = store.add_experiment(Experiment("first", "qa", 1), now_ns=9).result(30)
    with pytest.raises(InUse):
        store.remove_dataset("qa").result(30)
    assert store.remove_dataset("qa", experiments=True).result(30)
    assert store.experiment(experiment.id) is None


@pytest.mark.parametrize("writers", [2])
def test_changes_at_the_same_time_all_happen(backend: Backend, writers: int) -> None:
    backend.needs("processes")
    stores = [backend.open() for _ in range(writers)]
    add(stores[0])
    waiting = [
        store.change_examples("qa", Change(add=(Example(f"{number} {place}"),)), now_ns=8)
        for number in range(8)
        for place, store in enumerate(stores)
    ]
    assert sorted(one.result(60).version for one in waiting) == list(range(1, 17))
    assert len(examples(stores[1])) == 16
