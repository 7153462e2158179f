"""A local stand-in for LangSmith that refuses what the real one refuses, keeps what it took, and fails as it is told.

In a test: ``with serving(Strict()) as strict: ... strict.url``. As a process: ``python langsmith_strict.py --key KEY
--state FILE``, which prints its address; its state outlives it. ``GET /_strict`` tells everything that it has taken,
``PUT /_strict/faults`` sets ``Faults``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import uvicorn
from langsmith_strict_rules import (
    FIELDS,
    Part,
    Refused,
    check_feedback,
    check_order,
    check_run,
    check_said,
    loaded,
    parts_of,
    unpacked,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = "lsv2_pt_strict"
LIMIT = 20 * 1024 * 1024
_TENANT = UUID("3f0c1d52-0000-4000-8000-000000000001")

Json = dict[str, Any]


@dataclass
class Faults:
    """``refuse``: so many of the next requests are answered with ``status``. ``share``: this part of them with 500.
    ``hang_s``: each waits so long. ``poison``: a request with this text in it is a 500. ``no_multipart``, ``no_zstd``:
    as older servers, whatever ``/info`` says."""

    refuse: int = 0
    status: int = 429
    share: float = 0.0
    hang_s: float = 0.0
    poison: str = ""
    no_multipart: bool = False
    no_zstd: bool = False


@dataclass
class Strict:
    """``runs`` and ``feedback`` by their ids; ``attachments`` by run id and name; ``seen`` are (method, path, status,
    headers) of every request; ``refused`` why something was; ``bodies`` of the requests to ``/runs/multipart``."""

    key: str = KEY
    version: str = "0.20.0"
    way: str = "zstd"
    limit: int = LIMIT
    most: int = 100
    state: Path | None = None
    faults: Faults = field(default_factory=Faults)
    runs: dict[str, Json] = field(default_factory=dict)
    feedback: dict[str, Json] = field(default_factory=dict)
    attachments: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    traces: list[tuple[str, bytes]] = field(default_factory=list)
    seen: list[tuple[str, str, int, dict[str, str]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    bodies: list[tuple[bytes, str]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        if self.state is not None and self.state.exists():
            kept = json.loads(self.state.read_text())
            self.runs, self.feedback = kept["runs"], kept["feedback"]

    def info(self) -> Json:
        return {
            "version": self.version,
            "batch_ingest_config": {
                "use_multipart_endpoint": self.way != "batch",
                "size_limit": self.most,
                "size_limit_bytes": self.limit,
                "scale_up_qsize_trigger": 1000,
                "scale_up_nthreads_limit": 16,
                "scale_down_nempty_trigger": 4,
            },
            "instance_flags": {"zstd_compression_enabled": self.way == "zstd"},
        }

    def take(self, posts: list[Json], patches: list[Json], feedback: list[Json]) -> None:
        """All or nothing. Runs that have ended are there already; those that are pending are overwritten."""
        for run in posts:
            check_run(run, "post")
        for run in patches:
            check_run(run, "patch")
        for one in feedback:
            check_feedback(one)
            self._check_session(one)
        for known, new in ((self.runs, posts), (self.feedback, feedback)):
            if any(known.get(one["id"], {}).get("end_time" if known is self.runs else "id") for one in new):
                raise Refused(409, "already there")
        for run in (*posts, *patches):
            merged = self.runs.get(run["id"], {}) | {name: value for name, value in run.items() if value is not None}
            if "name" in merged:
                check_order(merged)
            self.runs[run["id"]] = merged
        self.feedback |= {one["id"]: one for one in feedback}
        self.keep()

    def keep(self) -> None:
        if self.state is not None:
            new = self.state.with_suffix(".new")
            new.write_text(json.dumps({"runs": self.runs, "feedback": self.feedback}))
            new.replace(self.state)

    def projects(self) -> dict[str, str]:
        names = {run["session_name"] for run in self.runs.values() if run.get("session_name")}
        return {str(uuid5(_TENANT, name)): name for name in sorted(names)}

    def _check_session(self, feedback: Json) -> None:
        session = feedback.get("session_id")
        if session is not None and session not in self.projects():
            raise Refused(404, "session not found")


def app_of(strict: Strict) -> Starlette:
    pages = _Pages(strict)
    return Starlette(
        routes=[
            Route("/_strict", pages.everything),
            Route("/_strict/faults", pages.set_faults, methods=["PUT"]),
            Route("/{path:path}", pages.answer, methods=["GET", "POST", "PATCH"]),
        ]
    )


class _Pages:
    def __init__(self, strict: Strict) -> None:
        self._strict = strict

    async def everything(self, _: Request) -> Response:
        strict = self._strict
        told = {"runs": strict.runs, "feedback": strict.feedback, "refused": strict.refused}
        return JSONResponse(told | {"seen": [list(one[:3]) for one in strict.seen]})

    async def set_faults(self, request: Request) -> Response:
        self._strict.faults = Faults(**await request.json())
        return JSONResponse(asdict(self._strict.faults))

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        headers = dict(request.headers)
        path = request.url.path
        try:
            status, content = await self._answer(request.method, path, body, headers, dict(request.query_params))
        except Refused as refused:
            status, content = refused.status, {"detail": str(refused)}
            if status not in (401, 403, 409, 429):
                self._strict.refused.append(str(refused))
        self._strict.seen.append((request.method, path, status, headers))
        return JSONResponse(content, status)

    async def _answer(
        self, method: str, path: str, body: bytes, headers: dict[str, str], query: dict[str, str]
    ) -> tuple[int, Any]:
        strict = self._strict
        if (method, path) == ("GET", "/info"):
            return 200, strict.info()
        if "x-api-key" not in headers:
            raise Refused(401, "no key")
        if headers["x-api-key"] != strict.key:
            raise Refused(403, f"{headers['x-api-key']} is not a key")
        await self._fail(body)
        if len(body) > strict.limit:
            raise Refused(413, "payload too large")
        if (method, path) == ("GET", "/sessions"):
            found = [{"id": key, "name": name, "tenant_id": str(_TENANT)} for key, name in strict.projects().items()]
            return 200, [one for one in found if query.get("name") in (None, one["name"])][: int(query["limit"])]
        if (method, path) == ("POST", "/runs/multipart"):
            return self._multipart(body, headers)
        if (method, path) == ("POST", "/runs/batch"):
            return self._batch(loaded(body))
        if (method, path) == ("POST", "/otel/v1/traces"):
            strict.traces.append((headers.get("langsmith-project", ""), body))
            return 200, {}
        if (method, path) == ("POST", "/feedback"):
            return self._feedback(loaded(body))
        if method == "PATCH" and path.startswith("/feedback/"):
            return self._change(path.rpartition("/")[2], loaded(body))
        raise Refused(404, f"there is no {method} {path}")

    async def _fail(self, body: bytes) -> None:
        faults = self._strict.faults
        await asyncio.sleep(faults.hang_s)
        if faults.refuse > 0:
            self._strict.faults = replace(faults, refuse=faults.refuse - 1)
            raise Refused(faults.status, f"told to answer {faults.status}")
        if random.random() < faults.share:
            raise Refused(500, "told to fail")
        if faults.poison and faults.poison.encode() in body:
            raise Refused(500, "poisoned")

    def _multipart(self, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        strict = self._strict
        if strict.faults.no_multipart or strict.way == "batch":
            raise Refused(404, "Not Found")
        if "content-encoding" in headers and (strict.faults.no_zstd or strict.way != "zstd"):
            raise Refused(415, "Content-Encoding is not supported")
        found = unpacked(body, headers, strict.limit)
        if strict.faults.poison and strict.faults.poison.encode() in found:
            raise Refused(500, "poisoned")
        posts, patches, feedback, attached = _told(list(parts_of(found, headers.get("content-type", ""))))
        if len(posts) + len(patches) > strict.most:
            raise Refused(413, "more runs than size_limit")
        known = {*posts, *patches, *strict.runs}
        if stray := [run for run, _ in attached if run not in known]:
            raise Refused(422, f"an attachment of {stray[0]}, which is not there")
        strict.take([*posts.values()], [*patches.values()], feedback)
        for (run, name), part in attached.items():
            strict.attachments.setdefault(run, {})[name] = (part.content_type, part.data)
        strict.bodies.append((found, headers["content-type"]))
        return 202, {"message": "Runs batch ingested"}

    def _batch(self, batch: Any) -> tuple[int, Any]:
        if not isinstance(batch, dict) or not batch.keys() <= {"post", "patch"}:
            raise Refused(422, "not a batch")
        self._strict.take(batch.get("post", []), batch.get("patch", []), [])
        return 202, {"message": "Runs batch ingested"}

    def _feedback(self, feedback: Any) -> tuple[int, Any]:
        run = check_feedback(feedback).get("run_id")
        if run is not None and run not in self._strict.runs:
            raise Refused(404, "run not found")
        self._strict.take([], [], [feedback])
        return 200, feedback

    def _change(self, feedback_id: str, changes: Any) -> tuple[int, Any]:
        if feedback_id not in self._strict.feedback:
            raise Refused(404, "feedback not found")
        if not changes.keys() <= {"score", "value", "comment", "correction"}:
            raise Refused(422, "extra fields not permitted")
        check_said(changes)
        self._strict.feedback[feedback_id] |= changes
        self._strict.keep()
        return 200, self._strict.feedback[feedback_id]


def _told(parts: list[Part]) -> tuple[dict[str, Json], dict[str, Json], list[Json], dict[tuple[str, str], Part]]:
    runs: dict[str, dict[str, Json]] = {"post": {}, "patch": {}}
    feedback: list[Json] = []
    attached: dict[tuple[str, str], Part] = {}
    for part in parts:
        kind, run_id, *rest = part.name.split(".")
        if kind == "attachment":
            if len(rest) != 1 or not rest[0] or not part.content_type:
                raise Refused(422, f"{part.name}: an attachment's name may have no period")
            attached[run_id, rest[0]] = part
            continue
        if part.content_type != "application/json":
            raise Refused(422, f"{part.name} is not application/json")
        value = loaded(part.data)
        if kind == "feedback" and not rest:
            feedback.append(value)
        elif kind in runs and not rest and isinstance(value, dict) and value.get("id") == run_id:
            runs[kind][run_id] = value
        elif kind in runs and len(rest) == 1 and rest[0] in FIELDS and run_id in runs[kind]:
            runs[kind][run_id][rest[0]] = value
        else:
            raise Refused(422, f"{part.name} is not a part that LangSmith knows, or comes before its run")
    return runs["post"], runs["patch"], feedback, attached


@contextmanager
def serving(strict: Strict) -> Iterator[Strict]:
    """The stand-in on a free port of this process."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app_of(strict), log_level="error", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline, "the stand-in does not start"
            time.sleep(0.01)
        strict.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield strict
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--state", type=Path)
    given = parser.parse_args()
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", given.port))
        listening.listen()
        sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        strict = Strict(key=given.key, state=given.state)
        server = uvicorn.Server(uvicorn.Config(app_of(strict), log_level="error", lifespan="off"))
        asyncio.run(server.serve([listening]))


if __name__ == "__main__":
    main()
