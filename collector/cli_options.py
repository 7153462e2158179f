"""Options that several commands have, and the settings that come of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

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


@contextmanager
def opened_store(database_url: str | None, *faults: type[Exception]) -> Iterator[Any]:
    """The collector's store, for a command. What storage raises, and ``faults``, end the command with a line each."""
    from collector.app import open_database
    from collector.evaluation.makers import allow_functions
    from collector.storage.api import StorageError

    file = os.environ.get("TRACEKIT_CONFIG")
    settings = settings_of({"database_url": database_url}, Path(file) if file else None)
    allow_functions(settings.evaluators_dir)
    try:
        store = open_database(settings)
    except StorageError as error:
        fail(str(error))
    ended: tuple[type[Exception], ...] = (StorageError, *faults)
    try:
        yield store
    except ended as error:
        field = getattr(error, "field", None)
        fail(f"{field}: {error}" if field else str(error))
    finally:
        store.close()


def pairs(given: list[str] | None, flag: str) -> dict[str, str]:
    """``NAME=VALUE`` flags; a wrong one ends the command."""
    found = {}
    for pair in given or ():
        name, separator, value = pair.partition("=")
        if not separator or not name:
            fail(f"{flag}: write NAME=VALUE")
        found[name] = value
    return found


def settings_in(given: list[str] | None, flag: str) -> dict[str, Any]:
    """As ``pairs``, with the JSON value of what is JSON."""
    return {name: _json_or_text(text) for name, text in pairs(given, flag).items()}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def fail(*lines: str, code: int = 2) -> NoReturn:
    """End the command: a line on stderr for each fault."""
    for line in lines:
        print(f"tracekit: {line}", file=sys.stderr)
    raise typer.Exit(code)
