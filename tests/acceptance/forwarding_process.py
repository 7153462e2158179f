"""What tests of forwarding ask a running collector for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from collector_process import JSON, CollectorProcess
from otlp_load import Load, spans_of


def add(collector: CollectorProcess, name: str, **settings: Any) -> None:
    """A destination."""
    answer = collector.post("/api/v1/destinations", json.dumps({"name": name, **settings}).encode(), JSON)
    assert answer.status == 201, answer


def command(*arguments: str, url: str) -> None:
    """``tracekit ARGUMENTS`` over a database."""
    whole = [sys.executable, "-m", "collector", *arguments, "--database-url", url]
    subprocess.run(whole, check=True, capture_output=True, timeout=60)


def status(collector: CollectorProcess, name: str) -> dict[str, Any]:
    found: dict[str, Any] = collector.get(f"/api/v1/destinations/{name}").json()
    return found


def drained(collector: CollectorProcess, name: str) -> bool:
    found = status(collector, name)
    return not found["waiting"] and not found["unverified"]


def sent(load: Load) -> set[str]:
    """``TRACE:SPAN`` of every acknowledged span."""
    keys = set().union(*map(spans_of, load.acknowledged))
    return {f"{trace.hex()}:{span.hex()}" for trace, span in keys}


#: What an otherwise idle destination may be behind while another one fails, in seconds.
MOST_LAG_S = 5.0
#: How long a fault lasts, unless requests take longer.
FAULT_S = 1.5


def under_load(collector: CollectorProcess, load: Load, lags: list[float], requests: int = 40) -> None:
    """Send for a while, and watch how far behind the healthy destination is."""
    target, until_s = len(load.acknowledged) + requests, time.monotonic() + FAULT_S
    with load.on(collector):
        while len(load.acknowledged) < target or time.monotonic() < until_s:
            lags.append(status(collector, "healthy")["lag_seconds"])
            time.sleep(0.2)
            if len(load.acknowledged) > target * 4:
                break
    lags.append(status(collector, "healthy")["lag_seconds"])
