"""What LangSmith's clients ask first, and choose their ways of sending by. Pure."""

from __future__ import annotations

from typing import Any, Final

from collector.receivers.body import Limits

#: From 0.8.10 on clients send feedback along with runs; below 0.16.0 they warn.
VERSION: Final = "0.20.0"
#: The client's own bound.
_USUAL_BYTES: Final = 20 * 1024 * 1024


def info(limits: Limits) -> dict[str, Any]:
    """Only what is there: nothing of datasets, and no store of which the client would refuse to read."""
    return {
        "version": VERSION,
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "size_limit": 100,
            "size_limit_bytes": min(_USUAL_BYTES, limits.body_bytes, limits.decompressed_bytes),
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
        },
        "instance_flags": {"zstd_compression_enabled": True},
    }
