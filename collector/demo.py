"""``tracekit demo``: a collector, a model stand-in and the example applications, and what came of it."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape

from collector.config import default_database_url
from collector.demo_processes import DemoError, Program, check_installed, environment, examples_folder, first_line
from collector.demo_report import as_json, settled, show
from collector.sockets import url_host

EXAMPLE_SECONDS: Final = 60.0
#: How fast the stand-in speaks: fast enough not to be waited for, slow enough to be seen in a waterfall.
TOKENS_PER_SECOND: Final = 5000
#: Addresses that stand for all of a machine's -> one of them that can be called.
ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Options:
    """As ``tracekit serve`` has them. ``once`` ends after the report; ``as_json`` prints nothing but the report."""

    once: bool
    host: str
    port: int
    grpc_port: int | None
    database_url: str
    as_json: bool

    def serve_arguments(self) -> list[str]:
        grpc = "off" if self.grpc_port is None else str(self.grpc_port)
        ports = ["--host", self.host, "--port", str(self.port), "--grpc-port", grpc]
        # -P: a folder "collector" where the user happens to be is not ours.
        return ["-P", "-m", "collector", "serve", "--json", *ports, "--database-url", self.database_url]


def run(
    *,
    once: bool = False,
    host: str = "127.0.0.1",
    port: int = 4318,
    grpc_port: int | None = 4317,
    database_url: str | None = None,
    as_json: bool = False,
) -> int:
    """Run the demonstration; without ``once``, until SIGINT, SIGTERM or SIGHUP. Returns the exit code.

    Spans go to ``database_url``, by default a SQLite file of the demonstration's own, which the next run adds to.
    """
    options = Options(once, host, port, grpc_port, database_url or demo_database_url(), as_json)
    try:
        with signals_as_interrupt():
            demonstrate(options, Console(quiet=as_json, highlight=False, soft_wrap=True))
        return 0
    except DemoError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]demo:[/] {escape(str(error))}")
        return error.code
    except KeyboardInterrupt:
        return 130


def demo_database_url() -> str:
    """Beside the file that the collector itself uses by default."""
    return re.sub(r"tracekit\.db$", "demo.db", default_database_url())


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """A closed terminal or a SIGTERM ends everything as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def demonstrate(options: Options, console: Console) -> None:
    """All of it. Raises DemoError."""
    began, since = time.monotonic(), datetime.now(UTC).isoformat()
    folder, env = examples_folder(), environment()
    check_installed("openai", extra="examples")
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> Program:
            program = Program(name, list(arguments), env)
            stack.callback(program.stop)
            return program

        with console.status("starting the collector and the model stand-in"):
            collector = start("the collector", *options.serve_arguments())
            speed = ("--tokens-per-second", str(TOKENS_PER_SECOND))
            standin = start("the model stand-in", str(folder / "model_standin.py"), "--port", "0", *speed)
            examples = start("the examples", str(folder), "--wait")
            ready = json.loads(first_line(collector))
            base_url = callable_address(ready["http"])
            model_url = first_line(standin).rpartition("=")[2]
        settings = {"TRACEKIT_ENDPOINT": base_url, "OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "none"}
        examples.say(json.dumps(settings))
        sent = follow(examples, console)
        with console.status("waiting for the summaries"):
            found = settled(base_url, since, sent)
        seconds = time.monotonic() - began
        if options.as_json:
            print(as_json(found, {"url": base_url, "seconds": round(seconds, 3)}), flush=True)
        show(console, found)
        console.print(f"{seconds:.1f} s, kept in {escape(ready['database'])}")
        if not options.once:
            example = [sys.executable, str(folder / "rag.py")]
            variables = [f"{name}={value}" for name, value in settings.items()]
            stay(collector, console, base_url, shlex.join([*variables, *example]))


def callable_address(url: str) -> str:
    """An address that stands for all of a machine's can be listened on, but not called."""
    parts = urlsplit(url)
    host = ANY_HOST.get(parts.hostname or "", parts.hostname or "")
    return f"http://{url_host(host)}:{parts.port}"


def follow(examples: Program, console: Console) -> int:
    """Show each example as it ends. Returns how many spans the collector acknowledged to them. Raises DemoError."""
    failed: list[str] = []
    flushed: dict[str, Any] | None = None
    with console.status("running the examples"):
        for line in examples.lines(EXAMPLE_SECONDS):
            said = json.loads(line)
            if "example" not in said:
                flushed = said
                continue
            mark = "[red]failed[/]" if said["error"] else "[green]ok[/]"
            console.print(f"  {said['example']:<14} {mark} {said['seconds']:.2f} s")
            if said["error"]:
                failed.append(f"{said['example']}: {said['error']}")
    if failed or flushed is None:
        raise DemoError("; ".join(failed)) if failed else examples.failure()
    if lost := flushed["pending"] + flushed["failed"]:
        raise DemoError(f"{lost} spans did not reach the collector")
    if not flushed["acknowledged"]:
        raise DemoError("the examples were not recorded")
    return int(flushed["acknowledged"])


def stay(collector: Program, console: Console, base_url: str, again: str) -> None:
    """Until a signal comes. Raises DemoError where the collector ends by itself."""
    try:
        console.print(f"\n[bold]Open {base_url}[/]   (Ctrl-C ends)")
        console.print(f"Run an example again: {escape(again)}")
        for _ in collector.lines():
            pass
        raise collector.failure()
    except KeyboardInterrupt:
        console.print("stopping")
