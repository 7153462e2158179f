"""``tracekit dataset``: examples to try applications with, in versions.

It works on the collector's database, whether the collector runs or not.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from collector.cli_options import DatabaseUrl, Json, fail, opened_store

dataset_app = typer.Typer(
    help="Examples to try applications with, in versions.", no_args_is_help=True, rich_markup_mode="markdown"
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name.")]
Version = Annotated[str | None, typer.Option(help="A version's number, or a tag. [default: the newest]")]
Note = Annotated[str | None, typer.Option(help="Why: shown with the version.")]

_IMPORT_EPILOG = """
**Examples**

- `tracekit dataset import qa cases.jsonl`

- `tracekit dataset import qa cases.csv --input question --expected answer --replace`
"""
_EXPORT_EPILOG = """
**Examples**

- `tracekit dataset export qa cases.parquet --format parquet --version prod`

- `tracekit dataset export qa --dvc data/`

- `tracekit dataset export qa --to phoenix --endpoint http://127.0.0.1:6006`

- `tracekit dataset export qa --to langsmith --endpoint https://api.smith.langchain.com --api-key env:LANGSMITH_API_KEY`
"""


@dataset_app.command(name="list")
def list_(
    name: Annotated[str | None, typer.Argument(help="Show the versions of this dataset.")] = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Every dataset, or the versions of one."""
    from collector.api.dataset_render import dataset_json, version_json

    with opened_store(database_url, *_faults()) as store:
        if name is None:
            items = [dataset_json(one) for one in store.list_datasets()]
            columns: tuple[str, ...] = ("name", "version", "example_count", "updated_at", "description")
        else:
            items = [version_json(one) for one in store.list_versions(name)]
            columns = ("version", "tags", "example_count", "added", "updated", "removed", "created_at", "note", "hash")
    if as_json:
        print(json.dumps({"items": items}))
    elif items:
        _table(items, columns)
    else:
        print("there are no datasets; make one: tracekit dataset create NAME")


