"""What a LangSmith says of itself at ``GET /info``, and how runs are sent there. Pure and total."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from collector.exporters.langsmith.parts import Way

#: The client's own bounds where the server says nothing.
MAX_BYTES: Final = 20 * 1024 * 1024
MAX_RUNS: Final = 100
#: From there on feedback goes along with runs; before, by requests of its own.
_FEEDBACK_PARTS: Final = (0, 8, 10)
_VERSION: Final = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Info:
    """``way``: zstd where the server says that it takes it, else plain multipart, else JSON."""

    version: str = ""
    way: Way = "multipart"
    size_limit_bytes: int = MAX_BYTES
    size_limit: int = MAX_RUNS

    @property
    def takes_feedback_parts(self) -> bool:
        found = _VERSION.match(self.version)
        return self.way != "batch" and found is not None and tuple(map(int, found.groups())) >= _FEEDBACK_PARTS


def info_of(answer: Any) -> Info:
    """Of the JSON that was answered. What is not there is as the client takes it to be."""
    told = answer if isinstance(answer, dict) else {}
    config, flags = told.get("batch_ingest_config"), told.get("instance_flags")
    config = config if isinstance(config, dict) else {}
    flags = flags if isinstance(flags, dict) else {}
    version = told.get("version")
    way: Way = "zstd" if flags.get("zstd_compression_enabled") is True else "multipart"
    return Info(
        version[:100] if isinstance(version, str) else "",
        "batch" if config.get("use_multipart_endpoint") is False else way,
        _whole(config.get("size_limit_bytes"), MAX_BYTES),
        min(_whole(config.get("size_limit"), MAX_RUNS), 1_000),
    )


def _whole(value: Any, usual: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else usual
