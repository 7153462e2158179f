"""Several server processes on the same ports: a parent that starts them, restarts what crashes, and passes signals on.

The parent holds the write end of a pipe that every worker watches: when the parent is gone, however it went, they
drain and leave. The parent imports nothing of what serves, so that forking it is cheap and safe.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn

import structlog

#: A worker that ends sooner did not get to work; after so many of those in a row the parent gives up.
_EARLY_SECONDS: Final = 5.0
_MAX_EARLY_ENDS: Final = 5
_RESTART_SECONDS: Final = 0.5
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_PID: Final = struct.Struct("i")

log = structlog.get_logger("collector.supervise")

#: What a worker runs: given the end of the parent's pipe and what to call when it is ready, it returns its exit code.
Work = Callable[[int, Callable[[], None]], int]


def in_child(run: Callable[[], int]) -> int:
    """``run()`` in a forked process. Returns the exit code."""
    pid = os.fork()
    if pid == 0:
        _exit_with(run)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Supervisor:
    """``count`` processes doing ``work``. ``announce`` is called once, when all of them are ready; ``forget`` with the
    pid of each that has ended. ``patience_s``: from SIGTERM to SIGKILL."""

    def __init__(
        self,
        count: int,
        work: Work,
        announce: Callable[[], None],
        forget: Callable[[int], None],
        patience_s: float,
    ) -> None:
        self._count = count
        self._work = work
        self._announce = announce
        self._forget = forget
        self._patience_s = patience_s
        self._started: dict[int, float] = {}
        self._ready: set[int] = set()
        self._announced = False
        self._early_ends = 0
        self._deadline: float | None = None
        self._code = 0
        self._lifeline = os.pipe()
        self._readiness = os.pipe()
        self._wakeup = os.pipe()

    def run(self) -> int:
        """Returns when the last worker has ended: 0 after a clean stop."""
        for end in (*self._wakeup, self._readiness[0]):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wakeup[1])
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for _ in range(self._count):
            self._start()
        while self._started:
            self._turn()
        return self._code

    def _turn(self) -> None:
        timeout = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        readable, _, _ = select.select([self._wakeup[0], self._readiness[0]], [], [], timeout)
        if not readable:
            self._kill()
        if self._readiness[0] in readable:
            self._note_ready()
        if self._wakeup[0] in readable:
            for number in os.read(self._wakeup[0], 4096):
                if number in _STOP_SIGNALS:
                    self._stop(number)
            self._reap()

    def _start(self) -> None:
        # A signal must not get lost between the fork and the worker's own handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        pid = os.fork()
        if pid == 0:
            _exit_with(self._be_worker)
        self._started[pid] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)

    def _be_worker(self) -> int:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        # Ctrl-C on the terminal reaches every process; the parent passes it on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        os.close(self._lifeline[1])
        return self._work(self._lifeline[0], lambda: _tell(self._readiness[1]))

    def _note_ready(self) -> None:
        data = os.read(self._readiness[0], 4096)
        self._ready.update(pid for (pid,) in _PID.iter_unpack(data))
        if not self._announced and len(self._ready & self._started.keys()) == self._count:
            self._announced = True
            self._announce()

    def _stop(self, number: int) -> None:
        if self._deadline is not None:
            self._code = 128 + number
            self._kill()
            return
        self._deadline = time.monotonic() + self._patience_s
        self._signal_all(signal.SIGTERM)

    def _kill(self) -> None:
        log.error("workers are killed", pids=sorted(self._started))
        self._code = self._code or 1
        self._signal_all(signal.SIGKILL)
        self._deadline = time.monotonic() + self._patience_s

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._started:
            os.kill(pid, number)

    def _reap(self) -> None:
        for pid in list(self._started):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, code: int) -> None:
        lived = time.monotonic() - self._started.pop(pid)
        self._forget(pid)
        if self._deadline is not None:
            self._code = self._code or (0 if code == 0 else 1)
            return
        log.error("a worker ended and is replaced", pid=pid, exit_code=code)
        self._early_ends = self._early_ends + 1 if lived < _EARLY_SECONDS else 0
        if self._early_ends >= _MAX_EARLY_ENDS:
            log.error("workers end as soon as they start")
            self._code = 1
            self._stop(signal.SIGTERM)
            return
        if self._early_ends:
            time.sleep(_RESTART_SECONDS)
        self._start()


def _tell(readiness: int) -> None:
    os.write(readiness, _PID.pack(os.getpid()))


def _exit_with(run: Callable[[], int]) -> NoReturn:
    """Ends a forked process: nothing of its parent's runs in it any more."""
    code = 1
    try:
        code = run()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        log.exception("a worker failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
