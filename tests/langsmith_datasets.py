"""A local stand-in for LangSmith's datasets and examples that refuses what the real one refuses.

In a test: ``with serving(Datasets()) as there: ... there.url``. Bodies are read by langsmith's own schemas, and fields
that these do not know are refused. The real client reads from it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from langsmith import schemas
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = "lsv2_pt_datasets"
_TENANT = str(UUID("3f0c1d52-0000-4000-8000-000000000002"))
_DATASET = {"name", "data_type", "description", "extra", "inputs_schema_definition", "outputs_schema_definition"}
_MOST = 100

Json = dict[str, Any]


class Datasets:
    def __init__(self) -> None:
        self.url = ""
        self.datasets: dict[str, Json] = {}
        self.examples: dict[str, Json] = {}
        #: (method, path, how many examples it brought) of everything that was answered
        self.seen: list[tuple[str, str, int]] = []

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/info", self.info),
                Route("/sessions", self.sessions),
                Route("/datasets", self.all_datasets, methods=["GET", "POST"]),
                Route("/datasets/{id}", self.one_dataset),
                Route("/examples", self.list_examples),
                Route("/examples/bulk", self.bulk, methods=["POST", "PATCH"]),
                Route("/examples/{id}", self.one_example, methods=["DELETE"]),
            ]
        )

    async def info(self, _request: Request) -> Response:
        return JSONResponse({"version": "0.20.0", "instance_flags": {}})

    async def sessions(self, _request: Request) -> Response:
        return JSONResponse([])

    async def all_datasets(self, request: Request) -> Response:
        if request.headers.get("x-api-key") != KEY:
            return JSONResponse({"detail": "Invalid token"}, 401)
        if request.method == "GET":
            name = request.query_params.get("name")
            return JSONResponse([one for one in self.datasets.values() if name in (None, one["name"])])
        body = await request.json()
        if body.keys() - _DATASET or any(one["name"] == body["name"] for one in self.datasets.values()):
            return JSONResponse({"detail": "refused"}, 422 if body.keys() - _DATASET else 409)
        found = {**body, "id": str(uuid4()), "created_at": datetime.now(UTC).isoformat(), "tenant_id": _TENANT}
        schemas.Dataset(**{**found, "metadata": body.get("extra", {}).get("metadata")})
        self.datasets[found["id"]] = found
        return JSONResponse(found)

    async def one_dataset(self, request: Request) -> Response:
        return JSONResponse(self.datasets[request.path_params["id"]])

    async def list_examples(self, request: Request) -> Response:
        limit, offset = (int(request.query_params.get(name, "0")) for name in ("limit", "offset"))
        if limit > _MOST:
            return JSONResponse({"detail": "limit"}, 422)
        found = [one for one in self.examples.values() if one["dataset_id"] == request.query_params["dataset"]]
        return JSONResponse(found[offset : offset + (limit or _MOST)])

    async def bulk(self, request: Request) -> Response:
        bodies = await request.json()
        self.seen.append((request.method, "/examples/bulk", len(bodies)))
        for body in bodies:
            known = set(schemas.ExampleCreate.model_fields) | {"dataset_id", "outputs"}
            if body.keys() - known or body["dataset_id"] not in self.datasets:
                return JSONResponse({"detail": "refused"}, 422)
            if (body["id"] in self.examples) != (request.method == "PATCH"):
                return JSONResponse({"detail": "conflict"}, 409)
        for body in bodies:
            said = {name: value for name, value in body.items() if name not in ("dataset_id", "outputs")}
            schemas.ExampleCreate(**said, reference_outputs=body["outputs"])
            metadata = {**(body.get("metadata") or {}), "dataset_split": [body["split"]]}
            kept = {"created_at": datetime.now(UTC).isoformat(), "modified_at": None, "source_run_id": None}
            self.examples[body["id"]] = {**body, **kept, "metadata": metadata}
        return JSONResponse([{"id": body["id"]} for body in bodies])

    async def one_example(self, request: Request) -> Response:
        self.seen.append(("DELETE", "/examples", 1))
        del self.examples[request.path_params["id"]]
        return JSONResponse({})


@contextmanager
def serving(datasets: Datasets) -> Iterator[Datasets]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(datasets.app(), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        datasets.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield datasets
        finally:
            server.should_exit = True
            thread.join()
