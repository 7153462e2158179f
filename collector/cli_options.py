"""Options that several commands have, and the settings that come of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Host = Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all. [default: 127.0.0.1]")]
Port = Annotated[
    int | None,
    typer.Option(help="Port of the pages, the API and OTLP/HTTP; 0 for any free one. [default: 4318]"),
]
GrpcPort = Annotated[
    str | None,
    typer.Option(metavar="PORT|off", help="Port of OTLP/gRPC; 0 for any free one, off for none. [default: 4317]"),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="sqlite:///path/to/file.db or postgresql+psycopg://user:password@host/database. "
        "[default: a file in ~/.local/share/tracekit]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Say it as JSON, for programs.")]


def settings_of(flags: dict[str, Any], file: Path | None) -> Any:
    """The ``Config``; says every fault in a line of its own and exits with 2 where there are any."""
    from collector.config import ConfigFaults, load

    try:
        return load(flags, os.environ, file)
    except ConfigFaults as faults:
        for fault in faults.faults:
            print(f"tracekit: {fault}", file=sys.stderr)
        sys.exit(2)
