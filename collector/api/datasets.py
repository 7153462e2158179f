"""``/api/v1/datasets``: examples in versions, where they come from and where they go."""

from __future__ import annotations

import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.api import dataset_body as body
from collector.api import dataset_params, params
from collector.api.dataset_calls import Calls, answer
from collector.api.dataset_render import (
    changed_json,
    dataset_json,
    diff_json,
    example_json,
    page_json,
    version_json,
)
from collector.api.problems import Problem
from collector.datasets import making
from collector.datasets.formats.fields import BadFile, Columns
from collector.datasets.formats.registry import MEDIA_TYPES, READERS, export, packed
from collector.datasets.model import Change, Dataset, Example
from collector.storage.api import Store, TooBroad
from collector.storage.datasets_api import ExampleQuery

#: Examples that a difference shows; its counts are of all.
MAX_SHOWN: Final = 200
_PAGE: Final = 500


class Datasets:
    def __init__(self, store: Store, calls: Calls) -> None:
        self._store = store
        self._calls = calls

    def routes(self) -> list[BaseRoute]:
        one = "/datasets/{name}"
        return [
            Route("/datasets", self.all, methods=["GET", "POST"]),
            Route(one, self.one, methods=["GET", "PATCH", "DELETE"]),
            Route(f"{one}/examples", self.examples, methods=["GET"]),
            Route(f"{one}/changes", self.change, methods=["POST"]),
            Route(f"{one}/versions", self.versions, methods=["GET"]),
            Route(f"{one}/diff", self.diff, methods=["GET"]),
            Route(f"{one}/tags/{{tag}}", self.tag, methods=["PUT", "DELETE"]),
            Route(f"{one}/import", self.import_, methods=["POST"]),
            Route(f"{one}/export", self.export, methods=["GET"]),
            Route(f"{one}/from-traces", self.from_traces, methods=["POST"]),
        ]

    async def all(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        if request.method == "POST":
            return await self._add(request)
        found = await self._calls.run(self._store.list_datasets)
        return answer({"items": [dataset_json(one) for one in found]})

    async def one(self, request: Request) -> Response:
        name = request.path_params["name"]
        if request.method == "DELETE":
            experiments = dataset_params.with_experiments(request.query_params.multi_items())
            if not await self._calls.written(self._store.remove_dataset(name, experiments=experiments)):
                raise _unknown(name)
            return Response(status_code=204)
        params.no_parameters(request.query_params.multi_items())
        if request.method == "PATCH":
            changes = await self._calls.read(request, lambda found: body.dataset_fields(found, new=False))
            changed = await self._calls.written(self._store.change_dataset(name, changes, now_ns=self._calls.now_ns()))
            if changed is None:
                raise _unknown(name)
            return answer(dataset_json(changed))
        found = await self._calls.run(lambda: self._store.dataset(name))
        if found is None:
            raise _unknown(name)
        return answer(dataset_json(found))

    async def examples(self, request: Request) -> Response:
        asked = dataset_params.examples(request.query_params.multi_items())
        name = request.path_params["name"]

        def read() -> dict[str, Any]:
            version = self._store.version_of(name, asked.version).version
            page = self._store.list_examples(ExampleQuery(name, version, asked.split, asked.limit, asked.cursor))
            return page_json([example_json(one) for one in page.items], page.next_cursor, version=page.version)

        return answer(await self._calls.run(read))

    async def change(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        change = await self._calls.read(request, body.change_of)
        return await self._changed(request.path_params["name"], change)

    async def versions(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        found = await self._calls.run(lambda: self._store.list_versions(request.path_params["name"]))
        return answer({"items": [version_json(one) for one in found]})

    async def diff(self, request: Request) -> Response:
        asked = dataset_params.diff(request.query_params.multi_items())
        name = request.path_params["name"]
        return answer(await self._calls.run(lambda: difference(self._store, name, *asked)))

    async def tag(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        name = request.path_params["name"]
        tag = dataset_params.tag(request.path_params["tag"])
        if request.method == "DELETE":
            if not await self._calls.written(self._store.untag(name, tag)):
                raise Problem(404, f"no version of {name} has the tag {tag}")
            return Response(status_code=204)
        version = await self._calls.read(request, body.tag_fields)
        await self._calls.written(self._store.tag_version(name, tag, version, now_ns=self._calls.now_ns()))
        return answer(version_json(await self._calls.run(lambda: self._store.version_of(name, str(version)))))

    async def import_(self, request: Request) -> Response:
        asked = dataset_params.imported(request.query_params.multi_items())
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in MEDIA_TYPES:
            raise Problem(415, f"the body must be one of {', '.join(MEDIA_TYPES)}")
        async with self._calls.bodies.taken(request) as data:
            examples = await self._calls.run(lambda: read_file(MEDIA_TYPES[media_type], data, asked.columns))
        change = Change(add=tuple(examples), replace=asked.replace, deduplicate=asked.deduplicate, note=asked.note)
        return await self._changed(request.path_params["name"], change)

    async def export(self, request: Request) -> Response:
        asked = dataset_params.exported(request.query_params.multi_items())
        name = request.path_params["name"]

        def work() -> tuple[str, str, bytes]:
            found = export(asked.format, name, all_examples(self._store, name, asked.version, asked.split))
            if len(found.files) == 1:
                ((file, data),) = found.files.items()
                return file, found.media_type, data
            return f"{name}.zip", "application/zip", packed(found.files)

        try:
            file, media_type, data = await self._calls.run(work)
        except ModuleNotFoundError as error:
            raise Problem(501, f"this format needs {error.name}: install tracekit-llm[archive]") from None
        headers = {"Content-Disposition": f'attachment; filename="{file}"', "X-Content-Type-Options": "nosniff"}
        return Response(data, media_type=media_type, headers=headers)

    async def from_traces(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        asked = await self._calls.read(request, lambda found: making.selection_of(found, self._calls.now_ns()))
        try:
            made = await self._calls.run(lambda: making.make(self._store, asked))
        except TooBroad as error:
            raise Problem(400, str(error), [{"pointer": "/filter", "detail": str(error)}]) from None
        change = Change(add=made.examples, note=asked.note)
        return await self._changed(request.path_params["name"], change, made.skipped)

    async def _add(self, request: Request) -> Response:
        fields = await self._calls.read(request, lambda found: body.dataset_fields(found, new=True))
        new = Dataset(secrets.token_bytes(16), **fields)
        added = await self._calls.written(self._store.add_dataset(new, now_ns=self._calls.now_ns()))
        return answer(dataset_json(added), 201)

    async def _changed(self, name: str, change: Change, skipped: int = 0) -> Response:
        future = self._store.change_examples(name, change, now_ns=self._calls.now_ns())
        return answer(changed_json(await self._calls.written(future), skipped))


def read_file(format_name: str, data: bytes, columns: Columns) -> list[Example]:
    """Raises the 400 ``Problem`` that names lines."""
    try:
        return READERS[format_name](data, columns)
    except BadFile as fault:
        errors = [{"pointer": f"/{line}" if line else "", "detail": text} for line, text in fault.faults]
        raise Problem(400, f"the file is wrong: {fault}", errors) from None
    except ModuleNotFoundError as error:
        raise Problem(501, f"this format needs {error.name}: install tracekit-llm[archive]") from None


def all_examples(store: Store, name: str, version: str | None, split: str | None = None) -> list[Example]:
    """Every example of a version, in order. Raises ``NotThere``."""
    number = store.version_of(name, version).version
    found: list[Example] = []
    cursor: str | None = None
    while True:
        page = store.list_examples(ExampleQuery(name, number, split, _PAGE, cursor))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def difference(store: Store, name: str, before: str | None, after: str | None, shown: int = MAX_SHOWN) -> Any:
    """``diff_json`` of two versions. Raises ``NotThere``."""
    new = store.version_of(name, after).version
    old = max(new - 1, 0) if before is None else store.version_of(name, before).version
    diff = store.diff_versions(name, old, new)
    olds = [*diff.removed[:shown], *diff.changed[:shown]]
    news = [*diff.added[:shown], *diff.changed[:shown]]
    return diff_json(diff, store.examples_of(name, old, olds), store.examples_of(name, new, news))


def _unknown(name: str) -> Problem:
    return Problem(404, f"there is no dataset {name}")
