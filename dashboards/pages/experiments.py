"""One experiment with its runs: ``/experiments/ID``; ``?with=ID`` puts another one of its dataset beside it."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Example
from collector.storage.api import BadCursor
from collector.storage.datasets_api import DatasetStore, ExperimentQuery, ExperimentRunQuery
from dashboards import experiments as view
from dashboards.datasets import value as value_of
from dashboards.site import Site, hex_id
from tracekit.evals.results import Experiment as Result

PAGE: Final = 50
#: Runs that means are made of; of more, the first ones, and nothing is concluded.
MAX_RUNS: Final = 5_000
_BATCH: Final = 500
#: Other experiments of the dataset that can be chosen: the latest.
_MAX_OTHERS: Final = 100


class Experiments:
    def __init__(self, site: Site, store: DatasetStore) -> None:
        self._site = site
        self._store = store

    def routes(self) -> list[Route]:
        return [Route("/experiments/{experiment_id}", self.one)]

    async def one(self, request: Request) -> Response:
        number = hex_id(request, "experiment_id", 16)
        other, cursor = (request.query_params.get(name) or None for name in ("with", "cursor"))
        try:
            shown = await self._site.read(self._one, number, other, cursor)
        except BadCursor:
            shown = None
        if shown is None:
            raise HTTPException(404)
        return self._site.html(request, "experiment.html", active="evaluation", **shown)

    def _one(self, number: bytes, other: str | None, cursor: str | None) -> dict[str, Any] | None:
        found = self._store.experiment(number)
        if found is None:
            return None
        page = self._store.list_experiment_runs(ExperimentRunQuery(number, limit=PAGE, cursor=cursor))
        examples = self._examples(found, page.items)
        runs, whole = self._runs(number)
        result = view.result_of(found, runs)
        shown = {
            "row": view.row(found),
            "figures": view.head(found, result),
            "means": view.means(result),
            "read": len(runs) if not whole else None,
            "metadata": [(str(name), value_of(value)) for name, value in found.metadata.items()],
            "runs": [view.run(one, examples) for one in page.items],
            "next_cursor": page.next_cursor,
            "paged": cursor is not None,
            "others": [view.row(one) for one in self._others(found)],
            "other": None,
            "verdict": "",
            "warnings": [],
            "compared": [],
        }
        if other is None:
            return shown
        return self._beside(found, other, shown, (result, whole))

    def _beside(
        self, found: Experiment, other: str, shown: dict[str, Any], ours: tuple[Result, bool]
    ) -> dict[str, Any] | None:
        try:
            number = bytes.fromhex(other)
        except ValueError:
            return None
        beside = self._store.experiment(number) if len(number) == 16 else None
        if beside is None or beside.dataset != found.dataset:
            return None
        runs, whole = self._runs(number)
        theirs = view.result_of(beside, runs)
        verdict, warnings, rows = view.compared(ours[0], theirs, judged=whole and ours[1])
        return {**shown, "other": view.row(beside), "verdict": verdict, "warnings": warnings, "compared": rows}

    def _runs(self, number: bytes) -> tuple[list[ExperimentRun], bool]:
        """And whether these are all."""
        found: list[ExperimentRun] = []
        cursor: str | None = None
        while len(found) < MAX_RUNS:
            page = self._store.list_experiment_runs(ExperimentRunQuery(number, limit=_BATCH, cursor=cursor))
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found, True
        return found, False

    def _examples(self, found: Experiment, runs: list[ExperimentRun]) -> dict[bytes, Example]:
        ids = list({one.example_id for one in runs})
        known = self._store.examples_of(found.dataset, found.version, ids) if ids else []
        return {one.id: one for one in known if one.id is not None}

    def _others(self, found: Experiment) -> list[Experiment]:
        page = self._store.list_experiments(ExperimentQuery(dataset=found.dataset, limit=_MAX_OTHERS))
        return [one for one in page.items if one.id != found.id]
