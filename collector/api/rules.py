"""``/api/v1/rules``: what is evaluated and by what, what was decided, and why not."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar, get_args
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.api import params, render
from collector.api.dataset_calls import Calls, answer
from collector.api.problems import Problem
from collector.api.rule_render import (
    backfill_json,
    decision_json,
    estimate_json,
    explanation_json,
    rule_json,
    score_json,
    score_step_json,
    status_json,
)
from collector.api.rule_schemas import MAX_DECISIONS, RETRIED, STEPS
from collector.api.values import time_of, timestamp
from collector.evaluation.backfill import BackfillStore, estimate
from collector.evaluation.explain import explain
from collector.evaluation.makers import Makers
from collector.evaluation.rules import DECISION_STATES, Rule, RuleState
from collector.evaluation.score_series import steps_of
from collector.evaluation.settings import FIELDS, FaultyRule, rule_of
from collector.evaluation.trying import NotThere, tried
from collector.storage.evaluation_api import Backfill, NameTaken

T = TypeVar("T")

#: Rules that are tried at the same time: a judge may take a minute.
_TRIALS: Final = 4
_AGAIN: Final = ("failed", "over_budget")
_WEEK_NS: Final = 7 * 86_400 * 10**9


class Store(BackfillStore, Protocol): ...


class Rules:
    def __init__(self, store: Store, calls: Calls) -> None:
        self._store = store
        self._calls = calls
        self._trials = anyio.CapacityLimiter(_TRIALS)
        self._makers = Makers(store, calls.now_ns)

    def routes(self) -> list[BaseRoute]:
        one = "/rules/{name}"
        return [
            Route("/rules", self.all, methods=["GET", "POST"]),
            Route(one, self.one, methods=["GET", "PATCH", "DELETE"]),
            Route(f"{one}/versions", self.versions, methods=["GET"]),
            Route(f"{one}/decisions", self.decisions, methods=["GET"]),
            Route(f"{one}/scores", self.scores, methods=["GET"]),
            Route(f"{one}/test", self.test, methods=["POST"]),
            Route(f"{one}/estimate", self.estimate, methods=["POST"]),
            Route(f"{one}/backfills", self.backfills, methods=["GET", "POST"]),
            Route(f"{one}/backfills/{{id}}", self.backfill, methods=["PATCH"]),
            Route(f"{one}/retry", self.retry, methods=["POST"]),
            Route("/traces/{trace_id}/evaluations", self.explain, methods=["GET"]),
            Route("/annotations/{annotation_id}/history", self.history, methods=["GET"]),
        ]

    async def all(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        if request.method == "POST":
            body = await self._calls.object(request)
            rule = await self._calls.run(lambda: _read(body, remote=True))
            added = await self._written(self._store.add_rule(rule, now_ns=self._calls.now_ns()))
            return answer(rule_json(added), 201)
        rules, counts = await self._calls.run(lambda: (self._store.rules(), self._store.rule_counts()))
        return answer({"items": [status_json(rule, counts.get((rule.id, rule.version))) for rule in rules]})

    async def one(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        rule = await self._known(request)
        if request.method == "DELETE":
            _check_ours(rule)
            await self._written(self._store.remove_rule(rule.name))
            return Response(status_code=204)
        if request.method == "PATCH":
            body = await self._calls.object(request)
            if body.keys() - {"state"}:
                _check_ours(rule)
            changes = await self._calls.run(lambda: _changes(body, rule))
            changed = await self._written(self._store.change_rule(rule.name, changes, now_ns=self._calls.now_ns()))
            if changed is None:
                raise _unknown()
            return answer(rule_json(changed))
        counts = await self._calls.run(self._store.rule_counts)
        return answer(status_json(rule, counts.get((rule.id, rule.version))))

    async def versions(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        rule = await self._known(request)
        found = await self._calls.run(lambda: self._store.rule_versions(rule.name))
        return answer({"items": [rule_json(one) for one in found]})

    async def decisions(self, request: Request) -> Response:
        state, limit = _asked(request.query_params.multi_items())
        rule = await self._known(request)
        found = await self._calls.run(lambda: self._store.decisions_of(rule.id, state=state, limit=limit))
        return answer({"items": [decision_json(one) for one in found]})

    async def scores(self, request: Request) -> Response:
        now = self._calls.now_ns()
        given = params.Parameters(request.query_params.multi_items(), ("from", "to", "step", "version"))
        from_ns, to_ns = given.time("from", now), given.time("to", now)
        step = given.take("step", _step, "hour")
        version = given.take("version", _version, 0)
        given.check()
        rule = await self._known(request)
        if version not in (0, rule.version):  # which may have had another name
            versions = await self._calls.run(lambda: self._store.rule_versions(rule.name))
            rule = next((one for one in versions if one.version == version), None) or _no_version()
        span = (now - _WEEK_NS if from_ns is None else from_ns, now + 1 if to_ns is None else to_ns)
        cells = await self._calls.run(
            lambda: self._store.score_cells(rule.identifier, from_ns=span[0], to_ns=span[1], step_ns=STEPS[step])
        )
        return answer({"items": [score_step_json(one) for one in steps_of(cells)]})

    async def test(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        rule = await self._known(request)
        body = await self._calls.object(request)
        faults = _unknown_fields(body, ("trace_id", "span_id"))
        ids = {name: _identifier(body, name, size, faults) for name, size in (("trace_id", 16), ("span_id", 8))}
        if ids["trace_id"] is None:
            faults.setdefault("trace_id", "is needed")
        _check(faults)
        trace_id, span_id = ids["trace_id"] or b"", ids["span_id"]
        try:
            found = await anyio.to_thread.run_sync(
                lambda: tried(self._store, rule, trace_id, span_id, makers=self._makers), limiter=self._trials
            )
        except NotThere as missing:
            raise Problem(404, str(missing)) from None
        return answer(
            {
                "matches": found.why_not is None,
                "why_not": found.why_not,
                "state": found.state,
                "reason": found.reason,
                "scores": [score_json(one) for one in found.scores],
            }
        )

    async def estimate(self, request: Request) -> Response:
        rule, from_ns, to_ns = await self._window(request)
        found = await self._calls.run(lambda: estimate(self._store, rule, from_ns, to_ns))
        return answer(estimate_json(found))

    async def backfills(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        if request.method == "GET":
            rule = await self._known(request)
            found = await self._calls.run(lambda: self._store.backfills(rule.id))
            return answer({"items": [backfill_json(one) for one in found]})
        rule, from_ns, to_ns = await self._window(request)
        expected = await self._calls.run(lambda: estimate(self._store, rule, from_ns, to_ns))
        wanted = Backfill(rule.id, from_ns, to_ns, expected.traces)
        begun = await self._written(self._store.add_backfill(wanted, now_ns=self._calls.now_ns()))
        return answer(backfill_json(begun), 201)

    async def backfill(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        rule = await self._known(request)
        body = await self._calls.object(request)
        faults = _unknown_fields(body, ("state",))
        if body.get("state") not in ("active", "paused"):
            faults["state"] = "must be active or paused"
        _check(faults)
        number = request.path_params["id"]
        known = await self._calls.run(lambda: {str(one.id): one for one in self._store.backfills(rule.id)})
        if number not in known:
            raise Problem(404, "there is no back-fill of this id")
        changed = await self._written(
            self._store.set_backfill(known[number].id, body["state"], now_ns=self._calls.now_ns())
        )
        return answer(backfill_json(changed or known[number]))

    async def retry(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        rule = await self._known(request)
        body = await self._calls.object(request)
        faults = _unknown_fields(body, ("states",))
        states = body.get("states") or list(_AGAIN)
        if not isinstance(states, list) or not all(one in DECISION_STATES for one in states):
            faults["states"] = f"must be a list of {', '.join(DECISION_STATES)}"
        _check(faults)
        now = self._calls.now_ns()
        count = await self._written(self._store.retry_decisions(rule, states, now_ns=now, limit=RETRIED))
        return answer({"targets": count})

    async def explain(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        trace_id = params.identifier("trace_id", request.path_params["trace_id"], 16)
        found = await self._calls.run(lambda: explain(self._store, trace_id, now_ns=self._calls.now_ns()))
        return answer(explanation_json(found))

    async def history(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        try:
            number = UUID(request.path_params["annotation_id"]).bytes
        except ValueError:
            raise params.Faulty({"annotation_id": "must be a UUID"}) from None
        found = await self._calls.run(lambda: self._store.annotation_history(number))
        return answer(
            {
                "items": [
                    {"annotation": render.annotation(one.annotation), "replaced_at": timestamp(one.replaced_ns)}
                    for one in found
                ]
            }
        )

    async def _window(self, request: Request) -> tuple[Rule, int, int]:
        params.no_parameters(request.query_params.multi_items())
        rule = await self._known(request)
        body = await self._calls.object(request)
        faults, now = _unknown_fields(body, ("from", "to")), self._calls.now_ns()
        if body.get("from") is None:
            faults["from"] = "is needed: a time, or how long ago: 24h"
        from_ns, to_ns = _time(body, "from", now, faults), _time(body, "to", now, faults)
        _check(faults)
        return rule, from_ns, to_ns

    async def _known(self, request: Request) -> Rule:
        name = request.path_params["name"]
        for rule in await self._calls.run(self._store.rules):
            if rule.name == name:
                return rule
        raise _unknown()

    async def _written(self, future: Future[T]) -> T:
        try:
            return await self._calls.written(future)
        except NameTaken as error:
            raise Problem(409, str(error)) from None


def _read(body: dict[str, Any], *, remote: bool) -> Rule:
    try:
        return rule_of(body, remote=remote)
    except FaultyRule as faulty:
        raise _faulty(faulty.faults) from None


def _changes(body: dict[str, Any], known: Rule) -> dict[str, Any]:
    """Of the fields that the body names, and no others: two changes at the same time are both made."""
    if body.keys() == {"state"} and body["state"] in get_args(RuleState):
        return body  # whatever has become of the rest: it must be possible to stop it
    settings = {name: value for name, value in rule_json(known).items() if name in FIELDS}
    # A judge that the operator named stays as it is; one that is said anew has keys of its own.
    changed = _read({**settings, **body}, remote="judge" in body)
    return {name: getattr(changed, name) for name in FIELDS if name in body}


def _check_ours(rule: Rule) -> None:
    if rule.source == "config":
        raise Problem(409, f"{rule.name} is in the collector's configuration file: it is changed there")


def _asked(pairs: Any) -> tuple[Any, int]:
    given = dict(pairs)
    faults = {
        name[:100]: "there is no such parameter; there are state, limit" for name in given.keys() - {"state", "limit"}
    }
    state, limit = given.get("state") or None, given.get("limit") or "50"
    if state is not None and state not in DECISION_STATES:
        faults["state"] = f"must be one of {', '.join(DECISION_STATES)}"
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 10 and 1 <= int(limit) <= MAX_DECISIONS):
        faults["limit"] = f"must be a whole number from 1 to {MAX_DECISIONS}"
        limit = "1"
    if faults:
        raise params.Faulty(faults)
    return state, int(limit)


def _step(value: str) -> str:
    if value not in STEPS:
        raise ValueError(f"must be one of {', '.join(STEPS)}")
    return value


def _version(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 0 < len(value) < 10 and int(value)):
        raise ValueError("must be the number of a version")
    return int(value)


def _identifier(body: dict[str, Any], name: str, size: int, faults: dict[str, str]) -> bytes | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        return params.identifier(name, value if isinstance(value, str) else "", size)
    except params.Faulty as faulty:
        faults |= faulty.faults
        return None


def _time(body: dict[str, Any], name: str, now_ns: int, faults: dict[str, str]) -> int:
    value = body.get(name)
    if value is None:
        return now_ns
    try:
        if not isinstance(value, str):
            raise ValueError("must be a time: 2026-01-02T03:04:05Z, or how long ago: 24h")
        return time_of(value, now_ns)
    except ValueError as error:
        faults[name] = str(error)
        return 0


def _unknown_fields(body: dict[str, Any], known: tuple[str, ...]) -> dict[str, str]:
    told = f"there is no such field; there are {', '.join(known)}"
    return {str(name)[:100]: told for name in body.keys() - set(known)}


def _check(faults: dict[str, str]) -> None:
    if faults:
        raise _faulty(faults)


def _faulty(faults: dict[str, str]) -> Problem:
    errors = [{"pointer": f"/{name}" if name else "", "detail": detail} for name, detail in faults.items()]
    return Problem(400, "the body is wrong: errors says where and why", errors)


def _no_version() -> Rule:
    raise Problem(404, "the rule has no version of this number")


def _unknown() -> Problem:
    return Problem(404, "there is no rule of this name")
