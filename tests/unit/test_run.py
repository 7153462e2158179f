"""``tracekit run``: the program runs as it would without it, and everything in it finds tracekit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tracekit.run import SITE_PATH, UsageError, command_of, environment, main, parse

#: says what a program can find out about itself
PROGRAM = """
import json, os, sys
print(json.dumps({
    "argv": sys.argv, "name": __name__, "file": globals().get("__file__"), "pid": os.getpid(), "path": sys.path,
    "tracing": os.environ.get("TRACEKIT_TRACING"), "project": os.environ.get("TRACEKIT_PROJECT"),
    "loaded": sorted(name for name in sys.modules if name.partition(".")[0] in ("tracekit", "collector")),
}), flush=True)
"""


@pytest.mark.parametrize(
    ("arguments", "settings", "target"),
    [
        (["app.py"], {}, ["app.py"]),
        (
            ["--project", "shop", "app.py", "--project", "own"],
            {"TRACEKIT_PROJECT": "shop"},
            ["app.py", "--project", "own"],
        ),
        (["--capture=none", "-m", "app", "-x"], {"TRACEKIT_CAPTURE": "none"}, ["-m", "app", "-x"]),
        (["--endpoint", "http://c:1", "--", "gunicorn"], {"TRACEKIT_ENDPOINT": "http://c:1"}, ["gunicorn"]),
        (["-c", "print()"], {}, ["-c", "print()"]),
        (["--help"], {}, []),
        (["-h"], {}, []),
    ],
)
def test_options_come_before_the_program(arguments: list[str], settings: dict[str, str], target: list[str]) -> None:
    assert parse(arguments) == (settings, target)


@pytest.mark.parametrize("arguments", [[], ["-m"], ["--project"], ["--project", "x"], ["--wrong", "app.py"], ["-x"]])
def test_what_cannot_be_run_is_said_without_a_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError):
        parse(arguments)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("tracekit run: ") and said.count("\n") == 1


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "tracekit run gunicorn" in capsys.readouterr().out


def test_what_is_python_runs_with_this_python(tmp_path: Path) -> None:
    script, package, tool = tmp_path / "script", tmp_path / "package", tmp_path / "tool"
    for file in (script, tool):
        file.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    package.mkdir()
    (package / "__main__.py").write_text("")
    for target in (["-m", "x"], ["missing.py", "a"], [str(script)], [str(package)]):
        assert command_of(target) == [sys.executable, *target]
    for target in ([str(tool), "a"], ["python3", "-u", "x.py"], ["nowhere"]):
        assert command_of(target) == target


def test_what_the_user_has_set_stays() -> None:
    path = os.pathsep.join((str(SITE_PATH), "/a", "/b"))
    inherited = {"TRACEKIT_TRACING": "false", "PYTHONPATH": path, "TRACEKIT_PROJECT": "mine", "A": "1"}
    found = environment(inherited, {"TRACEKIT_PROJECT": "given"})
    assert found == inherited | {"TRACEKIT_PROJECT": "given"}
    assert environment({}, {}) == {"TRACEKIT_TRACING": "true", "PYTHONPATH": str(SITE_PATH)}


def run(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT", "PYTHONPATH"))}
    command = [sys.executable, "-m", "collector", "run", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=inherited | (env or {}), capture_output=True, text=True, timeout=60, check=False
    )


def test_a_script_is_what_it_is_without(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    bare = subprocess.run(
        [sys.executable, "app.py", "--x", "1"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected: dict[str, Any] = json.loads(bare.stdout)
    done = run("--project", "shop", "app.py", "--x", "1", cwd=tmp_path)
    said: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert {name: said[name] for name in ("argv", "name", "file", "path", "loaded")} == {
        name: expected[name] for name in ("argv", "name", "file", "path", "loaded")
    }
    assert (said["tracing"], said["project"], said["loaded"]) == ("true", "shop", [])


def test_exit_codes_and_tracebacks_are_the_programs_own(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import sys\nsys.exit(7)")
    (tmp_path / "boom.py").write_text("def f():\n    raise ValueError('boom')\n\nf()\n")
    assert run("-m", "app", cwd=tmp_path).returncode == 7
    failed = run("boom.py", cwd=tmp_path)
    assert failed.returncode == 1 and failed.stderr.splitlines()[-1] == "ValueError: boom"
    assert "tracekit" not in failed.stderr and "runpy" not in failed.stderr
    assert run("no-such-program").returncode == 127


def test_signals_reach_the_program(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n"
        "print(os.getpid(), flush=True)\nsignal.pause()\n"
    )
    command = [sys.executable, "-m", "collector", "run", "app.py"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and int(process.stdout.readline()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 42
    process.stdout.close()


def test_an_own_sitecustomize_still_runs_and_may_fail(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.own = __file__\n")
    (tmp_path / "app.py").write_text("import sitecustomize\nprint(own, sitecustomize.__file__)")
    own = str(tmp_path / "sitecustomize.py")
    assert run("app.py", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}).stdout == f"{own} {own}\n"
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('theirs')\n")
    (tmp_path / "app.py").write_text("print('runs')")
    done = run("app.py", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.stdout == "runs\n" and "theirs" in done.stderr


def test_the_sdk_alone_is_enough(tmp_path: Path) -> None:
    """Where what the server needs is not installed."""
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')")
    (tmp_path / "app.py").write_text("print('runs')")
    assert run("app.py", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}).stdout == "runs\n"
