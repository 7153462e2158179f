"""``tracekit run``: a Python program, traced without a change to it.

Sets variables and becomes the program: the process is the program's own, with its arguments, signals, exit code and
tracebacks. The standard library alone: this starts faster than what it starts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

#: what is on PYTHONPATH of the program and of the Python processes that it starts
SITE_PATH: Final = Path(__file__).parent / "sitepath"
#: option -> the variable that it sets
OPTIONS: Final = {
    "--project": "TRACEKIT_PROJECT",
    "--endpoint": "TRACEKIT_ENDPOINT",
    "--capture": "TRACEKIT_CAPTURE",
}
_PYTHON_SUFFIXES: Final = (".py", ".pyw", ".pyz")
_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127
_HELP: Final = """\
Usage: tracekit run [OPTIONS] SCRIPT.py|-m MODULE|COMMAND [ARGUMENTS]

Run a Python program with every LangChain chain and LangGraph agent in it traced, without a change to it. Python
processes that it starts (workers, subprocesses) are traced as well.

Options, which come before the program:
  --project NAME      the project that the traces belong to    [TRACEKIT_PROJECT]
  --endpoint URL      the collector's address                  [TRACEKIT_ENDPOINT, else http://127.0.0.1:4318]
  --capture MODE      full, metadata or none                   [TRACEKIT_CAPTURE, else full]
  --help              this

Examples:
  tracekit run app.py --its-own-option
  tracekit run --project support-bot -m my_app
  tracekit run gunicorn --workers 4 app:app
"""


class UsageError(Exception):
    """The command line makes no sense; the message says why."""


def main(arguments: Sequence[str]) -> int:
    """Become the program. Returns an exit code only where there is nothing to become."""
    try:
        settings, target = parse(arguments)
    except UsageError as error:
        print(f"tracekit run: {error}; see tracekit run --help", file=sys.stderr)
        return 2
    if not target:
        print(_HELP, end="")
        return 0
    return _become(command_of(target), environment(os.environ, settings))


def parse(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that options set, and the program with its arguments (none: help was asked for)."""
    settings: dict[str, str] = {}
    left = list(arguments)
    while left and left[0].startswith("--"):
        name, equals, value = left.pop(0).partition("=")
        if name == "--":
            break
        if name == "--help":
            return {}, []
        if name not in OPTIONS:
            raise UsageError(f"there is no option {name}")
        if not equals and not left:
            raise UsageError(f"{name} needs a value")
        settings[OPTIONS[name]] = value if equals else left.pop(0)
    if left[:1] == ["-h"]:
        return {}, []
    if not left or left in (["-m"], ["-c"]):
        raise UsageError("what is to be run is missing")
    if left[0].startswith("-") and left[0] not in ("-m", "-c"):
        raise UsageError(f"there is no option {left[0]}")
    return settings, left


def command_of(target: list[str]) -> list[str]:
    """The command line that runs a script or module with this Python, or an executable as it is."""
    first = target[0]
    if first in ("-m", "-c") or first.endswith(_PYTHON_SUFFIXES) or Path(first, "__main__.py").is_file():
        return [sys.executable, *target]
    if shutil.which(first) is None and Path(first).is_file() and not os.access(first, os.X_OK):
        return [sys.executable, *target]
    return target


def environment(inherited: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The program's environment. ``TRACEKIT_TRACING=false`` stays what it is."""
    found = {"TRACEKIT_TRACING": "true", **inherited, **settings}
    others = [entry for entry in found.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != str(SITE_PATH)]
    return found | {"PYTHONPATH": os.pathsep.join((str(SITE_PATH), *others))}


def _become(command: list[str], variables: Mapping[str, str]) -> int:
    try:
        if os.name == "nt":
            return subprocess.run(command, env=dict(variables), check=False).returncode
        _exec(command, variables)
    except FileNotFoundError:
        print(f"tracekit run: {command[0]}: not found", file=sys.stderr)
        return _NOT_FOUND
    except OSError as error:
        print(f"tracekit run: {command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_EXECUTABLE


def _exec(command: list[str], variables: Mapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execvpe(command[0], command, variables)
