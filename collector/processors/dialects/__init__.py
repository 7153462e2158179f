"""The dialects, in the order in which they are asked: the first that matches leads, later ones fill what it left.

One more dialect is one more file with a class like ``base.Dialect``, and one line here. All but the two common ones are
told by marks (attributes of theirs), and cost a span without any mark nothing but one look for all marks at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from collector.model import Attributes
from collector.processors.dialects.base import Dialect
from collector.processors.dialects.langfuse import Langfuse
from collector.processors.dialects.langsmith import LangSmith
from collector.processors.dialects.langsmith_otel import LangSmithOTel
from collector.processors.dialects.litellm import LiteLLM
from collector.processors.dialects.logfire import Logfire
from collector.processors.dialects.mlflow import MLflow
from collector.processors.dialects.openinference import OpenInference
from collector.processors.dialects.otel_genai import OTelGenAI
from collector.processors.dialects.pydantic_ai import PydanticAI
from collector.processors.dialects.traceloop import Traceloop
from collector.processors.dialects.vercel import VercelAI

_COMMON: Final[tuple[Dialect, ...]] = (OTelGenAI(), OpenInference())

#: Those after the common ones only know more about what these said.
DIALECTS: Final[tuple[Dialect, ...]] = (
    Langfuse(),
    MLflow(),
    Traceloop(),
    VercelAI(),
    LangSmith(),
    LangSmithOTel(),
    PydanticAI(),
    *_COMMON,
    Logfire(),
    LiteLLM(),
)

_MARKS: Final = frozenset(mark for dialect in DIALECTS for mark in dialect.marks)

#: Beginnings of the attribute keys that no dialect reads on the ingest path.
CONTENT_KEYS: Final = tuple(key for dialect in DIALECTS for key in dialect.content_keys)


def dialects_of(attributes: Attributes) -> Sequence[Dialect]:
    """Those that may match a span with these attributes, in their order."""
    marks = _MARKS.intersection(attributes)
    return _told_by(marks) if marks else _COMMON


@lru_cache(1024)
def _told_by(marks: frozenset[str]) -> tuple[Dialect, ...]:
    return tuple(dialect for dialect in DIALECTS if dialect in _COMMON or dialect.marks & marks)
