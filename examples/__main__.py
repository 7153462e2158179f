"""Runs all examples in one process and says of each how it went, one JSON object to a line.

    python -m examples

With ``--wait`` it loads what takes long first and then waits for a line on standard input with the environment to run
in (a JSON object): whoever starts a collector meanwhile loses no time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import json
import os
import sys
import time

import tracekit

NAMES = ["rag", "agent", "streaming", "async_threads", "chat_session"]
#: What takes long to load and is needed with the first question at the latest.
HEAVY = ["openai.resources.chat.completions", "openai.resources.embeddings", "opentelemetry.sdk.trace", "genai_prices"]


def run(name: str) -> bool:
    began, error = time.monotonic(), None
    try:
        module = importlib.import_module(f"{__package__}.{name}" if __package__ else name)
        with contextlib.redirect_stdout(io.StringIO()):
            module.main()
    except Exception as fault:  # noqa: BLE001 -- the others are to run, whatever this one does
        error = f"{type(fault).__name__}: {fault}"
    seconds = round(time.monotonic() - began, 3)
    print(json.dumps({"example": name, "seconds": seconds, "error": error}), flush=True)
    return error is None


def main() -> None:
    if "--wait" in sys.argv[1:]:
        for name in HEAVY:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        os.environ |= json.loads(sys.stdin.readline() or "{}")
    done = [run(name) for name in NAMES]
    print(json.dumps(dataclasses.asdict(tracekit.flush(timeout=30))), flush=True)
    sys.exit(0 if all(done) else 1)


if __name__ == "__main__":
    main()
