"""The evaluators that need no model: importing this registers them all."""

from tracekit.evals import (
    checks_bounds,
    checks_citations,
    checks_json,
    checks_language,
    checks_text,
    checks_tools,
    similarity,
)

__all__ = [
    "checks_bounds",
    "checks_citations",
    "checks_json",
    "checks_language",
    "checks_text",
    "checks_tools",
    "similarity",
]
