"""Writes spans into an archive."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import pyarrow as pa

from collector.exporters.api import Away, Failed, Needs, Parcel, Receipt, Record, Said
from collector.exporters.archive.files import Files
from collector.exporters.archive.partitions import file_of, partitioned, path_of
from collector.exporters.http import shown

#: Larger parcels make larger files, which readers like, and take memory: a span of 3 kB some 20 kB while it is written.
NEEDS: Final = Needs(spans=8_192, bytes=32 * 1024 * 1024, bundles=True)
_PROBE: Final = b"tracekit writes this file to see whether it can, and removes it.\n"

Result = TypeVar("Result")


class ArchiveExporter:
    """``secret`` is kept out of messages; ``name`` says to the operator where the files are."""

    needs = NEEDS

    def __init__(self, name: str, files: Files, timeout_s: float, secret: str | None = None) -> None:
        self._name, self._files, self._timeout_s, self._secret = name, files, timeout_s, secret
        # Two, so that one that hangs (a network's disk) does not hold up the next.
        self._threads = ThreadPoolExecutor(2, "tracekit-archive")

    async def send(self, parcel: Parcel) -> Receipt:
        await self._run(lambda: self._write(parcel))
        return Receipt()

    async def missing(self, records: Sequence[Record]) -> Sequence[Record]:
        return ()

    async def annotate(self, said: Sequence[Said]) -> Sequence[Said]:
        return ()

    async def check(self) -> str:
        kept = await self._run(self._probe)
        return f"{self._name} can be written" + (f"; {kept} could not be removed again" if kept else "")

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _write(self, parcel: Parcel) -> None:
        for (project, day), records in partitioned(parcel.records).items():
            self._files.put(path_of(project, day, parcel.key), file_of(records))

    def _probe(self) -> str:
        """The name of what is left of it: where things are kept for good, nobody may delete, and writing is enough."""
        path = f".tracekit-probe-{uuid.uuid4().hex}"
        self._files.put(path, _PROBE)
        try:
            self._files.delete(path)
        except OSError:
            return path
        return ""

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise Away(f"{self._name} took longer than {self._timeout_s:g} s") from None
        except OSError as error:
            raise Away(f"{self._name} cannot be written: {self._told(error)}") from None
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise Failed(f"no file can be made of it: {self._told(error)}") from None

    def _told(self, error: Exception) -> str:
        told = (isinstance(error, OSError) and error.strerror) or str(error)
        return shown((told.replace(self._secret, "***") if self._secret else told).encode("utf-8", "replace"))
