"""LangSmith's own client, unmodified, reads back what it sent, from a real collector."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from collector_process import CollectorProcess, collectors, until
from langsmith import Client
from langsmith.utils import LangSmithConflictError, LangSmithError, LangSmithNotFoundError
from langsmith_reading import T0, Run, Sender, client_of, settled

#: What will be gone from the client one day.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated")
USAGE = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120, "input_token_details": {"cache_read": 60}}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collectors(tmp_path_factory.mktemp("langsmith")) as start:
        yield start()


@pytest.fixture(scope="module")
def client(collector: CollectorProcess) -> Iterator[Client]:
    with client_of(collector, "/langsmith/api/v1") as client:
        yield client


@pytest.fixture(scope="module")
def tree(client: Client, collector: CollectorProcess) -> tuple[Run, Run, Run, Run]:
    """(root, its model call, its tool, the tool's inner chain) of a project of its own."""
    sender = Sender(client, "shop")
    extra = {"metadata": {"thread_id": "t1", "tier": "gold"}}
    root = sender.run(name="ask", tags=["beta"], extra=extra, inputs={"question": "Where is it?"})
    llm = sender.run(
        root, name="chat", run_type="llm", outputs={"usage_metadata": USAGE},
        extra={"metadata": {"ls_model_name": "gpt-4o-mini", "ls_provider": "openai", "ls_model_type": "chat"}},
    )  # fmt: skip
    tool = sender.run(root, name="lookup", run_type="tool", error="KeyError('order')", outputs=None)
    inner = sender.run(tool, name="inner", attachments={"pic/1 \u00e9": ("image/png", b"\x89PNG"), "n": ("x", b"")})
    sender.flush()
    settled(collector, root)
    return root, llm, tool, inner


def test_a_run_is_read_back(client: Client, tree: tuple[Run, ...]) -> None:
    root, llm, tool, _ = tree
    found = client.read_run(root.id)
    assert (found.id, found.trace_id, found.name, found.run_type) == (root.id, root.id, "ask", "chain")
    assert (found.inputs, found.outputs, found.status) == ({"question": "Where is it?"}, {"ok": True}, "success")
    assert (found.start_time, found.end_time) == (T0, T0 + timedelta(milliseconds=500))
    assert found.tags == ["beta"] and found.metadata["tier"] == "gold"
    assert (found.dotted_order, found.parent_run_id, found.parent_run_ids) == (root.dotted_order, None, [])
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (100, 20, 120)
    call = client.read_run(llm.id)
    assert (call.total_tokens, call.prompt_token_details) == (120, {"cache_read": 60})
    assert call.total_cost and call.total_cost == found.total_cost
    assert call.parent_run_id == root.id and call.parent_run_ids == [root.id]
    failed = client.read_run(str(tool.id))
    assert (failed.status, failed.error, failed.outputs, failed.total_tokens) == (
        "error", "KeyError('order')", None, None,
    )  # fmt: skip


def test_a_run_is_read_with_its_children(client: Client, tree: tuple[Run, ...]) -> None:
    root, llm, tool, inner = tree
    found = client.read_run(root.id, load_child_runs=True)
    assert [child.id for child in found.child_runs or []] == [llm.id, tool.id]
    assert [child.id for child in (found.child_runs or [])[1].child_runs or []] == [inner.id]
    assert [child.id for child in client.read_run(tool.id, load_child_runs=True).child_runs or []] == [inner.id]


def test_attachments_are_read_back(client: Client, tree: tuple[Run, ...]) -> None:
    def contents(run: Any) -> dict[str, Any]:
        return {name: (found["mime_type"], found["reader"].read()) for name, found in run.attachments.items()}

    wanted = {"pic/1 \u00e9": ("image/png", b"\x89PNG"), "n": ("x", b"")}
    assert contents(client.read_run(tree[3].id)) == wanted
    (listed,) = client.list_runs(run_ids=[tree[3].id])
    assert contents(listed) == wanted


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ({}, ["inner", "lookup", "chat", "ask"]),
        ({"is_root": True}, ["ask"]),
        ({"is_root": False, "run_type": "tool"}, ["lookup"]),
        ({"error": True}, ["lookup"]),
        ({"error": False, "order": "asc"}, ["ask", "chat", "inner"]),
        ({"start_time": T0 + timedelta(seconds=2)}, ["inner", "lookup"]),
        ({"end_time": T0 + timedelta(seconds=1)}, ["ask"]),
        ({"query": "where IS it"}, ["ask"]),
        ({"limit": 2}, ["inner", "lookup"]),
        ({"filter": 'eq(name, "chat")'}, ["chat"]),
        ({"filter": 'and(gt(total_tokens, 100), eq(run_type, "llm"))'}, ["chat"]),
        ({"filter": 'or(has(tags, "beta"), neq(error, null))'}, ["lookup", "ask"]),
        ({"filter": 'and(eq(metadata_key, "tier"), eq(metadata_value, "gold"))'}, ["ask"]),
        ({"filter": 'and(eq(metadata_key, "tier"), eq(metadata_value, "t1"))'}, []),
        ({"filter": 'has(metadata, \'{"tier": "gold"}\')'}, ["ask"]),
        ({"filter": 'gte(start_time, "2026-11-22T10:00:03Z")'}, ["inner"]),
        ({"filter": 'in(name, ["ask", "inner"])'}, ["inner", "ask"]),
        ({"filter": 'eq(thread_id, "t1")'}, ["ask"]),
        ({"filter": 'lt(latency, 0.1)'}, []),
        ({"filter": 'search("where is")'}, ["ask"]),
        ({"trace_filter": 'eq(name, "ask")', "run_type": "llm"}, ["chat"]),
        ({"trace_filter": 'eq(name, "other")'}, []),
        ({"tree_filter": 'eq(status, "error")', "is_root": True}, ["ask"]),
        ({"tree_filter": 'eq(name, "nothing")'}, []),
        ({"select": ["inputs"], "run_type": "tool"}, ["lookup"]),
    ],
)  # fmt: skip
def test_runs_are_listed_by(
    client: Client, tree: tuple[Run, ...], conditions: dict[str, Any], names: list[str]
) -> None:
    project = client.read_run(tree[0].id).session_id
    assert [run.name for run in client.list_runs(project_id=project, **conditions)] == names


