"""Spans, annotations and attachments to a LangSmith: natively, or by OTLP where nothing else gets through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from collector.destinations import Destination
from collector.exporters.api import Exporter
from collector.exporters.http import Http
from collector.exporters.langsmith.exporter import LangSmithExporter
from collector.exporters.langsmith.options import options_of
from collector.exporters.langsmith.otlp import OtlpExporter
from collector.exporters.langsmith.sending import LangSmithHttp

_KEY: Final = "api_key"


def build(destination: Destination, secrets: Mapping[str, str]) -> Exporter:
    """``secrets``: the value of ``api_key``, where there is one, and those of headers by their names.

    Raises ``ValueError`` for options that there are not.
    """
    options = options_of(destination.options)
    headers = {name: value for name, value in secrets.items() if name != _KEY}
    if _KEY in secrets:
        headers["x-api-key"] = secrets[_KEY]
    if options.workspace_id is not None:
        headers["X-Tenant-Id"] = options.workspace_id
    http = Http(headers, timeout_s=options.timeout_s, ca_file=options.ca_file)
    hidden = [value for value in secrets.values() if len(value) >= 4]
    langsmith = LangSmithHttp(http, destination.endpoint.rstrip("/"), hidden)
    return OtlpExporter(langsmith, options) if options.protocol == "otlp" else LangSmithExporter(langsmith, options)
