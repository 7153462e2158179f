"""Exports, read by the tools that they are for: Hugging Face's ``datasets``, and DVC.

Both are large, so ``make test`` installs them into an environment beside the project's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from beside import needed

from collector.datasets.formats import dvc, huggingface
from collector.datasets.model import Change, Example, example_hash, version_hash
from collector.datasets.plan import plan

TOOLS = Path(sys.prefix) / "dataset-tools" / "bin"
ODD = "é \0 \u2028\r\n 🎉 ' \" \\ <b>"
TEXTS = (Example(ODD, "4", {"lang": ODD}, "test"), Example("plain", None, split="test"), Example("", "x"))
MIXED = (*TEXTS, Example({"q": [1, 2.5, None]}, [ODD], {"n": {"m": None}}, "a-b"), Example("y", "x" * 100_000))

READ = """
import json, sys
from datasets import load_dataset, load_from_disk
folder, cache = sys.argv[1:]
for found in (load_from_disk(folder), load_dataset(folder, cache_dir=cache)):
    print(json.dumps({split: list(found[split]) for split in found}))
"""


def tool(name: str) -> str:
    return needed(TOOLS / name)


def run(*command: str, cwd: Path) -> str:
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(cwd / "hf"), "DVC_NO_ANALYTICS": "1"}
    environ |= {"DVC_SITE_CACHE_DIR": str(cwd / "site"), "DVC_GLOBAL_CONFIG_DIR": str(cwd / "global")}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def stored(examples: tuple[Example, ...]) -> list[Example]:
    return [example for example, _ in plan({}, Change(add=examples), lambda ids: []).written.values()]


@pytest.mark.parametrize("given", [TEXTS, MIXED])
def test_hugging_faces_datasets_reads_the_folder_in_both_ways(given: tuple[Example, ...], tmp_path: Path) -> None:
    python = tool("python")
    examples = stored(given)
    write(tmp_path / "qa", huggingface.files("qa", examples, version_hash(map(example_hash, examples))))
    expected: dict[str, list[tuple[object, ...]]] = {}
    for one in examples:
        said = (one.id.hex() if one.id else None, one.input, one.expected, one.metadata, one.split, one.source)
        expected.setdefault((one.split or "train").replace("-", "_"), []).append(said)
    for line in run(python, "-c", READ, str(tmp_path / "qa"), str(tmp_path / "cache"), cwd=tmp_path).splitlines():
        found = {split: [said_of(row) for row in rows] for split, rows in json.loads(line).items()}
        assert found == expected


def said_of(row: dict[str, str]) -> tuple[object, ...]:
    def value(name: str) -> object:
        return row[name] if name in row else json.loads(row[f"{name}_json"])

    return (row["id"], value("input"), value("expected"), value("metadata"), row["split"], row["source"])


def test_dvc_takes_what_is_written_for_what_it_tracks(tmp_path: Path) -> None:
    command = tool("dvc")
    run(command, "init", "--no-scm", "-q", cwd=tmp_path)
    files = dvc.files("qa", stored(MIXED))
    write(tmp_path, files)
    run(command, "commit", "-q", "qa.jsonl.dvc", cwd=tmp_path)
    assert (tmp_path / "qa.jsonl.dvc").read_bytes() == files["qa.jsonl.dvc"]
    assert json.loads(run(command, "status", "--json", cwd=tmp_path)) == {}
    (tmp_path / "qa.jsonl").unlink()
    run(command, "checkout", "-q", cwd=tmp_path)
    assert (tmp_path / "qa.jsonl").read_bytes() == files["qa.jsonl"]
    write(tmp_path, {"qa.jsonl": dvc.files("qa", stored(TEXTS))["qa.jsonl"]})
    assert "qa.jsonl.dvc" in json.loads(run(command, "status", "--json", cwd=tmp_path))