def test_runs_are_listed_by_trace_parent_and_project(client: Client, tree: tuple[Run, ...]) -> None:
    root, _, tool, inner = tree
    named = "shop"
    assert {run.id for run in client.list_runs(trace_id=root.id)} == {run.id for run in tree}
    assert [run.id for run in client.list_runs(parent_run_id=tool.id)] == [inner.id]
    assert {run.id for run in client.list_runs(project_name=named)} == {run.id for run in tree}
    assert list(client.list_runs(project_id=uuid.uuid4())) == []
    selected = next(iter(client.list_runs(run_ids=[root.id], select=["outputs"])))
    assert selected.outputs == {"ok": True} and selected.inputs == {} and selected.tags is None


def test_what_is_not_there_is_not_found(client: Client) -> None:
    for read in (client.read_run, client.read_feedback, lambda found: client.read_project(project_id=found)):
        with pytest.raises(LangSmithNotFoundError):
            read(str(uuid.uuid4()))
    with pytest.raises(LangSmithNotFoundError):
        client.read_project(project_name="nobody's")


@pytest.mark.parametrize("text", ['like(name, "a%")', "eq(colour, 1)", "eq(name, chat)", "eq(name", "", "and()"])
def test_a_filter_that_is_not_understood_is_refused(client: Client, text: str) -> None:
    if text:
        with pytest.raises(LangSmithError, match="filter"):
            list(client.list_runs(run_ids=[uuid.uuid4()], filter=text))


def test_version_2_reads_the_same(client: Client, tree: tuple[Run, ...]) -> None:
    root, llm, tool, inner = tree
    project = str(client.read_run(root.id).session_id)
    selects: Any = ["ID", "NAME", "RUN_TYPE", "STATUS", "TOTAL_TOKENS", "ATTACHMENTS", "PARENT_RUN_IDS", "IS_ROOT"]

    async def read() -> tuple[list[Any], Any, Any]:
        pager = client.runs.query(project_ids=[project], selects=selects, min_start_time=T0, page_size=3)
        queried = [run async for run in pager]
        totals = [
            run
            async for run in client.runs.query(
                project_ids=[project], is_root=True, min_start_time=T0, selects=selects, include_subtree_usage=True
            )
        ]
        return queried, totals, await client.runs.retrieve(str(llm.id), project_id=project, selects=selects)

    queried, totals, one = asyncio.run(read())
    assert [run.id for run in queried] == [str(run.id) for run in (inner, tool, llm, root)]
    assert [run.run_type for run in queried] == ["CHAIN", "TOOL", "LLM", "CHAIN"]
    assert [run.status for run in queried] == ["SUCCESS", "ERROR", "SUCCESS", "SUCCESS"]
    assert [run.total_tokens for run in queried] == [None, None, 120, None]
    assert [run.total_tokens for run in totals] == [120]
    assert (one.id, one.name, one.parent_run_ids, one.is_root) == (str(llm.id), "chat", [str(root.id)], False)
    assert one.inputs is None
    assert set(queried[0].attachments) == {"pic/1 \u00e9", "n"}


def test_runs_are_paged_while_more_arrive(collector: CollectorProcess) -> None:
    """A thousand runs, a hundred of them with the same start, and more that come in between: none twice, none left."""
    with client_of(collector, "/langsmith") as client:
        sender = Sender(client, f"paged {uuid.uuid4()}")
        old = [sender.run(start=T0 + timedelta(seconds=max(0, number - 100))) for number in range(1000)]
        sender.flush()
        until(lambda: client.has_project(sender.project))
        seen: list[uuid.UUID] = []
        for run in client.list_runs(project_name=sender.project, select=["id"]):
            seen.append(run.id)
            if len(seen) % 100 == 0:
                for later in range(10):
                    sender.run(start=T0 + timedelta(days=1, seconds=len(seen) + later))
                sender.flush()
        assert len(seen) == len(set(seen)) == 1000
        assert set(seen) == {run.id for run in old}


