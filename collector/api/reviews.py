"""``/api/v1/reviews``: which trace a person is to look at next."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.api import params
from collector.api.dataset_body import FaultyBody
from collector.api.dataset_calls import Calls, answer
from collector.api.problems import Problem
from collector.api.review_body import review_query, skipped
from collector.api.values import timestamp
from collector.storage.api import TooBroad
from collector.storage.reviews_api import Review, ReviewQuery, ReviewStore


class Reviews:
    def __init__(self, store: ReviewStore, calls: Calls) -> None:
        self._store = store
        self._calls = calls

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/reviews/next", self.next, methods=["POST"]),
            Route("/reviews/skip", self.skip, methods=["POST"]),
        ]

    async def next(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        now = self._calls.now_ns()
        query = await self._calls.read(request, lambda body: review_query(body, now))
        found = await self._calls.run(lambda: self._next(query, now))
        until = found.reserved_until_ns
        return answer(
            {
                "trace_id": found.trace_id.hex() if found.trace_id else None,
                "reserved_until": None if until is None else timestamp(until),
                "left": found.left,
            }
        )

    async def skip(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        now = self._calls.now_ns()
        trace_id, name, reviewer = await self._calls.read(request, skipped)
        if not await self._calls.run(lambda: self._store.skip_review(trace_id, name, reviewer, now_ns=now)):
            raise Problem(404, "no such trace is stored")
        return Response(status_code=204)

    def _next(self, query: ReviewQuery, now_ns: int) -> Review:
        try:
            return self._store.next_review(query, now_ns=now_ns)
        except TooBroad as fault:
            raise FaultyBody({"/filter": str(fault)}) from None
