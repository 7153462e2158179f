"""A dataset as DVC (dvc.org) tracks files: one that git can compare line by line, and what stands for it in git.

Pure. The ``.dvc`` file is what ``dvc add`` writes (DVC 3: ``hash: md5``), so that DVC takes it from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5

from collector.datasets.formats import jsonl
from collector.datasets.model import Example


def files(name: str, examples: Iterable[Example]) -> dict[str, bytes]:
    """Lines are sorted by id: the same examples are the same bytes, and one changed example is one changed line."""
    data = jsonl.write(sorted(examples, key=lambda one: one.id or b""))
    path = f"{name}.jsonl"
    digest = md5(data, usedforsecurity=False).hexdigest()
    tracked = f"outs:\n- md5: {digest}\n  size: {len(data)}\n  hash: md5\n  path: {path}\n"
    return {path: data, f"{path}.dvc": tracked.encode()}
