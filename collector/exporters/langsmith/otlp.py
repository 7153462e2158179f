"""Spans to a LangSmith by OTLP, for gateways that let nothing else through.

LangSmith then chooses the runs' ids, metadata become texts, and attachments and annotations stay here. Spans go out as
they came, with what LangSmith's own OpenTelemetry exporter writes beside it (``langsmith._internal.otel``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector import via
from collector.codec.run_spans import RUN, RUN_ID
from collector.exporters.api import Needs, Parcel, Receipt, Record, Said
from collector.exporters.http import Answer
from collector.exporters.langsmith.exporter import checked_langsmith
from collector.exporters.langsmith.ids import Roots
from collector.exporters.langsmith.options import Options
from collector.exporters.langsmith.own import STORED
from collector.exporters.langsmith.runs import document_of
from collector.exporters.langsmith.sending import LangSmithHttp, via_headers
from collector.processors.values import json_text, text
from tracekit.semconv import COLLECTOR_HEADER

PATH: Final = "/otel/v1/traces"
PROJECT: Final = "Langsmith-Project"
_PROTOBUF: Final = "application/x-protobuf"
_METADATA: Final = "langsmith.metadata."
_USAGE: Final = "gen_ai.usage."
#: The codec's own of a run: told in LangSmith's attributes instead.
_LEFT_OUT: Final = frozenset({RUN, RUN_ID, *STORED.values()})


class OtlpExporter:
    needs = Needs(spans=500)

    def __init__(self, langsmith: LangSmithHttp, options: Options) -> None:
        self._langsmith = langsmith
        self._project = options.project

    async def send(self, parcel: Parcel) -> Receipt:
        """A request for each project, for the project is in a header."""
        rejected, reason, peer = 0, "", None
        for project, records in _by_project(parcel.records, self._project).items():
            body = await asyncio.to_thread(body_of, records, project)
            headers = {PROJECT: _header(project), "Content-Type": _PROTOBUF, **via_headers(parcel.via)}
            answer = await self._langsmith.request("POST", PATH, body, headers)
            if not answer.ok:
                raise self._langsmith.fault(answer)
            refused, said = _refused(answer)
            rejected, reason = rejected + refused, reason or said
            peer = next(iter(via.parsed(answer.headers.get(COLLECTOR_HEADER))), peer)
        return Receipt(min(rejected, len(parcel.records)), reason, peer)

    async def missing(self, records: Sequence[Record]) -> Sequence[Record]:
        return ()

    async def annotate(self, said: Sequence[Said]) -> Sequence[Said]:
        return ()

    async def check(self) -> str:
        return await checked_langsmith(self._langsmith)

    async def close(self) -> None:
        await self._langsmith.http.close()


def body_of(records: Sequence[Record], project: str) -> bytes:
    """An ``ExportTraceServiceRequest``."""
    request = TracesData()
    for record in records:
        one = TracesData.FromString(record.original.part((record.facts.position,)))
        document = document_of(record, Roots(), project)
        for resource_spans in one.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    _annotate(span, attributes_of(document))
        request.MergeFrom(one)
    return bytes(request.SerializeToString())


_MODELS: Final = {
    "gen_ai.system": "ls_provider",
    "gen_ai.request.model": "ls_model_name",
    "gen_ai.response.model": "response_model",
}


def attributes_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of a run, as LangSmith's own exporter names them: texts, whole numbers, lists of texts."""
    extra = document.get("extra")
    metadata = extra.get("metadata") if isinstance(extra, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    usage = metadata.get("usage_metadata")
    told = {
        "langsmith.span.kind": document["run_type"],
        "langsmith.trace.name": document["name"],
        "langsmith.trace.session_name": document["session_name"],
        "langsmith.span.tags": ", ".join(document.get("tags") or ()) or None,
        "gen_ai.prompt": json_text(document["inputs"]) if document.get("inputs") else None,
        "gen_ai.completion": json_text(document["outputs"]) if document.get("outputs") else None,
        **{key: _word(metadata.get(name)) for key, name in _MODELS.items()},
        **_usage(usage if isinstance(usage, dict) else {}),
        **{_METADATA + name: text(value) for name, value in metadata.items()},
    }
    return {name: value for name, value in told.items() if value is not None}


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _USAGE + name: value if isinstance(value, int) else json_text(value)
        for name, value in usage.items()
        if value is not None and name.endswith(("_tokens", "_details"))
    }


def _annotate(span: Any, attributes: Mapping[str, Any]) -> None:
    kept = [pair for pair in span.attributes if pair.key not in attributes and pair.key not in _LEFT_OUT]
    del span.attributes[:]
    span.attributes.extend(kept)
    for name, value in attributes.items():
        pair = span.attributes.add(key=_encodable(name))
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            pair.value.int_value = value
        else:
            pair.value.string_value = _encodable(str(value))


def _encodable(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _by_project(records: Sequence[Record], project: str | None) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(project or record.facts.project or "default", []).append(record)
    return found


def _header(project: str) -> str:
    """A header's value: no line ends, and what is not Latin-1 as a question mark."""
    return "".join(sign for sign in project if sign.isprintable()).encode("latin-1", "replace").decode("latin-1")


def _refused(answer: Answer) -> tuple[int, str]:
    """Of a partial success, in either encoding."""
    if answer.headers.get("content-type", "").startswith("application/json"):
        try:
            told = orjson.loads(answer.body)["partialSuccess"]
            return int(told.get("rejectedSpans", 0)), str(told.get("errorMessage", ""))[:500]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return 0, ""
    try:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    except DecodeError:
        return 0, ""
    return max(partial.rejected_spans, 0), partial.error_message[:500]
