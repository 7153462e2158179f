"""``/api/v1/rules`` from outside: what is stored, what is refused and how that is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_schema import faults
from api_traces import ENGINES, client_of, fill, span_id, trace_id
from starlette.testclient import TestClient

from collector.annotations import Annotation, Target
from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore
from collector.storage.sql.store import open_store

PATH = "/api/v1/rules"
GIVEN = {"name": "polite", "evaluator": {"type": "contains", "value": "warranty"}}
TRACE = trace_id(1).hex()


@pytest.fixture(scope="module", params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("rules")
    opened = MemoryStore(MemoryQueue()) if request.param == "memory" else open_store(f"sqlite:///{folder}/api.db")
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Any) -> Iterator[TestClient]:
    with client_of(store) as client:
        yield client
    for one in store.rules():
        store.remove_rule(one.name).result()


def add(client: TestClient, **given: Any) -> dict[str, Any]:
    answer = client.post(PATH, json={**GIVEN, **given})
    assert answer.status_code == 201, answer.text
    return as_described(client, answer.json(), "Rule")


def as_described(client: TestClient, found: dict[str, Any], schema: str) -> dict[str, Any]:
    document = client.get("/api/v1/openapi.json").json()
    assert list(faults(found, {"$ref": f"#/components/schemas/{schema}"}, document)) == []
    return found


def post(client: TestClient, path: str, schema: str, body: Any, status: int = 200) -> dict[str, Any]:
    answer = client.post(f"{PATH}/{path}", json=body)
    assert answer.status_code == status, answer.text
    return as_described(client, answer.json(), schema)


def refused(answer: Any, status: int = 400) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return {one["pointer"]: one["detail"] for one in answer.json().get("errors", ())}


def test_a_rule_is_added_read_changed_and_removed(client: TestClient) -> None:
    added = add(client, filter="cost > 0", sample_rate=0.5, budget={"calls": 10}, projects=["shop"])
    assert (added["version"], added["target"], added["source"]) == (1, "trace", "operator")
    paused = client.patch(f"{PATH}/polite", json={"state": "paused", "sample_rate": 1}).json()
    assert (paused["state"], paused["version"]) == ("paused", 1)
    changed = client.patch(f"{PATH}/polite", json={"filter": None}).json()
    assert (changed["version"], changed["filter"], changed["sample_rate"]) == (2, None, 1.0)
    read = as_described(client, client.get(f"{PATH}/polite").json(), "RuleStatus")
    assert (read["decisions"]["done"], read["budget"]) == (0, {"usd": None, "calls": 10})
    versions = as_described(client, client.get(f"{PATH}/polite/versions").json(), "RuleVersions")
    assert [one["filter"] for one in versions["items"]] == [None, "cost > 0"]
    assert client.post(PATH, json=GIVEN).status_code == 409
    assert client.delete(f"{PATH}/polite").status_code == 204
    assert client.delete(f"{PATH}/polite").status_code == 404


def test_everything_that_is_wrong_is_said_at_once(client: TestClient) -> None:
    body = {
        "name": "A b",
        "evaluator": {"type": "nonsense"},
        "filter": "cost >",
        "sample_rate": 2,
        "target": "planet",
        "budget": {"usd": -1},
        "projects": "shop",
        "colour": "red",
    }
    found = refused(client.post(PATH, json=body))
    assert found.keys() == {f"/{name}" for name in body}
    assert "there is no evaluator 'nonsense'" in found["/evaluator"]
    assert refused(client.post(PATH, json={})) == {"/name": "is needed", "/evaluator": "is needed"}
    asks = {"name": "a", "evaluator": {"type": "helpfulness"}}
    assert "asks a judge" in refused(client.post(PATH, json=asks))["/evaluator"]


def test_over_the_network_a_judge_gets_no_secret_of_the_operators(client: TestClient) -> None:
    asks = {"name": "a", "evaluator": {"type": "helpfulness"}}
    for key in ("env:AWS_SECRET_ACCESS_KEY", "sk-the-key-itself", "file:/etc/passwd"):
        answer = client.post(PATH, json={**asks, "judge": {"model": "m", "api_key": key}})
        assert "/judge" in refused(answer)
        assert "sk-the-key" not in answer.text
    judge = {"model": "m", "api_key": "env:TRACEKIT_SECRET_JUDGE", "base_url": "http://127.0.0.1:9/v1"}
    assert add(client, **asks, judge=judge)["judge"] == judge


def test_a_judge_that_the_operator_named_stays_when_other_things_change(client: TestClient, store: Any) -> None:
    from collector.evaluation.settings import rule_of

    judge = {"model": "m", "api_key": "env:OPENAI_API_KEY"}
    rule = rule_of({"name": "mine", "evaluator": {"type": "helpfulness"}, "judge": judge})
    store.add_rule(rule, now_ns=1).result()
    assert client.patch(f"{PATH}/mine", json={"sample_rate": 0.1}).json()["judge"] == judge
    elsewhere = {"judge": {**judge, "base_url": "http://127.0.0.1:9/v1"}}
    assert "/judge" in refused(client.patch(f"{PATH}/mine", json=elsewhere))


def test_a_rule_of_the_configuration_is_changed_there(client: TestClient, store: Any) -> None:
    from collector.evaluation.configured import apply
    from collector.evaluation.settings import configured

    file = {"kept": {"evaluator": {"type": "refusal"}}, "gone": {"evaluator": {"type": "refusal"}}}
    apply(store, configured(file), now_ns=1)
    assert client.patch(f"{PATH}/kept", json={"sample_rate": 0.1}).status_code == 409
    assert client.delete(f"{PATH}/kept").status_code == 409
    assert client.patch(f"{PATH}/kept", json={"state": "paused"}).json()["state"] == "paused"
    apply(store, configured({"kept": file["kept"]}), now_ns=2)
    states = {one["name"]: (one["state"], one["source"], one["version"]) for one in client.get(PATH).json()["items"]}
    assert states == {"kept": ("active", "config", 1), "gone": ("paused", "operator", 1)}


def test_a_rule_is_tried_and_nothing_is_stored(client: TestClient, store: Any) -> None:
    add(client, filter="cost > 100")
    found = post(client, "polite/test", "RuleTried", {"trace_id": TRACE})
    assert (found["matches"], found["state"]) == (False, "done")
    assert found["why_not"] == "the filter does not hold: cost > 100"
    assert len(found["scores"]) == 1
    assert store.annotations_of_trace(trace_id(1)) == [] and store.decisions_about(trace_id(1)) == []
    assert client.post(f"{PATH}/polite/test", json={"trace_id": "f" * 32}).status_code == 404
    assert refused(client.post(f"{PATH}/polite/test", json={"trace_id": "x"})).keys() == {"/trace_id"}
    add(client, name="spans", target="span")
    assert client.post(f"{PATH}/spans/test", json={"trace_id": TRACE}).status_code == 404
    one = {"trace_id": TRACE, "span_id": span_id(3).hex()}
    assert post(client, "spans/test", "RuleTried", one)["matches"] is True


def test_a_backfill_is_estimated_begun_paused_and_resumed(client: TestClient, store: Any) -> None:
    add(client)
    window = {"from": "2026-01-01", "to": "2027-01-01"}
    estimate = post(client, "polite/estimate", "Estimate", window)
    assert estimate["traces"] == estimate["targets"] == estimate["looked_at"] > 0
    begun = post(client, "polite/backfills", "Backfill", window, 201)
    assert (begun["state"], begun["expected"], begun["seen"]) == ("active", estimate["traces"], 0)
    one = f"{PATH}/polite/backfills/{begun['id']}"
    assert client.patch(one, json={"state": "paused"}).json()["state"] == "paused"
    assert client.patch(one, json={"state": "active"}).json()["state"] == "active"
    assert refused(client.patch(one, json={"state": "done"})) == {"/state": "must be active or paused"}
    assert client.patch(f"{PATH}/polite/backfills/99", json={"state": "paused"}).status_code == 404
    assert refused(client.post(f"{PATH}/polite/backfills", json={"to": "x", "y": 1})).keys() == {"/from", "/to", "/y"}


def test_an_estimate_with_a_judge_names_calls_and_what_they_cost(client: TestClient) -> None:
    judge = {"model": "gpt-4o-mini", "api_key": "env:TRACEKIT_SECRET_JUDGE"}
    add(client, evaluator={"type": "helpfulness"}, judge=judge)
    found = post(client, "polite/estimate", "Estimate", {"from": "2026-01-01", "to": "2027-01-01"})
    assert found["judge_calls"] == found["targets"] > 0
    assert 0 < found["cost_usd"] < 0.01
    add(client, name="other", evaluator={"type": "helpfulness"}, judge={**judge, "model": "nobody-sells-this"})
    found = post(client, "other/estimate", "Estimate", {"from": "2026-01-01", "to": "2027-01-01"})
    assert found["cost_usd"] is None and "unknown" in found["basis"]


def test_why_nothing_was_scored_is_said_rule_by_rule(client: TestClient) -> None:
    add(client, projects=["elsewhere"])
    add(client, name="late")
    found = client.get(f"/api/v1/traces/{TRACE}/evaluations").json()
    as_described(client, found, "Explanation")
    words = {one["name"]: one["words"] for one in found["rules"]}
    assert "is not one of the rule's: elsewhere" in words["polite"]
    assert "a back-fill scores it" in words["late"]
    nothing = client.get(f"/api/v1/traces/{'f' * 32}/evaluations").json()
    assert {one["words"] for one in nothing["rules"]} == {"no span of this trace is stored"}


def test_what_failed_is_queued_again(client: TestClient) -> None:
    add(client)
    assert post(client, "polite/retry", "RuleRetried", {}) == {"targets": 0}
    assert refused(client.post(f"{PATH}/polite/retry", json={"states": ["x"]})).keys() == {"/states"}
    assert client.get(f"{PATH}/polite/decisions?state=nonsense").status_code == 400
    assert client.get(f"{PATH}/nobody/decisions").status_code == 404
    assert client.get(f"{PATH}/polite/decisions?state=failed&limit=5").json() == {"items": []}


def test_scores_over_time(client: TestClient, store: Any) -> None:
    add(client)
    before = client.patch(f"{PATH}/polite", json={"name": "kind"}).json()
    assert before["version"] == 2
    said = [
        Annotation("polite", Target(trace_id(number)), "code", identifier, score=score, label=label)
        for number, identifier, score, label in (
            (1, "rule:kind@2", 1.0, "yes"),
            (2, "rule:kind@2", 0.0, "no"),
            (3, "rule:polite@1", 1.0, "yes"),
        )
    ]
    for one in store.put_annotations(said).result(30):
        assert one.id is not None
    path = f"{PATH}/kind/scores"
    answer = client.get(f"{path}?from=2026-01-01&to=2027-01-01&step=day")
    items = as_described(client, answer.json(), "ScoreSteps")["items"]
    assert sum(one["count"] for one in items) == 2
    assert {label for one in items for label in one["labels"]} == {"yes", "no"}
    assert all("T00:00:00" in one["start_time"] for one in items)
    total = sum(one["mean"] * one["count"] for one in items)
    assert total == 1.0
    (first,) = client.get(f"{path}?from=2026-01-01&to=2027-01-01&version=1").json()["items"]
    assert (first["mean"], first["labels"]) == (1.0, {"yes": 1})
    assert client.get(f"{path}?version=7").status_code == 404
    assert client.get(f"{PATH}/nobody/scores").status_code == 404
    wrong = client.get(f"{path}?from=never&step=week&version=x&colour=red")
    assert wrong.status_code == 400
    assert all(name in wrong.text for name in ("from", "step", "version", "colour"))
    for one in said:
        store.delete_annotation(one_id(store, one)).result(30)


def one_id(store: Any, said: Annotation) -> bytes:
    assert said.target.trace_id is not None
    kept = store.annotations_of_trace(said.target.trace_id)
    return next(one.id for one in kept if one.identifier == said.identifier)
