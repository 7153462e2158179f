"""Sending annotations, and seeing that they are there.

Phoenix takes annotations at once and attaches them when their subject has come, but forgets them after ten minutes and
when it stops; so all are sent, and those count as delivered that can be read back. What cannot be read back over REST
(annotations of documents) and notes are sent so that the answer is the acknowledgement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from collector.exporters.api import Rejected, Said, SpanKey
from collector.exporters.http import Http
from collector.exporters.phoenix.annotations import Kind, Statement, body_of, statement_of
from collector.exporters.phoenix.reading import JSON, Place, Reader, taken
from collector.exporters.phoenix.spans import other_id
from collector.model import Span

_KINDS: Final[tuple[Kind, ...]] = ("span", "trace", "session")
_MOST: Final = 200
#: How long what was sent about known subjects is looked for, and how often: Phoenix stores in between a hundred spans.
_CONFIRM_S: Final = 5.0
_PAUSE_S: Final = 0.1
_MAX_PAUSE_S: Final = 1.0


class Annotator:
    def __init__(self, http: Http, base: str, reader: Reader, by_project: bool) -> None:
        self._http = http
        self._base = base
        self._reader = reader
        self._by_project = by_project

    async def annotate(self, said: Sequence[Said]) -> list[Said]:
        """Returns those that Phoenix does not show afterwards. Raises ``Rejected`` after all others were sent."""
        names = await self._spans(said)
        statements = [
            statement_of(one, self._by_project, None if one.span is None else names[_key(one.span)][0]) for one in said
        ]
        places = await self._places(statements, names)
        lost, refused = await self._send_singly(statements, places)
        rest = [one for one in statements if not one.is_note and one.kind != "document"]
        for kind in _KINDS:
            of_kind = [one for one in rest if one.kind == kind]
            for start in range(0, len(of_kind), _MOST):
                await self._post(f"{kind}_annotations", of_kind[start : start + _MOST])
        lost += await self._unseen(rest, places)
        if refused is not None:
            raise refused
        unattached = {id(one) for one in lost}
        return [one.said for one in statements if id(one) in unattached]

    async def _spans(self, said: Sequence[Said]) -> dict[SpanKey, tuple[bytes, str]]:
        """What Phoenix calls the spans that it has, and the project that it has them in. Those that it has not are in
        here too, under the id that they will get, without a project."""
        by_project: dict[str, set[SpanKey]] = {}
        for one in said:
            if one.span is not None:
                by_project.setdefault(one.span.project, set()).add(_key(one.span))
        found: dict[SpanKey, tuple[bytes, str]] = {}
        for project, keys in by_project.items():
            ids = {key: (key[1], other_id(key)) for key in keys}
            traces = await self._reader.traces_of(project, [name.hex() for both in ids.values() for name in both])
            for key, both in ids.items():
                name = next((name for name in both if traces.get(name.hex()) == key[0].hex()), None)
                if name is not None:
                    found[key] = name, project
        unknown = {key for keys in by_project.values() for key in keys if key not in found}
        return found | await self._elsewhere(unknown)

    async def _elsewhere(self, keys: Iterable[SpanKey]) -> dict[SpanKey, tuple[bytes, str]]:
        ids = {key: (key[1], other_id(key)) for key in keys}
        places = await self._reader.places("span", [name.hex() for both in ids.values() for name in both])
        found: dict[SpanKey, tuple[bytes, str]] = {}
        for key, both in ids.items():
            for name in both:
                place = places.get(name.hex())
                if place is not None and place.trace_id == key[0].hex():
                    found[key] = name, place.project
                    break
            else:
                own, other = both
                found[key] = other if own.hex() in places else own, ""
        return found

    async def _places(
        self, statements: Sequence[Statement], names: dict[SpanKey, tuple[bytes, str]]
    ) -> dict[tuple[str, str], str]:
        """The project, as a path has it, of every subject that Phoenix knows, by kind and id."""
        found: dict[tuple[str, str], str] = {}
        for kind in ("trace", "session"):
            places = await self._reader.places(kind, [one.subject for one in statements if one.kind == kind])
            found |= {(kind, subject): place.project_id for subject, place in places.items()}
        projects = {project for _, project in names.values() if project}
        # In a path, a project's name may not have these.
        ids = await self._reader.places("project", [name for name in projects if set(name) & set("/?#")])
        for name, project in names.values():
            if project:
                path = ids.get(project, Place(project, project)).project_id
                found[("span", name.hex())] = found[("document", name.hex())] = path
        return found

    async def _send_singly(
        self, statements: Sequence[Statement], places: dict[tuple[str, str], str]
    ) -> tuple[list[Statement], Rejected | None]:
        """Notes and documents' annotations: those that did not get there, and a refusal of one for good."""
        lost: list[Statement] = []
        refused: Rejected | None = None
        for one in statements:
            if not one.is_note and one.kind != "document":
                continue
            path = f"{one.kind}_notes" if one.is_note else "document_annotations?sync=true"
            if (one.kind, one.subject) not in places:
                lost.append(one)
                continue
            try:
                if not await self._post(path, [one]):
                    lost.append(one)
            except Rejected as error:
                refused = error
        return lost, refused

    async def _post(self, path: str, statements: list[Statement]) -> bool:
        """Whether the subjects are known (404: they are not)."""
        if not statements:
            return True
        answer = await self._http.request("POST", f"{self._base}/v1/{path}", body=body_of(statements), headers=JSON)
        if answer.status == 404:
            return False
        taken(answer)
        return True

    async def _unseen(self, statements: list[Statement], places: dict[tuple[str, str], str]) -> list[Statement]:
        """Those that cannot be read back in time; of subjects that Phoenix does not know, at once."""
        lost = [one for one in statements if (one.kind, one.subject) not in places]
        waiting = [one for one in statements if (one.kind, one.subject) in places]
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + _CONFIRM_S, _PAUSE_S
        while waiting:
            waiting = await self._still_unseen(waiting, places)
            if not waiting or loop.time() >= end:
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MAX_PAUSE_S)
        return lost + waiting

    async def _still_unseen(self, statements: list[Statement], places: dict[tuple[str, str], str]) -> list[Statement]:
        groups: dict[tuple[str, str], list[Statement]] = {}
        for one in statements:
            groups.setdefault((one.kind, places[one.kind, one.subject]), []).append(one)
        lost: list[Statement] = []
        for (kind, project), some in groups.items():
            told = await self._reader.annotations(kind, project, [one.subject for one in some])
            by_subject: dict[str, list[dict[str, object]]] = {}
            for found in told:
                by_subject.setdefault(str(found.get(f"{kind}_id")), []).append(found)
            lost += [one for one in some if not any(map(one.is_told_by, by_subject.get(one.subject, ())))]
        return lost


def _key(span: Span) -> SpanKey:
    return span.trace_id, span.span_id
