"""The exporter: spans over OTLP/HTTP, annotations and reading back over Phoenix's REST.

Phoenix answers 200 before it has decoded anything, and knows a span by its id alone, whatever its trace. So what was
sent is looked for (``missing``), and a span whose id Phoenix has in another trace is sent again under an id made of
both (``spans.other_id``), and its children that are sent from then on with that for their parent. Which spans these
are is remembered as long as the process lives, and found out again after that. What remains: children that were sent
before it was found out keep a parent that Phoenix does not have in their trace, and stand beside the tree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from isal import igzip

from collector.exporters.api import Failed, Needs, Parcel, Receipt, Record, Said, SpanKey
from collector.exporters.http import Http, checked, shown
from collector.exporters.phoenix.annotating import Annotator
from collector.exporters.phoenix.options import Options
from collector.exporters.phoenix.reading import Place, Reader, taken
from collector.exporters.phoenix.spans import has_identity, is_complete, other_id, request_of

#: Two or three seconds of Phoenix's storing.
_SPANS: Final = 512
#: So many of the missing, and of their traces, are looked for elsewhere at a time: a question for each 25 and each 50.
_LOOKED_FOR: Final = 100
_MOST_RENAMED: Final = 16_384
_PROTOBUF: Final = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}


class Phoenix:
    needs = Needs(spans=_SPANS, verifies=True, annotations=True, counted=True)

    def __init__(self, endpoint: str, headers: Mapping[str, str], options: Options) -> None:
        self._base = endpoint.rstrip("/").removesuffix("/v1/traces").rstrip("/")
        self._by_project = options.sessions == "by_project"
        self._http = Http(headers, timeout_s=options.timeout_s, ca_file=options.ca_file)
        self._reader = Reader(self._http, self._base)
        self._renamed: dict[SpanKey, bytes] = {}
        self._annotator = Annotator(self._http, self._base, self._reader, self._by_project)

    async def send(self, parcel: Parcel) -> Receipt:
        """See ``Exporter``. Spans without ids are rejected; runs that are still going on are left out."""
        nameless = sum(not has_identity(record.key) for record in parcel.records)
        for project, records in _by_project(_sendable(parcel.records)).items():
            packed = await asyncio.to_thread(self._packed, project, records)
            named = {"x-project-name": project} if _fits_header(project) else {}
            url = f"{self._base}/v1/traces"
            taken(await self._http.request("POST", url, body=packed, headers=_PROTOBUF | named))
        return Receipt(nameless, "Phoenix keeps no span without a trace id and a span id") if nameless else Receipt()

    def _packed(self, project: str, records: Sequence[Record]) -> bytes:
        body = request_of(project, records, dict(self._renamed), self._by_project)
        return igzip.compress(body, compresslevel=1)

    async def missing(self, records: Sequence[Record]) -> Sequence[Record]:
        lost: list[Record] = []
        for project, some in _by_project(_sendable(records)).items():
            wanted = [self._id(record).hex() for record in some]
            traces = await self._reader.traces_of(project, wanted)
            lost += [
                record
                for record, span_id in zip(some, wanted, strict=True)
                if traces.get(span_id) != record.facts.trace_id.hex()
            ]
        moved = await self._moved(lost)
        lost = [record for record in lost if record.key not in moved]
        elsewhere = await self._elsewhere(lost[:_LOOKED_FOR])
        return [record for record in lost if record.key not in elsewhere]

    async def _moved(self, lost: Sequence[Record]) -> set[SpanKey]:
        """Those in another project: that of its first span is the whole trace's, until somebody moves it."""
        traces = sorted({record.facts.trace_id.hex() for record in lost})
        places = await self._reader.places("trace", traces[:_LOOKED_FOR])
        elsewhere: dict[str, list[Record]] = {}
        for record in lost:
            place = places.get(record.facts.trace_id.hex())
            if place is not None and place.project != record.facts.project:
                elsewhere.setdefault(place.project, []).append(record)
        found: set[SpanKey] = set()
        for project, records in elsewhere.items():
            trace_of = await self._reader.traces_of(project, [self._id(record).hex() for record in records])
            for record in records:
                if trace_of.get(self._id(record).hex()) == record.facts.trace_id.hex():
                    found.add(record.key)
        return found

    async def _elsewhere(self, lost: Sequence[Record]) -> set[SpanKey]:
        """Those that Phoenix has after all, under their other id, which is remembered from then on. So is that of those
        whose own id it has in another trace."""
        ids = {record.key: (record.facts.span_id.hex(), other_id(record.key).hex()) for record in lost}
        places = await self._reader.places("span", [span_id for both in ids.values() for span_id in both])
        found: set[SpanKey] = set()
        for key, (own, other) in ids.items():
            if _is_in(places.get(own), key):
                found.add(key)  # it has come in the meantime
            elif own in places:
                self._rename(key)
                if _is_in(places.get(other), key):
                    found.add(key)
        return found

    async def annotate(self, said: Sequence[Said]) -> Sequence[Said]:
        return await self._annotator.annotate(said)

    async def check(self) -> str:
        answer = checked(await self._http.request("GET", f"{self._base}/arize_phoenix_version", most=256))
        version = shown(answer.body)
        if not version[:1].isdigit():
            raise Failed("what answers there is not Phoenix: it does not tell its version")
        # The version is told to anybody; this asks for a key where one is needed.
        checked(await self._http.request("GET", f"{self._base}/v1/projects", params={"limit": "1"}))
        return f"Phoenix {version}"

    async def close(self) -> None:
        await self._http.close()

    def _id(self, record: Record) -> bytes:
        return self._renamed.get(record.key, record.facts.span_id)

    def _rename(self, key: SpanKey) -> None:
        if len(self._renamed) >= _MOST_RENAMED:
            del self._renamed[next(iter(self._renamed))]
        self._renamed[key] = other_id(key)


def _is_in(place: Place | None, key: SpanKey) -> bool:
    return place is not None and place.trace_id == key[0].hex()


def _sendable(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if has_identity(record.key) and is_complete(record)]


def _by_project(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.facts.project, []).append(record)
    return found


def _fits_header(project: str) -> bool:
    """Others are named by their resource alone, which Phoenix reads where there is no header."""
    return project.isascii() and project.isprintable() and project == project.strip() != ""
