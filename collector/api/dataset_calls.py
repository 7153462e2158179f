"""What requests about datasets and experiments have in common: bodies, threads, and faults as answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import orjson
from starlette.requests import Request
from starlette.responses import Response

from collector.api import params
from collector.api.bodies import Bodies, check_json, problem_of
from collector.api.dataset_body import FaultyBody
from collector.api.problems import Problem
from collector.api.values import encode
from collector.datasets.model import Invalid
from collector.datasets.plan import NotThere, TooMany
from collector.receivers.refusal import of_storage
from collector.storage.api import BadCursor, StorageError
from collector.storage.datasets_api import DatasetNameTaken, InUse, VersionConflict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Calls:
    bodies: Bodies
    limiter: anyio.CapacityLimiter
    now_ns: Callable[[], int]

    async def run(self, work: Callable[[], T]) -> T:
        """In a thread; what is not there is 404."""
        found: T = await _told(anyio.to_thread.run_sync(work, limiter=self.limiter))
        return found

    async def written(self, future: Future[T]) -> T:
        """What a write came to, after its commit."""
        found: T = await _told(asyncio.wrap_future(future))
        return found

    async def object(self, request: Request) -> dict[str, Any]:
        return await self.read(request, lambda found: found)

    async def read(self, request: Request, read: Callable[[dict[str, Any]], T]) -> T:
        """What ``read`` makes of the body, an object."""
        check_json(request)
        async with self.bodies.taken(request) as data:
            return await self.run(lambda: read(_object(data)))


def answer(document: Any, status: int = 200) -> Response:
    return Response(encode(document), status, media_type="application/json")


async def _told(work: Any) -> Any:
    try:
        return await work
    except FaultyBody as fault:
        errors = [{"pointer": pointer, "detail": text} for pointer, text in fault.faults.items()]
        raise Problem(400, "the body is wrong: errors says where and why", errors) from None
    except BadCursor as fault:
        raise params.Faulty({"cursor": str(fault)}) from None
    except NotThere as error:
        raise Problem(404, str(error)) from None
    except (DatasetNameTaken, VersionConflict, InUse) as error:
        raise Problem(409, str(error)) from None
    except (Invalid, TooMany) as error:
        raise Problem(400, str(error)) from None
    except StorageError as error:
        if isinstance(work, asyncio.Future):
            raise problem_of(of_storage(error)) from None
        raise


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FaultyBody({"": f"is no JSON: {error}"}) from None
    if not isinstance(found, dict):
        raise FaultyBody({"": "must be an object"})
    return found
