"""Work that waits for others, in several threads at once: daemons, so that a judge that is silent keeps no process from
ending."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(work: Sequence[T], do: Callable[[T], R], threads: int) -> Iterator[R | BaseException]:
    """What ``do`` gives or raises for each of them, as they are done."""
    waiting, done = deque(work), SimpleQueue[R | BaseException]()

    def run() -> None:
        while True:
            try:
                one = waiting.popleft()
            except IndexError:
                return
            try:
                done.put(do(one))
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks for the results
                done.put(error)

    for number in range(min(threads, len(work))):
        Thread(target=run, name=f"judge-{number}", daemon=True).start()
    for _ in work:
        yield done.get()
