"""Requests to a LangSmith, by the ways that it says it takes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from collector import via
from collector.exporters.api import Away, Failed
from collector.exporters.http import Answer, Http, fault_of, shown
from collector.exporters.langsmith.info import Info, info_of
from collector.exporters.langsmith.parts import Item, Way, body_of, groups_of
from tracekit.semconv import COLLECTOR_HEADER

_PATHS: Final[dict[Way, str]] = {"zstd": "/runs/multipart", "multipart": "/runs/multipart", "batch": "/runs/batch"}
#: Projects whose ids are remembered.
_MAX_PROJECTS: Final = 1_000


@dataclass
class Taken:
    """What the destination said of what it took."""

    rejected: int = 0
    reason: str = ""
    peer: str | None = None


@dataclass
class LangSmithHttp:
    """``secrets`` occur in no message, even where the destination repeats them."""

    http: Http
    endpoint: str
    secrets: Sequence[str] = ()
    _info: Info | None = None
    _boundary: str = field(default_factory=lambda: uuid.uuid4().hex)
    _sessions: dict[str, str] = field(default_factory=dict)

    async def info(self) -> Info:
        """Read once, and again after failures. A server without ``/info`` is taken for one that says nothing."""
        if self._info is None:
            answer = await self.request("GET", "/info")
            if not answer.ok and answer.status not in (404, 405):
                raise self.fault(answer)
            self._info = info_of(_json(answer) if answer.ok else None)
        return self._info

    def forget(self) -> None:
        """Ask ``/info`` again."""
        self._info = None

    async def send(self, items: Sequence[Item], headers: Mapping[str, str]) -> Taken:
        """Raises ``Away``, ``Failed`` or ``Rejected``; parts may have been taken then, and do no harm again."""
        taken = Taken()
        try:
            info = await self.info()
            for group in groups_of(items, info.size_limit, info.size_limit_bytes):
                await self._send(group, headers, taken)
        except (Away, Failed):
            self._info = None
            raise
        return taken

    async def _send(self, group: Sequence[Item], headers: Mapping[str, str], taken: Taken) -> None:
        answer = await self._posted(group, headers)
        if answer.ok:
            _note(answer, taken)
        elif answer.status in (409, 413) and len(group) > 1:
            # 409: some of them are there already. Whether the others were taken is not said, so each is asked for.
            middle = len(group) // 2
            await self._send(group[:middle], headers, taken)
            await self._send(group[middle:], headers, taken)
        elif answer.status != 409:
            raise self.fault(answer)

    async def _posted(self, group: Sequence[Item], headers: Mapping[str, str]) -> Answer:
        """By the best way that is not refused as such: 415 is about zstd, 404 about multipart."""
        info = await self.info()
        while True:
            body = await asyncio.to_thread(body_of, group, info.way, self._boundary)
            answer = await self.request("POST", _PATHS[info.way], body.content, {**headers, **body.headers})
            if info.way == "zstd" and answer.status == 415:
                info = replace(info, way="multipart")
            elif info.way != "batch" and answer.status in (404, 405) and all(item.run for item in group):
                info = replace(info, way="batch")
            else:
                if answer.ok:
                    self._info = info
                return answer

    async def session_id(self, project: str) -> str | None:
        """LangSmith's id of a project; None where it has none of that name. Raises ``Away``."""
        if project not in self._sessions:
            answer = await self.request("GET", "/sessions", params={"name": project, "limit": "1"})
            if not answer.ok:
                # A gateway that lets runs alone through is not away.
                if answer.status not in (404, 405) and isinstance(fault := self.fault(answer), Away):
                    raise fault
                return None
            if (found := _id_in(_json(answer))) is None:
                return None
            if len(self._sessions) >= _MAX_PROJECTS:
                self._sessions.clear()
            self._sessions[project] = found
        return self._sessions[project]

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        return await self.http.request(method, self.endpoint + path, body=body, headers=headers, params=params)

    def fault(self, answer: Answer) -> Exception:
        """As ``http.fault_of``, without secrets that the answer repeats."""
        body = answer.body
        for secret in self.secrets:
            body = body.replace(secret.encode(), b"[secret]")
        return fault_of(replace(answer, body=body))


def via_headers(ids: tuple[str, ...]) -> dict[str, str]:
    return {via.HEADER: via.formatted(ids)} if ids else {}


def _note(answer: Answer, taken: Taken) -> None:
    peers = via.parsed(answer.headers.get(COLLECTOR_HEADER))
    taken.peer = peers[0] if peers else taken.peer
    told = _json(answer)
    rejected = told.get("rejected") if isinstance(told, dict) else None
    if isinstance(rejected, int) and rejected > 0:
        taken.rejected += rejected
        taken.reason = taken.reason or shown(orjson.dumps(told.get("errors"), default=str))


def _json(answer: Answer) -> Any:
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def _id_in(listed: Any) -> str | None:
    if not isinstance(listed, list) or not listed or not isinstance(listed[0], dict):
        return None
    found = listed[0].get("id")
    try:
        return str(uuid.UUID(found))
    except (TypeError, ValueError, AttributeError):
        return None