def test_projects(client: Client, tree: tuple[Run, ...]) -> None:
    named = "shop"
    assert client.has_project(named) and not client.has_project("nobody's")
    found = client.read_project(project_name=named, include_stats=True)
    assert (found.name, found.run_count, found.total_tokens) == (named, 1, 120)
    assert client.read_project(project_id=str(found.id)).id == found.id
    assert found.id in {project.id for project in client.list_projects()}
    assert [project.name for project in client.list_projects(name_contains=named.upper())] == [named]
    assert [project.id for project in client.list_projects(project_ids=[found.id])] == [found.id]


def test_projects_are_created_and_changed(client: Client) -> None:
    name = f"new {uuid.uuid4()}"
    made = client.create_project(name, description="first", metadata={"a": 1})
    with pytest.raises(LangSmithConflictError):
        client.create_project(name)
    again = client.create_project(name, metadata={"b": 2}, upsert=True)
    assert (again.id, again.description) == (made.id, "first")
    changed = client.update_project(made.id, description="second", metadata={"c": name}, end_time=T0)
    assert (changed.description, changed.metadata, changed.end_time) == ("second", {"c": name}, T0)
    assert [found.id for found in client.list_projects(metadata={"c": name})] == [made.id]
    with pytest.raises(LangSmithError, match="renamed"):
        client.update_project(made.id, name="other")
    Sender(client, name).run()
    client.flush()
    until(lambda: any(client.list_runs(project_id=made.id)))


def test_feedback_is_written_listed_changed_and_deleted(client: Client, tree: tuple[Run, ...]) -> None:
    root, llm, *_ = tree
    first = client.create_feedback(root.id, "helpful", score=True, comment="yes", trace_id=root.id, extra={"by": "ada"})
    second = client.create_feedback(
        llm.id, "tone", value="dry", correction={"tone": "warm"}, feedback_source_type="model", source_run_id=root.id
    )
    client.flush()
    assert {found.id for found in client.list_feedback(run_ids=[root.id, llm.id])} == {first.id, second.id}
    read = client.read_feedback(first.id)
    assert (read.run_id, read.trace_id, read.key, read.score, read.comment) == (
        root.id, root.id, "helpful", True, "yes",
    )  # fmt: skip
    assert read.score is True and read.extra == {"by": "ada"}
    (by_model,) = client.list_feedback(run_ids=[root.id, llm.id], feedback_source_type=["model"])  # type: ignore[list-item]
    assert (by_model.value, by_model.correction, by_model.run_id) == ("dry", {"tone": "warm"}, llm.id)
    assert by_model.feedback_source and by_model.feedback_source.metadata == {"__run": {"run_id": str(root.id)}}
    client.update_feedback(first.id, score=0.25, comment=None)
    (changed,) = client.list_feedback(run_ids=[root.id], feedback_key=["helpful"])
    assert (changed.score, changed.comment, changed.created_at) == (0.25, None, read.created_at)
    stats = client.read_run(root.id).feedback_stats
    assert stats and (stats["helpful"]["n"], stats["helpful"]["avg"]) == (1, 0.25)
    by_feedback = 'and(eq(feedback_key, "helpful"), lt(feedback_score, 0.5))'
    assert [run.id for run in client.list_runs(trace_id=root.id, filter=by_feedback)] == [root.id]
    for feedback in (first, second):
        client.delete_feedback(feedback.id)
        with pytest.raises(LangSmithNotFoundError):
            client.read_feedback(feedback.id)


def test_feedback_may_come_before_its_run(client: Client, collector: CollectorProcess) -> None:
    sender = Sender(client, "early")
    root = Run(None, T0)
    client.create_feedback(root.id, "early", score=1)
    client.create_feedback(root.id, "with its trace", score=1, trace_id=root.id)
    client.flush()
    assert {found.key for found in client.list_feedback(run_ids=[root.id])} == {"early", "with its trace"}
    client.create_run(
        "late", {}, "chain", id=root.id, trace_id=root.id, dotted_order=root.dotted_order, start_time=T0,
        end_time=T0, project_name=sender.project,
    )  # fmt: skip
    client.flush()
    settled(collector, root)
    assert set(client.read_run(root.id).feedback_stats or {}) == {"early", "with its trace"}
    annotations = collector.get(f"/api/v1/traces/{root.id.hex}").json()["annotations"]
    assert {found["name"] for found in annotations} == {"early", "with its trace"}


def test_feedback_on_a_project_is_its_summary(client: Client) -> None:
    project = client.create_project(f"experiment {uuid.uuid4()}")
    client.create_feedback(None, "accuracy", score=0.75, project_id=project.id)
    found = client.read_project(project_id=str(project.id), include_stats=True)
    assert found.session_feedback_stats and found.session_feedback_stats["accuracy"]["avg"] == 0.75
    assert found.feedback_stats == {}
