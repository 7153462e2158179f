"""Where an archive's files lie: in a directory or in a bucket. A file is there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from pyarrow import fs

#: Seconds until a connection to a bucket's server is given up.
_CONNECT_S: Final = 10.0


class Files(Protocol):
    """Paths are relative, with ``/``. Methods block, and raise ``OSError``."""

    def put(self, path: str, data: Any) -> None:
        """Replaces what was there. Returns once it will outlive a crash."""
        ...

    def delete(self, path: str) -> None: ...


class Directory:
    """A temporary file is written, brought to the disk, and renamed: ``.NAME.PROCESS.THREAD.tmp`` beside the file,
    which no reader of ``*.parquet`` sees, and which stays only where the machine or the process died."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, path: str, data: Any) -> None:
        target = self._root / path
        _make(target.parent)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync(target.parent)

    def delete(self, path: str) -> None:
        (self._root / path).unlink(missing_ok=True)


class Bucket:
    """``root`` is ``bucket/prefix``. A file up to some megabytes is one PUT, a longer one a multipart upload, which is
    there once it is complete."""

    def __init__(self, system: Any, root: str) -> None:
        self._system, self._root = system, root

    def put(self, path: str, data: Any) -> None:
        with self._system.open_output_stream(f"{self._root}/{path}") as stream:
            stream.write(data)

    def delete(self, path: str) -> None:
        self._system.delete_file(f"{self._root}/{path}")


def directory_of(endpoint: str) -> Directory:
    """Of ``/a/path`` or ``file:///a/path``. Raises ``ValueError``."""
    parts = urlsplit(endpoint)
    root = Path(parts.path if parts.scheme == "file" and not parts.netloc else endpoint)
    if not root.is_absolute():
        raise ValueError("endpoint: must be an absolute path, or s3://BUCKET/PREFIX")
    return Directory(root)


def bucket_of(endpoint: str, options: Mapping[str, Any], secret: str | None) -> Bucket:
    """Of ``s3://bucket/prefix``; ``secret`` belongs to ``options["access_key"]``, and without both they are found where
    AWS's own tools find them. Raises ``ValueError``."""
    parts = urlsplit(endpoint)
    if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("endpoint: must be s3://BUCKET/PREFIX")
    server = urlsplit(options["s3_endpoint"] or "https:")
    if server.scheme not in ("http", "https") or (options["s3_endpoint"] and not server.hostname):
        raise ValueError("options.s3_endpoint: must be http://HOST:PORT or https://HOST:PORT")
    system = fs.S3FileSystem(
        access_key=options["access_key"],
        secret_key=secret,
        region=options["region"] or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        scheme=server.scheme,
        endpoint_override=server.netloc or None,
        connect_timeout=_CONNECT_S,
        tls_ca_file_path=options["ca_file"],
        # The first request is then the PUT itself.
        allow_delayed_open=True,
        background_writes=False,
    )
    return Bucket(system, f"{parts.netloc}{parts.path}".rstrip("/"))


def _make(folder: Path) -> None:
    """The folder and those above it, each in its parent for good."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
