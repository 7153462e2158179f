"""A Phoenix of one's own on this machine: started as a child process, stopped with us.

Phoenix is another program (licence: Elastic 2.0), found as ``python -m phoenix.server.main serve``; nothing of it is
imported here. Nothing it does leaves the machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape

from collector.sockets import url_host

#: How long a start may take: its first one makes a database and reads some hundred modules from a cold disk.
READY_S: Final = 120.0
STOP_S: Final = 15.0
#: Lines of its log that are shown when it ends by itself.
_TAIL: Final = 15
#: Pixels in its pages, fonts, downloads, and an assistant that asks servers elsewhere.
_AT_HOME: Final = {
    "PHOENIX_TELEMETRY_ENABLED": "false",
    "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
}
#: Settings of whoever starts it that would lead it elsewhere.
_FOREIGN: Final = ("PHOENIX_", "OTEL_", "PYTHON")
_MISSING: Final = """\
Phoenix is not installed for {python}.

Install it in an environment of its own (it brings some two hundred packages):

  python -m venv ~/.phoenix
  ~/.phoenix/bin/python -m pip install arize-phoenix

and say where it is: --python ~/.phoenix/bin/python
Or install tracekit-llm with its extra "phoenix", which puts it beside the collector."""


class PhoenixError(Exception):
    """Why there is no Phoenix, fit for the user."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``python``: of the environment that has Phoenix, else looked for (``find_python``). Ports 0 are any free ones.
    ``folder``: where Phoenix keeps its database and its log."""

    folder: Path
    python: Path | None = None
    host: str = "127.0.0.1"
    port: int = 6006
    grpc_port: int = 0


def find_python(given: Path | None = None) -> Path:
    """An interpreter that has Phoenix: ``given``, else this one, else that of an environment called ``phoenix`` inside
    this one. Raises ``PhoenixError``, which says what to install."""
    here = Path(sys.executable)
    inner = Path(sys.prefix) / "phoenix" / ("Scripts" if os.name == "nt" else "bin") / here.name
    for python in [given] if given else [here, inner]:
        if version_of(python) is not None:
            return python
    raise PhoenixError(_MISSING.format(python=given or here))


def version_of(python: Path) -> str | None:
    """The version of Phoenix that an interpreter has; None where there is none, or no interpreter."""
    code = "import importlib.metadata as m; print(m.version('arize-phoenix'))"
    try:
        done = subprocess.run([python, "-I", "-c", code], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def environment(settings: Settings, port: int, grpc_port: int, given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in given.items() if not name.startswith(_FOREIGN)}
    return (
        kept
        | _AT_HOME
        | {
            "PHOENIX_WORKING_DIR": str(settings.folder),
            "PHOENIX_HOST": settings.host,
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc_port),
        }
    )


class LocalPhoenix:
    """One running Phoenix. ``url`` is that of its pages, and the endpoint for a destination."""

    def __init__(self, settings: Settings) -> None:
        """Starts it. Raises ``PhoenixError`` where it is missing, or a port is taken."""
        python = find_python(settings.python)
        port = free_port(settings.host, settings.port)
        while (grpc_port := free_port(settings.host, settings.grpc_port)) == port and settings.grpc_port == 0:
            pass
        self.url = f"http://{url_host(settings.host)}:{port}"
        self.grpc_port = grpc_port
        settings.folder.mkdir(parents=True, exist_ok=True)
        self.log = settings.folder / "phoenix.log"
        with self.log.open("wb") as log:
            # A session of its own, so that Ctrl-C reaches only us and the end is in our hands.
            self._process = subprocess.Popen(
                [python, "-m", "phoenix.server.main", "serve"],
                env=environment(settings, port, grpc_port, os.environ),
                cwd=settings.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait_ready(self, timeout_s: float = READY_S, until: threading.Event | None = None) -> str:
        """The version that it answers with. Raises ``PhoenixError`` where it ends before that or takes longer;
        ``until`` gives up early, with an empty version."""
        deadline = time.monotonic() + timeout_s
        stop = until or threading.Event()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not stop.wait(0.1):
            if self.ended():
                raise PhoenixError(f"Phoenix ended with exit code {self._process.returncode}:\n{self.tail()}")
            asked = f"{self.url}/arize_phoenix_version"
            with contextlib.suppress(OSError), opener.open(asked, timeout=2) as answer:
                return str(answer.read(64).decode("utf-8", "replace")).strip()
            if time.monotonic() > deadline:
                raise PhoenixError(f"Phoenix does not answer after {timeout_s:.0f} s; its log: {self.log}")
        return ""

    def tail(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-_TAIL:])
        return ""

    def stop(self, timeout_s: float = STOP_S) -> int:
        """SIGTERM, upon which it stores what it has taken, and SIGKILL where that does not help: its exit code."""
        if not self.ended():
            self._process.terminate()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def free_port(host: str, port: int) -> int:
    """The port, or any free one for 0. Raises ``PhoenixError`` where it is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        raise PhoenixError(f"port {port} of {host} cannot be had: {error.strerror}; choose another") from None


def run(
    settings: Settings,
    *,
    browser: bool = True,
    when_ready: Callable[[str], None] | None = None,
    project: str | None = None,
) -> int:
    """Run Phoenix until SIGINT, SIGTERM or SIGHUP, or until it ends by itself. Returns the exit code.

    ``when_ready`` is called with its URL once it answers (to add the destination). ``project``: printed is the address
    of that project's traces. Signals are handled in the main thread alone, so this belongs there.
    """
    console = Console(stderr=True, highlight=False)
    with _stopping() as stop:
        try:
            phoenix = LocalPhoenix(settings)
        except PhoenixError as error:
            console.print(f"tracekit: {escape(str(error))}")
            return 1
        try:
            with console.status("Starting Phoenix ..."):
                version = phoenix.wait_ready(until=stop)
            if version:
                _announce(phoenix, version, console, browser, when_ready, project)
            while not stop.wait(0.2):
                if phoenix.ended():
                    raise PhoenixError(f"Phoenix has ended:\n{phoenix.tail()}")
        except PhoenixError as error:
            console.print(f"tracekit: {escape(str(error))}")
            return 1
        finally:
            phoenix.stop()
    return 0


def _announce(
    phoenix: LocalPhoenix,
    version: str,
    console: Console,
    browser: bool,
    when_ready: Callable[[str], None] | None,
    project: str | None,
) -> None:
    if when_ready is not None:
        when_ready(phoenix.url)
    shown = address_of(phoenix.url, project) if project else phoenix.url
    console.print(f"Phoenix {escape(version)} runs on this machine; nothing leaves it. Ctrl-C stops it.")
    print(shown, flush=True)
    if browser:
        # Some browsers' starters wait for the browser's end.
        threading.Thread(target=webbrowser.open, args=(shown,), daemon=True).start()


def address_of(url: str, project: str) -> str:
    """The page that leads to a project's traces, by its name, whether it has any yet or not."""
    return f"{url}/redirects/projects/{quote(project, safe='')}"


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by the first of the signals that mean the end."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before: dict[int, Any] = {}
    try:
        for name in names:
            number = getattr(signal, name)
            before[number] = signal.signal(number, handle)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
