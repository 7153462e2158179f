"""The text that a chunk is found by: names, inputs, outputs, messages, documents and errors of its spans. Pure.

Works on the attributes as they were sent, whatever their convention: everything that is a string is worth finding,
unless its key says that it is none of somebody's words. Each line is taken once, so that a document which lies in
the retriever's, the reranker's and the prompt's attributes costs once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import orjson

from collector.codec.otlp import Original

MAX_CHARS: Final = 64 * 1024
#: Longer strings without any space are data: images, audio, keys.
_MAX_BLOB: Final = 1024
#: Longer lists of numbers are vectors.
_MAX_NUMBERS: Final = 16
#: Of one JSON value; guards against values that are all structure.
_MAX_NODES: Final = 20_000

#: Keys under these say how a call was made and by what, and not what was said.
_NOT_UNDER: Final = (
    "llm.invocation_parameters",
    "llm.tools.",
    "llm.request.functions.",
    "gen_ai.tool.definitions",
    "gen_ai.request.",
    "gen_ai.operation.",
    "gen_ai.provider.",
    "gen_ai.usage.",
    "telemetry.",
    "service.",
    "process.",
    "thread.",
    "code.",
    "ai.prompt.tools",
    "ai.settings.",
    "ai.usage.",
    "logfire.",
    "langsmith.run",
    "langsmith.events",
    "langsmith.extra",
    "langsmith.serialized",
)
#: Last parts of keys whose values are names, ids and units.
_NOT_CALLED: Final = frozenset({
    "id", "ids", "kind", "role", "type", "mime_type", "model", "model_name", "system", "provider", "vendor", "stream",
    "finish_reason", "finish_reasons", "json_schema", "stacktrace", "vector", "embedding", "operationId",
})  # fmt: skip


#: Names in JSON values that say the same of theirs.
_NOT_IN_JSON: Final = frozenset({"role", "mime_type", "finish_reason"})


def search_text(data: bytes) -> str:
    """What a compressed chunk is found by: distinct lines, at most ``MAX_CHARS`` together.

    Raises ``zstandard.ZstdError`` or ``DecodeError`` where the chunk is damaged.
    """
    lines: dict[str, None] = {}
    seen: set[str] = set()
    size = 0
    for text in Original(data).texts(is_wanted):
        if not text or text in seen:
            continue
        seen.add(text)
        for part in _texts_of(text):
            for line in part.splitlines() if len(part) > 80 else (part,):
                if line not in lines:
                    lines[line] = None
                    size += len(line) + 1
        if size >= MAX_CHARS:
            break
    return "\n".join(lines)[:MAX_CHARS]


@lru_cache(maxsize=4096)
def is_wanted(key: str) -> bool:
    """Whether an attribute's string is something that people look for."""
    return key.rpartition(".")[2] not in _NOT_CALLED and not key.startswith(_NOT_UNDER)


def _texts_of(text: str) -> Iterator[str]:
    """The strings and numbers in a JSON text, or the text itself."""
    value = _opened(text) if text[0] in '{["' else None
    if value is not None:
        yield from _leaves(value)
    elif _is_text(text):
        yield text


def _leaves(value: Any) -> Iterator[str]:
    """Strings and numbers in document order. Strings that are JSON again are opened once more."""
    waiting = [value]
    nodes = 0
    while waiting and nodes < _MAX_NODES:
        node = waiting.pop()
        nodes += 1
        if node.__class__ is str:
            opened = _opened(node) if node[:1] in ("{", "[") else None
            if opened is not None:
                waiting.append(opened)
            elif _is_text(node):
                yield node
        elif isinstance(node, dict):
            waiting += [child for key, child in reversed(node.items()) if key not in _NOT_IN_JSON]
        elif isinstance(node, list):
            if len(node) <= _MAX_NUMBERS or not isinstance(node[0], int | float):
                waiting += reversed(node)
        elif node is not None and not isinstance(node, bool):
            yield str(node)


def _opened(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def _is_text(text: str) -> bool:
    return len(text) <= _MAX_BLOB or " " in text[:_MAX_BLOB] or not text.isascii()
