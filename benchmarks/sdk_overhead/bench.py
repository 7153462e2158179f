"""One peer, one mode, in this process; prints one JSON line.

paced   bursts of five calls, 20 ms apart: queues never fill; the median call's time
flat    calls without a pause on one thread, then flush
async   calls by 100 tasks on one event loop, then flush

What is warm before the clock starts: 100 calls and their flush, so that imports and connections are not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time
from collections.abc import Callable
from typing import Any

from benchmarks.sdk_overhead import peers, workload

_BURST, _GAP = 5, 0.02
_TASKS = 100
_WARM_UP = 100


def _calls(function: Callable[[str], Any], calls: int, paced: bool) -> list[int]:
    """Nanoseconds of each call, where paced."""
    times: list[int] = []
    clock = time.perf_counter_ns
    for number in range(calls):
        text = workload.question(number)
        if not paced:
            function(text)
            continue
        begin = clock()
        function(text)
        times.append(clock() - begin)
        if number % _BURST == _BURST - 1:
            time.sleep(_GAP)
    return times


async def _tasks(function: Callable[[str], Any], calls: int) -> None:
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            await function(workload.question(number))

    await asyncio.gather(*(work() for _ in range(_TASKS)))


def measure(peer: str, mode: str, calls: int, endpoint: str) -> dict[str, Any]:
    wrap, flush = peers.setup(peer, endpoint)
    function = workload.build_async(wrap) if mode == "async" else workload.build(wrap)

    def run(count: int) -> list[int]:
        if mode == "async":
            asyncio.run(_tasks(function, count))
            return []
        return _calls(function, count, mode == "paced")

    run(_WARM_UP)
    flush()
    time.sleep(0.3)
    cpu, wall = time.process_time(), time.perf_counter()
    times = sorted(run(calls))
    produced = time.perf_counter()
    flush()
    flushed = time.perf_counter()
    spans = workload.SPANS_PER_CALL * calls
    per_span = 1e6 / spans
    return {
        "peer": peer,
        "mode": mode,
        "produced": workload.SPANS_PER_CALL * (calls + _WARM_UP),
        "cpu_us": (time.process_time() - cpu) * per_span,
        "wall_us": times[len(times) // 2] / 1e3 / workload.SPANS_PER_CALL if times else (produced - wall) * per_span,
        "flush_s": flushed - produced,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=peers.NAMES)
    parser.add_argument("mode", choices=("paced", "flat", "async"))
    parser.add_argument("calls", type=int)
    parser.add_argument("endpoint")
    given = parser.parse_args()
    print(json.dumps(measure(given.peer, given.mode, given.calls, given.endpoint)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
