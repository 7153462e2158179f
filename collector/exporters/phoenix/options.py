"""What can be said of a destination of this kind beside its address and key. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

_SESSIONS: Final = ("by_project", "as_sent")
_MAX_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Options:
    """``sessions``: Phoenix knows a session by its id alone, over all projects, and puts the traces of a second project
    with the same id into the first one's session; so ids get their project in front (``by_project``), unless it is
    known that they are unique (``as_sent``). ``timeout_s``: until an answer is given up on. ``ca_file``: trusted
    instead of the system's certificates."""

    sessions: Literal["by_project", "as_sent"] = "by_project"
    timeout_s: float = 30.0
    ca_file: str | None = None


def options_of(given: Mapping[str, Any]) -> Options:
    """Raises ``ValueError`` for what there is not, in a line that is fit for the operator."""
    known = {field.name for field in fields(Options)}
    if unknown := sorted(given.keys() - known):
        raise ValueError(f"options.{unknown[0]}: there is no such option; there are {', '.join(sorted(known))}")
    if given.get("sessions", "by_project") not in _SESSIONS:
        raise ValueError(f"options.sessions: must be one of {', '.join(_SESSIONS)}")
    ca_file = given.get("ca_file")
    if ca_file is not None and not (isinstance(ca_file, str) and ca_file.strip()):
        raise ValueError("options.ca_file: must be a path")
    seconds = given.get("timeout_s", 30.0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _MAX_S:
        raise ValueError(f"options.timeout_s: must be a number of seconds up to {_MAX_S:g}")
    return Options(**given)
