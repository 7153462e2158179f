"""One peer, one mode, in this process; prints one JSON line.

paced   bursts of five calls, 20 ms apart: queues never fill; the median call's time
large   the same, one span a call, with 10 kB of arguments: ten messages
records the same with 45 small dicts
text    the same with one text
large-loop, records-loop, text-loop   the same, call after call without a pause: warm caches, and the exporter at work
flat    calls without a pause on one thread, then flush
async   calls by 100 tasks on one event loop, then flush
memory  calls in rounds of 10,000 spans with a flush behind each: resident memory over time

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
from pathlib import Path
from typing import Any

from benchmarks.sdk_overhead import peers, workload

#: modes of one span a call
SINGLE = {"large": workload.build_large, "records": workload.build_records, "text": workload.build_text}
_LOOP = "-loop"
MODES = ("paced", *SINGLE, *(name + _LOOP for name in SINGLE), "flat", "async", "memory")
_BURST, _GAP = 5, 0.02
_TASKS = 100
_WARM_UP = 100
_ROUND = 3_334
_PAGE = resource.getpagesize()


def _calls(function: Callable[[str], Any], calls: int, timed: bool, paced: bool) -> list[int]:
    """Nanoseconds of each call, where timed."""
    times: list[int] = []
    clock = time.perf_counter_ns
    for number in range(calls):
        text = workload.question(number)
        if not timed:
            function(text)
            continue
        begin = clock()
        function(text)
        times.append(clock() - begin)
        if paced and number % _BURST == _BURST - 1:
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
    single = SINGLE.get(mode.removesuffix(_LOOP))
    build = single or (workload.build_async if mode == "async" else workload.build)
    function = build(wrap)
    per_call = workload.SPANS_PER_CALL if single is None else 1

    def run(count: int) -> list[int]:
        if mode == "async":
            asyncio.run(_tasks(function, count))
            return []
        timed = single is not None or mode == "paced"
        return _calls(function, count, timed, timed and not mode.endswith(_LOOP))

    run(_WARM_UP)
    flush()
    time.sleep(0.3)
    cpu, wall = time.process_time(), time.perf_counter()
    times = sorted(run(calls))
    produced = time.perf_counter()
    flush()
    flushed = time.perf_counter()
    per_span = 1e6 / (per_call * calls)
    return {
        "peer": peer,
        "mode": mode,
        "produced": per_call * (calls + _WARM_UP),
        "cpu_us": (time.process_time() - cpu) * per_span,
        "wall_us": times[len(times) // 2] / 1e3 / per_call if times else (produced - wall) * per_span,
        "flush_s": flushed - produced,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def memory(peer: str, calls: int, endpoint: str) -> dict[str, Any]:
    """Megabytes resident after each tenth of the calls, and their number of spans."""
    wrap, flush = peers.setup(peer, endpoint)
    function = workload.build(wrap)
    resident: list[float] = []
    done = 0
    while done < calls:
        for number in range(done, min(calls, done + _ROUND)):
            function(workload.question(number))
        before, done = done, min(calls, done + _ROUND)
        flush()
        if done * 10 // calls > before * 10 // calls:
            resident.append(round(int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20, 1))
    return {"peer": peer, "mode": "memory", "produced": workload.SPANS_PER_CALL * calls, "resident_mb": resident}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=peers.NAMES)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("calls", type=int)
    parser.add_argument("endpoint")
    given = parser.parse_args()
    if given.mode == "memory":
        found = memory(given.peer, given.calls, given.endpoint)
    else:
        found = measure(given.peer, given.mode, given.calls, given.endpoint)
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
