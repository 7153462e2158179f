"""Sending to Phoenix (https://github.com/Arize-ai/phoenix)."""

from __future__ import annotations

from collections.abc import Mapping

from collector.destinations import Destination
from collector.exporters.api import Exporter
from collector.exporters.phoenix.exporter import Phoenix
from collector.exporters.phoenix.options import options_of


def build(destination: Destination, secrets: Mapping[str, str]) -> Exporter:
    """``secrets``: the values of ``api_key`` and of headers, by name. Raises ``ValueError`` for options that there are
    not, in a line that is fit for the operator."""
    headers = {name: secrets.get(name, value) for name, value in destination.headers.items()}
    key = secrets.get("api_key")
    if key and not any(name.lower() == "authorization" for name in headers):
        headers["Authorization"] = f"Bearer {key}"
    return Phoenix(destination.endpoint, headers, options_of(destination.options))
