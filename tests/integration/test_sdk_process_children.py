"""Children of every kind: each one's spans arrive, once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from collector_process import CollectorProcess, Start, until
from sdk_children import check_stored, environment, run

CHILDREN = """
    import multiprocessing
    import tracekit
    from tracekit import trace

    @trace
    def in_child(number): return number

    @trace
    def in_parent(): return None

    tracekit.init(interval=30)

    if __name__ == "__main__":
        in_parent()
        context = multiprocessing.get_context("{method}")
        processes = [context.Process(target=in_child, args=(number,)) for number in range({children})]
        for process in processes: process.start()
        for process in processes: process.join()
        with context.Pool({children}) as pool:
            assert pool.map(in_child, range(4)) == list(range(4))
            pool.close()
            pool.join()
    """


@pytest.mark.parametrize(("method", "children"), [("fork", 3), ("spawn", 1), ("forkserver", 2)])
def test_multiprocessing(collector_process: CollectorProcess, tmp_path: Path, method: str, children: int) -> None:
    run(CHILDREN.format(method=method, children=children), collector_process, tmp_path)
    check_stored(collector_process, tmp_path, {"in_child": 4 + children, "in_parent": 1})


def test_an_executor_of_processes(collector_process: CollectorProcess, tmp_path: Path) -> None:
    run(
        """
        from concurrent.futures import ProcessPoolExecutor
        import tracekit
        from tracekit import trace

        @trace
        def in_child(number): return number

        tracekit.init(interval=30)
        with ProcessPoolExecutor(2) as executor:
            assert list(executor.map(in_child, range(4))) == list(range(4))
        """,
        collector_process,
        tmp_path,
    )
    check_stored(collector_process, tmp_path, {"in_child": 4})


def test_a_fork_within_a_fork_while_spans_are_on_their_way(collector_process: CollectorProcess, tmp_path: Path) -> None:
    run(
        """
        import os, sys, tracekit
        from tracekit import trace

        tracekit.init(interval=30)
        for generation in range(3):
            with trace.span(f"generation {generation}"): pass
            child = os.fork()
            if child:
                assert os.waitpid(child, 0)[1] == 0
                with trace.span(f"parent {generation}"): pass
                break
        else:
            with trace.span("last"): pass
        """,
        collector_process,
        tmp_path,
    )
    names = [f"{kind} {generation}" for kind in ("generation", "parent") for generation in range(3)]
    check_stored(collector_process, tmp_path, dict.fromkeys([*names, "last"], 1))


def test_children_during_an_outage(start_collector: Start, tmp_path: Path) -> None:
    """Parent and children keep theirs apart, and whoever comes after them sends it all."""
    collector = start_collector()
    collector.send_signal(signal.SIGSTOP)
    try:
        done = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(OUTAGE)],
            env=environment(collector, tmp_path, OTEL_EXPORTER_OTLP_TIMEOUT="0.5", TRACEKIT_EXIT_TIMEOUT="0.5"),
            stderr=subprocess.PIPE,
            text=True,
        )
        log = done.communicate(timeout=60)[1]
        assert done.returncode == 0 and "Traceback" not in log, log
    finally:
        collector.send_signal(signal.SIGCONT)
    folders = [path for path in (tmp_path / "spool").glob("*/*") if path.is_dir()]
    assert len(folders) == 4
    said = run(
        """
        import time, tracekit
        tracekit.init()
        with tracekit.trace.span("next"): pass
        tracekit.shutdown(20)
        print(tracekit.stats().recovered, tracekit.stats().pending)
        """,
        collector,
        tmp_path,
    )
    assert said.split() == ["80", "0"]
    url = f"/api/v1/traces?project={tmp_path.name}&limit=200"
    until(lambda: len(collector.get(url).json()["items"]) == 81)
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


OUTAGE = """
    import os, tracekit
    from tracekit import trace

    def work(who):
        for _ in range(20):
            with trace.span(who): pass

    tracekit.init()
    work("parent")
    tracekit.flush(1)
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            work(f"child {number}")
            raise SystemExit
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    """


def test_a_function_that_is_frozen_when_its_root_has_ended(collector_process: CollectorProcess, tmp_path: Path) -> None:
    program = """
        import os, signal, tracekit
        from tracekit import trace

        @trace
        def inner(): return None

        @trace
        def handler():
            inner()

        tracekit.init(interval=3600)
        handler()
        os.kill(os.getpid(), signal.SIGSTOP)
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment(collector_process, tmp_path, AWS_LAMBDA_FUNCTION_NAME="f"),
    ) as frozen:
        try:
            assert os.WIFSTOPPED(os.waitpid(frozen.pid, os.WUNTRACED)[1])
            check_stored(collector_process, tmp_path, {"handler": 1})
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(frozen.pid, signal.SIGKILL)


def test_a_notebook_whose_cells_are_run_again_and_interrupted(
    collector_process: CollectorProcess, tmp_path: Path
) -> None:
    """A kernel runs cells on one thread, keeps the process, and interrupts with KeyboardInterrupt."""
    said = run(
        """
        import _thread, threading, time, tracekit
        cell = '''
        import tracekit
        from tracekit import trace
        tracekit.init()
        @trace
        def asked(text): return text
        asked("again")
        '''.replace("\\n        ", "\\n")
        for _ in range(3):
            exec(cell, {})
        @tracekit.trace
        def long():
            threading.Timer(0.1, _thread.interrupt_main).start()
            while True: time.sleep(0.01)
        try:
            long()
        except KeyboardInterrupt:
            print("interrupted")
        exec(cell, {})
        result = tracekit.flush()
        names = [thread.name for thread in threading.enumerate()]
        print(result.acknowledged, result.pending, names.count("tracekit-export"), names.count("tracekit-send"))
        """,
        collector_process,
        tmp_path,
    )
    assert said.split() == ["interrupted", "5", "0", "1", "1"]
    check_stored(collector_process, tmp_path, {"asked": 4, "long": 1})
