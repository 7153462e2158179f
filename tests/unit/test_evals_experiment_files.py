"""Datasets that experiments read from files, what experiments are kept in, and the bar."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracekit.evals.examples import Example, examples_of, read_file
from tracekit.evals.experiment import evaluate
from tracekit.evals.progress import Progress
from tracekit.evals.results import Experiment, Run, RunScore, from_json, to_json
from tracekit.evals.store import file_of, load


def test_datasets_from_files(tmp_path: Path) -> None:
    rows = [{"input": "a\u2028b", "expected": {"x": 1}, "lang": "en"}, {"question": "c", "id": 7}]
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n")
    first, second = read_file(tmp_path / "d.jsonl").examples
    assert (first.input, first.expected, first.metadata) == ("a\u2028b", {"x": 1}, {"lang": "en"})
    assert (second.id, second.input, len(first.id)) == ("7", "c", 16)
    (tmp_path / "d.csv").write_text('input,expected,split\n"a, b",x,test\n')
    [row] = read_file(tmp_path / "d.csv").examples
    assert (row.input, row.expected, row.metadata) == ("a, b", "x", {"split": "test"})
    (tmp_path / "d.json").write_text(json.dumps({"examples": rows}))
    assert [one.id for one in read_file(tmp_path / "d.json").examples] == [first.id, "7"]


def test_the_same_content_twice_is_two_examples_and_an_id_twice_a_fault() -> None:
    twice = examples_of([{"input": "a"}, {"input": "a"}])
    assert twice[1].id == f"{twice[0].id}-2"
    for wrong in ({"input": {1, 2}}, Example("a", object())):
        with pytest.raises(ValueError, match="example 1: input and expected must be JSON values"):
            examples_of([wrong])
    with pytest.raises(ValueError, match="example 2: the id 'x' is there twice"):
        examples_of([{"input": "a", "id": "x"}, {"input": "b", "id": "x"}])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.jsonl", b'{"input": 1}\n{"input": ', "line 2: is not JSON"),
        ("d.jsonl", b'{"output": 1}', "example 1: has no input"),
        ("d.jsonl", b"[1]\n", "example 1: must be an object"),
        ("d.jsonl", b"", "no examples"),
        ("d.jsonl", b"\xff\xfe", "not UTF-8"),
        ("d.json", b"[" * 100_000, "is not JSON"),
        ("d.json", b"3", "must hold a list"),
        ("d.csv", b"input\na,b\n", "more fields"),
        ("d.jsonl", b'{"input": 1, "documents": "x"}', "documents must be a list"),
    ],
)
def test_datasets_that_are_none(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_file(tmp_path / name)


def test_arguments_that_make_no_sense(tmp_path: Path) -> None:
    for wrong in ({"repetitions": 0}, {"concurrency": 0}, {"timeout": 0}):
        with pytest.raises(ValueError, match="must be"):
            evaluate(str.upper, [{"input": "a"}], directory=tmp_path, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="can be put there"):
        evaluate(str.upper, [{"input": "a"}], directory=tmp_path, push=True)
    with pytest.raises(ValueError, match="no such"):
        evaluate(str.upper, "no such.jsonl", directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_any_name_has_a_file_of_its_own_in_the_directory(tmp_path: Path) -> None:
    names = ["a", "../a", "/etc/passwd", "a b", "a/b", "", "ä", ".", "x" * 500]
    files = [file_of(name, tmp_path) for name in names]
    assert len(set(files)) == len(names)
    assert all(file.parent == tmp_path and len(file.name) < 120 for file in files)


def test_files_that_are_no_experiments(tmp_path: Path) -> None:
    for content in (
        "",
        "[]",
        "{}",
        '{"name": "x", "format": 99, "runs": []}',
        '{"name": "x", "format": 1, "runs": [3]}',
    ):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(ValueError, match=r"x\.json"):
            load("x", tmp_path)
    whole = to_json(Experiment("x", runs=[Run("a", scores=[RunScore("s", 1.0)])]))
    assert to_json(from_json(json.loads(json.dumps(whole)))) == whole
    whole["runs"][0]["scores"][0]["score"] = "high"
    with pytest.raises(ValueError, match="no finite number"):
        from_json(whole)


def test_the_bar() -> None:
    class Terminal:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return True

    terminal, times = Terminal(), iter([0.0, 4.0, 8.0])
    bar = Progress(4, 2, name="n", stream=terminal, clock=lambda: next(times))  # type: ignore[arg-type]
    bar.step(failed=True)
    assert "3/4, 1 failed, 4 s left" in terminal.text
    bar.step(failed=False)
    bar.end()
    assert terminal.text.endswith("4/4, 1 failed\x1b[K\n")


def test_importing_tracekit_imports_none_of_it() -> None:
    code = (
        "import sys, tracekit\n"
        "assert not [m for m in sys.modules if m.startswith('tracekit.evals')]\n"
        "assert tracekit.evaluate.__module__ == 'tracekit.evals.experiment'\n"
        "assert 'numpy' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=environment, timeout=60, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
