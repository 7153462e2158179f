"""Spans and annotations to a LangSmith, by its own protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from collector.exporters.api import Needs, Parcel, Receipt, Record, Rejected, Said
from collector.exporters.langsmith.feedback import (
    changes_of,
    feedback_id,
    feedback_of,
    has_place,
    is_of_project,
    was_changed,
)
from collector.exporters.langsmith.ids import Roots
from collector.exporters.langsmith.jsons import encode
from collector.exporters.langsmith.options import Options
from collector.exporters.langsmith.parts import JSON, Item, item_of_feedback, item_of_run
from collector.exporters.langsmith.runs import runs_of
from collector.exporters.langsmith.sending import LangSmithHttp, via_headers

_JSON: Final = {"Content-Type": JSON}


class LangSmithExporter:
    needs = Needs(spans=500, ancestry=True, annotations=True)

    def __init__(self, langsmith: LangSmithHttp, options: Options) -> None:
        self._langsmith = langsmith
        self._project = options.project
        self._roots = Roots()

    async def send(self, parcel: Parcel) -> Receipt:
        items = await asyncio.to_thread(self._items, parcel.records)
        taken = await self._langsmith.send(items, via_headers(parcel.via))
        return Receipt(min(taken.rejected, len(items)), taken.reason, taken.peer)

    def _items(self, records: Sequence[Record]) -> list[Item]:
        return [item_of_run(run) for run in runs_of(records, self._roots, self._project)]

    async def missing(self, records: Sequence[Record]) -> Sequence[Record]:
        return ()

    async def annotate(self, said: Sequence[Said]) -> Sequence[Said]:
        """New ones go along as parts where the server takes them so, else by a request each; changed ones are changed
        by a request each. Raises ``Rejected``, after all others were sent, for what LangSmith has no place for."""
        fits = [one for one in said if has_place(one)]
        sessions = {project: await self._langsmith.session_id(project) for project in {*map(self._named, fits)}}
        unknown = [one for one in fits if is_of_project(one) and sessions[self._named(one)] is None]
        parts: list[Item] = []
        for one in fits:
            if one in unknown:
                continue
            if was_changed(one.annotation) and await self._changed(one):
                continue
            feedback = feedback_of(one, self._roots, sessions[self._named(one)])
            if feedback["trace_id"] and (await self._langsmith.info()).takes_feedback_parts:
                parts.append(item_of_feedback(feedback))
            elif not await self._posted(one, encode(feedback)):
                unknown.append(one)
        await self._langsmith.send(parts, {})
        if len(fits) < len(said):
            raise Rejected("LangSmith has no place for what is said of a session")
        return unknown

    async def _posted(self, said: Said, feedback: bytes) -> bool:
        """False where its run is not there yet."""
        answer = await self._langsmith.request("POST", "/feedback", feedback, _JSON)
        if answer.status == 404:
            return False
        if answer.status == 409:
            return await self._changed(said)
        if not answer.ok:
            raise self._langsmith.fault(answer)
        return True

    async def _changed(self, said: Said) -> bool:
        """False where there is no such feedback yet."""
        path = f"/feedback/{feedback_id(said.annotation)}"
        answer = await self._langsmith.request("PATCH", path, encode(changes_of(said.annotation)), _JSON)
        if answer.status == 404:
            return False
        if not answer.ok:
            raise self._langsmith.fault(answer)
        return True

    async def check(self) -> str:
        """By ``/info``, which asks for no key, and by a list of one project, which does."""
        return await checked_langsmith(self._langsmith)

    async def close(self) -> None:
        await self._langsmith.http.close()

    def _named(self, said: Said) -> str:
        return self._project or said.project


async def checked_langsmith(langsmith: LangSmithHttp) -> str:
    langsmith.forget()
    info = await langsmith.info()
    answer = await langsmith.request("GET", "/sessions", params={"limit": "1"})
    if not answer.ok:
        raise langsmith.fault(answer)
    return f"LangSmith {info.version or 'of a version that it does not say'} answers and takes the key ({info.way})"