@dataset_app.command()
def create(
    name: Name,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a dataset, empty."""
    from collector.datasets.model import Dataset, check_name

    with opened_store(database_url, *_faults()) as store:
        new = Dataset(secrets.token_bytes(16), check_name(name), description)
        store.add_dataset(new, now_ns=time.time_ns()).result()
    print(f"made {name}; fill it: tracekit dataset import {name} FILE")


@dataset_app.command()
def add(
    name: Name,
    input_: Annotated[str, typer.Option("--input", help="Text, or JSON that begins with { or [.")],
    expected: Annotated[str | None, typer.Option(help="What would be right; likewise.")] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object.")] = None,
    split: Annotated[str | None, typer.Option(help="train, test or any other name.")] = None,
    note: Note = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Add one example. What is there already is not added again."""
    from collector.datasets.model import Change, Example

    example = Example(
        _value(input_, "--input"),
        None if expected is None else _value(expected, "--expected"),
        {} if metadata is None else _value(metadata, "--metadata"),
        split,
    )
    _change(name, Change(add=(example,), note=note), database_url)


@dataset_app.command(name="import", epilog=_IMPORT_EPILOG)
def import_(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL, CSV or Parquet, by its ending.")],
    input_: Annotated[list[str] | None, typer.Option("--input", help="The column that is the input.")] = None,
    expected: Annotated[list[str] | None, typer.Option(help="The column that is the expected output.")] = None,
    split: Annotated[str | None, typer.Option(help="The column that names the split.")] = None,
    replace: Annotated[bool, typer.Option(help="The new version holds just what the file says.")] = False,
    deduplicate: Annotated[bool, typer.Option(help="Leave out what is there already.")] = True,
    note: Note = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Add what a file says, as one version. A file with faults changes nothing."""
    from collector.datasets.formats.fields import BadFile, Columns
    from collector.datasets.formats.registry import READERS
    from collector.datasets.model import Change

    kind = file.suffix.lower().removeprefix(".")
    if kind not in READERS:
        fail(f"{file}: its name must end in {', '.join(f'.{one}' for one in READERS)}")
    try:
        columns = Columns(tuple(input_ or ()), tuple(expected or ()), split)
        examples = READERS[kind](file.read_bytes(), columns)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except BadFile as fault:
        fail(*(f"{file}{f':{line}' if line else ''}: {text}" for line, text in fault.faults))
    change = Change(add=tuple(examples), replace=replace, deduplicate=deduplicate, note=note)
    _change(name, change, database_url)


@dataset_app.command(epilog=_EXPORT_EPILOG)
def export(
    name: Name,
    out: Annotated[Path | None, typer.Argument(metavar="FILE", help="A file; for some formats a folder.")] = None,
    format_: Annotated[
        str, typer.Option("--format", help="jsonl, csv, parquet, huggingface, openai-evals or openai-finetuning.")
    ] = "jsonl",
    dvc: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a file for git and DVC there: sorted, with its .dvc.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="phoenix or langsmith: store it there.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="The address of --to.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Where its key is found: env:NAME or file:/path.")] = None,
    version: Version = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write a version to a file or a folder, or store it in Phoenix or LangSmith. Without FILE, to standard output."""
    from collector.api.datasets import all_examples

    with opened_store(database_url, *_faults()) as store:
        dataset = store.dataset(name)
        examples = all_examples(store, name, version, split)
    if to is not None:
        _upload(to, endpoint, api_key, dataset, examples)
        return
    from collector.datasets.formats.registry import export as exported

    try:
        found = exported("dvc" if dvc is not None else format_, name, examples)
    except ModuleNotFoundError as error:
        fail(f"this format needs {error.name}: install tracekit-llm[archive]")
    except ValueError as error:
        fail(str(error))
    _write(found, dvc if dvc is not None else out, folder=dvc is not None or len(found.files) > 1)
    if found.skipped:
        print(f"tracekit: left out {found.skipped} examples that say nothing of what is right", file=sys.stderr)


@dataset_app.command()
def diff(
    name: Name,
    before: Annotated[str | None, typer.Argument(help="A version or tag. [default: the one before]")] = None,
    after: Annotated[str | None, typer.Argument(help="A version or tag. [default: the newest]")] = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """What was added, removed and changed between two versions."""
    from collector.api.datasets import difference

    with opened_store(database_url, *_faults()) as store:
        found = difference(store, name, before, after)
    if as_json:
        print(json.dumps(found))
        return
    counts = ", ".join(f"{found[f'{key}_count']} {key}" for key in ("added", "removed", "changed"))
    print(f"{name} {found['from']} -> {found['to']}: {counts}")
    for sign, key in (("+", "added"), ("-", "removed")):
        for one in found[key]:
            print(f"{sign} {one['id']} {_short(one['input'])} -> {_short(one['expected'])}")
    for one in found["changed"]:
        for field in one["fields"]:
            before_, after_ = (_short(one[side][field]) for side in ("before", "after"))
            print(f"~ {one['after']['id']} {field}: {before_} -> {after_}")


@dataset_app.command()
def tag(
    name: Name,
    tag: Annotated[str, typer.Argument(metavar="TAG", help="prod, v1 ...")],
    version: Version = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tag.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Give a version a name; another version loses it."""
    from collector.datasets.model import check_tag

    with opened_store(database_url, *_faults()) as store:
        check_tag(tag)
        if remove:
            if not store.untag(name, tag).result():
                fail(f"no version of {name} has the tag {tag}")
            print(f"removed {tag}")
            return
        number = store.version_of(name, version).version
        store.tag_version(name, tag, number, now_ns=time.time_ns()).result()
    print(f"{tag} is version {number}")


def _change(name: str, change: Any, database_url: str | None) -> None:
    with opened_store(database_url, *_faults()) as store:
        before = store.dataset(name)
        changed = store.change_examples(name, change, now_ns=time.time_ns()).result()
    if before is not None and changed.version == before.version:
        print(f"{name} stays version {changed.version}: {changed.duplicates} examples were there already")
        return
    print(
        f"{name} is version {changed.version}: {changed.added} added, {changed.updated} updated, "
        f"{changed.removed} removed, {changed.duplicates} were there already"
    )


def _upload(to: str, endpoint: str | None, api_key: str | None, dataset: Any, examples: list[Any]) -> None:
    from collector.datasets.upload import UploadFailed, upload
    from collector.destinations import REFERENCES, Destination
    from collector.forwarding.credentials import NoSecret, resolved

    if endpoint is None:
        fail("--to needs --endpoint")
    if api_key is not None and not api_key.startswith(REFERENCES):
        fail("--api-key: say where it is found, env:NAME or file:/path; never the key itself")
    try:
        secrets_ = resolved(Destination("", "phoenix", str(endpoint), api_key), os.environ)
        print(upload(to, str(endpoint), secrets_.get("api_key"), dataset, examples))
    except (NoSecret, UploadFailed, ValueError) as error:
        fail(str(error), code=1)


def _write(found: Any, out: Path | None, *, folder: bool) -> None:
    if folder and out is None:
        fail("this format is a folder: say where")
    try:
        if out is None:
            sys.stdout.buffer.write(*found.files.values())
            return
        for path, data in found.files.items():
            target = out / path if folder else out
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    except OSError as error:
        fail(f"{out}: {error.strerror}")
    print(f"wrote {', '.join(str(out / path) if folder else str(out) for path in found.files)}", file=sys.stderr)


def _value(text: str, flag: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        fail(f"{flag}: is no JSON: {error}")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def _table(items: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right" if isinstance(items[0][name], int) else "left")
    for item in items:
        cells = (", ".join(item[name]) if isinstance(item[name], list) else item[name] for name in columns)
        table.add_row(*("" if cell is None else str(cell).replace("[", "\\[") for cell in cells))
    console = Console()
    (console if console.is_terminal else Console(width=240)).print(table)


def _faults() -> tuple[type[Exception], ...]:
    """What datasets raise for what a user asked."""
    from collector.datasets.model import Invalid
    from collector.datasets.plan import NotThere, TooMany
    from collector.storage.datasets_api import DatasetNameTaken, VersionConflict

    return Invalid, NotThere, TooMany, DatasetNameTaken, VersionConflict
