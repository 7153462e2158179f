"""What is measured: a destination of every kind, all of them as fast as a destination can be."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.destinations import Destination

_SINK = Path(__file__).resolve().parents[2] / "tests" / "otlp_sink.py"


@dataclass(frozen=True)
class Sink:
    """Addresses of a process that takes anything and answers at once."""

    http: str
    grpc: str


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    process = subprocess.Popen(
        [sys.executable, str(_SINK), "--grpc-port", "0"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Sink(ready["http"], ready["grpc"])
    finally:
        process.kill()
        process.wait()


def destinations(where: Sink, folder: Path) -> dict[str, Destination]:
    """By what they are called in the table."""
    http, grpc = where.http, where.grpc
    return {
        "otlp http, original": Destination("d", "otlp", http),
        "otlp grpc, original": Destination("d", "otlp", grpc, options={"protocol": "grpc"}),
        "otlp http, genai": Destination("d", "otlp", http, options={"dialect": "genai"}),
        "otlp http, openinference": Destination("d", "otlp", http, options={"dialect": "openinference"}),
        "phoenix": Destination("d", "phoenix", http),
        "langsmith": Destination("d", "langsmith", http, api_key="key"),
        "archive": Destination("d", "archive", str(folder)),
    }
