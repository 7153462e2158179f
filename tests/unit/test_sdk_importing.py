"""A fork waits for an import on one of tracekit's threads, and its child can import."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def test_a_fork_waits_until_an_import_is_done() -> None:
    program = """
        import os, threading
        from tracekit.importing import imports
        inside, finish, done = threading.Event(), threading.Event(), []
        def importing():
            with imports():
                inside.set()
                finish.wait(1)
                done.append(True)
        thread = threading.Thread(target=importing)
        thread.start()
        inside.wait()
        child = os.fork()
        assert done
        with imports(): pass
        if child == 0: os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        thread.join()
        print("both")
        """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "both", "")


def test_a_thread_that_is_importing_may_fork_itself() -> None:
    program = """
        import os
        from tracekit.importing import imports
        with imports():
            child = os.fork()
        if child == 0: os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
