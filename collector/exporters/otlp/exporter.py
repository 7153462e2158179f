"""Sends spans on to an OTLP backend."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from collector import via
from collector.exporters.api import Needs, Parcel, Receipt, Record, Said
from collector.exporters.otlp.bodies import Body


class Sender(Protocol):
    """One way to send a serialised request."""

    def packed(self, body: bytes) -> bytes: ...

    async def send(self, packed: bytes, sent: int, extra: Mapping[str, str]) -> Receipt: ...

    async def close(self) -> None: ...


class OtlpExporter:
    """``name`` says to the operator how it is sent and where to."""

    def __init__(self, name: str, sender: Sender, body: Body, needs: Needs) -> None:
        self.needs = needs
        self._name, self._sender, self._body = name, sender, body

    async def send(self, parcel: Parcel) -> Receipt:
        packed = await asyncio.to_thread(self._made, parcel.records)
        extra = {via.HEADER: via.formatted(parcel.via)} if parcel.via else {}
        return await self._sender.send(packed, len(parcel.records), extra)

    async def missing(self, records: Sequence[Record]) -> Sequence[Record]:
        return ()

    async def annotate(self, said: Sequence[Said]) -> Sequence[Said]:
        return ()

    async def check(self) -> str:
        receipt = await self._sender.send(self._sender.packed(b""), 0, {})
        who = f"tracekit collector {receipt.peer}" if receipt.peer else "an OTLP backend"
        return f"{who} takes {self._name}" + (f" and says: {receipt.reason}" if receipt.reason else "")

    async def close(self) -> None:
        await self._sender.close()

    def _made(self, records: Sequence[Record]) -> bytes:
        return self._sender.packed(self._body(records))
