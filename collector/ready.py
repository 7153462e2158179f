"""The one line that says that a collector is ready, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from collector.sockets import url_host
from collector.telemetry import without_secrets


@dataclass(frozen=True, slots=True)
class Ready:
    """``http`` is a URL, ``grpc`` is ``host:port`` or None where it is off."""

    version: str
    http: str
    grpc: str | None
    database: str
    workers: int
    pid: int

    def line(self, *, as_json: bool) -> str:
        if as_json:
            return json.dumps({"event": "ready", **asdict(self)})
        grpc = f", OTLP/gRPC on {self.grpc}" if self.grpc else ""
        workers = f", {self.workers} workers" if self.workers > 1 else ""
        return (
            f"tracekit {self.version} is ready: pages and OTLP/HTTP on {self.http}{grpc}, "
            f"data in {self.database}{workers}"
        )


def ready(
    version: str, host: str, port: int, grpc_port: int | None, database_url: str, workers: int, pid: int
) -> Ready:
    address = url_host(host)
    return Ready(
        version=version,
        http=f"http://{address}:{port}",
        grpc=None if grpc_port is None else f"{address}:{grpc_port}",
        database=without_secrets(database_url),
        workers=workers,
        pid=pid,
    )
