"""OTLP backends as destinations: another collector, Tempo, Langfuse, Logfire, a vendor's.

Options: ``protocol`` ``http`` (default) or ``grpc``; ``dialect`` ``original`` (default: byte for byte as spans came),
``genai`` or ``openinference``; ``compression`` ``gzip`` (default), ``zstd`` (not by gRPC) or ``none``; ``ca_file``;
``timeout_s`` for an answer (30).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from collector.destinations import Destination
from collector.exporters import genai, openinference
from collector.exporters.api import Exporter, Needs, Record
from collector.exporters.http import Http
from collector.exporters.otlp import bodies
from collector.exporters.otlp.exporter import OtlpExporter, Sender
from collector.exporters.otlp.grpc import COMPRESSIONS, GrpcSender, target_of
from collector.exporters.otlp.http import COMPRESSORS, HttpSender, address_of
from collector.model import Attributes


def _in_openinference(record: Record) -> Attributes:
    """All of a span's attributes, for what is told elsewhere there moves."""
    return {**dict.fromkeys(record.span.attributes), **openinference.attributes_of(record)}


DIALECTS: Final[dict[str, bodies.Body]] = {
    "original": bodies.original,
    "genai": partial(bodies.translated, facts=genai.attributes),
    "openinference": partial(bodies.translated, facts=_in_openinference),
}
_DEFAULTS: Final[dict[str, Any]] = {
    "protocol": "http",
    "dialect": "original",
    "compression": "gzip",
    "ca_file": None,
    "timeout_s": 30.0,
}
OPTIONS: Final = frozenset(_DEFAULTS)
#: Forwarding waits no longer for any destination.
MAX_SECONDS: Final = 120
#: Of one request, decompressed: most HTTP receivers take 20 MiB, most gRPC receivers 4 MiB. A translation, which adds
#: to what there was, is about twice as long.
_MOST: Final = {"http": 8 * 1024 * 1024, "grpc": 3_500_000}
_TRANSLATED: Final = 2
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z", re.ASCII)
_VALUE: Final = re.compile(r"[\x20-\x7e]*\Z", re.ASCII)


def build(destination: Destination, secrets: Mapping[str, str]) -> Exporter:
    """``secrets``: ``api_key`` (sent as a Bearer token) and values of the headers, by their names, as they are to be
    sent. Raises ``ValueError`` with all faults of the destination, none of which tells a secret."""
    options = {**_DEFAULTS, **destination.options}
    headers = _headers(destination, secrets)
    if faults := [*_faults(destination, options), *_faulty(headers)]:
        raise ValueError("; ".join(faults))
    most = _MOST[options["protocol"]] // (1 if options["dialect"] == "original" else _TRANSLATED)
    sender = _sender(destination.endpoint, headers, options)
    name = f"{options['protocol']} at {urlsplit(destination.endpoint).hostname}"
    return OtlpExporter(name, sender, DIALECTS[options["dialect"]], Needs(bytes=most, introduces=True))


def _sender(endpoint: str, headers: Mapping[str, str], options: Mapping[str, Any]) -> Sender:
    timeout_s, ca_file, compression = float(options["timeout_s"]), options["ca_file"], options["compression"]
    if options["protocol"] == "grpc":
        return GrpcSender(endpoint, headers, compression=compression, ca_file=ca_file, timeout_s=timeout_s)
    http = Http(headers, timeout_s=timeout_s, ca_file=ca_file)
    return HttpSender(http, address_of(endpoint), compression)


def _headers(destination: Destination, secrets: Mapping[str, str]) -> dict[str, str]:
    headers = {name: secrets.get(name, value) for name, value in destination.headers.items()}
    if secrets.get("api_key") and not any(name.lower() == "authorization" for name in headers):
        headers["Authorization"] = f"Bearer {secrets['api_key']}"
    return headers


def _faults(destination: Destination, options: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(options.keys() - OPTIONS):
        yield f"options.{name}: there is none of that name"
    is_grpc = options["protocol"] == "grpc"
    known = (("protocol", _MOST), ("dialect", DIALECTS), ("compression", COMPRESSIONS if is_grpc else COMPRESSORS))
    for name, values in known:
        if not isinstance(options[name], str) or options[name] not in values:
            yield f"options.{name}: must be one of {', '.join(values)}"
    seconds = options["timeout_s"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SECONDS:
        yield f"options.timeout_s: must be a number of seconds up to {MAX_SECONDS}"
    if not isinstance(options["ca_file"], str | None):
        yield "options.ca_file: must be a path"
    try:
        target_of(destination.endpoint) if is_grpc else address_of(destination.endpoint)
    except ValueError as error:
        yield str(error)


def _faulty(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if not _NAME.match(name):
            yield f"headers: {name[:50]!r} cannot be a header's name"
        elif not _VALUE.match(value):
            yield f"headers.{name}: has characters that no header takes"
