"""Parquet files as a destination, in a directory (``/a/path``) or a bucket (``s3://bucket/prefix``).

Options for buckets: ``region`` (AWS_REGION, else us-east-1), ``s3_endpoint`` (a server other than AWS's),
``access_key`` (the id; its secret is the destination's ``api_key``) and ``ca_file``. For both: ``timeout_s`` to write
one parcel (100).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from collector.destinations import Destination
from collector.exporters.api import Exporter

_DEFAULTS: Final[dict[str, Any]] = {
    "region": None,
    "s3_endpoint": None,
    "access_key": None,
    "ca_file": None,
    "timeout_s": 100.0,
}
OPTIONS: Final = frozenset(_DEFAULTS)
#: Forwarding waits no longer for any destination.
MAX_SECONDS: Final = 120


def build(destination: Destination, secrets: Mapping[str, str]) -> Exporter:
    """``secrets``: ``api_key``, the secret of ``options.access_key``. Raises ``ValueError`` with what is wrong with the
    destination, or where pyarrow is not installed."""
    options = {**_DEFAULTS, **destination.options}
    secret = secrets.get("api_key")
    if faults := [*_faults(options, secret)]:
        raise ValueError("; ".join(faults))
    try:
        # 60 MB that a collector without an archive does not need.
        from collector.exporters.archive.exporter import ArchiveExporter
        from collector.exporters.archive.files import bucket_of, directory_of
    except ImportError as error:
        raise ValueError(f"archives need the extra 'archive' (pyarrow): {error}") from None
    endpoint = destination.endpoint
    if endpoint.startswith("s3://"):
        try:
            files = bucket_of(endpoint, options, secret)
        except OSError as error:
            raise ValueError(f"the bucket cannot be used: {type(error).__name__}") from None
        return ArchiveExporter(endpoint, files, float(options["timeout_s"]), secret)
    return ArchiveExporter(endpoint, directory_of(endpoint), float(options["timeout_s"]))


def _faults(options: Mapping[str, Any], secret: str | None) -> Iterator[str]:
    for name in sorted(options.keys() - OPTIONS):
        yield f"options.{name}: there is none of that name"
    for name in ("region", "s3_endpoint", "access_key", "ca_file"):
        if not isinstance(options[name], str | None):
            yield f"options.{name}: must be text"
    if (options["access_key"] is None) != (secret is None):
        yield "options.access_key and api_key: both or none"
    seconds = options["timeout_s"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SECONDS:
        yield f"options.timeout_s: must be a number of seconds up to {MAX_SECONDS}"
