"""Requests to destinations, and what their answers mean. The key of a destination is in no message."""

from __future__ import annotations

import asyncio
import email.utils
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from collector.exporters.api import Away, Failed, Rejected

#: Of an answer, so many bytes are read at most unless the caller wants more, and so many shown.
MAX_ANSWER: Final = 1024 * 1024
_SHOWN: Final = 500
_CONNECT_S: Final = 10.0
_MAX_AFTER_S: Final = 3600.0
#: "Come again": 401 and 403 too, for a key can be mended while the spans wait, and 404, for an address can.
_AWAY: Final = frozenset({401, 403, 404, 405, 407, 408, 425, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Raises ``Failed`` where the body is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Failed(f"answered {self.status} with what is no JSON: {shown(self.body)}") from None


class Http:
    """One destination's connections. ``headers`` go with every request; ``ca_file`` is trusted instead of the system's
    certificates."""

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 30.0,
        ca_file: str | None = None,
        connections: int = 4,
    ) -> None:
        self._headers = dict(headers or {})
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=_CONNECT_S)
        self._ca_file = ca_file
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Any = None,
        most: int = MAX_ANSWER,
    ) -> Answer:
        """The answer, whatever its status. Raises ``Away`` where none comes. Redirects are not followed."""
        try:
            session = self._opened()
            async with session.request(
                method, url, data=body, headers=headers, params=params, allow_redirects=False
            ) as response:
                found = await response.content.read(most) if most else b""
                while most > len(found) and (more := await response.content.read(most - len(found))):
                    found += more
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, names, found)
        except TimeoutError:
            raise Away(f"no answer within {self._timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Away(f"cannot be reached: {_said(error)}") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            secure: Any = ssl.create_default_context(cafile=self._ca_file) if self._ca_file else True
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=secure)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=self._headers, timeout=self._timeout, auto_decompress=True
            )
        return self._session


def checked(answer: Answer) -> Answer:
    """The answer where it is a 2xx; else raises what it means."""
    if answer.ok:
        return answer
    raise fault_of(answer)


def fault_of(answer: Answer) -> Exception:
    """What an answer that is no 2xx means for what was sent."""
    told = f"answered {answer.status}: {shown(answer.body)}" if answer.body.strip() else f"answered {answer.status}"
    if answer.status in _AWAY or 300 <= answer.status < 400:
        return Away(told, retry_after_s(answer.headers.get("retry-after")))
    if answer.status >= 500:
        return Failed(told)
    return Rejected(told)


def retry_after_s(value: str | None) -> float:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3), a number or a date; 0 where it says nothing."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), _MAX_AFTER_S) if seconds == seconds else 0.0


def shown(body: bytes) -> str:
    """The beginning of a body on one line."""
    text = " ".join(body[: _SHOWN * 4].decode("utf-8", "replace").split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _said(error: BaseException) -> str:
    """What an error says without the address, which may hold a password."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return "the address is no URL"
    if isinstance(error, OSError) and error.filename:  # of a certificate
        return f"{error.filename}: {error.strerror}"
    return type(error).__name__
