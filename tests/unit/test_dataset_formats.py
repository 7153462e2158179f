"""Files of datasets, re-read by the tools that they are for; and files that are none."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from hashlib import md5

import pandas
import pyarrow
import pyarrow.parquet
import pytest

from collector.datasets.formats import comma, dvc, jsonl, openai, parquet
from collector.datasets.formats.fields import MAX_FAULTS, BadFile, Columns
from collector.datasets.formats.registry import READERS, export, packed
from collector.datasets.model import Change, Example
from collector.datasets.plan import plan

ODD = "é \0 \u2028\r\n 🎉 ' \" \\ <b>, =1+1"
TEXTS = (Example(ODD, "4", {"lang": ODD}, "test", f"{'a' * 32}:{'b' * 16}"), Example("plain", None))
MIXED = (*TEXTS, Example({"q": [1, 2.5, None]}, [ODD, None], {"n": {"m": None}}, "train"), Example("", "x" * 1_000_000))


def stored(examples: tuple[Example, ...]) -> list[Example]:
    return [example for example, _ in plan({}, Change(add=examples), lambda ids: []).written.values()]


def test_jsonl_is_read_by_the_standard_library_and_pandas() -> None:
    examples = stored(MIXED)
    data = jsonl.write(examples)
    lines = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    assert [(line["input"], line["expected"], line["metadata"]) for line in lines] == [
        (one.input, one.expected, one.metadata) for one in examples
    ]
    frame = pandas.read_json(io.BytesIO(data), lines=True, dtype=False)
    assert list(frame["input"]) == [one.input for one in examples]


@pytest.mark.parametrize("given", [TEXTS, MIXED])
def test_csv_is_read_by_the_standard_library_and_pandas(given: tuple[Example, ...]) -> None:
    examples = stored(given)
    data = comma.write(examples)
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    frame = pandas.read_csv(io.BytesIO(data), keep_default_na=False, dtype=str)
    for row, framed, one in zip(rows, frame.to_dict("records"), examples, strict=True):
        for found in (row, framed):
            text = found["input"] if "input" in found else json.loads(found["input_json"])
            assert text == one.input
            assert json.loads(found["metadata_json"]) == one.metadata
            assert (found["split"], found["source"]) == (one.split or "", one.source or "")


@pytest.mark.parametrize("given", [TEXTS, MIXED, ()])
def test_parquet_is_read_by_pyarrow_and_pandas(given: tuple[Example, ...]) -> None:
    examples = stored(given)
    data = parquet.write(examples)
    rows = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    frame = pandas.read_parquet(io.BytesIO(data))
    assert len(rows) == len(frame) == len(examples)
    for row, one in zip(rows, examples, strict=True):
        assert (row["input"] if "input" in row else json.loads(row["input_json"])) == one.input
        assert (row["expected"] if "expected" in row else json.loads(row["expected_json"])) == one.expected
        assert json.loads(row["metadata_json"]) == one.metadata


def test_openai_evals_have_a_chat_and_an_ideal() -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    examples = [Example("q", "a"), Example(chat, ["4", "four"]), Example({"messages": chat}, {"n": 4}), Example("none")]
    data, skipped = openai.evals(examples)
    assert skipped == 1
    assert [json.loads(line) for line in data.splitlines()] == [
        {"input": [{"role": "user", "content": "q"}], "ideal": "a"},
        {"input": chat, "ideal": ["4", "four"]},
        {"input": chat, "ideal": '{"n":4}'},
    ]


def test_fine_tuning_ends_with_the_assistant() -> None:
    chat = [{"role": "user", "content": "2+2?"}]
    calls = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function"}]}
    data, skipped = openai.fine_tuning([Example("q", "a"), Example(chat, calls), Example("none")])
    assert skipped == 1
    lines = [json.loads(line) for line in data.splitlines()]
    assert lines == [
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {"messages": [*chat, calls]},
    ]
    first, second = jsonl.read(data)
    assert (first.input, first.expected) == ([{"role": "user", "content": "q"}], "a")
    assert (second.input, second.expected) == (chat, None)


def test_dvc_tracks_a_file_that_changes_by_lines() -> None:
    examples = stored(MIXED)
    files = dvc.files("qa", examples)
    data = files["qa.jsonl"]
    assert dvc.files("qa", reversed(examples)) == files
    digest = md5(data, usedforsecurity=False).hexdigest()
    assert files["qa.jsonl.dvc"].decode() == (
        f"outs:\n- md5: {digest}\n  size: {len(data)}\n  hash: md5\n  path: qa.jsonl\n"
    )
    assert sorted(json.loads(line)["id"] for line in data.splitlines()) == [
        json.loads(line)["id"] for line in data.splitlines()
    ]


def test_a_folder_is_packed_the_same_every_time() -> None:
    files = export("huggingface", "qa", stored(MIXED)).files
    assert packed(files) == packed(dict(reversed(files.items())))
    assert set(zipfile.ZipFile(io.BytesIO(packed(files))).namelist()) == set(files)


def test_columns_of_others_are_found_or_named() -> None:
    data = b"\xef\xbb\xbfquestion,answer,topic\r\nq,a,t\r\n"
    assert comma.read(data) == [Example("q", "a", {"topic": "t"})]
    named = comma.read(data, Columns(("question", "topic"), ("answer",)))
    assert named == [Example({"question": "q", "topic": "t"}, "a")]
    (found,) = jsonl.read(b'{"prompt": [1], "reference": null, "id": "17", "subset": "x"}', Columns(split="subset"))
    assert found == Example([1], None, {"id": "17"}, "x")
    table = pyarrow.table({"query": ["q"], "output": [{"a": [1]}], "at": [pandas.Timestamp("2026-01-02")]})
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    assert parquet.read(out.getvalue()) == [Example("q", {"a": [1]}, {"at": "2026-01-02T00:00:00"})]


@pytest.mark.parametrize(
    ("name", "data", "line", "says"),
    [
        ("jsonl", b'{"input": 1}\n\n{"input": }', 3, "no JSON"),
        ("jsonl", b"[1]", 1, "no JSON object"),
        ("jsonl", b'{"colour": 1}', 1, "there is no input"),
        ("jsonl", b'{"input": 1, "metadata": 3}', 1, "metadata"),
        ("jsonl", b'{"input": 1, "split": "a b"}', 1, "split"),
        ("jsonl", b'{"input": "\\ud800"}', 1, "no JSON"),
        ("jsonl", b'{"input": NaN}', 1, "no JSON"),
        ("jsonl", b'{"input": ' + b"[" * 100 + b"]" * 100 + b"}", 1, "deeper than 64"),
        ("jsonl", b'{"input": ' + b"[" * 100_000, 1, "no JSON"),
        ("jsonl", b'{"input": "' + b"x" * 5_000_000 + b'"}', 1, "larger than"),
        ("csv", b"input,expected\r\na,b\r\nc\r\n", 3, "1 cells"),
        ("csv", b'input\r\n"a\nb"\r\n"never closed', 4, "no CSV"),
        ("csv", b"input,input\r\na,b\r\n", 1, "named twice"),
        ("csv", b"", 0, "empty"),
        ("csv", b"input\r\n\xff\r\n", 2, "UTF-8"),
        ("csv", b"input_json\r\n{]\r\n", 2, "no JSON"),
        ("csv", b"input\r\n" + b"x" * 5_000_000, 2, "field larger"),
        ("parquet", b"PAR1 nonsense PAR1", 0, "no Parquet"),
        ("parquet", b"", 0, "no Parquet"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(name: str, data: bytes, line: int, says: str) -> None:
    with pytest.raises(BadFile) as caught:
        READERS[name](data, None)
    assert caught.value.faults[0][0] == line
    assert says in caught.value.faults[0][1]


def test_the_faults_of_a_file_are_bounded() -> None:
    with pytest.raises(BadFile) as caught:
        jsonl.read(b"x\n" * 1_000_000)
    assert len(caught.value.faults) == MAX_FAULTS


def test_more_rows_than_a_dataset_takes_are_refused() -> None:
    for read, data in ((jsonl.read, b'{"input":1}\n' * 4), (comma.read, b"input\r\n" + b"a\r\n" * 4)):
        with pytest.raises(BadFile, match="more than 3"):
            read(data, None, 3)


def test_a_small_parquet_file_that_unpacks_to_very_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 1024 * 1024)
    out = io.BytesIO()
    long = pyarrow.array(["x" * 100_000]).dictionary_encode().take(pyarrow.array([0] * 100))
    table = pyarrow.table({"input": long.cast(pyarrow.string())})
    pyarrow.parquet.write_table(table, out, compression="zstd", use_dictionary=True)
    assert len(out.getvalue()) < 200_000
    with pytest.raises(BadFile, match="when it is unpacked"):
        parquet.read(out.getvalue())


def test_a_format_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="there are jsonl, csv"):
        export("xml", "qa", [])
