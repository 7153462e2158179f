"""Whatever is put, changed and deleted, in whatever order: the engine holds what the plain store holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.annotations import Annotation, Target
from collector.storage.annotations_api import AnnotationQuery
from collector.storage.memory import MemoryStore
from collector.storage.sql.store import SqlStore, open_store

TARGETS = [Target(b"t" * 16), Target(b"t" * 16, b"s" * 8), Target(None, b"s" * 8), Target(None, None, "x")]
IDS = [bytes([number]) * 16 for number in (1, 2, 3)]
ANNOTATIONS = st.builds(
    Annotation,
    name=st.sampled_from("ab"),
    target=st.sampled_from(TARGETS),
    identifier=st.sampled_from(["", "i"]),
    score=st.none() | st.booleans() | st.floats(-1, 1),
    value=st.none() | st.lists(st.integers(0, 3), max_size=2),
    id=st.none() | st.sampled_from(IDS),
    created_ns=st.integers(0, 5),
)
STEPS = st.one_of(
    st.tuples(st.just("put"), st.lists(ANNOTATIONS, max_size=4)),
    st.tuples(st.just("change"), st.tuples(st.sampled_from(IDS), st.floats(-1, 1) | st.booleans())),
    st.tuples(st.just("delete"), st.sampled_from(IDS)),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    folder: Path = tmp_path_factory.mktemp("laws")
    store = open_store(f"sqlite:///{folder}/laws.db")
    yield store
    store.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=6))
def test_both_stores_hold_the_same(engine: SqlStore, steps: list[tuple[str, Any]]) -> None:
    plain = MemoryStore()
    for item in engine.list_annotations(AnnotationQuery(limit=1000)).items:
        assert item.id is not None
        engine.delete_annotation(item.id).result(30)
    for verb, given_ in steps:
        told = [_told(store, verb, given_) for store in (plain, engine)]
        assert told[0] == told[1]
        assert _held(plain) == _held(engine)


def _told(store: Any, verb: str, given_: Any) -> Any:
    if verb == "put":
        return [_seen(item) for item in store.put_annotations(given_).result(30)]
    if verb == "delete":
        return store.delete_annotation(given_).result(30)
    changed = store.change_annotation(given_[0], {"score": given_[1]}).result(30)
    return changed and _seen(changed)


def _held(store: Any) -> list[Any]:
    return [_seen(item) for item in store.list_annotations(AnnotationQuery(limit=1000)).items]


def _seen(item: Annotation) -> tuple[Any, ...]:
    return item.id, item.name, item.target, item.identifier, item.score, item.value, item.created_ns
