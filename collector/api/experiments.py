"""``/api/v1/experiments``: what was tried with datasets, and what it gave."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.api import dataset_body as body
from collector.api import dataset_params, params
from collector.api.dataset_calls import Calls, answer
from collector.api.dataset_render import experiment_json, page_json, run_json
from collector.api.problems import Problem
from collector.datasets.experiments import Experiment
from collector.storage.datasets_api import DatasetStore


class Experiments:
    def __init__(self, store: DatasetStore, calls: Calls) -> None:
        self._store = store
        self._calls = calls

    def routes(self) -> list[BaseRoute]:
        one = "/experiments/{experiment_id}"
        return [
            Route("/experiments", self.all, methods=["GET", "POST"]),
            Route(one, self.one, methods=["GET", "PATCH", "DELETE"]),
            Route(f"{one}/runs", self.runs, methods=["GET", "POST"]),
        ]

    async def all(self, request: Request) -> Response:
        if request.method == "POST":
            params.no_parameters(request.query_params.multi_items())
            return await self._add(request)
        query = dataset_params.experiments(request.query_params.multi_items())
        page = await self._calls.run(lambda: self._store.list_experiments(query))
        return answer(page_json([experiment_json(one) for one in page.items], page.next_cursor))

    async def one(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        experiment_id = _id(request)
        found: Experiment | None
        if request.method == "DELETE":
            if not await self._calls.written(self._store.remove_experiment(experiment_id)):
                raise _unknown()
            return Response(status_code=204)
        if request.method == "PATCH":
            changes = await self._calls.read(request, body.experiment_changes)
            found = await self._calls.written(
                self._store.change_experiment(experiment_id, changes, now_ns=self._calls.now_ns())
            )
        else:
            found = await self._calls.run(lambda: self._store.experiment(experiment_id))
        if found is None:
            raise _unknown()
        return answer(experiment_json(found))

    async def runs(self, request: Request) -> Response:
        experiment_id = _id(request)
        if request.method == "GET":
            query = dataset_params.experiment_runs(request.query_params.multi_items(), experiment_id)
            if await self._calls.run(lambda: self._store.experiment(experiment_id)) is None:
                raise _unknown()
            page = await self._calls.run(lambda: self._store.list_experiment_runs(query))
            return answer(page_json([run_json(one) for one in page.items], page.next_cursor))
        params.no_parameters(request.query_params.multi_items())
        now = self._calls.now_ns()
        runs = await self._calls.read(request, lambda found: body.runs_of(found, now))
        stored = await self._calls.written(self._store.put_experiment_runs(experiment_id, runs, now_ns=now))
        if stored is None:
            raise _unknown()
        return answer({"stored": stored})

    async def _add(self, request: Request) -> Response:
        experiment, reference = await self._calls.read(request, body.experiment_of)
        version = await self._calls.run(lambda: self._version(experiment.dataset, reference))
        added = await self._calls.written(
            self._store.add_experiment(replace(experiment, version=version), now_ns=self._calls.now_ns())
        )
        return answer(experiment_json(added), 201)

    def _version(self, dataset: str, reference: str | None) -> int:
        """A number, a tag, or the newest."""
        return self._store.version_of(dataset, reference).version


def _id(request: Request) -> bytes:
    return params.identifier("experiment_id", request.path_params["experiment_id"], 16)


def _unknown() -> Problem:
    return Problem(404, "no such experiment is stored")
