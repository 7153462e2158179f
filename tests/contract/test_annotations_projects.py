"""Projects as LangSmith's protocol knows them: an id that stays, and what was said of them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from backends import Backend
from store_data import Sent, send

from collector.storage.projects_api import Project, Taken, project_uuid


def test_a_project_that_came_with_its_spans_has_an_id_of_its_name(store: Any) -> None:
    send(store, Sent(1, 1, project="shop"), Sent(2, 1, project="back office"))
    assert [found.name for found in store.described_projects()] == ["back office", "shop"]
    (found,) = [found for found in store.described_projects() if found.name == "shop"]
    assert found == Project("shop", project_uuid("shop"), found.start_ns)
    assert uuid.UUID(bytes=found.uuid).version == 5


def test_one_that_was_created_keeps_its_id_and_gets_its_spans(store: Any) -> None:
    new = Project("shop", uuid.uuid4().bytes, 5, None, "what it is", {"metadata": {"a": [1]}})
    assert store.add_project(new).result(30) == new
    send(store, Sent(1, 1, project="shop"))
    assert store.described_projects() == [new]
    assert [found.name for found in store.projects()] == ["shop"]


def test_a_name_and_an_id_are_taken_once(store: Any) -> None:
    send(store, Sent(1, 1, project="shop"))
    chosen = uuid.uuid4().bytes
    store.add_project(Project("new", chosen, 1)).result(30)
    for name, project_id in [("shop", uuid.uuid4().bytes), ("other", chosen), ("other", project_uuid("shop"))]:
        with pytest.raises(Taken):
            store.add_project(Project(name, project_id, 1)).result(30)
    assert [found.name for found in store.described_projects()] == ["new", "shop"]


def test_a_change_touches_what_it_names(store: Any) -> None:
    send(store, Sent(1, 1, project="shop"))
    first = store.change_project(project_uuid("shop"), {"description": "d", "extra": {"metadata": {"a": 1}}}).result(30)
    second = store.change_project(project_uuid("shop"), {"end_ns": 7}).result(30)
    assert (second.name, second.uuid, second.start_ns) == ("shop", project_uuid("shop"), first.start_ns)
    assert (second.description, second.extra, second.end_ns) == ("d", {"metadata": {"a": 1}}, 7)
    assert store.described_projects() == [second]
    assert store.change_project(uuid.uuid4().bytes, {"end_ns": 7}).result(30) is None


def test_it_is_there_after_a_restart(backend: Backend) -> None:
    backend.needs("durability")
    store = backend.open()
    new = Project("shop", uuid.uuid4().bytes, 5, 6, None, {"a": "\u201c"})
    store.add_project(new).result(30)
    store.close()
    assert backend.open().described_projects() == [new]
