"""Every format by its name, as commands and the API name them. Pure."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collector.datasets.formats import comma, dvc, huggingface, jsonl, openai, parquet
from collector.datasets.formats.fields import Columns
from collector.datasets.model import Example, version_hash
from collector.datasets.model import example_hash as hash_of

Reader = Callable[[bytes, Columns | None], list[Example]]


@dataclass(frozen=True, slots=True)
class Exported:
    """``files``: path to content; one without a folder where the format is one file. ``skipped``: examples that the
    format has no place for."""

    files: Mapping[str, bytes]
    media_type: str
    skipped: int = 0


#: What can be read, by name, and by what a request's Content-Type says.
READERS: Final[dict[str, Reader]] = {"jsonl": jsonl.read, "csv": comma.read, "parquet": parquet.read}
MEDIA_TYPES: Final = {
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
}
FORMATS: Final = ("jsonl", "csv", "parquet", "huggingface", "openai-evals", "openai-finetuning", "dvc")
_FOLDER: Final = "application/zip"


def export(format_name: str, name: str, examples: Sequence[Example]) -> Exported:
    """Raises ``ValueError`` for a format that there is not, ``ModuleNotFoundError`` for Parquet and Hugging Face
    without pyarrow."""
    if format_name == "jsonl":
        return Exported({f"{name}.jsonl": jsonl.write(examples)}, "application/x-ndjson")
    if format_name == "csv":
        return Exported({f"{name}.csv": comma.write(examples)}, "text/csv; charset=utf-8")
    if format_name == "parquet":
        return Exported({f"{name}.parquet": parquet.write(examples)}, "application/vnd.apache.parquet")
    if format_name == "huggingface":
        return Exported(huggingface.files(name, examples, version_hash(map(hash_of, examples))), _FOLDER)
    if format_name == "dvc":
        return Exported(dvc.files(name, examples), _FOLDER)
    if format_name in ("openai-evals", "openai-finetuning"):
        data, skipped = (openai.evals if format_name == "openai-evals" else openai.fine_tuning)(examples)
        return Exported({f"{name}.{format_name}.jsonl": data}, "application/x-ndjson", skipped)
    raise ValueError(f"there is no format {format_name!r}; there are {', '.join(FORMATS)}")


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of a folder, the same bytes for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
