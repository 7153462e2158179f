"""The command line: one thin function per verb. What a verb needs is imported when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from collector.cli_datasets import dataset_app
from collector.cli_destinations import destination_app, forward_app
from collector.cli_eval import eval_app
from collector.cli_options import DatabaseUrl, GrpcPort, Host, Json, Port, settings_of

app = typer.Typer(
    name="tracekit",
    help="See what happens inside LLM applications: traces, tokens, cost.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(destination_app, name="destination")
app.add_typer(dataset_app, name="dataset")
app.add_typer(forward_app, name="forward")
app.add_typer(eval_app, name="eval")

_SERVE_EPILOG = """
**Examples**

- `tracekit serve`: pages and OTLP on this machine, data in a SQLite file

- `tracekit serve --port 0 --grpc-port off --database-url sqlite:///./traces.db`

- `TRACEKIT_API_KEYS=secret tracekit serve --host 0.0.0.0 --workers 4 --database-url postgresql+psycopg://app@db/traces`

Every setting can also be an environment variable (`TRACEKIT_PORT`) or a line of a TOML file (`port = 4318`).
Flags come before variables, variables before the file.
"""


_PHOENIX_EPILOG = """
**Examples**

- `tracekit phoenix`: the last day's traces, and what comes

- `tracekit phoenix --project shop --from 7d --python ~/.phoenix/bin/python`
"""


@app.command(epilog=_SERVE_EPILOG)
def serve(
    host: Host = None,
    port: Port = None,
    grpc_port: GrpcPort = None,
    database_url: DatabaseUrl = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the ports. [default: 1]")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML file with settings.")] = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error. [default: info]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Receive, store and show traces until Ctrl-C or SIGTERM.

    Prints one line when it is ready. Stopping finishes and stores what was accepted; a second Ctrl-C stops at once.
    """
    flags = {
        "host": host,
        "port": port,
        "grpc_port": grpc_port,
        "database_url": database_url,
        "workers": workers,
        "log_level": log_level,
    }
    from collector.launch import launch

    settings = settings_of(flags, config)
    sys.exit(launch(settings, as_json=as_json))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the report instead of staying up.")] = False,
    host: Host = None,
    port: Port = None,
    grpc_port: GrpcPort = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Start a collector, run the example applications against it, and show what was stored. Needs no API key."""
    from collector import demo as demonstration

    settings = settings_of({"host": host, "port": port, "grpc_port": grpc_port}, None)
    code = demonstration.run(
        once=once,
        host=settings.host,
        port=settings.port,
        grpc_port=settings.grpc_port,
        database_url=database_url,
        as_json=as_json,
    )
    sys.exit(code)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def run(context: typer.Context) -> None:
    """Run a Python program with every LangChain chain and agent in it traced, without a change to it."""
    from tracekit.run import main as run_program

    sys.exit(run_program(context.args))


@app.command(epilog=_PHOENIX_EPILOG)
def phoenix(
    project: Annotated[str | None, typer.Option(help="Open this project. [default: the latest]")] = None,
    port: Annotated[int, typer.Option(help="Port of Phoenix's pages; 0 for any free one.")] = 6006,
    python: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Python of an environment that has arize-phoenix.")
    ] = None,
    since: Annotated[
        str, typer.Option("--from", help="The first time, also send what is stored since: 7d, 2026-11-01, now.")
    ] = "24h",
    browser: Annotated[bool, typer.Option(help="Open the project in the browser.")] = True,
    database_url: DatabaseUrl = None,
) -> None:
    """Start a local Arize Phoenix, send it everything that is stored, and open it. Until Ctrl-C.

    Works beside a running collector, and without one. Needs arize-phoenix (Elastic License 2.0), which is not
    installed with tracekit.
    """
    import time

    from collector.api.values import time_of
    from collector.local_phoenix import Settings
    from collector.show_in_phoenix import default_folder, show
    from collector.storage.api import StorageError

    settings = settings_of({"database_url": database_url}, None)
    now = time.time_ns()
    try:
        from_ns = None if since == "now" else time_of(since, now)
        where = Settings(default_folder(settings), python, port=port)
        sys.exit(show(settings, where, project=project, browser=browser, from_ns=from_ns))
    except (StorageError, ValueError) as error:
        print(f"tracekit: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    print(installed("tracekit-llm"))


def main() -> None:
    app()
