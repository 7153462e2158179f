"""The dialects, in the order in which they are asked: the first that matches leads, later ones fill what it left.

One more dialect is one more file with a class like ``base.Dialect``, and one line here.
"""

from __future__ import annotations

from typing import Final

from collector.processors.dialects.base import Dialect
from collector.processors.dialects.openinference import OpenInference
from collector.processors.dialects.otel_genai import OTelGenAI

DIALECTS: Final[tuple[Dialect, ...]] = (OTelGenAI(), OpenInference())

#: Beginnings of the attribute keys that no dialect reads on the ingest path.
CONTENT_KEYS: Final = tuple(key for dialect in DIALECTS for key in dialect.content_keys)
