"""CPU time and memory of process trees, children that came and went included as far as sampling sees them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psutil

_Key = tuple[int, float]


class Meter:
    """Measures from construction on. With several roots (a server and its database) memory that they share with each
    other is counted once per process less its shared part."""

    def __init__(self, roots: list[int], every_s: float = 0.1) -> None:
        self._roots, self._every_s = roots, every_s
        self._first: dict[_Key, float] = {}
        self._last: dict[_Key, float] = {}
        self._stopped = threading.Event()
        self.peak_rss = 0
        self._sample(first=True)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def cpu_s(self) -> float:
        """User and system time since construction."""
        self._sample()
        return sum(seconds - self._first.get(key, 0.0) for key, seconds in self._last.items())

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._stopped.wait(self._every_s):
            self._sample()

    def _sample(self, first: bool = False) -> None:
        rss = 0
        for process in self._processes():
            try:
                key = (process.pid, process.create_time())
                times = process.cpu_times()
                memory = process.memory_info()
            except psutil.Error:
                continue
            self._last[key] = times.user + times.system
            if first:
                self._first[key] = self._last[key]
            rss += memory.rss - (memory.shared if len(self._roots) > 1 else 0)
        self.peak_rss = max(self.peak_rss, rss)

    def _processes(self) -> Iterator[psutil.Process]:
        for root in self._roots:
            try:
                process = psutil.Process(root)
                yield process
                yield from process.children(recursive=True)
            except psutil.Error:
                continue
