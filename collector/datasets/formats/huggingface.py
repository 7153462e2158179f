"""A folder for Hugging Face's ``datasets``, whether by ``load_from_disk`` or by ``load_dataset``. Pure.

The layout is that of ``DatasetDict.save_to_disk`` (datasets 2.x to 4.x: ``dataset_dict.json``; for each split an Arrow
stream, ``state.json``, ``dataset_info.json``) beside a README whose head names the files for ``load_dataset``.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from collector.datasets.formats.parquet import arrow_table
from collector.datasets.model import Example

#: Examples without a split; the name that most programs ask for.
DEFAULT_SPLIT: Final = "train"
_FILE: Final = "data-00000-of-00001.arrow"


def files(name: str, examples: Sequence[Example], hash_: str) -> dict[str, bytes]:
    """Path in the folder to content. ``hash_``: of the version. Splits' names have letters, digits and _ alone
    there."""
    splits: dict[str, list[Example]] = {}
    for example in examples:
        splits.setdefault(re.sub(r"\W", "_", example.split or DEFAULT_SPLIT), []).append(example)
    splits = splits or {DEFAULT_SPLIT: []}
    columns = arrow_table(examples).schema
    found = {"dataset_dict.json": _json({"splits": list(splits)}), "README.md": _card(name, list(splits), hash_)}
    for split, members in splits.items():
        found |= {f"{split}/{path}": data for path, data in _split(split, members, columns, hash_).items()}
    return found


def _split(split: str, examples: list[Example], schema: Any, hash_: str) -> dict[str, bytes]:
    import pyarrow as pa

    out = io.BytesIO()
    rows = [*arrow_rows(examples, schema)]
    with pa.ipc.new_stream(out, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema))
    features = {column: {"dtype": "string", "_type": "Value"} for column in schema.names}
    state: dict[str, Any] = {
        "_data_files": [{"filename": _FILE}],
        "_fingerprint": hash_[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
    return {_FILE: out.getvalue(), "state.json": _json(state), "dataset_info.json": _json(info)}


def arrow_rows(examples: Sequence[Example], schema: Any) -> list[dict[str, Any]]:
    """The rows of one split in the columns of all: whether a column is JSON is said of the whole dataset."""
    from collector.datasets.model import canonical

    rows = []
    for example in examples:
        row: dict[str, Any] = {"id": example.id.hex() if example.id else None}
        for column in schema.names[1:]:
            field = column.removesuffix("_json")
            value = dict(example.metadata) if field == "metadata" else getattr(example, field)
            row[column] = canonical(value).decode() if field != column else value
        rows.append(row)
    return rows


def _card(name: str, splits: list[str], hash_: str) -> bytes:
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: {split}/data-*.arrow"]
    lines += ["---", "", f"# {name}", "", f"Exported by tracekit. Version {hash_}.", ""]
    lines.append("Columns that end in `_json` hold JSON.\n")
    return "\n".join(lines).encode()


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2).encode()
