"""Experiments as files: one JSON file when it is done, a journal of runs until then.

The journal has a line per run, written before the next one is counted as done: an experiment that was killed goes on
where it stopped. The last line may be torn, and is then run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

from tracekit.evals.results import Experiment, Run, from_json, run_from_json, run_to_json, to_json

DIRECTORY: Final = Path(".tracekit") / "experiments"
MAX_FILE: Final = 1024 * 1024 * 1024
_MAX_NAME: Final = 80
#: half a surrogate pair, which no encoding holds, is written as JSON's escape of it
_LONE: Final = "backslashreplace"


def file_of(name: str, directory: Path) -> Path:
    """Any name has a file of its own within the directory."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:_MAX_NAME]
    if safe != name:
        safe = f"{safe or 'experiment'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return directory / f"{safe}.json"


def save(experiment: Experiment, path: Path) -> None:
    """Whole or not at all. Raises ``OSError``."""
    write_whole(path, json.dumps(to_json(experiment), ensure_ascii=False, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replace a file's content, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", errors=_LONE) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load(named: str | os.PathLike[str], directory: Path = DIRECTORY) -> Experiment:
    """By path, or by the name of one in the directory. Raises ``ValueError``."""
    path = Path(named)
    if not path.is_file():
        path = file_of(str(named), directory)
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"{path}: larger than {MAX_FILE >> 20} MiB")
        found = json.loads(path.read_text("utf-8"))
    except OSError:
        raise ValueError(f"there is no experiment {str(named)!r}, neither a file nor in {directory}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError(f"{path}: is not JSON") from None
    try:
        return from_json(found, str(path))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


class Journal:
    """The runs that are done of one experiment. ``fingerprint`` says what would be run: a journal of something else is
    begun anew."""

    def __init__(self, path: Path, fingerprint: Mapping[str, Any]) -> None:
        self._path = path
        self._head = json.dumps({"fingerprint": fingerprint}, sort_keys=True)
        self.runs: dict[tuple[str, int], Run] = {}
        self._file: TextIO | None = None

    def __enter__(self) -> Journal:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._read()
        # Written anew: what follows a torn line would be lost with it.
        lines = [self._head, *(json.dumps(run_to_json(run), ensure_ascii=False) for run in kept)]
        write_whole(self._path, "\n".join(lines) + "\n")
        self.runs = {(run.example_id, run.repetition): run for run in kept}
        self._file = self._path.open("a", encoding="utf-8", errors=_LONE)
        return self

    def add(self, run: Run) -> None:
        """Called from one thread at a time."""
        assert self._file is not None
        self._file.write(json.dumps(run_to_json(run), ensure_ascii=False) + "\n")
        self._file.flush()
        self.runs[run.example_id, run.repetition] = run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """Once the experiment's file is there."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> list[Run]:
        if not self._path.is_file() or self._path.stat().st_size > MAX_FILE:
            return []
        with self._path.open(encoding="utf-8", errors="replace") as file:
            if file.readline().rstrip("\n") != self._head:
                return []
            kept = []
            for line in file:
                try:
                    kept.append(run_from_json(json.loads(line)))
                except (ValueError, TypeError, RecursionError):
                    break
            return kept
