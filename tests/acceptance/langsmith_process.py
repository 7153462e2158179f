"""The strict stand-in of LangSmith in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from langsmith_strict import KEY

STRICT = Path(__file__).parents[1] / "langsmith_strict.py"


class LangSmithProcess:
    """The strict stand-in, which keeps what it took in a file."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "langsmith.json"
        self._port = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(STRICT), "--key", KEY, "--state", str(self._state), "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]
        self._port = int(self.url.rpartition(":")[2])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def control(self, **faults: Any) -> None:
        self._ask("PUT", "/_strict/faults", json.dumps(faults).encode())

    def runs(self) -> set[str]:
        """``TRACE:SPAN`` of the runs that it has, as their metadata says."""
        found = json.loads(self._ask("GET", "/_strict"))
        metadata = [run["extra"]["metadata"] for run in found["runs"].values()]
        return {f"{one['tracekit.trace_id']}:{one['tracekit.span_id']}" for one in metadata}

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.url + path, body, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())
