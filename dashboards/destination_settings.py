"""A destination's settings as a list of names and values. Pure. Of secrets only the place is shown."""

from __future__ import annotations

from dataclasses import dataclass

from collector.destinations import REFERENCES, Destination, Masking
from dashboards import format as fmt
from dashboards.operations import LABELS


@dataclass(frozen=True, slots=True)
class Setting:
    """``mono`` for what is no prose. Without ``values`` it is not set, and ``unset`` says what that means."""

    name: str
    values: tuple[str, ...] = ()
    unset: str = "none"
    mono: bool = False


def settings(destination: Destination) -> list[Setting]:
    key = (place(destination.api_key),) if destination.api_key is not None else ()
    found = [
        Setting("Kind", (LABELS.get(destination.kind, destination.kind),)),
        Setting("Endpoint", (destination.endpoint,), mono=True),
        Setting("Key", key, mono=True),
    ]
    if destination.headers:
        headers = tuple(f"{name}: {place(value)}" for name, value in destination.headers.items())
        found.append(Setting("Headers", headers, mono=True))
    found += [
        Setting("Projects", destination.projects, "all"),
        Setting("Filter", (destination.filter,) if destination.filter else (), "every span", mono=True),
        Setting("Sampling", (sampling(destination.sample_rate),)),
        Setting("Masking", _masking(destination.masking)),
    ]
    if destination.options:
        options = tuple(f"{name} = {fmt.line(value)}" for name, value in destination.options.items())
        found.append(Setting("Options", options, mono=True))
    return found


def place(said: str) -> str:
    """Where a secret is. What is no place may be a secret itself, and is not shown."""
    return said if said.startswith(REFERENCES) else "(a value)"


def sampling(rate: float) -> str:
    return "every trace" if rate >= 1 else f"{rate * 100:.4g} % of traces"


def _masking(masking: Masking | None) -> tuple[str, ...]:
    if masking is None:
        return ()
    keys = (f"values of {', '.join(masking.keys)}",) if masking.keys else ()
    return (", ".join(masking.patterns),) * bool(masking.patterns) + (keys or ("values of keys that name secrets",))
