"""``/api/v1/destinations``: where spans are sent on to, how that goes, and what is to be done about it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar, get_args

import anyio
import anyio.to_thread
import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.api import params
from collector.api.bodies import Bodies, check_json, problem_of
from collector.api.destination_render import buried_json, destination_json, status_json
from collector.api.destination_schemas import CHECK_SECONDS, MAX_BURIED
from collector.api.problems import Problem
from collector.api.values import encode, time_of
from collector.destinations import Destination, State
from collector.exporters.api import Away, Exporter, Failed, Rejected
from collector.forwarding.credentials import NoSecret, resolved, secret_values, without
from collector.forwarding.forwarding import exporter_with
from collector.forwarding.settings import FIELDS, FaultySettings, destination_of
from collector.queue.api import Queue
from collector.queue.retry import describe
from collector.receivers.refusal import of_storage
from collector.storage.api import StorageError
from collector.storage.forward_api import DestinationStore, NameTaken

T = TypeVar("T")

log = structlog.get_logger("collector.api")

#: A field that nobody knows is named by so many characters.
MAX_NAME: Final = 100
_MAX_ID: Final = 2**63 - 1
#: Where spans and secrets go: what changes one of these over the network may not use the operator's secrets and files.
_PLACES: Final = ("kind", "endpoint", "api_key", "headers")
_PLACE_OPTIONS: Final = ("s3_endpoint", "ca_file")
#: Shorter values are no secrets, and may be anywhere in a message.


class Destinations:
    def __init__(
        self,
        store: DestinationStore,
        queue: Queue,
        bodies: Bodies,
        limiter: anyio.CapacityLimiter,
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._queue = queue
        self._bodies = bodies
        self._limiter = limiter
        self._now_ns = now_ns

    def routes(self) -> list[BaseRoute]:
        one = "/destinations/{name}"
        return [
            Route("/destinations", self.all, methods=["GET", "POST"]),
            Route(one, self.one, methods=["GET", "PATCH", "DELETE"]),
            Route(f"{one}/buried", self.buried, methods=["GET"]),
            Route(f"{one}/test", self.test, methods=["POST"]),
            Route(f"{one}/replay", self.replay, methods=["POST"]),
            Route(f"{one}/retry", self.retry, methods=["POST"]),
            Route(f"{one}/drop", self.drop, methods=["POST"]),
        ]

    async def all(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        if request.method == "POST":
            return await self._add(request)
        statuses = await self._run(lambda: self._store.destination_statuses(now_ns=self._now_ns()))
        return _json({"items": [status_json(status) for status in statuses]})

    async def one(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        name = request.path_params["name"]
        if request.method == "DELETE":
            known = await self._known(name)
            _check_ours(known)
            await self._written(self._store.remove_destination(name))
            return Response(status_code=204)
        if request.method == "PATCH":
            return await self._change(request)
        statuses = await self._run(lambda: self._store.destination_statuses(now_ns=self._now_ns()))
        found = next((status for status in statuses if status.destination.name == name), None)
        if found is None:
            raise _unknown()
        return _json(status_json(found))

    async def buried(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        known = await self._known(request.path_params["name"])
        found = await self._run(
            lambda: [
                item
                for consumer in (known.consumer, known.verifier)
                for item in self._queue.buried(consumer, limit=MAX_BURIED)
            ]
        )
        latest = sorted(found, key=lambda item: item.id, reverse=True)[:MAX_BURIED]
        return _json({"items": [buried_json(item) for item in latest]})

    async def test(self, request: Request) -> Response:
        """What answered, or why nothing did: 200 either way, for the question was answered."""
        params.no_parameters(request.query_params.multi_items())
        check_json(request)
        known = await self._known(request.path_params["name"])
        answered, detail = await checked(known)
        return _json({"ok": answered, "detail": detail})

    async def replay(self, request: Request) -> Response:
        name = request.path_params["name"]
        await self._known(name)
        body = await self._object(request)
        faults: dict[str, str] = {}
        now = self._now_ns()
        times = {key: _time(body, key, default, now, faults) for key, default in (("from", None), ("to", now))}
        faults |= dict.fromkeys(body.keys() - times.keys(), "there is no such field; there are from, to")
        if faults:
            raise _faulty(faults)
        spans = await self._written(self._store.replay(name, from_ns=times["from"], to_ns=times["to"], now_ns=now))
        return _json({"spans": spans})

    async def retry(self, request: Request) -> Response:
        name = request.path_params["name"]
        await self._known(name)
        item_id = await self._item_id(request)
        return _json({"items": await self._written(self._store.revive_buried(name, item_id=item_id))})

    async def drop(self, request: Request) -> Response:
        name = request.path_params["name"]
        await self._known(name)
        item_id = await self._item_id(request)
        return _json({"items": await self._written(self._store.drop_buried(name, item_id=item_id))})

    async def _add(self, request: Request) -> Response:
        body = await self._object(request)
        faults: dict[str, str] = {}
        now = self._now_ns()
        from_ns = _time({"from": body.pop("from", None)}, "from", now, now, faults)
        destination = await self._run(lambda: _read(body, faults))
        added = await self._written(
            self._store.add_destination(destination, from_ns=None if from_ns >= now else from_ns, now_ns=now)
        )
        return _json(destination_json(added), 201)

    async def _change(self, request: Request) -> Response:
        name = request.path_params["name"]
        known = await self._known(name)
        body = await self._object(request)
        if body.keys() - {"state"}:
            _check_ours(known)
        changes = await self._run(lambda: _changes(body, known))
        stored = await self._written(self._store.change_destination(name, changes, now_ns=self._now_ns()))
        if stored is None:
            raise _unknown()
        return _json(destination_json(stored))

    async def _known(self, name: str) -> Destination:
        for destination in await self._run(self._store.destinations):
            if destination.name == name:
                return destination
        raise _unknown()

    async def _object(self, request: Request) -> dict[str, Any]:
        params.no_parameters(request.query_params.multi_items())
        check_json(request)
        async with self._bodies.taken(request) as body:
            try:
                found = orjson.loads(body)
            except orjson.JSONDecodeError as error:
                raise _faulty({"": f"the body is no JSON: {error}"}) from None
        if not isinstance(found, dict):
            raise _faulty({"": "the body must be an object"})
        return found

    async def _item_id(self, request: Request) -> int | None:
        body = await self._object(request)
        found = body.get("id")
        faults = dict.fromkeys(body.keys() - {"id"}, "there is no such field; there is id")
        if not (found is None or (type(found) is int and 0 < found <= _MAX_ID)):
            faults["id"] = "must be the id of something buried; without it, all that is buried"
        if faults:
            raise _faulty(faults)
        return found

    async def _written(self, future: Future[T]) -> T:
        try:
            return await asyncio.wrap_future(future)
        except NameTaken as error:
            raise Problem(409, str(error)) from None
        except StorageError as error:
            raise problem_of(of_storage(error)) from None

    async def _run(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


async def checked(destination: Destination) -> tuple[bool, str]:
    """Whether the destination answers and takes the key, and what it said."""
    try:
        # Reads files and imports what the kind needs.
        exporter, secrets = await asyncio.to_thread(_built, destination)
    except (NoSecret, ValueError) as error:
        return False, str(error)
    except ModuleNotFoundError as error:
        return False, f"needs {error.name}: install tracekit-llm[{destination.kind}]"
    answered, detail = await _asked(exporter)
    return answered, without(secrets, detail)


def _built(destination: Destination) -> tuple[Exporter, tuple[str, ...]]:
    """With the values of its secrets, which a destination may repeat in what it answers."""
    values = resolved(destination, os.environ)
    return exporter_with(destination, values), secret_values(destination, values)


async def _asked(exporter: Exporter) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return True, await exporter.check()
    except TimeoutError:
        return False, f"no answer within {CHECK_SECONDS:g} s"
    except (Away, Failed, Rejected) as error:
        return False, str(error)
    except Exception as error:
        log.error("a destination could not be asked", exc_info=True)
        return False, f"cannot be asked: {describe(error)}"
    finally:
        await exporter.close()


def _changes(body: dict[str, Any], known: Destination) -> dict[str, Any]:
    """Of the fields that the body names, and no others: two changes at the same time are both made. Raises the
    ``Problem``."""
    if body.keys() == {"state"} and body["state"] in get_args(State):
        return body  # whatever has become of the rest: it must be possible to stop it
    settings = {name: value for name, value in destination_json(known).items() if name in FIELDS}
    asked = {**settings, **body}
    faults = {}
    if asked["kind"] != known.kind:
        faults["kind"] = "cannot be changed: add another destination"
    changed = _read(asked, faults, known)
    changes: dict[str, Any] = {name: getattr(changed, name) for name in FIELDS if name in body}
    if changed.endpoint != known.endpoint or changed.options != known.options:
        changes["peer"] = None  # somebody else may answer there
    return changes


def _read(body: dict[str, Any], faults: dict[str, str], known: Destination | None = None) -> Destination:
    """``known``: secrets and directories that it names already are no news. What is null is not given. Raises the
    ``Problem``."""
    remote = known is None or _places(body) != _places(destination_json(known))
    if remote and _options(body).get("ca_file") is not None:
        faults["options"] = "over the network, no files of the collector's machine can be named (ca_file)"
    given = {name: value for name, value in body.items() if value is not None or name not in FIELDS}
    try:
        found = destination_of(given, remote=remote)
    except FaultySettings as faulty:
        raise _faulty(faults | faulty.faults) from None
    if faults:
        raise _faulty(faults)
    return found


def _places(body: dict[str, Any]) -> list[Any]:
    options = _options(body)
    return [*(body.get(name) for name in _PLACES), *(options.get(name) for name in _PLACE_OPTIONS)]


def _options(body: dict[str, Any]) -> dict[str, Any]:
    found = body.get("options")
    return found if isinstance(found, dict) else {}


def _time(body: dict[str, Any], name: str, default: int | None, now_ns: int, faults: dict[str, str]) -> int:
    value = body.get(name)
    if value is None and default is not None:
        return default
    try:
        if not isinstance(value, str):
            raise ValueError("must be a time: 2026-01-02T03:04:05Z, or how long ago: 24h")
        return time_of(value, now_ns)
    except ValueError as error:
        faults[name] = str(error)
        return 0


def _check_ours(destination: Destination) -> None:
    if destination.source == "config":
        raise Problem(409, "this destination is in the configuration file: change it there")


def _faulty(faults: dict[str, str]) -> Problem:
    """Field to what is wrong with it; the field ``""`` is the body."""
    errors = [{"pointer": _pointer(name), "detail": detail} for name, detail in sorted(faults.items())]
    detail = "; ".join(f"{name[:MAX_NAME]}: {detail}" if name else detail for name, detail in sorted(faults.items()))
    return Problem(400, detail, errors)


def _pointer(name: str) -> str:
    """RFC 6901."""
    return f"/{name[:MAX_NAME].replace('~', '~0').replace('/', '~1')}" if name else ""


def _unknown() -> Problem:
    return Problem(404, "there is no destination of this name")


def _json(document: Any, status: int = 200) -> Response:
    return Response(encode(document), status, media_type="application/json")
