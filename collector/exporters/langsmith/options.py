"""What can be said of a destination of this kind beside its address and key. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

_PROTOCOLS: Final = ("native", "otlp")
_MAX_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Options:
    """``project``: everything goes to this one of LangSmith's, else to one of the same name. ``workspace_id``: a UUID.
    ``protocol``: ``otlp`` for gateways that let nothing else through; less arrives. ``timeout_s``: until an answer is
    given up on. ``ca_file``: trusted instead of the system's certificates."""

    project: str | None = None
    workspace_id: str | None = None
    protocol: Literal["native", "otlp"] = "native"
    timeout_s: float = 30.0
    ca_file: str | None = None


def options_of(given: Mapping[str, Any]) -> Options:
    """Raises ``ValueError`` for what there is not, in a line that is fit for the operator."""
    known = {field.name for field in fields(Options)}
    if unknown := sorted(given.keys() - known):
        raise ValueError(f"options.{unknown[0]}: there is no such option; there are {', '.join(sorted(known))}")
    for name in ("project", "workspace_id", "ca_file"):
        value = given.get(name)
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise ValueError(f"options.{name}: must be a text")
    if given.get("protocol", "native") not in _PROTOCOLS:
        raise ValueError(f"options.protocol: must be one of {', '.join(_PROTOCOLS)}")
    seconds = given.get("timeout_s", 30.0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _MAX_S:
        raise ValueError(f"options.timeout_s: must be a number of seconds up to {_MAX_S:g}")
    return Options(**given)
