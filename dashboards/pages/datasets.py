"""Datasets: ``/datasets``, and ``/datasets/NAME`` for one, with its examples, its versions, and how two of them differ.

``version`` (a number or a tag), ``cursor``, ``before`` and ``after`` are in the address.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.datasets.model import Version
from collector.datasets.plan import NotThere
from collector.storage.api import BadCursor
from collector.storage.datasets_api import DatasetStore, ExampleQuery
from dashboards import datasets as view
from dashboards.site import Site

PAGE: Final = 50
#: Examples of a difference that are listed; its counts are of all.
MAX_SHOWN: Final = 100
#: Versions that are listed and can be chosen: the latest.
MAX_VERSIONS: Final = 200


class Datasets:
    def __init__(self, site: Site, store: DatasetStore) -> None:
        self._site = site
        self._store = store

    def routes(self) -> list[Route]:
        return [Route("/datasets", self.all), Route("/datasets/{name}", self.one)]

    async def all(self, request: Request) -> Response:
        rows = await self._site.read(self._all)
        return self._site.html(request, "datasets.html", active="datasets", rows=rows)

    async def one(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name) or None for name in ("version", "cursor", "before", "after")}
        try:
            shown = await self._site.read(self._one, request.path_params["name"], asked)
        except (NotThere, BadCursor):
            raise HTTPException(404) from None
        return self._site.html(request, "dataset.html", active="datasets", **shown)

    def _all(self) -> list[view.DatasetRow]:
        return [view.row(one, self._store.list_versions(one.name)) for one in self._store.list_datasets()]

    def _one(self, name: str, asked: dict[str, str | None]) -> dict[str, Any]:
        dataset = self._store.dataset(name)
        if dataset is None:
            raise NotThere(name)
        versions = self._store.list_versions(name)
        chosen = self._store.version_of(name, asked["version"])
        page = self._store.list_examples(ExampleQuery(name, chosen.version, limit=PAGE, cursor=asked["cursor"]))
        return {
            "row": view.row(dataset, versions),
            "chosen": view.version(chosen),
            "versions": [view.version(one) for one in versions[:MAX_VERSIONS]],
            "examples": [view.example(one) for one in page.items],
            "next_cursor": page.next_cursor,
            "paged": asked["cursor"] is not None,
            **self._difference(name, asked, chosen),
        }

    def _difference(self, name: str, asked: dict[str, str | None], chosen: Version) -> dict[str, Any]:
        """Of the versions that are asked for; by itself nothing is compared."""
        if asked["before"] is None:
            return {"diff": None, "diff_rows": [], "before": str(max(chosen.version - 1, 0)), "after": ""}
        before = self._store.version_of(name, asked["before"])
        after = self._store.version_of(name, asked["after"])
        diff = self._store.diff_versions(name, before.version, after.version)
        new = (*diff.changed, *diff.added)[:MAX_SHOWN]
        old = (*diff.changed, *diff.removed)[:MAX_SHOWN]
        rows = view.diff_rows(
            diff,
            self._store.examples_of(name, before.version, old),
            self._store.examples_of(name, after.version, new),
            MAX_SHOWN,
        )
        return {
            "diff": view.diff_words(diff),
            "diff_rows": rows,
            "before": str(before.version),
            "after": str(after.version),
        }
