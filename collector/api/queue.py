"""``/api/v1/queue``: the work that every collector does behind what it stores. Trying again what was given up."""

from __future__ import annotations

from typing import Final

import anyio
import anyio.to_thread
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.api import params
from collector.api.bodies import Bodies, check_json
from collector.api.problems import Problem
from collector.api.values import encode
from collector.queue.api import INDEX, SUMMARISE, Queue

#: Those of destinations have an address of their own, beneath ``/destinations``.
_CONSUMERS: Final = frozenset({SUMMARISE, INDEX})


class QueueApi:
    def __init__(self, queue: Queue, bodies: Bodies, limiter: anyio.CapacityLimiter) -> None:
        self._queue = queue
        self._bodies = bodies
        self._limiter = limiter

    def routes(self) -> list[BaseRoute]:
        return [Route("/queue/{consumer}/retry", self.retry, methods=["POST"])]

    async def retry(self, request: Request) -> Response:
        """All that is buried of the consumer is tried again. The body is an empty object."""
        params.no_parameters(request.query_params.multi_items())
        check_json(request)
        async with self._bodies.taken(request) as body:
            try:
                empty = orjson.loads(body) == {}
            except orjson.JSONDecodeError:
                empty = False
        if not empty:
            raise Problem(400, "the body must be an empty object: {}")
        consumer = request.path_params["consumer"]
        if consumer not in _CONSUMERS:
            raise Problem(404, f"there is no such consumer; there are {', '.join(sorted(_CONSUMERS))}")
        items = await anyio.to_thread.run_sync(lambda: self._queue.revive(consumer), limiter=self._limiter)
        return Response(encode({"items": items}), media_type="application/json")
