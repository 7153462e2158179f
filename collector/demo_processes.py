"""The programs of a demonstration: collector, model stand-in, examples; started, listened to and stopped."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Settings of whoever starts the demonstration that would lead its programs elsewhere, or scripts from their folder.
FOREIGN_SETTINGS = ("TRACEKIT_", "OTEL_", "OPENAI_", "PYTHONSAFEPATH")


class DemoError(Exception):
    """Why the demonstration cannot go on, fit for the user; ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def examples_folder() -> Path:
    """Where the examples are: inside the installed package, or beside it in a clone. Raises DemoError."""
    package = Path(__file__).parent
    for folder in (package / "_examples", package.parent / "examples"):
        if (folder / "model_standin.py").is_file():
            return folder
    raise DemoError("the example applications are not installed beside the collector")


def check_installed(module: str, extra: str) -> None:
    """Raises DemoError, naming the extra that brings the module, where it is missing."""
    if importlib.util.find_spec(module) is None:
        raise DemoError(f"the examples need {module!r}: install tracekit-llm with its extra {extra!r}")


def environment() -> dict[str, str]:
    """This process's environment without foreign settings; what runs on this machine is reached without a proxy."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(FOREIGN_SETTINGS)}
    for name in ("NO_PROXY", "no_proxy"):
        clean[name] = ",".join(filter(None, [clean.get(name), "127.0.0.1", "localhost", "::1"]))
    return clean | {"PYTHONUNBUFFERED": "1"}


class Program:
    """A child process whose lines can be waited for. It has a session of its own, so that Ctrl-C reaches only us."""

    def __init__(self, name: str, arguments: list[str], env: Mapping[str, str]) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name=f"{name}-output", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.decode("utf-8", "replace").strip())
        self._lines.put(None)

    def lines(self, timeout_s: float | None = None) -> Iterator[str]:
        """Its lines until it closes its output. Raises DemoError where it stays silent for ``timeout_s`` seconds."""
        while True:
            try:
                line = self._lines.get(timeout=timeout_s)
            except queue.Empty:
                raise DemoError(f"{self.name} said nothing for {timeout_s:.0f} s") from None
            if line is None:
                return
            yield line

    def say(self, text: str) -> None:
        """Write one line to its standard input; nothing where it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(text.encode() + b"\n")
            self._process.stdin.flush()

    def failure(self) -> DemoError:
        """What it said on its error output before it ended, with its exit code."""
        code = self._process.wait(10)
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return DemoError(said[-1] if said else f"{self.name} ended with exit code {code}", code if code > 0 else 1)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self, timeout_s: float = 15.0) -> int:
        """SIGTERM, and SIGKILL where that does not help. Returns the exit code."""
        if not self.ended():
            self._process.terminate()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._errors.close()


def first_line(program: Program, timeout_s: float = 60.0) -> str:
    """The line that says it is ready. Raises DemoError with what it complained of."""
    for line in program.lines(timeout_s):
        return line
    raise program.failure()


def until(deadline: float) -> Iterator[None]:
    """Steps of 20 ms up to ``deadline`` (monotonic seconds)."""
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
