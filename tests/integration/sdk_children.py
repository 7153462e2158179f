"""Applications of several processes, and what of theirs is stored."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from collector_process import CollectorProcess, until


def environment(collector: CollectorProcess, folder: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    given = {
        "TRACEKIT_ENDPOINT": collector.http,
        "TRACEKIT_PROJECT": folder.name,
        "TRACEKIT_SPOOL_DIR": str(folder / "spool"),
        "NO_PROXY": "*",
        "PYTHONPATH": str(folder),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",  # Python 3.12 warns of any fork beside a thread
    }
    return kept | given | settings


def run(program: str, collector: CollectorProcess, folder: Path, **settings: str) -> str:
    """What the program prints; it must end well and say nothing else."""
    file = folder / "program.py"
    file.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(collector, folder, **settings),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def check_stored(collector: CollectorProcess, folder: Path, expected: Mapping[str, int]) -> None:
    """So many traces of these names are stored, and no span was sent twice."""
    seen: Counter[str] = Counter()

    def arrived() -> bool:
        answer = collector.get(f"/api/v1/traces?project={folder.name}&limit=200")
        assert answer.status == 200, answer
        seen.clear()
        seen.update(item["name"] for item in answer.json()["items"])
        return seen == Counter(expected)

    try:
        until(arrived)
    except AssertionError:
        raise AssertionError(f"{dict(seen)} instead of {dict(expected)}") from None
    assert collector.metric("tracekit_spans_duplicate_total") == 0
