"""The trace goes from service to service in W3C headers: ``traceparent``, ``tracestate`` and ``baggage``.

OpenTelemetry's instrumentations of HTTP clients and servers do this by themselves. For what has none there are
``inject`` on the sending side and ``continue_trace`` on the receiving one. Both use OpenTelemetry's global propagator,
so ``OTEL_PROPAGATORS`` holds for them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from contextvars import Token
from types import TracebackType
from typing import Any, Final, TypeVar

from opentelemetry.context import Context

from tracekit.current import attach, get_current
from tracekit.guard import swallow
from tracekit.stepping import leave

Headers = TypeVar("Headers", bound=MutableMapping[str, str])
Received = Mapping[str, Any] | Iterable[tuple[Any, Any]]

#: characters of one header: what W3C asks implementations to carry of ``baggage``
_MAX_HEADER: Final = 8_192
_MAX_TRACESTATE: Final = 512
_MAX_MEMBERS: Final = 180
_MAX_MEMBER: Final = 4_096
#: headers that are looked at: nobody sends more
_MAX_HEADERS: Final = 1_000
_STATE: Final = re.compile(
    r"[ \t]*[a-z0-9][_0-9a-z\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e][ \t]*"
)
_MEMBER: Final = re.compile(
    r"[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=[ \t]*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*[ \t]*"
)


def inject(headers: Headers | None = None) -> Headers | dict[str, str]:
    """Add the current trace to the headers of a request that is about to be sent, and return them (a new dict where
    none are given).

    ``headers`` may be a dict or any mapping that can be written, as those of httpx, requests and aiohttp. Where there
    is no current span nothing is added. Never raises.
    """
    found: Any = {} if headers is None else headers
    try:
        from opentelemetry import propagate

        added: dict[str, str] = {}
        propagate.inject(added)
        if added and type(found) is dict:
            for name in [name for name in found if str(name).lower() in added]:
                del found[name]
        for name, value in added.items():
            found[name] = value
    except Exception as error:  # noqa: BLE001 - whatever the given mapping raises
        swallow("inject", error)
    return found  # type: ignore[no-any-return]


class continue_trace:
    """Context manager (``with`` and ``async with``): spans within belong to the trace that a request's headers name.

    ``headers``: a mapping or pairs of names (any case) and values, as text or bytes, such as an ASGI scope's. Headers
    that are absent, malformed or too long are ignored: spans then begin where they would without it. Never raises.
    """

    __slots__ = ("_entered", "_headers")

    def __init__(self, headers: Received) -> None:
        self._headers = headers
        self._entered: list[tuple[Token[Context], Context]] = []

    def __enter__(self) -> continue_trace:
        try:
            context = _received(self._headers)
            self._entered.append((attach(context), context))
        except Exception as error:  # noqa: BLE001 - whatever the given headers raise
            swallow("continue_trace", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            leave(*self._entered.pop())

    async def __aenter__(self) -> continue_trace:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def _received(headers: Received) -> Context:
    from opentelemetry import propagate

    wanted = {name.lower() for name in propagate.get_global_textmap().fields}
    return propagate.extract(_usable(headers, wanted), get_current())


def _usable(headers: Received, wanted: set[str]) -> dict[str, str]:
    """The wanted headers, by lower-case names, without what OpenTelemetry's propagators would refuse: they log it, and
    whoever sends requests must not fill our logs."""
    found: dict[str, str] = {}
    pairs: Iterable[Any] = headers.items() if isinstance(headers, Mapping) else headers
    for number, (key, value) in enumerate(pairs):
        if number >= _MAX_HEADERS:
            break
        name = _text(key).lower()
        if name not in wanted:
            continue
        if name == "traceparent" and name in found:
            return {}  # W3C: there is one, or the trace is not continued
        text = _text(value)
        text = f"{found[name]},{text}" if name in found else text
        if len(text) <= _MAX_HEADER:
            found[name] = text
    if "baggage" in found:
        members = [member.partition(";")[0] for member in found["baggage"].split(",")[:_MAX_MEMBERS]]
        found["baggage"] = ",".join([one for one in members if len(one) <= _MAX_MEMBER and _MEMBER.fullmatch(one)])
    if not _is_state(found.get("tracestate", "")):
        del found["tracestate"]
    return found


def _is_state(header: str) -> bool:
    members = [one for one in header.split(",") if one.strip()]
    return len(header) <= _MAX_TRACESTATE and len(members) <= 32 and all(map(_STATE.fullmatch, members))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)
